package audit

import (
	"context"
	"fmt"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
	"cosmossdk.io/core/appmodule"
	gogogrpc "github.com/cosmos/gogoproto/grpc"
	"github.com/grpc-ecosystem/grpc-gateway/runtime"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	"github.com/koinon/koinon/internal/ledger/module"
)

var _ appmodule.HasEndBlocker = AppModule{}

// AppModule fits the keeper into the SDK's module manager.
type AppModule struct {
	module.Module[auditv1.GenesisState, *auditv1.GenesisState]
	keeper *Keeper
}

// NewAppModule makes the module.
func NewAppModule(k *Keeper) AppModule {
	return AppModule{module.Module[auditv1.GenesisState, *auditv1.GenesisState]{
		Called: ModuleName, Messages: &auditv1.Msg_serviceDesc,
		Serve: func(msgs, asked gogogrpc.Server) {
			auditv1.RegisterMsgServer(msgs, messages{k})
			auditv1.RegisterQueryServer(asked, queries{k})
		},
		Routes: func(ctx context.Context, mux *runtime.ServeMux, ledger gogogrpc.ClientConn) error {
			return auditv1.RegisterQueryHandlerClient(ctx, mux, auditv1.NewQueryClient(ledger))
		},
		Default:  DefaultGenesis,
		Validate: func(s auditv1.GenesisState) error { return validateParams(s.Params) },
		Init:     k.initGenesis, Export: k.exportGenesis,
	}, k}
}

// EndBlock pays bonds that have come due, draws committees, moves on the cases
// whose deadline is over, begins epochs of mystery audits, and forgets old cases.
func (m AppModule) EndBlock(ctx context.Context) error {
	for _, step := range []func(context.Context) error{
		m.keeper.payUnbondings, m.keeper.draw, m.keeper.expire, m.keeper.turn, m.keeper.prune, m.keeper.forget,
	} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("%s: %w", ModuleName, err)
		}
	}
	return nil
}

// AutoCLIOptions describes the commands that the protobuf services become. Those
// that need more than a key, such as a vote's values, are koinon auditor's.
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.audit.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Auditor", Use: "auditor ADDRESS", Short: "Show one auditor", Example: "koinon query audit auditor koinon1…", PositionalArgs: module.Args("address")},
				{RpcMethod: "Auditors", Use: "auditors", Short: "List auditors", Example: "koinon query audit auditors"},
				{RpcMethod: "Case", Use: "case ID", Short: "Show one case", Example: "koinon query audit case 7", PositionalArgs: module.Args("id")},
				{RpcMethod: "Cases", Use: "cases", Short: "List cases", Example: "koinon query audit cases --address koinon1…"},
				{RpcMethod: "Sealed", Use: "sealed ID", Short: "Show what an accuser sealed to the committee", PositionalArgs: module.Args("id")},
				{RpcMethod: "Record", Use: "record ADDRESS", Short: "Show a provider's record and audit rate", Example: "koinon query audit record koinon1…", PositionalArgs: module.Args("address")},
				{RpcMethod: "Convictions", Use: "convictions", Short: "List convictions", Example: "koinon query audit convictions --convict koinon1…"},
				{RpcMethod: "Epoch", Use: "epoch", Short: "Show the epoch of mystery audits", Example: "koinon query audit epoch"},
				{RpcMethod: "Profile", Use: "profile DIGEST", Short: "Show what honest answers of a model version are like", PositionalArgs: module.Args("model_digest")},
				{RpcMethod: "Invariants", Use: "invariants", Short: "Check that the module's books balance", Example: "koinon query audit invariants"},
				{RpcMethod: "Params", Use: "params", Short: "Show the module's parameters", Example: "koinon query audit params"},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.audit.v1.Msg",
			RpcCommandOptions: append([]*autocliv1.RpcCommandOptions{
				{RpcMethod: "Bond", Use: "bond UKOIN", Short: "Add to your auditor's bond", Example: "koinon tx audit bond 1000000 --from me", PositionalArgs: module.Args("amount")},
				{RpcMethod: "Unbond", Use: "unbond UKOIN", Short: "Take from your auditor's bond, after the unbonding time", Example: "koinon tx audit unbond 1000000 --from me", PositionalArgs: module.Args("amount")},
				{RpcMethod: "Unjail", Use: "unjail", Short: "Sit again, once your time in jail is over", Example: "koinon tx audit unjail --from me"},
				{RpcMethod: "Fund", Use: "fund UCREDIT", Short: "Give credit to the audit fund", Example: "koinon tx audit fund 1000000 --from me", PositionalArgs: module.Args("amount")},
			}, module.Skip("OpenLeaves", "Reveal", "Play", "Report", "ReportOverCount", "SetProfile", "UpdateParams")...),
		},
	}
}
