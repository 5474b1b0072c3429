package share

import (
	"context"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
	"cosmossdk.io/core/appmodule"
	gogogrpc "github.com/cosmos/gogoproto/grpc"
	"github.com/grpc-ecosystem/grpc-gateway/runtime"

	sharev1 "github.com/koinon/koinon/api/koinon/share/v1"
	"github.com/koinon/koinon/internal/ledger/module"
)

var _ appmodule.HasEndBlocker = AppModule{}

// AppModule fits the keeper into the SDK's module manager.
type AppModule struct {
	module.Module[sharev1.GenesisState, *sharev1.GenesisState]
	keeper *Keeper
}

// NewAppModule makes the module.
func NewAppModule(k *Keeper) AppModule {
	return AppModule{module.Module[sharev1.GenesisState, *sharev1.GenesisState]{
		Called: ModuleName, Messages: &sharev1.Msg_serviceDesc,
		Serve: func(msgs, asked gogogrpc.Server) {
			sharev1.RegisterMsgServer(msgs, messages{k})
			sharev1.RegisterQueryServer(asked, queries{k})
		},
		Routes: func(ctx context.Context, mux *runtime.ServeMux, ledger gogogrpc.ClientConn) error {
			return sharev1.RegisterQueryHandlerClient(ctx, mux, sharev1.NewQueryClient(ledger))
		},
		Default: func() *sharev1.GenesisState { return &sharev1.GenesisState{} },
		Init:    k.initGenesis, Export: k.exportGenesis,
	}, k}
}

// EndBlock settles bids, and forgets votes of long ago.
func (m AppModule) EndBlock(ctx context.Context) error { return m.keeper.endBlock(ctx) }

// AutoCLIOptions describes the commands that the protobuf services become.
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.share.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Issue", Use: "issue MODEL", Short: "Show a model's shares", Example: "koinon query share issue @ada/bard", PositionalArgs: module.Args("model")},
				{RpcMethod: "Holders", Use: "holders MODEL", Short: "List who holds shares of a model", PositionalArgs: module.Args("model")},
				{RpcMethod: "Holder", Use: "holder MODEL ADDRESS", Short: "Show what one holder has", PositionalArgs: module.Args("model", "holder")},
				{RpcMethod: "Vestings", Use: "vestings MODEL ADDRESS", Short: "List a holder's vesting schedules", PositionalArgs: module.Args("model", "holder")},
				{RpcMethod: "Bid", Use: "bid ID", Short: "Show a bid for a model's shares", PositionalArgs: module.Args("id")},
				{RpcMethod: "Bids", Use: "bids", Short: "List bids for models' shares"},
				{RpcMethod: "Tenders", Use: "tenders BID", Short: "List what was tendered to a bid", PositionalArgs: module.Args("bid")},
				{RpcMethod: "Power", Use: "power MODEL ADDRESS", Short: "Show how many shares somebody votes for", PositionalArgs: module.Args("model", "voter")},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.share.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Issue", Skip: true}, // its allocations are no flags: koinon share issue
				{RpcMethod: "Vest", Skip: true},
				{RpcMethod: "Claim", Use: "claim MODEL", Short: "Be paid the royalties of your shares; costs no gas", PositionalArgs: module.Args("model")},
				{RpcMethod: "Release", Use: "release MODEL ID", Short: "Free what has vested", PositionalArgs: module.Args("model", "id")},
				{RpcMethod: "Lock", Use: "lock MODEL SHARES UNTIL", Short: "Keep shares until a time, in Unix seconds", PositionalArgs: module.Args("model", "shares", "until")},
				{RpcMethod: "Unlock", Use: "unlock MODEL", Short: "Free locked shares", PositionalArgs: module.Args("model")},
				{RpcMethod: "Bid", Use: "bid MODEL PRICE LEAST DEADLINE", Short: "Bid for all shares that others have, in ucredit a million", PositionalArgs: module.Args("model", "price", "least", "deadline")},
				{RpcMethod: "Tender", Use: "tender BID SHARES", Short: "Offer shares to a bid", PositionalArgs: module.Args("bid", "shares")},
				{RpcMethod: "TakeBack", Use: "take-back BID SHARES", Short: "Take tendered shares back", PositionalArgs: module.Args("bid", "shares")},
				{RpcMethod: "Delegate", Use: "delegate MODEL TO", Short: "Let somebody else vote", PositionalArgs: module.Args("model", "to")},
			},
		},
	}
}
