package offering

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

	offeringv1 "github.com/koinon/koinon/api/koinon/offering/v1"
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
		&offeringv1.MsgOpen{}, &offeringv1.MsgBuy{}, &offeringv1.MsgSell{}, &offeringv1.MsgRelease{}, &offeringv1.MsgSettle{},
		&offeringv1.MsgEvaluate{}, &offeringv1.MsgSetCouncil{})
	msgservice.RegisterMsgServiceDesc(r, &offeringv1.Msg_serviceDesc)
}

// RegisterGRPCGatewayRoutes serves queries over REST.
func (AppModule) RegisterGRPCGatewayRoutes(c client.Context, mux *runtime.ServeMux) {
	if err := offeringv1.RegisterQueryHandlerClient(context.Background(), mux, offeringv1.NewQueryClient(c)); err != nil {
		panic(err) // a route that is registered twice: a mistake in the protobuf source
	}
}

// RegisterServices serves messages and queries.
func (m AppModule) RegisterServices(c module.Configurator) {
	offeringv1.RegisterMsgServer(refusal.Server(c.MsgServer()), messages{m.keeper})
	offeringv1.RegisterQueryServer(c.QueryServer(), queries{m.keeper})
}

// DefaultGenesis implements module.HasGenesis.
func (AppModule) DefaultGenesis(cdc codec.JSONCodec) json.RawMessage {
	return cdc.MustMarshalJSON(&offeringv1.GenesisState{})
}

// ValidateGenesis checks the form; that it adds up is checked as it is stored.
func (AppModule) ValidateGenesis(cdc codec.JSONCodec, _ client.TxEncodingConfig, data json.RawMessage) error {
	var state offeringv1.GenesisState
	if err := cdc.UnmarshalJSON(data, &state); err != nil {
		return fmt.Errorf("%s genesis: %w", ModuleName, err)
	}
	return nil
}

// InitGenesis stores a genesis.
func (m AppModule) InitGenesis(ctx sdk.Context, cdc codec.JSONCodec, data json.RawMessage) {
	var state offeringv1.GenesisState
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

// EndBlock clears orders, closes what is over and settles it.
func (m AppModule) EndBlock(ctx context.Context) error { return m.keeper.endBlock(ctx) }

// AutoCLIOptions describes the commands that the protobuf services become.
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	args := func(fields ...string) []*autocliv1.PositionalArgDescriptor {
		var list []*autocliv1.PositionalArgDescriptor
		for _, f := range fields {
			list = append(list, &autocliv1.PositionalArgDescriptor{ProtoField: f})
		}
		return list
	}
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.offering.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Offering", Use: "offering ID", Short: "Show an offering", PositionalArgs: args("id")},
				{RpcMethod: "Offerings", Use: "offerings", Short: "List offerings", Example: "koinon query offering offerings --model @ada/bard"},
				{RpcMethod: "Evaluations", Use: "evaluations DIGEST", Short: "List what the council measured of a version", PositionalArgs: args("model_digest")},
				{RpcMethod: "Positions", Use: "positions ID", Short: "List the buyers of an offering", PositionalArgs: args("offering")},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.offering.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Open", Skip: true}, // its terms are a message: koinon offering open takes them as flags
				{RpcMethod: "Buy", Use: "buy ID UCREDIT", Short: "Order shares", PositionalArgs: args("offering", "budget")},
				{RpcMethod: "Sell", Use: "sell ID UNITS", Short: "Sell shares back to a curve", PositionalArgs: args("offering", "shares")},
				{RpcMethod: "Release", Use: "release ID MILESTONE", Short: "Pay out a milestone that the ledger can see", PositionalArgs: args("offering", "milestone")},
				{RpcMethod: "Evaluate", Use: "evaluate DIGEST BENCHMARK MILLIONTHS", Short: "Record a score, as a member of the council", PositionalArgs: args("model_digest", "benchmark", "score")},
				{RpcMethod: "SetCouncil", Skip: true},
				{RpcMethod: "Settle", Use: "settle ID", Short: "Ask for what a closed offering owes", PositionalArgs: args("offering")},
			},
		},
	}
}
