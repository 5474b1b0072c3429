package app

import (
	"errors"
	"fmt"
	"math/bits"
	"time"

	sdkmath "cosmossdk.io/math"

	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	cryptotypes "github.com/cosmos/cosmos-sdk/crypto/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	govv1 "github.com/cosmos/cosmos-sdk/x/gov/types/v1"
	minttypes "github.com/cosmos/cosmos-sdk/x/mint/types"
	slashingtypes "github.com/cosmos/cosmos-sdk/x/slashing/types"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"

	assemblyv1 "github.com/koinon/koinon/api/koinon/assembly/v1"
	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	beaconv1 "github.com/koinon/koinon/api/koinon/beacon/v1"
	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	pinv1 "github.com/koinon/koinon/api/koinon/pin/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/ledger/x/assembly"
	"github.com/koinon/koinon/internal/ledger/x/audit"
	"github.com/koinon/koinon/internal/ledger/x/beacon"
	"github.com/koinon/koinon/internal/ledger/x/challenge"
	"github.com/koinon/koinon/internal/ledger/x/escrow"
	"github.com/koinon/koinon/internal/ledger/x/pin"
	"github.com/koinon/koinon/internal/ledger/x/provider"
)

// Account is an account that a genesis funds.
type Account struct {
	Address string
	Koin    uint64 // ukoin
	Credit  uint64 // ucredit
}

// Validator is one that a genesis begins with.
type Validator struct {
	Operator     string // account address
	ConsensusKey cryptotypes.PubKey
	Stake        uint64 // ukoin, on top of the account's
	Moniker      string
}

// GenesisConfig describes a new ledger.
type GenesisConfig struct {
	Accounts   []Account
	Validators []Validator
	// Issuer minted all credit that the accounts begin with.
	Issuer escrowv1.Issuer
	// Escrow and Provider are the modules' parameters; nil for the defaults.
	Escrow   *escrowv1.Params
	Provider *providerv1.Params
	// Beacon are the beacon's; nil for the defaults.
	Beacon *beaconv1.Params
	// Audit are the court's; nil for the defaults. AuditFund is what auditors are
	// paid of at first, in ucredit, of the issuer's.
	Audit     *auditv1.Params
	AuditFund uint64
	// Challenge are those of the epoch challenge; nil for the defaults.
	Challenge *challengev1.Params
	// Assembly are those of models' shareholders; nil for the defaults.
	Assembly *assemblyv1.Params
	// Pin are those of pins; nil for the defaults.
	Pin *pinv1.Params
	// VotingPeriod is governance's; zero for the default.
	VotingPeriod time.Duration
}

// NewGenesis makes the genesis of a new ledger.
func (app *App) NewGenesis(c GenesisConfig) (Genesis, error) {
	genesis := app.DefaultGenesis()
	if err := app.fund(genesis, &c); err != nil {
		return nil, err
	}
	if err := app.stake(genesis, c.Validators); err != nil {
		return nil, err
	}
	escrowState := escrow.DefaultGenesis()
	escrowState.Issuers = []escrowv1.Issuer{c.Issuer}
	if c.Escrow != nil {
		escrowState.Params = *c.Escrow
	}
	genesis[escrow.ModuleName] = app.Codec.MustMarshalJSON(escrowState)
	providerState := provider.DefaultGenesis()
	if c.Provider != nil {
		providerState.Params = *c.Provider
	}
	genesis[provider.ModuleName] = app.Codec.MustMarshalJSON(providerState)

	if c.Beacon != nil {
		beaconState := beacon.DefaultGenesis()
		beaconState.Params = *c.Beacon
		genesis[beacon.ModuleName] = app.Codec.MustMarshalJSON(beaconState)
	}

	if c.Audit != nil {
		auditState := audit.DefaultGenesis()
		auditState.Params = *c.Audit
		genesis[audit.ModuleName] = app.Codec.MustMarshalJSON(auditState)
	}
	if c.Challenge != nil {
		genesis[challenge.ModuleName] = app.Codec.MustMarshalJSON(&challengev1.GenesisState{Params: *c.Challenge})
	}

	if c.Assembly != nil {
		assemblyState := assembly.DefaultGenesis()
		assemblyState.Params = *c.Assembly
		genesis[assembly.ModuleName] = app.Codec.MustMarshalJSON(assemblyState)
	}

	if c.Pin != nil {
		genesis[pin.ModuleName] = app.Codec.MustMarshalJSON(&pinv1.GenesisState{Params: *c.Pin})
	}

	mint := minttypes.DefaultGenesisState()
	mint.Params.MintDenom = provider.BondDenom
	genesis[minttypes.ModuleName] = app.Codec.MustMarshalJSON(mint)
	gov := govv1.DefaultGenesisState()
	gov.Params.MinDeposit = coin(10_000_000)
	gov.Params.ExpeditedMinDeposit = coin(50_000_000)
	if c.VotingPeriod > 0 {
		half := c.VotingPeriod / 2
		gov.Params.VotingPeriod, gov.Params.ExpeditedVotingPeriod = &c.VotingPeriod, &half
	}
	genesis[govtypes.ModuleName] = app.Codec.MustMarshalJSON(gov)
	return genesis, app.basics.ValidateGenesis(app.Codec, app.TxConfig, genesis)
}

func coin(amount uint64) sdk.Coins {
	return sdk.NewCoins(sdk.NewCoin(provider.BondDenom, sdkmath.NewIntFromUint64(amount)))
}

