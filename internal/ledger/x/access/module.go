package access

import (
	"context"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
	gogogrpc "github.com/cosmos/gogoproto/grpc"
	"github.com/grpc-ecosystem/grpc-gateway/runtime"

	accessv1 "github.com/koinon/koinon/api/koinon/access/v1"
	"github.com/koinon/koinon/internal/ledger/module"
)

// AppModule fits the keeper into the SDK's module manager.
type AppModule struct {
	module.Module[accessv1.GenesisState, *accessv1.GenesisState]
}

// NewAppModule makes the module.
func NewAppModule(k *Keeper) AppModule {
	return AppModule{module.Module[accessv1.GenesisState, *accessv1.GenesisState]{
		Called: ModuleName, Messages: &accessv1.Msg_serviceDesc,
		Serve: func(msgs, asked gogogrpc.Server) {
			accessv1.RegisterMsgServer(msgs, messages{k})
			accessv1.RegisterQueryServer(asked, queries{k})
		},
		Routes: func(ctx context.Context, mux *runtime.ServeMux, ledger gogogrpc.ClientConn) error {
			return accessv1.RegisterQueryHandlerClient(ctx, mux, accessv1.NewQueryClient(ledger))
		},
		Default: func() *accessv1.GenesisState { return &accessv1.GenesisState{NextPlan: first, NextToken: first} },
		Init:    k.initGenesis, Export: k.exportGenesis,
	}}
}

// AutoCLIOptions describes the commands that the protobuf services become.
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.access.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Policy", Use: "policy DIGEST", Short: "Show who may call a version", PositionalArgs: module.Args("digest")},
				{RpcMethod: "Policies", Use: "policies", Short: "List the policies of versions"},
				{RpcMethod: "Plans", Use: "plans", Short: "List kinds of access token", Example: "koinon query access plans --model @ada/bard"},
				{RpcMethod: "Token", Use: "token ID", Short: "Show an access token", PositionalArgs: module.Args("id")},
				{RpcMethod: "Tokens", Use: "tokens", Short: "List access tokens", Example: "koinon query access tokens --holder ADDRESS"},
				{RpcMethod: "Admission", Use: "admission DIGEST PAYER", Short: "Say whether a payer's grant would be taken", PositionalArgs: module.Args("digest", "payer")},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.access.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "SetPolicy", Skip: true}, // koinon access set takes it as flags
				{RpcMethod: "OpenPlan", Skip: true},
				{RpcMethod: "ClosePlan", Use: "close-plan ID", Short: "Sell no more tokens of a kind", PositionalArgs: module.Args("plan")},
				{RpcMethod: "Buy", Use: "buy PLAN", Short: "Buy an access token", PositionalArgs: module.Args("plan")},
				{RpcMethod: "Grant", Use: "grant SCOPE HOLDER", Short: "Give an access token away", PositionalArgs: module.Args("scope", "holder")},
				{RpcMethod: "Transfer", Use: "transfer ID TO", Short: "Give your access token to somebody", PositionalArgs: module.Args("token", "to")},
				{RpcMethod: "Present", Skip: true},
				{RpcMethod: "Revoke", Use: "revoke SCOPE HOLDER", Short: "Take an account's credentials back", PositionalArgs: module.Args("scope", "holder")},
			},
		},
	}
}
