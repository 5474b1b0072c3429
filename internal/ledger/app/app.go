package app

import (
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"sync"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
	reflectionv1 "cosmossdk.io/api/cosmos/reflection/v1"
	"cosmossdk.io/log/v2"
	abci "github.com/cometbft/cometbft/abci/types"
	cmted25519 "github.com/cometbft/cometbft/crypto/ed25519"
	cmtproto "github.com/cometbft/cometbft/proto/tendermint/types"
	dbm "github.com/cosmos/cosmos-db"

	"github.com/cosmos/cosmos-sdk/baseapp"
	"github.com/cosmos/cosmos-sdk/baseapp/txnrunner"
	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/client/grpc/cmtservice"
	"github.com/cosmos/cosmos-sdk/client/grpc/node"
	"github.com/cosmos/cosmos-sdk/runtime/services"
	"github.com/cosmos/cosmos-sdk/server/api"
	"github.com/cosmos/cosmos-sdk/server/config"
	servertypes "github.com/cosmos/cosmos-sdk/server/types"
	storetypes "github.com/cosmos/cosmos-sdk/store/v2/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	"github.com/cosmos/cosmos-sdk/x/auth"
	authtx "github.com/cosmos/cosmos-sdk/x/auth/tx"
	authtypes "github.com/cosmos/cosmos-sdk/x/auth/types"
	"github.com/cosmos/cosmos-sdk/x/authz"
	authzmodule "github.com/cosmos/cosmos-sdk/x/authz/module"
	"github.com/cosmos/cosmos-sdk/x/bank"
	banktypes "github.com/cosmos/cosmos-sdk/x/bank/types"
	"github.com/cosmos/cosmos-sdk/x/consensus"
	consensustypes "github.com/cosmos/cosmos-sdk/x/consensus/types"
	"github.com/cosmos/cosmos-sdk/x/distribution"
	distributiontypes "github.com/cosmos/cosmos-sdk/x/distribution/types"
	"github.com/cosmos/cosmos-sdk/x/evidence"
	evidencetypes "github.com/cosmos/cosmos-sdk/x/evidence/types"
	"github.com/cosmos/cosmos-sdk/x/feegrant"
	feegrantmodule "github.com/cosmos/cosmos-sdk/x/feegrant/module"
	"github.com/cosmos/cosmos-sdk/x/genutil"
	genutiltypes "github.com/cosmos/cosmos-sdk/x/genutil/types"
	"github.com/cosmos/cosmos-sdk/x/gov"
	govtypes "github.com/cosmos/cosmos-sdk/x/gov/types"
	"github.com/cosmos/cosmos-sdk/x/mint"
	minttypes "github.com/cosmos/cosmos-sdk/x/mint/types"
	"github.com/cosmos/cosmos-sdk/x/slashing"
	slashingtypes "github.com/cosmos/cosmos-sdk/x/slashing/types"
	"github.com/cosmos/cosmos-sdk/x/staking"
	stakingtypes "github.com/cosmos/cosmos-sdk/x/staking/types"
	"github.com/cosmos/cosmos-sdk/x/upgrade"
	upgradetypes "github.com/cosmos/cosmos-sdk/x/upgrade/types"

	"github.com/cosmos/ibc-go/v11/modules/apps/transfer"
	transfertypes "github.com/cosmos/ibc-go/v11/modules/apps/transfer/types"
	ibc "github.com/cosmos/ibc-go/v11/modules/core"
	ibcexported "github.com/cosmos/ibc-go/v11/modules/core/exported"
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

// Name is the application's name.
const Name = "koinon"

// Genesis is the state that a ledger begins with, by module.
type Genesis map[string]json.RawMessage

// App is the ledger's state machine.
type App struct {
	*baseapp.BaseApp
	Encoding
	Keepers

	keys         map[string]*storetypes.KVStoreKey
	modules      *module.Manager
	basics       module.BasicManager
	configurator module.Configurator
	trees        sync.RWMutex // held by blocks to change the state, by simulations to read it

	// consensusKey contributes to the beacon; nil for a node that does not vote.
	consensusKey cmted25519.PrivKey
}

var _ servertypes.Application = (*App)(nil)

// New makes the application on a database and loads its latest state. Home is
// where the upgrade module leaves word of what it needs.
func New(logger log.Logger, db dbm.DB, home string, options ...func(*baseapp.BaseApp)) (*App, error) {
	encoding, err := NewEncoding()
	if err != nil {
		return nil, err
	}
	base := baseapp.NewBaseApp(Name, logger, db, encoding.TxConfig.TxDecoder(), options...)
	base.SetInterfaceRegistry(encoding.Registry)
	base.SetTxEncoder(encoding.TxConfig.TxEncoder())
	keys := storetypes.NewKVStoreKeys(storeKeys...)
	app := &App{BaseApp: base, Encoding: encoding, Keepers: newKeepers(base, encoding, keys, home), keys: keys}
	app.SetParamStore(app.Consensus.ParamsStore)
	app.addModules()
	app.orderModules()
	if err := app.serve(); err != nil {
		return nil, err
	}
	app.MountKVStores(keys)
	app.SetInitChainer(app.initChain)
	app.SetPreBlocker(func(ctx sdk.Context, request *abci.RequestFinalizeBlock) (*sdk.ResponsePreBlock, error) {
		if err := app.Beacon.PreBlock(ctx, request.Txs); err != nil {
			return nil, err
		}
		return app.modules.PreBlock(ctx)
	})
	app.setProposals()
	app.SetBeginBlocker(func(ctx sdk.Context) (sdk.BeginBlock, error) { return app.modules.BeginBlock(ctx) })
	app.SetEndBlocker(func(ctx sdk.Context) (sdk.EndBlock, error) { return app.modules.EndBlock(ctx) })
	ante, err := app.newAnteHandler()
	if err != nil {
		return nil, err
	}
	app.SetAnteHandler(ante)
	return app, app.LoadLatestVersion()
}

// setProposals makes blocks begin with the validators' contributions to the
// beacon; the transactions after them are the SDK's to choose and to judge.
func (app *App) setProposals() {
	standard := baseapp.NewDefaultProposalHandler(app.Mempool(), app)
	app.SetPrepareProposal(app.Beacon.PrepareProposal(standard.PrepareProposalHandler()))
	app.SetProcessProposal(app.Beacon.ProcessProposal(standard.ProcessProposalHandler()))
	app.SetVerifyVoteExtensionHandler(app.Beacon.VerifyVoteExtension)
	app.SetExtendVoteHandler(func(ctx sdk.Context, request *abci.RequestExtendVote) (*abci.ResponseExtendVote, error) {
		return app.Beacon.ExtendVote(app.consensusKey)(ctx, request)
	})
}

// Contribute makes the node's votes carry its contribution to the beacon. It is
// to be called before the first block, with the key that the node votes with.
func (app *App) Contribute(key cmted25519.PrivKey) { app.consensusKey = key }

func (app *App) addModules() {
	c, k := app.Codec, &app.Keepers
	app.modules = module.NewManager(
		genutil.NewAppModule(k.Account, k.Staking, app, app.TxConfig),
		auth.NewAppModule(c, k.Account, nil, nil),
		bank.NewAppModule(c, k.Bank, k.Account, nil),
		staking.NewAppModule(c, k.Staking, k.Account, k.Bank, nil),
		slashing.NewAppModule(c, k.Slashing, k.Account, k.Bank, k.Staking, nil, app.Registry),
		mint.NewAppModule(c, k.Mint, k.Account, nil, nil),
		distribution.NewAppModule(c, k.Distribution, k.Account, k.Bank, k.Staking, nil),
		gov.NewAppModule(c, k.Gov, k.Account, k.Bank, nil),
		feegrantmodule.NewAppModule(c, k.Account, k.Bank, k.FeeGrant, app.Registry),
		authzmodule.NewAppModule(c, k.Authz, k.Account, k.Bank, app.Registry),
		upgrade.NewAppModule(k.Upgrade, k.Account.AddressCodec()),
		evidence.NewAppModule(*k.Evidence),
		consensus.NewAppModule(c, k.Consensus),
		ibc.NewAppModule(k.IBC),
		transfer.NewAppModule(k.Transfer),
		ibctm.NewAppModule(k.lightClient(app.Encoding)),
		beacon.NewAppModule(k.Beacon),
		model.NewAppModule(k.Model),
		share.NewAppModule(k.Share),
		provider.NewAppModule(k.Provider),
		curation.NewAppModule(k.Curation),
		escrow.NewAppModule(k.Escrow),
		audit.NewAppModule(k.Audit),
		challenge.NewAppModule(k.Challenge),
		pool.NewAppModule(k.Pool),
		offering.NewAppModule(k.Offering),
		assembly.NewAppModule(k.Assembly),
		pin.NewAppModule(k.Pin),
		access.NewAppModule(k.Access),
	)
	app.basics = module.NewBasicManagerFromManager(app.modules, map[string]module.AppModuleBasic{
		genutiltypes.ModuleName: genutil.NewAppModuleBasic(genutiltypes.DefaultMessageValidator),
	})
}

// orderModules says in which order modules act. Distribution comes before
// slashing, so that a validator is slashed after its rewards are out; convictions
// come before pay that is due; escrow pays before governance looks at balances.
func (app *App) orderModules() {
	app.modules.SetOrderPreBlockers(upgradetypes.ModuleName, authtypes.ModuleName)
	app.modules.SetOrderBeginBlockers(
		minttypes.ModuleName, distributiontypes.ModuleName, slashingtypes.ModuleName, evidencetypes.ModuleName,
		stakingtypes.ModuleName, authz.ModuleName, ibcexported.ModuleName)
	app.modules.SetOrderEndBlockers(
		banktypes.ModuleName, challenge.ModuleName, audit.ModuleName, escrow.ModuleName, curation.ModuleName, provider.ModuleName, offering.ModuleName, assembly.ModuleName, share.ModuleName, pin.ModuleName, govtypes.ModuleName, stakingtypes.ModuleName, feegrant.ModuleName)
	genesis := []string{
		authtypes.ModuleName, banktypes.ModuleName, distributiontypes.ModuleName, stakingtypes.ModuleName, slashingtypes.ModuleName,
		govtypes.ModuleName, minttypes.ModuleName, beacon.ModuleName, model.ModuleName, share.ModuleName, provider.ModuleName, curation.ModuleName, escrow.ModuleName, audit.ModuleName, challenge.ModuleName,
		pool.ModuleName, offering.ModuleName, assembly.ModuleName, pin.ModuleName, access.ModuleName,
		genutiltypes.ModuleName, evidencetypes.ModuleName, authz.ModuleName, feegrant.ModuleName, upgradetypes.ModuleName, consensustypes.ModuleName,
		ibcexported.ModuleName, transfertypes.ModuleName,
	}
	app.modules.SetOrderInitGenesis(genesis...)
	app.modules.SetOrderExportGenesis(genesis...)
}

// serve registers messages and queries, and descriptions of them for clients.
func (app *App) serve() error {
	app.configurator = module.NewConfigurator(app.Codec, app.MsgServiceRouter(), app.GRPCQueryRouter())
	if err := app.modules.RegisterServices(app.configurator); err != nil {
		return err
	}
	autocliv1.RegisterQueryServer(app.GRPCQueryRouter(), services.NewAutoCLIQueryService(app.modules.Modules))
	reflection, err := services.NewReflectionService()
	if err != nil {
		return err
	}
	reflectionv1.RegisterReflectionServiceServer(app.GRPCQueryRouter(), reflection)
	return nil
}

func (app *App) initChain(ctx sdk.Context, request *abci.RequestInitChain) (*abci.ResponseInitChain, error) {
	var genesis Genesis
	if err := json.Unmarshal(request.AppStateBytes, &genesis); err != nil {
		return nil, fmt.Errorf("genesis is no JSON object of modules: %w", err)
	}
	if err := app.Keepers.Upgrade.SetModuleVersionMap(ctx, app.modules.GetVersionMap()); err != nil {
		return nil, err
	}
	return app.modules.InitGenesis(ctx, app.Codec, genesis)
}

// ExecuteInParallel runs the transactions of a block side by side (Block-STM),
// and those again that read what an earlier one wrote. It is to be called
// before the first block. The state it leads to is the same, so that nodes
// may differ in it.
func (app *App) ExecuteInParallel() {
	var keys []storetypes.StoreKey
	for _, name := range slices.Sorted(maps.Keys(app.keys)) {
		keys = append(keys, app.keys[name])
	}
	denom := func(storetypes.MultiStore) string { return provider.BondDenom }
	app.SetBlockSTMTxRunner(txnrunner.NewSTMRunner(app.TxConfig.TxDecoder(), keys, runtime.GOMAXPROCS(0), true, denom))
}

// Export returns the whole state as a genesis.
func (app *App) Export() (Genesis, error) {
	header := cmtproto.Header{Height: app.LastBlockHeight()}
	return app.modules.ExportGenesis(app.NewContextLegacy(true, header), app.Codec)
}

// DefaultGenesis is every module's own idea of a beginning.
func (app *App) DefaultGenesis() Genesis { return app.basics.DefaultGenesis(app.Codec) }

// RegisterAPIRoutes serves queries over REST.
func (app *App) RegisterAPIRoutes(server *api.Server, _ config.APIConfig) {
	authtx.RegisterGRPCGatewayRoutes(server.ClientCtx, server.GRPCGatewayRouter)
	cmtservice.RegisterGRPCGatewayRoutes(server.ClientCtx, server.GRPCGatewayRouter)
	node.RegisterGRPCGatewayRoutes(server.ClientCtx, server.GRPCGatewayRouter)
	app.basics.RegisterGRPCGatewayRoutes(server.ClientCtx, server.GRPCGatewayRouter)
}

// RegisterTxService serves the sending, simulating and finding of transactions.
func (app *App) RegisterTxService(c client.Context) {
	authtx.RegisterTxService(app.GRPCQueryRouter(), c, app.Simulate, app.Registry)
}

// RegisterTendermintService serves blocks and validators.
func (app *App) RegisterTendermintService(c client.Context) {
	cmtservice.RegisterTendermintService(c, app.GRPCQueryRouter(), app.Registry, app.Query)
}

// RegisterNodeService serves the node's own settings.
func (app *App) RegisterNodeService(c client.Context, cfg config.Config) {
	node.RegisterNodeService(c, app.GRPCQueryRouter(), cfg, func() int64 { return app.CommitMultiStore().EarliestVersion() })
}
