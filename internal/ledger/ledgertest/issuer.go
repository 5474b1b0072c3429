package ledgertest

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	sdk "github.com/cosmos/cosmos-sdk/types"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
)

// Issuing is the ledger as its issuer's programs see it; every message is a
// block.
type Issuing struct {
	*Ledger
	// Lost, if it returns an error, is what a message comes back with although a
	// block has it, as when a connection breaks.
	Lost func() error
}

// Address is the issuer's.
func (i Issuing) Address() string { return i.Issuer.Address }

// Check says whether text is an account's address.
func (i Issuing) Check(address string) error {
	_, err := sdk.AccAddressFromBech32(address)
	return err
}

// Mint creates credit under a reference.
func (i Issuing) Mint(_ context.Context, recipient string, ucredit uint64, reference string) error {
	return i.send(&escrowv1.MsgMint{Issuer: i.Address(), Recipient: recipient, Amount: ucredit, Reference: reference})
}

// Entry reads what happened under a reference.
func (i Issuing) Entry(ctx context.Context, reference string) (escrowv1.Entry, bool, error) {
	r, err := escrowv1.NewQueryClient(i.Conn()).Entry(ctx, &escrowv1.QueryEntryRequest{Issuer: i.Address(), Reference: reference})
	if status.Code(err) == codes.NotFound {
		return escrowv1.Entry{}, false, nil
	}
	if err != nil {
		return escrowv1.Entry{}, false, err
	}
	return r.Entry, true, nil
}

// CashOuts lists what the issuer owes.
func (i Issuing) CashOuts(ctx context.Context) ([]escrowv1.CashOut, error) {
	r, err := escrowv1.NewQueryClient(i.Conn()).CashOuts(ctx, &escrowv1.QueryCashOutsRequest{Issuer: i.Address()})
	if err != nil {
		return nil, err
	}
	return r.CashOuts, nil
}

// Settle says that a cash-out is paid.
func (i Issuing) Settle(_ context.Context, id uint64, payment string) error {
	return i.send(&escrowv1.MsgSettle{Issuer: i.Address(), Id: id, Payment: payment})
}

func (i Issuing) send(msg sdk.Msg) error {
	err := i.Send(i.Issuer, msg)
	if err == nil && i.Lost != nil {
		return i.Lost()
	}
	return err
}
