package curation

import (
	"context"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
	"cosmossdk.io/core/appmodule"
	gogogrpc "github.com/cosmos/gogoproto/grpc"
	"github.com/grpc-ecosystem/grpc-gateway/runtime"

	curationv1 "github.com/koinon/koinon/api/koinon/curation/v1"
	"github.com/koinon/koinon/internal/ledger/module"
)

var _ appmodule.HasEndBlocker = AppModule{}

// AppModule fits the keeper into the SDK's module manager.
type AppModule struct {
	module.Module[curationv1.GenesisState, *curationv1.GenesisState]
	keeper *Keeper
}

// NewAppModule makes the module.
func NewAppModule(k *Keeper) AppModule {
	return AppModule{module.Module[curationv1.GenesisState, *curationv1.GenesisState]{
		Called: ModuleName, Messages: &curationv1.Msg_serviceDesc,
		Serve: func(msgs, asked gogogrpc.Server) {
			curationv1.RegisterMsgServer(msgs, messages{k})
			curationv1.RegisterQueryServer(asked, queries{k})
		},
		Routes: func(ctx context.Context, mux *runtime.ServeMux, ledger gogogrpc.ClientConn) error {
			return curationv1.RegisterQueryHandlerClient(ctx, mux, curationv1.NewQueryClient(ledger))
		},
		Default:  DefaultGenesis,
		Validate: func(s curationv1.GenesisState) error { return paramsOf(s.Params).Validate() },
		Init:     k.initGenesis, Export: k.exportGenesis,
	}, k}
}

// EndBlock gives back stakes whose delay is over.
func (m AppModule) EndBlock(ctx context.Context) error { return m.keeper.release(ctx) }

// AutoCLIOptions describes the commands that the protobuf services become.
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.curation.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Ranking", Use: "ranking model|provider|app", Short: "List listings, the most staked first", Example: "koinon query curation ranking model", PositionalArgs: module.Args("kind")},
				{RpcMethod: "Listing", Use: "listing ID", Short: "Show a listing's stake, fees and rating", PositionalArgs: module.Args("id")},
				{RpcMethod: "Signals", Use: "signals CURATOR", Short: "List a curator's signals", PositionalArgs: module.Args("curator")},
				{RpcMethod: "Leavings", Use: "leavings CURATOR", Short: "List stakes on their way back", PositionalArgs: module.Args("curator")},
				{RpcMethod: "Params", Use: "params", Short: "Show the module's parameters"},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.curation.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Signal", Use: "signal LISTING UKOIN", Short: "Stake KOIN on a listing", Example: "koinon tx curation signal provider/koinon1… 5000000 --from me", PositionalArgs: module.Args("listing", "amount")},
				{RpcMethod: "Leave", Use: "leave LISTING UKOIN", Short: "Take stake back, after a delay", PositionalArgs: module.Args("listing", "amount")},
				{RpcMethod: "Collect", Use: "collect LISTING", Short: "Be paid what a signal earned", PositionalArgs: module.Args("listing")},
				{RpcMethod: "Rate", Use: "rate LISTING STARS", Short: "Rate what you paid for; costs no gas", PositionalArgs: module.Args("listing", "stars")},
				{RpcMethod: "UpdateParams", Skip: true},
			},
		},
	}
}
