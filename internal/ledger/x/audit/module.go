package audit

import (
	"context"
	"encoding/json"
	"fmt"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
	"cosmossdk.io/core/appmodule"
	"github.com/grpc-ecosystem/grpc-gateway/runtime"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	"github.com/cosmos/cosmos-sdk/types/module"
	"github.com/cosmos/cosmos-sdk/types/msgservice"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	"github.com/koinon/koinon/internal/ledger/refusal"
)

var (
	_ module.AppModuleBasic   = AppModule{}
	_ module.HasGenesis       = AppModule{}
	_ module.HasServices      = AppModule{}
	_ appmodule.AppModule     = AppModule{}
	_ appmodule.HasEndBlocker = AppModule{}
)

// AppModule fits the keeper into the SDK's module manager.
type AppModule struct{ keeper *Keeper }

// NewAppModule makes the module.
func NewAppModule(k *Keeper) AppModule { return AppModule{k} }

// IsOnePerModuleType implements depinject.OnePerModuleType.
func (AppModule) IsOnePerModuleType() {}

// IsAppModule implements appmodule.AppModule.
func (AppModule) IsAppModule() {}

// Name is the module's name.
func (AppModule) Name() string { return ModuleName }

// ConsensusVersion counts changes of the stored form.
func (AppModule) ConsensusVersion() uint64 { return 1 }

// RegisterLegacyAminoCodec implements module.AppModuleBasic; amino JSON comes
// from the protobuf descriptors.
func (AppModule) RegisterLegacyAminoCodec(*codec.LegacyAmino) {}

// RegisterInterfaces makes the messages known.
func (AppModule) RegisterInterfaces(r codectypes.InterfaceRegistry) {
	r.RegisterImplementations((*sdk.Msg)(nil),
		&auditv1.MsgRegisterAuditor{}, &auditv1.MsgUpdateAuditor{}, &auditv1.MsgBond{}, &auditv1.MsgUnbond{}, &auditv1.MsgUnjail{}, &auditv1.MsgFund{},
		&auditv1.MsgOpenDispute{}, &auditv1.MsgSeal{}, &auditv1.MsgCommit{}, &auditv1.MsgOpenLeaves{}, &auditv1.MsgReveal{}, &auditv1.MsgPlay{},
		&auditv1.MsgPlant{}, &auditv1.MsgUnmask{}, &auditv1.MsgReport{}, &auditv1.MsgReportEquivocation{}, &auditv1.MsgReportOverCount{},
		&auditv1.MsgSetProfile{}, &auditv1.MsgUpdateParams{})
	msgservice.RegisterMsgServiceDesc(r, &auditv1.Msg_serviceDesc)
}

// RegisterGRPCGatewayRoutes serves queries over REST.
func (AppModule) RegisterGRPCGatewayRoutes(c client.Context, mux *runtime.ServeMux) {
	if err := auditv1.RegisterQueryHandlerClient(context.Background(), mux, auditv1.NewQueryClient(c)); err != nil {
		panic(err) // a route that is registered twice: a mistake in the protobuf source
	}
}

// RegisterServices serves messages and queries.
func (m AppModule) RegisterServices(c module.Configurator) {
	auditv1.RegisterMsgServer(refusal.Server(c.MsgServer()), messages{m.keeper})
	auditv1.RegisterQueryServer(c.QueryServer(), queries{m.keeper})
}

// DefaultGenesis implements module.HasGenesis.
func (AppModule) DefaultGenesis(cdc codec.JSONCodec) json.RawMessage {
	return cdc.MustMarshalJSON(DefaultGenesis())
}

// ValidateGenesis checks the parameters.
func (AppModule) ValidateGenesis(cdc codec.JSONCodec, _ client.TxEncodingConfig, data json.RawMessage) error {
	var state auditv1.GenesisState
	if err := cdc.UnmarshalJSON(data, &state); err != nil {
		return fmt.Errorf("%s genesis: %w", ModuleName, err)
	}
	return validateParams(state.Params)
}

