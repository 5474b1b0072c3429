package pin

import (
	"context"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
	"cosmossdk.io/core/appmodule"
	gogogrpc "github.com/cosmos/gogoproto/grpc"
	"github.com/grpc-ecosystem/grpc-gateway/runtime"

	pinv1 "github.com/koinon/koinon/api/koinon/pin/v1"
	"github.com/koinon/koinon/internal/ledger/module"
)

var _ appmodule.HasEndBlocker = AppModule{}

// AppModule fits the keeper into the SDK's module manager.
type AppModule struct {
	module.Module[pinv1.GenesisState, *pinv1.GenesisState]
	keeper *Keeper
}

// NewAppModule makes the module.
func NewAppModule(k *Keeper) AppModule {
	return AppModule{module.Module[pinv1.GenesisState, *pinv1.GenesisState]{
		Called: ModuleName, Messages: &pinv1.Msg_serviceDesc,
		Serve: func(msgs, asked gogogrpc.Server) {
			pinv1.RegisterMsgServer(msgs, messages{k})
			pinv1.RegisterQueryServer(asked, queries{k})
		},
		Routes: func(ctx context.Context, mux *runtime.ServeMux, ledger gogogrpc.ClientConn) error {
			return pinv1.RegisterQueryHandlerClient(ctx, mux, pinv1.NewQueryClient(ledger))
		},
		Default:  DefaultGenesis,
		Validate: func(s pinv1.GenesisState) error { return validateParams(s.Params) },
		Init:     k.initGenesis, Export: k.exportGenesis,
	}, k}
}

// EndBlock draws pieces and closes epochs.
func (m AppModule) EndBlock(ctx context.Context) error { return m.keeper.endBlock(ctx) }

// AutoCLIOptions describes the commands that the protobuf services become.
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.pin.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Pin", Use: "pin ID", Short: "Show a pin and who holds it", PositionalArgs: module.Args("id")},
				{RpcMethod: "Pins", Use: "pins", Short: "List pins", Example: "koinon query pin pins"},
				{RpcMethod: "Duties", Use: "duties ADDRESS", Short: "List what somebody holds", PositionalArgs: module.Args("holder")},
				{RpcMethod: "Params", Use: "params", Short: "Show the module's parameters"},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.pin.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Open", Skip: true},  // its terms are a message: koinon model pin takes them as flags
				{RpcMethod: "Prove", Skip: true}, // koinon model hold makes the proof
				{RpcMethod: "UpdateParams", Skip: true},
				{RpcMethod: "Accept", Use: "accept ID", Short: "Hold a copy, and stake a bond on it", PositionalArgs: module.Args("pin")},
				{RpcMethod: "Leave", Use: "leave ID", Short: "Hold no longer, which costs what a miss does", PositionalArgs: module.Args("pin")},
				{RpcMethod: "Close", Use: "close ID", Short: "End a pin that you opened", PositionalArgs: module.Args("pin")},
			},
		},
	}
}
