package app

import (
	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	"github.com/cosmos/cosmos-sdk/codec/address"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	"github.com/cosmos/cosmos-sdk/std"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	"github.com/cosmos/cosmos-sdk/x/auth"
	authtx "github.com/cosmos/cosmos-sdk/x/auth/tx"
	authzmodule "github.com/cosmos/cosmos-sdk/x/authz/module"
	"github.com/cosmos/cosmos-sdk/x/bank"
	"github.com/cosmos/cosmos-sdk/x/consensus"
	"github.com/cosmos/cosmos-sdk/x/distribution"
	"github.com/cosmos/cosmos-sdk/x/evidence"
	feegrantmodule "github.com/cosmos/cosmos-sdk/x/feegrant/module"
	"github.com/cosmos/cosmos-sdk/x/genutil"
	"github.com/cosmos/cosmos-sdk/x/gov"
	"github.com/cosmos/cosmos-sdk/x/mint"
	"github.com/cosmos/cosmos-sdk/x/slashing"
	"github.com/cosmos/cosmos-sdk/x/staking"
	"github.com/cosmos/cosmos-sdk/x/tx/signing"
	"github.com/cosmos/cosmos-sdk/x/upgrade"
	"github.com/cosmos/gogoproto/proto"

	"github.com/cosmos/ibc-go/v11/modules/apps/transfer"
	ibc "github.com/cosmos/ibc-go/v11/modules/core"
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

// AddressPrefix begins every address; validators and their consensus keys have
// it with the SDK's endings.
const AddressPrefix = "koinon"

// CoinType is the number under which wallets derive keys (SLIP-44): that of
// Cosmos, so that every wallet made for it works.
const CoinType = 118

func init() {
	config := sdk.GetConfig()
	config.SetBech32PrefixForAccount(AddressPrefix, AddressPrefix+sdk.PrefixPublic)
	config.SetBech32PrefixForValidator(AddressPrefix+"valoper", AddressPrefix+"valoper"+sdk.PrefixPublic)
	config.SetBech32PrefixForConsensusNode(AddressPrefix+"valcons", AddressPrefix+"valcons"+sdk.PrefixPublic)
	config.SetCoinType(CoinType)
	config.Seal()
}

// messageModules are the modules that have messages, without their state.
var messageModules = []module.AppModuleBasic{
	auth.AppModuleBasic{}, bank.AppModuleBasic{}, staking.AppModuleBasic{}, slashing.AppModuleBasic{}, mint.AppModuleBasic{},
	distribution.AppModuleBasic{}, gov.AppModuleBasic{}, feegrantmodule.AppModuleBasic{}, authzmodule.AppModuleBasic{},
	upgrade.AppModuleBasic{}, evidence.AppModuleBasic{}, consensus.AppModuleBasic{}, genutil.AppModuleBasic{},
	ibc.AppModuleBasic{}, transfer.AppModuleBasic{}, ibctm.AppModuleBasic{},
	beacon.NewAppModule(nil), model.NewAppModule(nil), share.NewAppModule(nil), provider.NewAppModule(nil), curation.NewAppModule(nil), escrow.NewAppModule(nil), audit.NewAppModule(nil), challenge.NewAppModule(nil),
	pool.NewAppModule(nil), offering.NewAppModule(nil), assembly.NewAppModule(nil), pin.NewAppModule(nil), access.NewAppModule(nil),
}

// Encoding is how messages, transactions and state are written.
type Encoding struct {
	Registry codectypes.InterfaceRegistry
	Codec    codec.Codec
	Amino    *codec.LegacyAmino
	TxConfig client.TxConfig
}

// NewEncoding knows the messages of every module.
func NewEncoding() (Encoding, error) {
	registry, err := codectypes.NewInterfaceRegistryWithOptions(codectypes.InterfaceRegistryOptions{
		ProtoFiles: proto.HybridResolver,
		SigningOptions: signing.Options{
			AddressCodec:          address.NewBech32Codec(AddressPrefix),
			ValidatorAddressCodec: address.NewBech32Codec(AddressPrefix + "valoper"),
		},
	})
	if err != nil {
		return Encoding{}, err
	}
	cdc := codec.NewProtoCodec(registry)
	amino := codec.NewLegacyAmino()
	std.RegisterInterfaces(registry)
	std.RegisterLegacyAminoCodec(amino)
	for _, m := range messageModules {
		m.RegisterInterfaces(registry)
		m.RegisterLegacyAminoCodec(amino)
	}
	return Encoding{registry, cdc, amino, authtx.NewTxConfig(cdc, authtx.DefaultSignModes)}, nil
}
