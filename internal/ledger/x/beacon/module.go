package beacon

import (
	"context"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
	gogogrpc "github.com/cosmos/gogoproto/grpc"
	"github.com/grpc-ecosystem/grpc-gateway/runtime"

	beaconv1 "github.com/koinon/koinon/api/koinon/beacon/v1"
	"github.com/koinon/koinon/internal/ledger/module"
)

// AppModule fits the keeper into the SDK's module manager.
type AppModule struct {
	module.Module[beaconv1.GenesisState, *beaconv1.GenesisState]
}

// NewAppModule makes the module.
func NewAppModule(k *Keeper) AppModule {
	return AppModule{module.Module[beaconv1.GenesisState, *beaconv1.GenesisState]{
		Called: ModuleName, Messages: &beaconv1.Msg_serviceDesc,
		Serve: func(msgs, asked gogogrpc.Server) {
			beaconv1.RegisterMsgServer(msgs, messages{k})
			beaconv1.RegisterQueryServer(asked, queries{k})
		},
		Routes: func(ctx context.Context, mux *runtime.ServeMux, ledger gogogrpc.ClientConn) error {
			return beaconv1.RegisterQueryHandlerClient(ctx, mux, beaconv1.NewQueryClient(ledger))
		},
		Default:  DefaultGenesis,
		Validate: validateGenesis,
		Init:     k.initGenesis, Export: k.exportGenesis,
	}}
}

// AutoCLIOptions describes the commands that the protobuf services become.
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.beacon.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Latest", Use: "latest", Short: "Show the newest randomness", Example: "koinon query beacon latest"},
				{
					RpcMethod: "Randomness", Use: "randomness HEIGHT", Short: "Show the randomness of a recent block", Example: "koinon query beacon randomness 1200",
					PositionalArgs: module.Args("height"),
				},
				{RpcMethod: "Standings", Use: "standings", Short: "List validators that failed to contribute in this window", Example: "koinon query beacon standings"},
				{RpcMethod: "Params", Use: "params", Short: "Show the module's parameters", Example: "koinon query beacon params"},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service:           "koinon.beacon.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{{RpcMethod: "UpdateParams", Skip: true}},
		},
	}
}
