package escrow

import (
	"context"

	autocliv1 "cosmossdk.io/api/cosmos/autocli/v1"
	"cosmossdk.io/core/appmodule"
	gogogrpc "github.com/cosmos/gogoproto/grpc"
	"github.com/grpc-ecosystem/grpc-gateway/runtime"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	"github.com/koinon/koinon/internal/ledger/module"
)

var _ appmodule.HasEndBlocker = AppModule{}

// AppModule fits the keeper into the SDK's module manager.
type AppModule struct {
	module.Module[escrowv1.GenesisState, *escrowv1.GenesisState]
	keeper *Keeper
}

// NewAppModule makes the module.
func NewAppModule(k *Keeper) AppModule {
	return AppModule{module.Module[escrowv1.GenesisState, *escrowv1.GenesisState]{
		Called: ModuleName, Messages: &escrowv1.Msg_serviceDesc,
		Serve: func(msgs, asked gogogrpc.Server) {
			escrowv1.RegisterMsgServer(msgs, messages{k})
			escrowv1.RegisterQueryServer(asked, queries{k})
		},
		Routes: func(ctx context.Context, mux *runtime.ServeMux, ledger gogogrpc.ClientConn) error {
			return escrowv1.RegisterQueryHandlerClient(ctx, mux, escrowv1.NewQueryClient(ledger))
		},
		Default:  DefaultGenesis,
		Validate: func(s escrowv1.GenesisState) error { return paramsOf(s.Params).Validate() },
		Init:     k.initGenesis, Export: k.exportGenesis,
	}, k}
}

// EndBlock lapses grants whose time is over and pays what is due.
func (m AppModule) EndBlock(ctx context.Context) error {
	if err := m.keeper.lapse(ctx); err != nil {
		return err
	}
	return m.keeper.payDue(ctx)
}

// AutoCLIOptions describes the commands that the protobuf services become.
func (AppModule) AutoCLIOptions() *autocliv1.ModuleOptions {
	return &autocliv1.ModuleOptions{
		Query: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.escrow.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Escrow", Use: "escrow PAYER", Short: "Show a payer's escrow", Example: "koinon query escrow escrow koinon1…", PositionalArgs: module.Args("payer")},
				{RpcMethod: "Escrows", Use: "escrows", Short: "List escrows", Example: "koinon query escrow escrows"},
				{RpcMethod: "Grant", Use: "grant ID", Short: "Show an activated grant", PositionalArgs: module.Args("id")},
				{RpcMethod: "Grants", Use: "grants", Short: "List activated grants", Example: "koinon query escrow grants --provider koinon1…"},
				{RpcMethod: "Payouts", Use: "payouts", Short: "List money on its way out", Example: "koinon query escrow payouts --recipient koinon1…"},
				{RpcMethod: "Issuers", Use: "issuers", Short: "List the issuers of credit", Example: "koinon query escrow issuers"},
				{RpcMethod: "Entry", Use: "entry ISSUER REFERENCE", Short: "Show what an issuer did under a reference", PositionalArgs: module.Args("issuer", "reference")},
				{RpcMethod: "CashOuts", Use: "cash-outs ISSUER", Short: "List what an issuer owes outside of the ledger", PositionalArgs: module.Args("issuer")},
				{RpcMethod: "Invariants", Use: "invariants", Short: "Check that the module's books balance", Example: "koinon query escrow invariants"},
				{RpcMethod: "Params", Use: "params", Short: "Show the module's parameters", Example: "koinon query escrow params"},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.escrow.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Deposit", Use: "deposit UCREDIT", Short: "Move credit into your escrow; costs no gas", Example: "koinon tx escrow deposit 5000000 --from me --grant-key …", PositionalArgs: module.Args("amount")},
				{RpcMethod: "Withdraw", Use: "withdraw UCREDIT", Short: "Take available credit back, after a delay; costs no gas", Example: "koinon tx escrow withdraw 1000000 --from me", PositionalArgs: module.Args("amount")},
				{RpcMethod: "Mint", Use: "mint RECIPIENT UCREDIT", Short: "Create credit, as an issuer", PositionalArgs: module.Args("recipient", "amount")},
				{RpcMethod: "Burn", Use: "burn UCREDIT", Short: "Destroy credit, as an issuer", PositionalArgs: module.Args("amount")},
				{RpcMethod: "CashOut", Use: "cash-out ISSUER UCREDIT DESTINATION", Short: "Give up credit for dollars from its issuer; costs no gas", PositionalArgs: module.Args("issuer", "amount", "destination")},
				{RpcMethod: "Settle", Use: "settle ID PAYMENT", Short: "Say that a cash-out is paid, as an issuer", PositionalArgs: module.Args("id", "payment")},
				{RpcMethod: "SwapIn", Use: "swap-in ISSUER AMOUNT", Short: "Swap an IBC dollar's millionths for credit; costs no gas", PositionalArgs: module.Args("issuer", "amount")},
				{RpcMethod: "SwapOut", Use: "swap-out ISSUER UCREDIT", Short: "Swap credit back for an IBC dollar; costs no gas", PositionalArgs: module.Args("issuer", "amount")},
				{RpcMethod: "SetIssuer", Skip: true},
				{RpcMethod: "UpdateParams", Skip: true},
			},
		},
	}
}
