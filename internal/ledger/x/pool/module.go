package pool

import (
	"context"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
	gogogrpc "github.com/cosmos/gogoproto/grpc"
	"github.com/grpc-ecosystem/grpc-gateway/runtime"

	poolv1 "github.com/koinon/koinon/api/koinon/pool/v1"
	"github.com/koinon/koinon/internal/ledger/module"
)

// AppModule fits the keeper into the SDK's module manager.
type AppModule struct {
	module.Module[poolv1.GenesisState, *poolv1.GenesisState]
}

// NewAppModule makes the module.
func NewAppModule(k *Keeper) AppModule {
	return AppModule{module.Module[poolv1.GenesisState, *poolv1.GenesisState]{
		Called: ModuleName, Messages: &poolv1.Msg_serviceDesc,
		Serve: func(msgs, asked gogogrpc.Server) {
			poolv1.RegisterMsgServer(msgs, messages{k})
			poolv1.RegisterQueryServer(asked, queries{k})
		},
		Routes: func(ctx context.Context, mux *runtime.ServeMux, ledger gogogrpc.ClientConn) error {
			return poolv1.RegisterQueryHandlerClient(ctx, mux, poolv1.NewQueryClient(ledger))
		},
		Default:  DefaultGenesis,
		Validate: func(s poolv1.GenesisState) error { return paramsOf(s.Params).Validate() },
		Init:     k.initGenesis, Export: k.exportGenesis,
	}}
}

// AutoCLIOptions describes the commands that the protobuf services become.
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.pool.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Pool", Use: "pool DENOM", Short: "Show a pool and its prices", Example: "koinon query pool pool ukoin", PositionalArgs: module.Args("denom")},
				{RpcMethod: "Pools", Use: "pools", Short: "List pools"},
				{RpcMethod: "Stakes", Use: "stakes OWNER", Short: "List what somebody owns of pools", PositionalArgs: module.Args("owner")},
				{RpcMethod: "Params", Use: "params", Short: "Show the module's parameters"},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.pool.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Add", Use: "add DENOM UCREDIT ASSET", Short: "Put both assets into a pool", PositionalArgs: module.Args("denom", "credit", "asset")},
				{RpcMethod: "Remove", Use: "remove DENOM PARTS", Short: "Take out what parts are worth", PositionalArgs: module.Args("denom", "parts")},
				{RpcMethod: "Swap", Use: "swap DENOM side-credit|side-asset IN LEAST", Short: "Put one asset in and take the other out", PositionalArgs: module.Args("denom", "side", "in", "least")},
				{RpcMethod: "UpdateParams", Skip: true},
			},
		},
	}
}
