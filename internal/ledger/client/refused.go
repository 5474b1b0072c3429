package client

import (
	"errors"

	errorsmod "cosmossdk.io/errors"
	sdkerrors "github.com/cosmos/cosmos-sdk/types/errors"
)

// Refused says whether err is a refusal by the rules of a module, which the same
// message meets again. Troubles of sending, such as a full mempool, missing fees
// or a node that does not answer, are not.
func Refused(err error) bool {
	var coded *errorsmod.Error
	return errors.As(err, &coded) && coded.Codespace() != sdkerrors.RootCodespace
}
