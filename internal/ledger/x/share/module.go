package share

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

	sharev1 "github.com/koinon/koinon/api/koinon/share/v1"
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
		&sharev1.MsgIssue{}, &sharev1.MsgClaim{}, &sharev1.MsgVest{}, &sharev1.MsgRelease{}, &sharev1.MsgLock{}, &sharev1.MsgUnlock{}, &sharev1.MsgDelegate{}, &sharev1.MsgBid{}, &sharev1.MsgTender{}, &sharev1.MsgTakeBack{})
	msgservice.RegisterMsgServiceDesc(r, &sharev1.Msg_serviceDesc)
}

// RegisterGRPCGatewayRoutes serves queries over REST.
func (AppModule) RegisterGRPCGatewayRoutes(c client.Context, mux *runtime.ServeMux) {
	if err := sharev1.RegisterQueryHandlerClient(context.Background(), mux, sharev1.NewQueryClient(c)); err != nil {
		panic(err) // a route that is registered twice: a mistake in the protobuf source
	}
}

// RegisterServices serves messages and queries.
func (m AppModule) RegisterServices(c module.Configurator) {
	sharev1.RegisterMsgServer(refusal.Server(c.MsgServer()), messages{m.keeper})
	sharev1.RegisterQueryServer(c.QueryServer(), queries{m.keeper})
}

// DefaultGenesis has no shares.
func (AppModule) DefaultGenesis(cdc codec.JSONCodec) json.RawMessage {
	return cdc.MustMarshalJSON(&sharev1.GenesisState{})
}

// ValidateGenesis checks the form; what adds up is known when the bank's is there.
func (AppModule) ValidateGenesis(cdc codec.JSONCodec, _ client.TxEncodingConfig, data json.RawMessage) error {
	var state sharev1.GenesisState
	if err := cdc.UnmarshalJSON(data, &state); err != nil {
		return fmt.Errorf("%s genesis: %w", ModuleName, err)
	}
	return nil
}

// InitGenesis stores a genesis.
func (m AppModule) InitGenesis(ctx sdk.Context, cdc codec.JSONCodec, data json.RawMessage) {
	var state sharev1.GenesisState
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

// EndBlock settles bids, and forgets votes of long ago.
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
			Service: "koinon.share.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Issue", Use: "issue MODEL", Short: "Show a model's shares", Example: "koinon query share issue @ada/bard", PositionalArgs: args("model")},
				{RpcMethod: "Holders", Use: "holders MODEL", Short: "List who holds shares of a model", PositionalArgs: args("model")},
				{RpcMethod: "Holder", Use: "holder MODEL ADDRESS", Short: "Show what one holder has", PositionalArgs: args("model", "holder")},
				{RpcMethod: "Vestings", Use: "vestings MODEL ADDRESS", Short: "List a holder's vesting schedules", PositionalArgs: args("model", "holder")},
				{RpcMethod: "Bid", Use: "bid ID", Short: "Show a bid for a model's shares", PositionalArgs: args("id")},
				{RpcMethod: "Bids", Use: "bids", Short: "List bids for models' shares"},
				{RpcMethod: "Tenders", Use: "tenders BID", Short: "List what was tendered to a bid", PositionalArgs: args("bid")},
				{RpcMethod: "Power", Use: "power MODEL ADDRESS", Short: "Show how many shares somebody votes for", PositionalArgs: args("model", "voter")},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.share.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Issue", Skip: true}, // its allocations are no flags: koinon share issue
				{RpcMethod: "Vest", Skip: true},
				{RpcMethod: "Claim", Use: "claim MODEL", Short: "Be paid the royalties of your shares; costs no gas", PositionalArgs: args("model")},
				{RpcMethod: "Release", Use: "release MODEL ID", Short: "Free what has vested", PositionalArgs: args("model", "id")},
				{RpcMethod: "Lock", Use: "lock MODEL SHARES UNTIL", Short: "Keep shares until a time, in Unix seconds", PositionalArgs: args("model", "shares", "until")},
				{RpcMethod: "Unlock", Use: "unlock MODEL", Short: "Free locked shares", PositionalArgs: args("model")},
				{RpcMethod: "Bid", Use: "bid MODEL PRICE LEAST DEADLINE", Short: "Bid for all shares that others have, in ucredit a million", PositionalArgs: args("model", "price", "least", "deadline")},
				{RpcMethod: "Tender", Use: "tender BID SHARES", Short: "Offer shares to a bid", PositionalArgs: args("bid", "shares")},
				{RpcMethod: "TakeBack", Use: "take-back BID SHARES", Short: "Take tendered shares back", PositionalArgs: args("bid", "shares")},
				{RpcMethod: "Delegate", Use: "delegate MODEL TO", Short: "Let somebody else vote", PositionalArgs: args("model", "to")},
			},
		},
	}
}
