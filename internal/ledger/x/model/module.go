package model

import (
	"context"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
	gogogrpc "github.com/cosmos/gogoproto/grpc"
	"github.com/grpc-ecosystem/grpc-gateway/runtime"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/ledger/module"
)

// AppModule fits the keeper into the SDK's module manager.
type AppModule struct {
	module.Module[modelv1.GenesisState, *modelv1.GenesisState]
}

// NewAppModule makes the module.
func NewAppModule(k *Keeper) AppModule {
	return AppModule{module.Module[modelv1.GenesisState, *modelv1.GenesisState]{
		Called: ModuleName, Messages: &modelv1.Msg_serviceDesc,
		Serve: func(msgs, asked gogogrpc.Server) {
			modelv1.RegisterMsgServer(msgs, messages{k})
			modelv1.RegisterQueryServer(asked, queries{k})
		},
		Routes: func(ctx context.Context, mux *runtime.ServeMux, ledger gogogrpc.ClientConn) error {
			return modelv1.RegisterQueryHandlerClient(ctx, mux, modelv1.NewQueryClient(ledger))
		},
		Default:  func() *modelv1.GenesisState { return &modelv1.GenesisState{} },
		Validate: validateGenesis,
		Init:     k.initGenesis, Export: k.exportGenesis,
	}}
}

// AutoCLIOptions describes the commands that the protobuf services become.
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.model.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Version", Use: "version DIGEST", Short: "Show one model version",
					Example: "koinon query model version sha256:…", PositionalArgs: module.Args("digest")},
				{RpcMethod: "Versions", Use: "versions", Short: "List model versions", Example: "koinon query model versions --name bard"},
				{RpcMethod: "Resolve", Use: "resolve MODEL", Short: "Show the version that a name, a tag or a digest stands for",
					Example: "koinon query model resolve @ada/bard:latest", PositionalArgs: module.Args("reference")},
				{RpcMethod: "Model", Use: "model NAME", Short: "Show a model's owner and tags", PositionalArgs: module.Args("name")},
				{RpcMethod: "Models", Use: "models", Short: "List models"},
				{RpcMethod: "Tags", Use: "tags", Short: "List the tags of all models"},
				{RpcMethod: "Namespace", Use: "namespace @NAME", Short: "Show who owns a namespace", PositionalArgs: module.Args("name")},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.model.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "RegisterNamespace", Use: "register-namespace @NAME", Short: "Register a namespace", PositionalArgs: module.Args("name")},
				{RpcMethod: "RegisterVersion", Use: "register-version DIGEST NAME VERSION", Short: "Register a model version",
					PositionalArgs: module.Args("digest", "name", "version")},
				{RpcMethod: "Transfer", Use: "transfer NAME TO", Short: "Give a namespace or a model to another owner", PositionalArgs: module.Args("name", "to")},
				{RpcMethod: "SetStatus", Use: "set-status DIGEST STATUS", Short: "List, deprecate or withdraw a version", PositionalArgs: module.Args("digest", "status")},
				{RpcMethod: "SetTag", Use: "set-tag MODEL TAG DIGEST", Short: "Point a tag to a version", PositionalArgs: module.Args("model", "tag", "digest")},
				{RpcMethod: "SetCard", Use: "set-card DIGEST", Short: "Say what a version is", PositionalArgs: module.Args("digest")},
			},
		},
	}
}