// fund makes the accounts and their balances, and holds the issuer to what it minted.
func (app *App) fund(genesis Genesis, c *GenesisConfig) error {
	var (
		accounts []authtypes.GenesisAccount
		balances []banktypes.Balance
		minted   uint64
		staked   = sdkmath.ZeroInt()
	)
	for _, a := range c.Accounts {
		address, err := sdk.AccAddressFromBech32(a.Address)
		if err != nil {
			return fmt.Errorf("genesis account %q: %w", a.Address, err)
		}
		accounts = append(accounts, authtypes.NewBaseAccountWithAddress(address))
		balances = append(balances, banktypes.Balance{Address: a.Address, Coins: coin(a.Koin).Add(
			sdk.NewCoin(escrow.CreditDenom, sdkmath.NewIntFromUint64(a.Credit)))})
		sum, carry := bits.Add64(minted, a.Credit, 0)
		if carry != 0 {
			return errors.New("the accounts' credit does not fit in 64 bits")
		}
		minted = sum
	}
	minted, carry := bits.Add64(minted, c.AuditFund, 0)
	if carry != 0 || minted > c.Issuer.Cap {
		return fmt.Errorf("the accounts and the audit fund have %d ucredit, the issuer may mint %d", minted, c.Issuer.Cap)
	}
	c.Issuer.Outstanding = minted
	for _, v := range c.Validators {
		staked = staked.Add(sdkmath.NewIntFromUint64(v.Stake))
	}
	balances = append(balances, banktypes.Balance{
		Address: authtypes.NewModuleAddress(stakingtypes.BondedPoolName).String(),
		Coins:   sdk.NewCoins(sdk.NewCoin(provider.BondDenom, staked)),
	})
	if c.AuditFund > 0 {
		balances = append(balances, banktypes.Balance{
			Address: authtypes.NewModuleAddress(audit.ModuleName).String(),
			Coins:   sdk.NewCoins(sdk.NewCoin(escrow.CreditDenom, sdkmath.NewIntFromUint64(c.AuditFund))),
		})
	}
	genesis[authtypes.ModuleName] = app.Codec.MustMarshalJSON(authtypes.NewGenesisState(authtypes.DefaultParams(), accounts))
	state := banktypes.DefaultGenesisState()
	state.Balances = balances
	state.DenomMetadata = metadata
	genesis[banktypes.ModuleName] = app.Codec.MustMarshalJSON(state)
	return nil
}

// metadata tells wallets how to show the two tokens.
var metadata = []banktypes.Metadata{
	{
		Base: provider.BondDenom, Display: "koin", Name: "Koin", Symbol: "KOIN",
		Description: "Bonds, consensus stake and governance of the koinon ledger.",
		DenomUnits:  []*banktypes.DenomUnit{{Denom: provider.BondDenom}, {Denom: "koin", Exponent: 6}},
	},
	{
		Base: escrow.CreditDenom, Display: "credit", Name: "Credit", Symbol: "CREDIT",
		Description: "What inference is priced and paid in: one credit is one US dollar, issued and redeemed by admitted issuers.",
		DenomUnits:  []*banktypes.DenomUnit{{Denom: escrow.CreditDenom}, {Denom: "credit", Exponent: 6}},
	},
}

// stake makes the first validators, bonded and delegated to by themselves.
func (app *App) stake(genesis Genesis, list []Validator) error {
	state := stakingtypes.DefaultGenesisState()
	state.Params.BondDenom = provider.BondDenom
	slashing := slashingtypes.DefaultGenesisState()
	for _, v := range list {
		operator, err := sdk.AccAddressFromBech32(v.Operator)
		if err != nil {
			return fmt.Errorf("genesis validator %q: %w", v.Operator, err)
		}
		key, err := codectypes.NewAnyWithValue(v.ConsensusKey)
		if err != nil {
			return err
		}
		tokens := sdkmath.NewIntFromUint64(v.Stake)
		state.Validators = append(state.Validators, stakingtypes.Validator{
			OperatorAddress: sdk.ValAddress(operator).String(), ConsensusPubkey: key, Status: stakingtypes.Bonded,
			Tokens: tokens, DelegatorShares: sdkmath.LegacyNewDecFromInt(tokens),
			Description: stakingtypes.NewDescription(v.Moniker, "", "", "", ""), UnbondingTime: time.Unix(0, 0).UTC(),
			Commission:        stakingtypes.NewCommission(sdkmath.LegacyNewDecWithPrec(5, 2), sdkmath.LegacyOneDec(), sdkmath.LegacyOneDec()),
			MinSelfDelegation: sdkmath.OneInt(),
		})
		state.Delegations = append(state.Delegations,
			stakingtypes.NewDelegation(v.Operator, sdk.ValAddress(operator).String(), sdkmath.LegacyNewDecFromInt(tokens)))
		consensus := sdk.ConsAddress(v.ConsensusKey.Address())
		slashing.SigningInfos = append(slashing.SigningInfos, slashingtypes.SigningInfo{
			Address: consensus.String(), ValidatorSigningInfo: slashingtypes.NewValidatorSigningInfo(consensus, 0, 0, time.Unix(0, 0).UTC(), false, 0),
		})
	}
	genesis[slashingtypes.ModuleName] = app.Codec.MustMarshalJSON(slashing)
	genesis[stakingtypes.ModuleName] = app.Codec.MustMarshalJSON(state)
	return nil
}
