// Package module says to the SDK's module manager what all modules of this ledger
// say alike, so that a module's own file has only what distinguishes it.
package module

import (
	"context"
	"encoding/json"
	"fmt"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
	"cosmossdk.io/core/appmodule"
	gogogrpc "github.com/cosmos/gogoproto/grpc"
	"github.com/cosmos/gogoproto/proto"
	"github.com/grpc-ecosystem/grpc-gateway/runtime"
	"google.golang.org/grpc"

	"github.com/cosmos/cosmos-sdk/client"
	"github.com/cosmos/cosmos-sdk/codec"
	codectypes "github.com/cosmos/cosmos-sdk/codec/types"
	sdk "github.com/cosmos/cosmos-sdk/types"
	sdkmodule "github.com/cosmos/cosmos-sdk/types/module"
	"github.com/cosmos/cosmos-sdk/types/msgservice"

	"github.com/koinon/koinon/internal/ledger/refusal"
)

// Module is embedded by a module's AppModule. G is its genesis, and P a pointer to it.
type Module[G any, P interface {
	*G
	proto.Message
}] struct {
	// Called is the module's name.
	Called string
	// Messages is the protobuf service of its messages, all of which become known.
	Messages *grpc.ServiceDesc
	// Serve registers what answers its messages and its queries.
	Serve func(messages, queries gogogrpc.Server)
	// Routes serves its queries over REST.
	Routes func(ctx context.Context, mux *runtime.ServeMux, ledger gogogrpc.ClientConn) error
	// Default is the genesis of a new ledger.
	Default func() P
	// Validate checks a genesis by itself; nil, if Init alone can tell.
	Validate func(G) error
	// Init checks and stores a genesis.
	Init func(context.Context, G) error
	// Export is the whole state.
	Export func(context.Context) (P, error)
}

// empty stands for any module below: the interfaces are those that the manager looks for.
type empty = Module[emptyGenesis, *emptyGenesis]

type emptyGenesis struct{ proto.Message }

var (
	_ sdkmodule.AppModuleBasic = empty{}
	_ sdkmodule.HasGenesis     = empty{}
	_ sdkmodule.HasServices    = empty{}
	_ appmodule.AppModule      = empty{}
)

// IsOnePerModuleType implements depinject.OnePerModuleType.
func (Module[G, P]) IsOnePerModuleType() {}

// IsAppModule implements appmodule.AppModule.
func (Module[G, P]) IsAppModule() {}

// Name is the module's name.
func (m Module[G, P]) Name() string { return m.Called }

// ConsensusVersion counts changes of the stored form. There was none yet.
func (Module[G, P]) ConsensusVersion() uint64 { return 1 }

// RegisterLegacyAminoCodec implements module.AppModuleBasic; amino JSON comes
// from the protobuf descriptors.
func (Module[G, P]) RegisterLegacyAminoCodec(*codec.LegacyAmino) {}

// RegisterInterfaces makes the messages known.
func (m Module[G, P]) RegisterInterfaces(r codectypes.InterfaceRegistry) {
	msgservice.RegisterMsgServiceDesc(r, m.Messages)
}

// RegisterGRPCGatewayRoutes serves queries over REST.
func (m Module[G, P]) RegisterGRPCGatewayRoutes(c client.Context, mux *runtime.ServeMux) {
	if err := m.Routes(context.Background(), mux, c); err != nil {
		panic(err) // a route that is registered twice: a mistake in the protobuf source
	}
}

// RegisterServices serves messages, whose refusals get their codes, and queries.
func (m Module[G, P]) RegisterServices(c sdkmodule.Configurator) {
	m.Serve(refusal.Server(c.MsgServer()), c.QueryServer())
}

// DefaultGenesis implements module.HasGenesis.
func (m Module[G, P]) DefaultGenesis(cdc codec.JSONCodec) json.RawMessage {
	return cdc.MustMarshalJSON(m.Default())
}

// ValidateGenesis checks what a genesis can tell by itself.
func (m Module[G, P]) ValidateGenesis(cdc codec.JSONCodec, _ client.TxEncodingConfig, data json.RawMessage) error {
	var state G
	if err := cdc.UnmarshalJSON(data, P(&state)); err != nil {
		return fmt.Errorf("%s genesis: %w", m.Called, err)
	}
	if m.Validate == nil {
		return nil
	}
	if err := m.Validate(state); err != nil {
		return fmt.Errorf("%s genesis: %w", m.Called, err)
	}
	return nil
}

// InitGenesis stores a genesis, or panics: a ledger cannot begin with a false one.
func (m Module[G, P]) InitGenesis(ctx sdk.Context, cdc codec.JSONCodec, data json.RawMessage) {
	var state G
	cdc.MustUnmarshalJSON(data, P(&state))
	if err := m.Init(ctx, state); err != nil {
		panic(fmt.Errorf("%s genesis: %w", m.Called, err))
	}
}

// ExportGenesis returns the whole state, or panics: a part of it would be another ledger.
func (m Module[G, P]) ExportGenesis(ctx sdk.Context, cdc codec.JSONCodec) json.RawMessage {
	state, err := m.Export(ctx)
	if err != nil {
		panic(fmt.Errorf("%s export: %w", m.Called, err))
	}
	return cdc.MustMarshalJSON(state)
}

// Args names the fields that a generated command takes by position.
func Args(fields ...string) []*autocliv1.PositionalArgDescriptor {
	var list []*autocliv1.PositionalArgDescriptor
	for _, f := range fields {
		list = append(list, &autocliv1.PositionalArgDescriptor{ProtoField: f})
	}
	return list
}

// Skip names messages that become no command.
func Skip(methods ...string) []*autocliv1.RpcCommandOptions {
	var list []*autocliv1.RpcCommandOptions
	for _, m := range methods {
		list = append(list, &autocliv1.RpcCommandOptions{RpcMethod: m, Skip: true})
	}
	return list
}
