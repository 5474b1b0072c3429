package escrow

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

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
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
		&escrowv1.MsgDeposit{}, &escrowv1.MsgWithdraw{}, &escrowv1.MsgActivate{}, &escrowv1.MsgRedeem{},
		&escrowv1.MsgMint{}, &escrowv1.MsgBurn{}, &escrowv1.MsgCashOut{}, &escrowv1.MsgSettle{}, &escrowv1.MsgSwapIn{}, &escrowv1.MsgSwapOut{},
		&escrowv1.MsgSetIssuer{},
		&escrowv1.MsgUpdateParams{})
	msgservice.RegisterMsgServiceDesc(r, &escrowv1.Msg_serviceDesc)
}

// RegisterGRPCGatewayRoutes serves queries over REST.
func (AppModule) RegisterGRPCGatewayRoutes(c client.Context, mux *runtime.ServeMux) {
	if err := escrowv1.RegisterQueryHandlerClient(context.Background(), mux, escrowv1.NewQueryClient(c)); err != nil {
		panic(err) // a route that is registered twice: a mistake in the protobuf source
	}
}

// RegisterServices serves messages and queries.
func (m AppModule) RegisterServices(c module.Configurator) {
	escrowv1.RegisterMsgServer(refusal.Server(c.MsgServer()), messages{m.keeper})
	escrowv1.RegisterQueryServer(c.QueryServer(), queries{m.keeper})
}

// DefaultGenesis implements module.HasGenesis.
func (AppModule) DefaultGenesis(cdc codec.JSONCodec) json.RawMessage {
	return cdc.MustMarshalJSON(DefaultGenesis())
}

// ValidateGenesis checks the parameters.
func (AppModule) ValidateGenesis(cdc codec.JSONCodec, _ client.TxEncodingConfig, data json.RawMessage) error {
	var state escrowv1.GenesisState
	if err := cdc.UnmarshalJSON(data, &state); err != nil {
		return fmt.Errorf("%s genesis: %w", ModuleName, err)
	}
	return paramsOf(state.Params).Validate()
}

// InitGenesis stores a genesis.
func (m AppModule) InitGenesis(ctx sdk.Context, cdc codec.JSONCodec, data json.RawMessage) {
	var state escrowv1.GenesisState
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

// EndBlock lapses grants whose time is over and pays what is due.
func (m AppModule) EndBlock(ctx context.Context) error {
	if err := m.keeper.lapse(ctx); err != nil {
		return err
	}
	return m.keeper.payDue(ctx)
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
			Service: "koinon.escrow.v1.Query",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Escrow", Use: "escrow PAYER", Short: "Show a payer's escrow", Example: "koinon query escrow escrow koinon1…", PositionalArgs: args("payer")},
				{RpcMethod: "Escrows", Use: "escrows", Short: "List escrows", Example: "koinon query escrow escrows"},
				{RpcMethod: "Grant", Use: "grant ID", Short: "Show an activated grant", PositionalArgs: args("id")},
				{RpcMethod: "Grants", Use: "grants", Short: "List activated grants", Example: "koinon query escrow grants --provider koinon1…"},
				{RpcMethod: "Payouts", Use: "payouts", Short: "List money on its way out", Example: "koinon query escrow payouts --recipient koinon1…"},
				{RpcMethod: "Issuers", Use: "issuers", Short: "List the issuers of credit", Example: "koinon query escrow issuers"},
				{RpcMethod: "Entry", Use: "entry ISSUER REFERENCE", Short: "Show what an issuer did under a reference", PositionalArgs: args("issuer", "reference")},
				{RpcMethod: "CashOuts", Use: "cash-outs ISSUER", Short: "List what an issuer owes outside of the ledger", PositionalArgs: args("issuer")},
				{RpcMethod: "Invariants", Use: "invariants", Short: "Check that the module's books balance", Example: "koinon query escrow invariants"},
				{RpcMethod: "Params", Use: "params", Short: "Show the module's parameters", Example: "koinon query escrow params"},
			},
		},
		Tx: &autocliv1.ServiceCommandDescriptor{
			Service: "koinon.escrow.v1.Msg",
			RpcCommandOptions: []*autocliv1.RpcCommandOptions{
				{RpcMethod: "Deposit", Use: "deposit UCREDIT", Short: "Move credit into your escrow; costs no gas", Example: "koinon tx escrow deposit 5000000 --from me --grant-key …", PositionalArgs: args("amount")},
				{RpcMethod: "Withdraw", Use: "withdraw UCREDIT", Short: "Take available credit back, after a delay; costs no gas", Example: "koinon tx escrow withdraw 1000000 --from me", PositionalArgs: args("amount")},
				{RpcMethod: "Mint", Use: "mint RECIPIENT UCREDIT", Short: "Create credit, as an issuer", PositionalArgs: args("recipient", "amount")},
				{RpcMethod: "Burn", Use: "burn UCREDIT", Short: "Destroy credit, as an issuer", PositionalArgs: args("amount")},
				{RpcMethod: "CashOut", Use: "cash-out ISSUER UCREDIT DESTINATION", Short: "Give up credit for dollars from its issuer; costs no gas", PositionalArgs: args("issuer", "amount", "destination")},
				{RpcMethod: "Settle", Use: "settle ID PAYMENT", Short: "Say that a cash-out is paid, as an issuer", PositionalArgs: args("id", "payment")},
				{RpcMethod: "SwapIn", Use: "swap-in ISSUER AMOUNT", Short: "Swap an IBC dollar's millionths for credit; costs no gas", PositionalArgs: args("issuer", "amount")},
				{RpcMethod: "SwapOut", Use: "swap-out ISSUER UCREDIT", Short: "Swap credit back for an IBC dollar; costs no gas", PositionalArgs: args("issuer", "amount")},
				{RpcMethod: "SetIssuer", Skip: true},
				{RpcMethod: "UpdateParams", Skip: true},
			},
		},
	}
}
