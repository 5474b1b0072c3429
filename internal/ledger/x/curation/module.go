package curation

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

	curationv1 "github.com/koinon/koinon/api/koinon/curation/v1"
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
		&curationv1.MsgSignal{}, &curationv1.MsgLeave{}, &curationv1.MsgCollect{}, &curationv1.MsgRate{}, &curationv1.MsgUpdateParams{})
	msgservice.RegisterMsgServiceDesc(r, &curationv1.Msg_serviceDesc)
}

// RegisterGRPCGatewayRoutes serves queries over REST.
func (AppModule) RegisterGRPCGatewayRoutes(c client.Context, mux *runtime.ServeMux) {
	if err := curationv1.RegisterQueryHandlerClient(context.Background(), mux, curationv1.NewQueryClient(c)); err != nil {
		panic(err) // a route that is registered twice: a mistake in the protobuf source
	}
}

// RegisterServices serves messages and queries.
func (m AppModule) RegisterServices(c module.Configurator) {
	curationv1.RegisterMsgServer(refusal.Server(c.MsgServer()), messages{m.keeper})
	curationv1.RegisterQueryServer(c.QueryServer(), queries{m.keeper})
}

// DefaultGenesis implements module.HasGenesis.
func (AppModule) DefaultGenesis(cdc codec.JSONCodec) json.RawMessage {
	return cdc.MustMarshalJSON(DefaultGenesis())
}

// ValidateGenesis checks the parameters.
func (AppModule) ValidateGenesis(cdc codec.JSONCodec, _ client.TxEncodingConfig, data json.RawMessage) error {
	var state curationv1.GenesisState
	if err := cdc.UnmarshalJSON(data, &state); err != nil {
		return fmt.Errorf("%s genesis: %w", ModuleName, err)
	}
	return paramsOf(state.Params).Validate()
}

// InitGenesis stores a genesis.
func (m AppModule) InitGenesis(ctx sdk.Context, cdc codec.JSONCodec, data json.RawMessage) {
	var state curationv1.GenesisState
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

// EndBlock gives back stakes whose delay is over.
func (m AppModule) EndBlock(ctx context.Context) error { return m.keeper.release(ctx) }

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
			Service: "koinon.curation.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Ranking", Use: "ranking model|provider|app", Short: "List listings, the most staked first", Example: "koinon query curation ranking model", PositionalArgs: args("kind")},
				{RpcMethod: "Listing", Use: "listing ID", Short: "Show a listing's stake, fees and rating", PositionalArgs: args("id")},
				{RpcMethod: "Signals", Use: "signals CURATOR", Short: "List a curator's signals", PositionalArgs: args("curator")},
				{RpcMethod: "Leavings", Use: "leavings CURATOR", Short: "List stakes on their way back", PositionalArgs: args("curator")},
				{RpcMethod: "Params", Use: "params", Short: "Show the module's parameters"},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.curation.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Signal", Use: "signal LISTING UKOIN", Short: "Stake KOIN on a listing", Example: "koinon tx curation signal provider/koinon1… 5000000 --from me", PositionalArgs: args("listing", "amount")},
				{RpcMethod: "Leave", Use: "leave LISTING UKOIN", Short: "Take stake back, after a delay", PositionalArgs: args("listing", "amount")},
				{RpcMethod: "Collect", Use: "collect LISTING", Short: "Be paid what a signal earned", PositionalArgs: args("listing")},
				{RpcMethod: "Rate", Use: "rate LISTING STARS", Short: "Rate what you paid for; costs no gas", PositionalArgs: args("listing", "stars")},
				{RpcMethod: "UpdateParams", Skip: true},
			},
		},
	}
}
