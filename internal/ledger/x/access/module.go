package access

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

	accessv1 "github.com/koinon/koinon/api/koinon/access/v1"
	"github.com/koinon/koinon/internal/ledger/refusal"
)

var (
	_ module.AppModuleBasic = AppModule{}
	_ module.HasGenesis     = AppModule{}
	_ module.HasServices    = AppModule{}
	_ appmodule.AppModule   = AppModule{}
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
		&accessv1.MsgSetPolicy{}, &accessv1.MsgOpenPlan{}, &accessv1.MsgClosePlan{}, &accessv1.MsgBuy{},
		&accessv1.MsgGrant{}, &accessv1.MsgTransfer{}, &accessv1.MsgPresent{})
	msgservice.RegisterMsgServiceDesc(r, &accessv1.Msg_serviceDesc)
}

// RegisterGRPCGatewayRoutes serves queries over REST.
func (AppModule) RegisterGRPCGatewayRoutes(c client.Context, mux *runtime.ServeMux) {
	if err := accessv1.RegisterQueryHandlerClient(context.Background(), mux, accessv1.NewQueryClient(c)); err != nil {
		panic(err) // a route that is registered twice: a mistake in the protobuf source
	}
}

// RegisterServices serves messages and queries.
func (m AppModule) RegisterServices(c module.Configurator) {
	accessv1.RegisterMsgServer(refusal.Server(c.MsgServer()), messages{m.keeper})
	accessv1.RegisterQueryServer(c.QueryServer(), queries{m.keeper})
}

// DefaultGenesis implements module.HasGenesis.
func (AppModule) DefaultGenesis(cdc codec.JSONCodec) json.RawMessage {
	return cdc.MustMarshalJSON(&accessv1.GenesisState{NextPlan: first, NextToken: first})
}

// ValidateGenesis checks the form; InitGenesis checks the rest.
func (AppModule) ValidateGenesis(cdc codec.JSONCodec, _ client.TxEncodingConfig, data json.RawMessage) error {
	var state accessv1.GenesisState
	if err := cdc.UnmarshalJSON(data, &state); err != nil {
		return fmt.Errorf("%s genesis: %w", ModuleName, err)
	}
	return nil
}

// InitGenesis stores a genesis.
func (m AppModule) InitGenesis(ctx sdk.Context, cdc codec.JSONCodec, data json.RawMessage) {
	var state accessv1.GenesisState
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
			Service: "koinon.access.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Policy", Use: "policy DIGEST", Short: "Show who may call a version", PositionalArgs: args("digest")},
				{RpcMethod: "Policies", Use: "policies", Short: "List the policies of versions"},
				{RpcMethod: "Plans", Use: "plans", Short: "List kinds of access token", Example: "koinon query access plans --model @ada/bard"},
				{RpcMethod: "Token", Use: "token ID", Short: "Show an access token", PositionalArgs: args("id")},
				{RpcMethod: "Tokens", Use: "tokens", Short: "List access tokens", Example: "koinon query access tokens --holder ADDRESS"},
				{RpcMethod: "Admission", Use: "admission DIGEST PAYER", Short: "Say whether a payer's grant would be taken", PositionalArgs: args("digest", "payer")},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.access.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "SetPolicy", Skip: true}, // koinon access set takes it as flags
				{RpcMethod: "OpenPlan", Skip: true},
				{RpcMethod: "ClosePlan", Use: "close-plan ID", Short: "Sell no more tokens of a kind", PositionalArgs: args("plan")},
				{RpcMethod: "Buy", Use: "buy PLAN", Short: "Buy an access token", PositionalArgs: args("plan")},
				{RpcMethod: "Grant", Use: "grant SCOPE HOLDER", Short: "Give an access token away", PositionalArgs: args("scope", "holder")},
				{RpcMethod: "Transfer", Use: "transfer ID TO", Short: "Give your access token to somebody", PositionalArgs: args("token", "to")},
				{RpcMethod: "Present", Skip: true},
			},
		},
	}
}
