package challenge

import (
	"context"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
	"cosmossdk.io/core/appmodule"
	gogogrpc "github.com/cosmos/gogoproto/grpc"
	"github.com/grpc-ecosystem/grpc-gateway/runtime"

	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	"github.com/koinon/koinon/internal/ledger/module"
)

var _ appmodule.HasEndBlocker = AppModule{}

// AppModule fits the keeper into the SDK's module manager.
type AppModule struct {
	module.Module[challengev1.GenesisState, *challengev1.GenesisState]
	keeper *Keeper
}

// NewAppModule makes the module.
func NewAppModule(k *Keeper) AppModule {
	return AppModule{module.Module[challengev1.GenesisState, *challengev1.GenesisState]{
		Called: ModuleName, Messages: &challengev1.Msg_serviceDesc,
		Serve: func(msgs, asked gogogrpc.Server) {
			challengev1.RegisterMsgServer(msgs, messages{k})
			challengev1.RegisterQueryServer(asked, queries{k})
		},
		Routes: func(ctx context.Context, mux *runtime.ServeMux, ledger gogogrpc.ClientConn) error {
			return challengev1.RegisterQueryHandlerClient(ctx, mux, challengev1.NewQueryClient(ledger))
		},
		Default:  DefaultGenesis,
		Validate: func(s challengev1.GenesisState) error { return rules(s.Params).Validate() },
		Init:     k.initGenesis, Export: k.exportGenesis,
	}, k}
}

// EndBlock begins and ends the stages of challenges.
func (m AppModule) EndBlock(ctx context.Context) error { return m.keeper.endBlock(ctx) }

// AutoCLIOptions describes the commands that the protobuf services become.
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.challenge.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Challenges", Use: "challenges", Short: "List challenges that are kept", Example: "koinon query challenge challenges"},
				{RpcMethod: "Participants", Use: "participants EPOCH DIGEST", Short: "Show who must answer a challenge, and what they answered", Example: "koinon query challenge participants 12 sha256:…", PositionalArgs: module.Args("epoch", "model_digest")},
				{RpcMethod: "Open", Use: "open ADDRESS", Short: "List what a provider has still to answer", Example: "koinon query challenge open koinon1…", PositionalArgs: module.Args("provider")},
				{RpcMethod: "Params", Use: "params", Short: "Show the module's parameters", Example: "koinon query challenge params"},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.challenge.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Commit", Skip: true}, // a provider's node sends these
				{RpcMethod: "Reveal", Skip: true},
				{RpcMethod: "UpdateParams", Skip: true},
			},
		},
	}
}
