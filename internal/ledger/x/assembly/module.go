package assembly

import (
	"context"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
	"cosmossdk.io/core/appmodule"
	gogogrpc "github.com/cosmos/gogoproto/grpc"
	"github.com/grpc-ecosystem/grpc-gateway/runtime"

	assemblyv1 "github.com/koinon/koinon/api/koinon/assembly/v1"
	"github.com/koinon/koinon/internal/ledger/module"
)

var _ appmodule.HasEndBlocker = AppModule{}

// AppModule fits the keeper into the SDK's module manager.
type AppModule struct {
	module.Module[assemblyv1.GenesisState, *assemblyv1.GenesisState]
	keeper *Keeper
}

// NewAppModule makes the module.
func NewAppModule(k *Keeper) AppModule {
	return AppModule{module.Module[assemblyv1.GenesisState, *assemblyv1.GenesisState]{
		Called: ModuleName, Messages: &assemblyv1.Msg_serviceDesc,
		Serve: func(msgs, asked gogogrpc.Server) {
			assemblyv1.RegisterMsgServer(msgs, messages{k})
			assemblyv1.RegisterQueryServer(asked, queries{k})
		},
		Routes: func(ctx context.Context, mux *runtime.ServeMux, ledger gogogrpc.ClientConn) error {
			return assemblyv1.RegisterQueryHandlerClient(ctx, mux, assemblyv1.NewQueryClient(ledger))
		},
		Default:  DefaultGenesis,
		Validate: func(s assemblyv1.GenesisState) error { return validateParams(s.Params) },
		Init:     k.initGenesis, Export: k.exportGenesis,
	}, k}
}

// EndBlock counts what was voted on, and does what passed.
func (m AppModule) EndBlock(ctx context.Context) error { return m.keeper.endBlock(ctx) }

// AutoCLIOptions describes the commands that the protobuf services become.
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.assembly.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Proposal", Use: "proposal ID", Short: "Show a proposal", PositionalArgs: module.Args("id")},
				{RpcMethod: "Proposals", Use: "proposals", Short: "List proposals", Example: "koinon query assembly proposals --model @ada/bard"},
				{RpcMethod: "Settings", Use: "settings MODEL", Short: "Show what a model's shareholders decided", PositionalArgs: module.Args("model")},
				{RpcMethod: "Ceilings", Use: "ceilings", Short: "List the highest prices that shareholders set"},
				{RpcMethod: "Params", Use: "params", Short: "Show the module's parameters"},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.assembly.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Propose", Skip: true}, // its action is a message: koinon vote propose takes it as flags
				{RpcMethod: "Vote", Use: "vote ID choice-yes|choice-no|choice-abstain", Short: "Vote", PositionalArgs: module.Args("proposal", "choice")},
				{RpcMethod: "UpdateParams", Skip: true},
			},
		},
	}
}
