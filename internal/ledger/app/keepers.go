package app

import (
	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/codec/address"
	"github.com/cosmos/cosmos-sdk/runtime"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	authkeeper "github.com/cosmos/cosmos-sdk/x/auth/keeper"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	authzkeeper "github.com/cosmos/cosmos-sdk/x/authz/keeper"
	bankkeeper "github.com/cosmos/cosmos-sdk/x/bank/keeper"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	consensuskeeper "github.com/cosmos/cosmos-sdk/x/consensus/keeper"
	consensustypes "github.com/cosmos/cosmos-sdk/x/consensus/types"
	distributionkeeper "github.com/cosmos/cosmos-sdk/x/distribution/keeper"
	distributiontypes "github.com/cosmos/cosmos-sdk/x/distribution/types"
	evidencekeeper "github.com/cosmos/cosmos-sdk/x/evidence/keeper"
	evidencetypes "github.com/cosmos/cosmos-sdk/x/evidence/types"
	"github.com/cosmos/cosmos-sdk/x/feegrant"
	feegrantkeeper "github.com/cosmos/cosmos-sdk/x/feegrant/keeper"
	govkeeper "github.com/cosmos/cosmos-sdk/x/gov/keeper"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	mintkeeper "github.com/cosmos/cosmos-sdk/x/mint/keeper"
	minttypes "github.com/cosmos/cosmos-sdk/x/mint/types"
	slashingkeeper "github.com/cosmos/cosmos-sdk/x/slashing/keeper"
	slashingtypes "github.com/cosmos/cosmos-sdk/x/slashing/types"
	stakingkeeper "github.com/cosmos/cosmos-sdk/x/staking/keeper"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"
	upgradekeeper "github.com/cosmos/cosmos-sdk/x/upgrade/keeper"
	upgradetypes "github.com/cosmos/cosmos-sdk/x/upgrade/types"

	"github.com/cosmos/ibc-go/v11/modules/apps/transfer"
	transferkeeper "github.com/cosmos/ibc-go/v11/modules/apps/transfer/keeper"
	transfertypes "github.com/cosmos/ibc-go/v11/modules/apps/transfer/types"
	porttypes "github.com/cosmos/ibc-go/v11/modules/core/05-port/types"
	ibcexported "github.com/cosmos/ibc-go/v11/modules/core/exported"
	ibckeeper "github.com/cosmos/ibc-go/v11/modules/core/keeper"
	ibctm "github.com/cosmos/ibc-go/v11/modules/light-clients/07-tendermint"

	"github.com/koinon/koinon/internal/ledger/x/access"
	"github.com/koinon/koinon/internal/ledger/x/assembly"
	"github.com/koinon/koinon/internal/ledger/x/audit"
	"github.com/koinon/koinon/internal/ledger/x/beacon"
	"github.com/koinon/koinon/internal/ledger/x/challenge"
	"github.com/koinon/koinon/internal/ledger/x/curation"
	"github.com/koinon/koinon/internal/ledger/x/escrow"
	"github.com/koinon/koinon/internal/ledger/x/model"
	"github.com/koinon/koinon/internal/ledger/x/offering"
	"github.com/koinon/koinon/internal/ledger/x/pin"
	"github.com/koinon/koinon/internal/ledger/x/pool"
	"github.com/koinon/koinon/internal/ledger/x/provider"
	"github.com/koinon/koinon/internal/ledger/x/share"
)

// storeKeys names every module's part of the state.
var storeKeys = []string{
	authtypes.StoreKey, banktypes.StoreKey, stakingtypes.StoreKey, slashingtypes.StoreKey, minttypes.StoreKey,
	distributiontypes.StoreKey, govtypes.StoreKey, feegrant.StoreKey, authzkeeper.StoreKey, upgradetypes.StoreKey,
	evidencetypes.StoreKey, consensustypes.StoreKey, ibcexported.StoreKey, transfertypes.StoreKey,
	beacon.ModuleName, model.ModuleName, share.ModuleName, provider.ModuleName, curation.ModuleName, escrow.ModuleName, audit.ModuleName, challenge.ModuleName,
	pool.ModuleName, offering.ModuleName, assembly.ModuleName, pin.ModuleName, access.StoreKey,
}

