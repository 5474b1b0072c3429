package pin

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

	pinv1 "github.com/koinon/koinon/api/koinon/pin/v1"
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
		&pinv1.MsgOpen{}, &pinv1.MsgAccept{}, &pinv1.MsgProve{}, &pinv1.MsgLeave{}, &pinv1.MsgClose{}, &pinv1.MsgUpdateParams{})
	msgservice.RegisterMsgServiceDesc(r, &pinv1.Msg_serviceDesc)
}

// RegisterGRPCGatewayRoutes serves queries over REST.
func (AppModule) RegisterGRPCGatewayRoutes(c client.Context, mux *runtime.ServeMux) {
	if err := pinv1.RegisterQueryHandlerClient(context.Background(), mux, pinv1.NewQueryClient(c)); err != nil {
		panic(err) // a route that is registered twice: a mistake in the protobuf source
	}
}

// RegisterServices serves messages and queries.
func (m AppModule) RegisterServices(c module.Configurator) {
	pinv1.RegisterMsgServer(refusal.Server(c.MsgServer()), messages{m.keeper})
	pinv1.RegisterQueryServer(c.QueryServer(), queries{m.keeper})
}

// DefaultGenesis implements module.HasGenesis.
func (AppModule) DefaultGenesis(cdc codec.JSONCodec) json.RawMessage {
	return cdc.MustMarshalJSON(DefaultGenesis())
}

// ValidateGenesis checks the parameters; that the rest adds up is checked as it is
// stored.
func (AppModule) ValidateGenesis(cdc codec.JSONCodec, _ client.TxEncodingConfig, data json.RawMessage) error {
	var state pinv1.GenesisState
	if err := cdc.UnmarshalJSON(data, &state); err != nil {
		return fmt.Errorf("%s genesis: %w", ModuleName, err)
	}
	return validateParams(state.Params)
}

// InitGenesis stores a genesis.
func (m AppModule) InitGenesis(ctx sdk.Context, cdc codec.JSONCodec, data json.RawMessage) {
	var state pinv1.GenesisState
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

// EndBlock draws pieces and closes epochs.
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
			Service: "koinon.pin.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Pin", Use: "pin ID", Short: "Show a pin and who holds it", PositionalArgs: args("id")},
				{RpcMethod: "Pins", Use: "pins", Short: "List pins", Example: "koinon query pin pins"},
				{RpcMethod: "Duties", Use: "duties ADDRESS", Short: "List what somebody holds", PositionalArgs: args("holder")},
				{RpcMethod: "Params", Use: "params", Short: "Show the module's parameters"},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.pin.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Open", Skip: true},  // its terms are a message: koinon model pin takes them as flags
				{RpcMethod: "Prove", Skip: true}, // koinon model hold makes the proof
				{RpcMethod: "UpdateParams", Skip: true},
				{RpcMethod: "Accept", Use: "accept ID", Short: "Hold a copy, and stake a bond on it", PositionalArgs: args("pin")},
				{RpcMethod: "Leave", Use: "leave ID", Short: "Hold no longer, which costs what a miss does", PositionalArgs: args("pin")},
				{RpcMethod: "Close", Use: "close ID", Short: "End a pin that you opened", PositionalArgs: args("pin")},
			},
		},
	}
}
