package receipt

import (
	"crypto/ed25519"

	voi "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
	"github.com/oasisprotocol/curve25519-voi/primitives/ed25519/extra/cache"
)

// keysKept is how many providers' keys are kept as points, 1.5 KB each.
const keysKept = 512

// signatures are checked as crypto/ed25519 does, with the same verdict on every
// input, in half of its time where a key comes again.
var (
	signatures = cache.NewVerifier(cache.NewLRUCache(keysKept))
	asStandard = &voi.Options{Verify: voi.VerifyOptionsStdLib}
)

// signed says whether who holds the key signed the message.
func signed(key ed25519.PublicKey, message, signature []byte) bool {
	return signatures.VerifyWithOptions(voi.PublicKey(key), message, signature, asStandard)
}
