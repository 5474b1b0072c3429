package audit

import (
	"context"
	"fmt"

	sdk "github.com/cosmos/cosmos-sdk/types"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	"github.com/koinon/koinon/internal/mechanism/bisection"
	"github.com/koinon/koinon/internal/mechanism/court"
	"github.com/koinon/koinon/receipt"
)

// gasPerMoveByte is what a move costs for each of its bytes: a referee may
// have to compute an operator with them.
const gasPerMoveByte = 20

// newGame begins a game about a receipt of the exact class.
func (k *Keeper) newGame(ctx context.Context, r receipt.Receipt) (bisection.Game, error) {
	version, err := k.models.Version(ctx, r.Model.String())
	if err != nil {
		return bisection.Game{}, err
	}
	weights, err := receipt.ParseDigest(version.WeightsRoot)
	if err != nil {
		return bisection.Game{}, fmt.Errorf("%w: its model version has no weights root: %w", ErrReceipt, err)
	}
	game, err := bisection.Begin(r, weights)
	if err != nil {
		return game, fmt.Errorf("%w: %w", ErrReceipt, err)
	}
	return game, nil
}

// playable refuses a receipt of the exact class about which no game could be
// played: who cannot be shown wrong is not to be accused.
func (k *Keeper) playable(ctx context.Context, r receipt.Receipt) error {
	if r.Class != receipt.Exact {
		_, err := k.models.Version(ctx, r.Model.String())
		return err
	}
	_, err := k.newGame(ctx, r)
	return err
}

// beginGame begins a game when a case comes to one, or to its next challenger.
func (k *Keeper) beginGame(ctx context.Context, h *hearing) error {
	if h.State != court.Playing {
		h.stored.Game = nil
		return nil
	}
	if h.stored.Game != nil && len(h.stored.Challengers) == len(h.Challengers) {
		return nil
	}
	r, err := decode(h.stored.Receipt)
	if err != nil {
		return err
	}
	game, err := k.newGame(ctx, r)
	if err != nil {
		return err // cannot be: it could be played when the case was opened
	}
	h.stored.Game = game.Marshal()
	h.AccusedTurn = game.Turn() == bisection.Accused
	return nil
}

// Play implements auditv1.MsgServer.
func (m messages) Play(ctx context.Context, msg *auditv1.MsgPlay) (*auditv1.MsgPlayResponse, error) {
	if len(msg.Move) > bisection.MaxMove {
		return nil, fmt.Errorf("%w: move has %d bytes, at most %d", ErrGame, len(msg.Move), bisection.MaxMove)
	}
	sdk.UnwrapSDKContext(ctx).GasMeter().ConsumeGas(gasPerMoveByte*uint64(len(msg.Move)), "move")
	h, err := m.hear(ctx, msg.CaseId)
	if err != nil {
		return nil, err
	}
	if err := h.MayPlay(h.bench, msg.Player); err != nil {
		return nil, err
	}
	move, err := bisection.ParseMove(msg.Move)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGame, err)
	}
	game, err := bisection.Unmarshal(h.stored.Game)
	if err != nil {
		return nil, err
	}
	if err := game.Play(move); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrGame, err)
	}
	h.stored.Game = game.Marshal()
	if winner, over := game.Winner(); over {
		h.Won(h.bench, winner == bisection.Accused)
	} else {
		h.Played(h.bench, game.Turn() == bisection.Accused)
	}
	return &auditv1.MsgPlayResponse{}, m.conclude(ctx, h, court.Effects{})
}