// accounts are the modules that hold money, and what more they may do with it.
var accounts = map[string][]string{
	authtypes.FeeCollectorName:     nil,
	distributiontypes.ModuleName:   nil,
	minttypes.ModuleName:           {authtypes.Minter},
	stakingtypes.BondedPoolName:    {authtypes.Burner, authtypes.Staking},
	stakingtypes.NotBondedPoolName: {authtypes.Burner, authtypes.Staking},
	govtypes.ModuleName:            {authtypes.Burner},
	transfertypes.ModuleName:       {authtypes.Minter, authtypes.Burner},
	share.ModuleName:               {authtypes.Minter},
	provider.ModuleName:            nil,
	curation.ModuleName:            nil,
	escrow.ModuleName:              {authtypes.Minter, authtypes.Burner},
	audit.ModuleName:               {authtypes.Burner},
	challenge.ModuleName:           nil,
	pool.ModuleName:                nil,
	offering.ModuleName:            nil,
	pin.ModuleName:                 nil,
	access.ModuleName:              nil,
}

// Keepers are the modules' stores.
type Keepers struct {
	Account      authkeeper.AccountKeeper
	Bank         bankkeeper.BaseKeeper
	Staking      *stakingkeeper.Keeper
	Slashing     slashingkeeper.Keeper
	Mint         mintkeeper.Keeper
	Distribution distributionkeeper.Keeper
	Gov          *govkeeper.Keeper
	FeeGrant     feegrantkeeper.Keeper
	Authz        authzkeeper.Keeper
	Upgrade      *upgradekeeper.Keeper
	Evidence     *evidencekeeper.Keeper
	Consensus    consensuskeeper.Keeper
	IBC          *ibckeeper.Keeper
	Transfer     *transferkeeper.Keeper

	Beacon   *beacon.Keeper
	Model    *model.Keeper
	Share    *share.Keeper
	Provider *provider.Keeper
	Curation *curation.Keeper
	Escrow   *escrow.Keeper
	Audit    *audit.Keeper

	Challenge *challenge.Keeper
	Pool      *pool.Keeper
	Offering  *offering.Keeper
	Assembly  *assembly.Keeper
	Pin       *pin.Keeper
	Access    *access.Keeper
}

// Authority is the account that governance acts as.
func Authority() string { return authtypes.NewModuleAddress(govtypes.ModuleName).String() }

