package provider

import (
	"context"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
	"cosmossdk.io/core/appmodule"
	gogogrpc "github.com/cosmos/gogoproto/grpc"
	"github.com/grpc-ecosystem/grpc-gateway/runtime"

	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/ledger/module"
)

var _ appmodule.HasEndBlocker = AppModule{}

// AppModule fits the keeper into the SDK's module manager.
type AppModule struct {
	module.Module[providerv1.GenesisState, *providerv1.GenesisState]
	keeper *Keeper
}

// NewAppModule makes the module.
func NewAppModule(k *Keeper) AppModule {
	return AppModule{module.Module[providerv1.GenesisState, *providerv1.GenesisState]{
		Called: ModuleName, Messages: &providerv1.Msg_serviceDesc,
		Serve: func(msgs, asked gogogrpc.Server) {
			providerv1.RegisterMsgServer(msgs, messages{k})
			providerv1.RegisterQueryServer(asked, queries{k})
		},
		Routes: func(ctx context.Context, mux *runtime.ServeMux, ledger gogogrpc.ClientConn) error {
			return providerv1.RegisterQueryHandlerClient(ctx, mux, providerv1.NewQueryClient(ledger))
		},
		Default:  DefaultGenesis,
		Validate: func(s providerv1.GenesisState) error { return validateParams(s.Params) },
		Init:     k.initGenesis, Export: k.exportGenesis,
	}, k}
}

// EndBlock pays bonds that have come due.
func (m AppModule) EndBlock(ctx context.Context) error { return m.keeper.payUnbondings(ctx) }

// AutoCLIOptions describes the commands that the protobuf services become.
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.provider.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Provider", Use: "provider ADDRESS", Short: "Show one provider", Example: "koinon query provider provider koinon1…", PositionalArgs: module.Args("address")},
				{RpcMethod: "Providers", Use: "providers", Short: "List providers", Example: "koinon query provider providers"},
				{RpcMethod: "Offers", Use: "offers", Short: "List offers", Example: "koinon query provider offers --model-digest sha256:…"},
				{RpcMethod: "Params", Use: "params", Short: "Show the module's parameters", Example: "koinon query provider params"},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.provider.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Bond", Use: "bond UKOIN", Short: "Add to your bond", Example: "koinon tx provider bond 1000000 --from me", PositionalArgs: module.Args("amount")},
				{RpcMethod: "Unbond", Use: "unbond UKOIN", Short: "Take from your bond, after the unbonding time", Example: "koinon tx provider unbond 1000000 --from me", PositionalArgs: module.Args("amount")},
				{RpcMethod: "Unjail", Use: "unjail", Short: "Sell again, once your time in jail is over", Example: "koinon tx provider unjail --from me"},
				{RpcMethod: "RemoveOffer", Use: "remove-offer DIGEST", Short: "Withdraw an offer", PositionalArgs: module.Args("model_digest")},
				{RpcMethod: "UpdateParams", Skip: true},
			},
		},
	}
}