// InitGenesis stores a genesis.
func (m AppModule) InitGenesis(ctx sdk.Context, cdc codec.JSONCodec, data json.RawMessage) {
	var state auditv1.GenesisState
	cdc.MustUnmarshalJSON(data, &state)
	if err := m.keeper.initGenesis(ctx, state); err != nil {
		panic(fmt.Errorf("%s genesis: %w", ModuleName, err))
	}
}

// ExportGenesis returns the whole state.
func (m AppModule) ExportGenesis(ctx sdk.Context, cdc codec.JSONCodec) json.RawMessage {
	state, err := m.keeper.exportGenesis(ctx)
	if err != nil {
		panic(fmt.Errorf("%s export: %w", ModuleName, err))
	}
	return cdc.MustMarshalJSON(state)
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
	args := func(fields ...string) []*autocliv1.PositionalArgDescriptor {
		var list []*autocliv1.PositionalArgDescriptor
		for _, f := range fields {
			list = append(list, &autocliv1.PositionalArgDescriptor{ProtoField: f})
		}
		return list
	}
	skip := func(methods ...string) []*autocliv1.RpcCommandOptions {
		var list []*autocliv1.RpcCommandOptions
		for _, m := range methods {
			list = append(list, &autocliv1.RpcCommandOptions{RpcMethod: m, Skip: true})
		}
		return list
	}
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.audit.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Auditor", Use: "auditor ADDRESS", Short: "Show one auditor", Example: "koinon query audit auditor koinon1…", PositionalArgs: args("address")},
				{RpcMethod: "Auditors", Use: "auditors", Short: "List auditors", Example: "koinon query audit auditors"},
				{RpcMethod: "Case", Use: "case ID", Short: "Show one case", Example: "koinon query audit case 7", PositionalArgs: args("id")},
				{RpcMethod: "Cases", Use: "cases", Short: "List cases", Example: "koinon query audit cases --address koinon1…"},
				{RpcMethod: "Sealed", Use: "sealed ID", Short: "Show what an accuser sealed to the committee", PositionalArgs: args("id")},
				{RpcMethod: "Record", Use: "record ADDRESS", Short: "Show a provider's record and audit rate", Example: "koinon query audit record koinon1…", PositionalArgs: args("address")},
				{RpcMethod: "Convictions", Use: "convictions", Short: "List convictions", Example: "koinon query audit convictions --convict koinon1…"},
				{RpcMethod: "Epoch", Use: "epoch", Short: "Show the epoch of mystery audits", Example: "koinon query audit epoch"},
				{RpcMethod: "Profile", Use: "profile DIGEST", Short: "Show what honest answers of a model version are like", PositionalArgs: args("model_digest")},
				{RpcMethod: "Invariants", Use: "invariants", Short: "Check that the module's books balance", Example: "koinon query audit invariants"},
				{RpcMethod: "Params", Use: "params", Short: "Show the module's parameters", Example: "koinon query audit params"},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.audit.v1.Msg",
			RpcCommandOptions: append([]*autocliv1.RpcCommandOptions{
				{RpcMethod: "Bond", Use: "bond UKOIN", Short: "Add to your auditor's bond", Example: "koinon tx audit bond 1000000 --from me", PositionalArgs: args("amount")},
				{RpcMethod: "Unbond", Use: "unbond UKOIN", Short: "Take from your auditor's bond, after the unbonding time", Example: "koinon tx audit unbond 1000000 --from me", PositionalArgs: args("amount")},
				{RpcMethod: "Unjail", Use: "unjail", Short: "Sit again, once your time in jail is over", Example: "koinon tx audit unjail --from me"},
				{RpcMethod: "Fund", Use: "fund UCREDIT", Short: "Give credit to the audit fund", Example: "koinon tx audit fund 1000000 --from me", PositionalArgs: args("amount")},
			}, skip("OpenLeaves", "Reveal", "Play", "Report", "ReportOverCount", "SetProfile", "UpdateParams")...),
		},
	}
}
