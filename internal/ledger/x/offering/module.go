package offering

import (
	"context"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
	"cosmossdk.io/core/appmodule"
	gogogrpc "github.com/cosmos/gogoproto/grpc"
	"github.com/grpc-ecosystem/grpc-gateway/runtime"

	offeringv1 "github.com/koinon/koinon/api/koinon/offering/v1"
	"github.com/koinon/koinon/internal/ledger/module"
)

var _ appmodule.HasEndBlocker = AppModule{}

// AppModule fits the keeper into the SDK's module manager.
type AppModule struct {
	module.Module[offeringv1.GenesisState, *offeringv1.GenesisState]
	keeper *Keeper
}

// NewAppModule makes the module.
func NewAppModule(k *Keeper) AppModule {
	return AppModule{module.Module[offeringv1.GenesisState, *offeringv1.GenesisState]{
		Called: ModuleName, Messages: &offeringv1.Msg_serviceDesc,
		Serve: func(msgs, asked gogogrpc.Server) {
			offeringv1.RegisterMsgServer(msgs, messages{k})
			offeringv1.RegisterQueryServer(asked, queries{k})
		},
		Routes: func(ctx context.Context, mux *runtime.ServeMux, ledger gogogrpc.ClientConn) error {
			return offeringv1.RegisterQueryHandlerClient(ctx, mux, offeringv1.NewQueryClient(ledger))
		},
		Default: func() *offeringv1.GenesisState { return &offeringv1.GenesisState{} },
		Init:    k.initGenesis, Export: k.exportGenesis,
	}, k}
}

// EndBlock clears orders, closes what is over and settles it.
func (m AppModule) EndBlock(ctx context.Context) error { return m.keeper.endBlock(ctx) }

// AutoCLIOptions describes the commands that the protobuf services become.
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.offering.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Offering", Use: "offering ID", Short: "Show an offering", PositionalArgs: module.Args("id")},
				{RpcMethod: "Offerings", Use: "offerings", Short: "List offerings", Example: "koinon query offering offerings --model @ada/bard"},
				{RpcMethod: "Evaluations", Use: "evaluations DIGEST", Short: "List what the council measured of a version", PositionalArgs: module.Args("model_digest")},
				{RpcMethod: "Positions", Use: "positions ID", Short: "List the buyers of an offering", PositionalArgs: module.Args("offering")},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.offering.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Open", Skip: true}, // its terms are a message: koinon offering open takes them as flags
				{RpcMethod: "Buy", Use: "buy ID UCREDIT", Short: "Order shares", PositionalArgs: module.Args("offering", "budget")},
				{RpcMethod: "Sell", Use: "sell ID UNITS", Short: "Sell shares back to a curve", PositionalArgs: module.Args("offering", "shares")},
				{RpcMethod: "Release", Use: "release ID MILESTONE", Short: "Pay out a milestone that the ledger can see", PositionalArgs: module.Args("offering", "milestone")},
				{RpcMethod: "Evaluate", Use: "evaluate DIGEST BENCHMARK MILLIONTHS", Short: "Record a score, as a member of the council", PositionalArgs: module.Args("model_digest", "benchmark", "score")},
				{RpcMethod: "SetCouncil", Skip: true},
				{RpcMethod: "Settle", Use: "settle ID", Short: "Ask for what a closed offering owes", PositionalArgs: module.Args("offering")},
			},
		},
	}
}
