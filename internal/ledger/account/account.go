// Package account reads account addresses in messages and genesis files.
package account

import (
	"fmt"

	"cosmossdk.io/core/address"
	errorsmod "cosmossdk.io/errors"

	sdk "github.com/cosmos/cosmos-sdk/types"
)

// ErrAddress is returned for text that is not an account address in its one
// canonical form.
var ErrAddress = errorsmod.Register("account", 2, "not an account address in lower-case bech32")

// Parse reads an address and refuses every spelling but the canonical one.
// Addresses are keys of the store and parts of what grants sign: were the
// upper-case spelling that bech32 allows let in, one account could be two.
func Parse(codec address.Codec, text string) (sdk.AccAddress, error) {
	raw, err := codec.StringToBytes(text)
	if err != nil {
		return nil, fmt.Errorf("%w: %q: %w", ErrAddress, text, err)
	}
	if canonical, err := codec.BytesToString(raw); err != nil || canonical != text {
		return nil, fmt.Errorf("%w: %q", ErrAddress, text)
	}
	return raw, nil
}
