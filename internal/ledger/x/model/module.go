package model

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

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
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
	r.RegisterImplementations((*sdk.Msg)(nil), &modelv1.MsgRegisterVersion{}, &modelv1.MsgRegisterNamespace{}, &modelv1.MsgTransfer{},
		&modelv1.MsgSetStatus{}, &modelv1.MsgSetTag{}, &modelv1.MsgSetCard{})
	msgservice.RegisterMsgServiceDesc(r, &modelv1.Msg_serviceDesc)
}

// RegisterGRPCGatewayRoutes serves queries over REST.
func (AppModule) RegisterGRPCGatewayRoutes(c client.Context, mux *runtime.ServeMux) {
	if err := modelv1.RegisterQueryHandlerClient(context.Background(), mux, modelv1.NewQueryClient(c)); err != nil {
		panic(err) // a route that is registered twice: a mistake in the protobuf source
	}
}

// RegisterServices serves messages and queries.
func (m AppModule) RegisterServices(c module.Configurator) {
	modelv1.RegisterMsgServer(refusal.Server(c.MsgServer()), messages{m.keeper})
	modelv1.RegisterQueryServer(c.QueryServer(), queries{m.keeper})
}

// DefaultGenesis is an empty registry.
func (AppModule) DefaultGenesis(cdc codec.JSONCodec) json.RawMessage {
	return cdc.MustMarshalJSON(&modelv1.GenesisState{})
}

// ValidateGenesis checks every version.
func (m AppModule) ValidateGenesis(cdc codec.JSONCodec, _ client.TxEncodingConfig, data json.RawMessage) error {
	var state modelv1.GenesisState
	if err := cdc.UnmarshalJSON(data, &state); err != nil {
		return fmt.Errorf("%s genesis: %w", ModuleName, err)
	}
	for _, v := range state.Versions {
		if err := PolicyOf(v, false).Validate(); err != nil {
			return fmt.Errorf("%s genesis: %s@%s: %w", ModuleName, v.Name, v.Version, err)
		}
	}
	return nil
}

// InitGenesis stores a genesis.
func (m AppModule) InitGenesis(ctx sdk.Context, cdc codec.JSONCodec, data json.RawMessage) {
	var state modelv1.GenesisState
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
			Service: "koinon.model.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Version", Use: "version DIGEST", Short: "Show one model version",
					Example: "koinon query model version sha256:…", PositionalArgs: args("digest")},
				{RpcMethod: "Versions", Use: "versions", Short: "List model versions", Example: "koinon query model versions --name bard"},
				{RpcMethod: "Resolve", Use: "resolve MODEL", Short: "Show the version that a name, a tag or a digest stands for",
					Example: "koinon query model resolve @ada/bard:latest", PositionalArgs: args("reference")},
				{RpcMethod: "Model", Use: "model NAME", Short: "Show a model's owner and tags", PositionalArgs: args("name")},
				{RpcMethod: "Models", Use: "models", Short: "List models"},
				{RpcMethod: "Tags", Use: "tags", Short: "List the tags of all models"},
				{RpcMethod: "Namespace", Use: "namespace @NAME", Short: "Show who owns a namespace", PositionalArgs: args("name")},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.model.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "RegisterNamespace", Use: "register-namespace @NAME", Short: "Register a namespace", PositionalArgs: args("name")},
				{RpcMethod: "RegisterVersion", Use: "register-version DIGEST NAME VERSION", Short: "Register a model version",
					PositionalArgs: args("digest", "name", "version")},
				{RpcMethod: "Transfer", Use: "transfer NAME TO", Short: "Give a namespace or a model to another owner", PositionalArgs: args("name", "to")},
				{RpcMethod: "SetStatus", Use: "set-status DIGEST STATUS", Short: "List, deprecate or withdraw a version", PositionalArgs: args("digest", "status")},
				{RpcMethod: "SetTag", Use: "set-tag MODEL TAG DIGEST", Short: "Point a tag to a version", PositionalArgs: args("model", "tag", "digest")},
				{RpcMethod: "SetCard", Use: "set-card DIGEST", Short: "Say what a version is", PositionalArgs: args("digest")},
			},
		},
	}
}
