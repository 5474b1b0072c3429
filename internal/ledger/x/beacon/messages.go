package beacon

import (
	"context"
	"fmt"

	beaconv1 "github.com/koinon/koinon/api/koinon/beacon/v1"
)

// messages serves transactions.
type messages struct{ *Keeper }

// UpdateParams implements beaconv1.MsgServer.
func (m messages) UpdateParams(ctx context.Context, msg *beaconv1.MsgUpdateParams) (*beaconv1.MsgUpdateParamsResponse, error) {
	if msg.Authority != m.authority {
		return nil, fmt.Errorf("%w: %s", ErrAuthority, m.authority)
	}
	if err := validateParams(msg.Params); err != nil {
		return nil, err
	}
	return &beaconv1.MsgUpdateParamsResponse{}, m.params.Set(ctx, msg.Params)
}