// newKeepers wires the modules; each gets only the others that it needs.
func newKeepers(base *baseapp.BaseApp, e Encoding, keys map[string]*storetypes.KVStoreKey, home string) Keepers {
	var (
		k         Keepers
		authority = Authority()
		service   = runtime.NewKVStoreService
		addresses = address.NewBech32Codec(AddressPrefix)
		operators = address.NewBech32Codec(AddressPrefix + "valoper")
		consensus = address.NewBech32Codec(AddressPrefix + "valcons")
	)
	k.Consensus = consensuskeeper.NewKeeper(e.Codec, service(keys[consensustypes.StoreKey]), authority, runtime.EventService{})
	k.Account = authkeeper.NewAccountKeeper(e.Codec, service(keys[authtypes.StoreKey]), authtypes.ProtoBaseAccount, accounts, addresses, AddressPrefix, authority)
	k.Bank = bankkeeper.NewBaseKeeper(e.Codec, service(keys[banktypes.StoreKey]), k.Account, blocked(), authority, base.Logger())
	k.Staking = stakingkeeper.NewKeeper(e.Codec, service(keys[stakingtypes.StoreKey]), k.Account, k.Bank, authority, operators, consensus)
	k.Mint = mintkeeper.NewKeeper(e.Codec, service(keys[minttypes.StoreKey]), k.Staking, k.Account, k.Bank, authtypes.FeeCollectorName, authority)
	k.Distribution = distributionkeeper.NewKeeper(e.Codec, service(keys[distributiontypes.StoreKey]), k.Account, k.Bank, k.Staking, authtypes.FeeCollectorName, authority)
	k.Slashing = slashingkeeper.NewKeeper(e.Codec, e.Amino, service(keys[slashingtypes.StoreKey]), k.Staking, authority)
	k.Staking.SetHooks(stakingtypes.NewMultiStakingHooks(k.Distribution.Hooks(), k.Slashing.Hooks()))
	k.FeeGrant = feegrantkeeper.NewKeeper(e.Codec, service(keys[feegrant.StoreKey]), k.Account)
	k.Authz = authzkeeper.NewKeeper(service(keys[authzkeeper.StoreKey]), e.Codec, base.MsgServiceRouter(), k.Account)
	k.Upgrade = upgradekeeper.NewKeeper(nil, service(keys[upgradetypes.StoreKey]), e.Codec, home, base, authority)
	k.Evidence = evidencekeeper.NewKeeper(e.Codec, service(keys[evidencetypes.StoreKey]), k.Staking, k.Slashing, addresses, runtime.ProvideCometInfoService())
	k.Gov = govkeeper.NewKeeper(e.Codec, service(keys[govtypes.StoreKey]), k.Account, k.Bank, k.Distribution, base.MsgServiceRouter(),
		govtypes.DefaultConfig(), authority, govkeeper.NewDefaultCalculateVoteResultsAndVotingPower(k.Staking))

	k.IBC = ibckeeper.NewKeeper(e.Codec, service(keys[ibcexported.StoreKey]), k.Upgrade, authority)
	k.Transfer = transferkeeper.NewKeeper(e.Codec, addresses, service(keys[transfertypes.StoreKey]), k.IBC.ChannelKeeper, base.MsgServiceRouter(), k.Account, k.Bank, authority)
	k.IBC.SetRouter(porttypes.NewRouter().AddRoute(transfertypes.ModuleName, transfer.NewIBCModule(k.Transfer)))

	k.Beacon = beacon.NewKeeper(e.Codec, service(keys[beacon.ModuleName]), k.Staking, k.Slashing, authority)
	k.Model = model.NewKeeper(e.Codec, service(keys[model.ModuleName]), addresses, authority)
	k.Share = share.NewKeeper(e.Codec, service(keys[share.ModuleName]), addresses, authtypes.NewModuleAddress(share.ModuleName), k.Bank, k.Model)
	k.Bank.AppendSendRestriction(k.Share.BeforeSend)
	k.Offering = offering.NewKeeper(e.Codec, service(keys[offering.ModuleName]), addresses, authtypes.NewModuleAddress(offering.ModuleName),
		k.Bank, k.Distribution, k.Model, k.Share, authority)
	k.Assembly = assembly.NewKeeper(e.Codec, service(keys[assembly.ModuleName]), addresses, k.Share, k.Model, k.Offering, k.Bank,
		[]string{authtypes.NewModuleAddress(offering.ModuleName).String(), authtypes.NewModuleAddress(pool.ModuleName).String()}, authority)
	k.Pool = pool.NewKeeper(e.Codec, service(keys[pool.ModuleName]), addresses, authtypes.NewModuleAddress(pool.ModuleName), k.Bank,
		k.Share, assembly.Treasury, authority)
	k.Provider = provider.NewKeeper(e.Codec, service(keys[provider.ModuleName]), addresses,
		authtypes.NewModuleAddress(provider.ModuleName), k.Bank, k.Model, k.Assembly, authority)
	k.Curation = curation.NewKeeper(e.Codec, service(keys[curation.ModuleName]), addresses, authtypes.NewModuleAddress(curation.ModuleName),
		k.Bank, k.Distribution, k.Model, k.Provider, authority)
	k.Access = access.NewKeeper(e.Codec, service(keys[access.StoreKey]), addresses, authtypes.NewModuleAddress(access.ModuleName),
		k.Model, k.Share, k.Bank, k.Distribution, k.Account)
	k.Escrow = escrow.NewKeeper(e.Codec, service(keys[escrow.ModuleName]), addresses, authtypes.NewModuleAddress(escrow.ModuleName),
		k.Bank, k.Distribution, k.Model, k.Share, k.Provider, k.Curation, k.Access, k.Staking, authority)
	k.Audit = audit.NewKeeper(e.Codec, service(keys[audit.ModuleName]), addresses, authtypes.NewModuleAddress(audit.ModuleName),
		k.Bank, k.Beacon, k.Model, k.Provider, k.Escrow, k.Curation, authority)
	k.Challenge = challenge.NewKeeper(e.Codec, service(keys[challenge.ModuleName]),
		authtypes.NewModuleAddress(challenge.ModuleName).String(), k.Beacon, k.Model, k.Provider, k.Audit, authority)
	k.Audit.Hear(k.Challenge)
	k.Pin = pin.NewKeeper(e.Codec, service(keys[pin.ModuleName]), addresses, authtypes.NewModuleAddress(pin.ModuleName),
		k.Bank, k.Distribution, k.Beacon, k.Model, authority)
	return k
}

// lightClient verifies other ledgers that run CometBFT, for IBC.
func (k *Keepers) lightClient(e Encoding) ibctm.LightClientModule {
	client := ibctm.NewLightClientModule(e.Codec, k.IBC.ClientKeeper.GetStoreProvider())
	k.IBC.ClientKeeper.AddRoute(ibctm.ModuleName, &client)
	return client
}

// blocked are the accounts that nobody may send to: the modules', but for that
// of governance, which is an authority and may be paid.
func blocked() map[string]bool {
	list := map[string]bool{}
	for name := range accounts {
		if name != govtypes.ModuleName {
			list[authtypes.NewModuleAddress(name).String()] = true
		}
	}
	return list
}
