// Package trial grants credit to try things with, once to each identity: an
// account, an e-mail address, whatever the issuer has verified and vouches for.
//
// The ledger keeps the limit. A trial is a mint under a reference that follows
// from the identity, and the ledger takes each reference of an issuer once, ever,
// whatever crashed or was sent again. The reference is a keyed hash, so that the
// ledger tells nobody who tried.
package trial

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/renameio/v2"

	"github.com/koinon/koinon/internal/issuer"
)

// ErrIdentity says that a text is no identity.
var ErrIdentity = errors.New("an identity is 1 to 256 bytes, such as an e-mail address")

// ErrTried says that an identity has had its trial.
var ErrTried = errors.New("this identity has had its trial")

// maxIdentity is in bytes.
const maxIdentity = 256

// Campaign is one series of trials: each identity has one in each.
type Campaign struct {
	Name   string
	Secret []byte // of the issuer, the same for as long as the campaign runs
	Amount uint64 // ucredit of each trial
}

// Reference is under what an identity's trial is minted. Case and blanks around
// do not make another identity.
func (c Campaign) Reference(identity string) (string, error) {
	identity = strings.ToLower(strings.TrimSpace(identity))
	if identity == "" || len(identity) > maxIdentity {
		return "", ErrIdentity
	}
	sum := hmac.New(sha256.New, c.Secret)
	fmt.Fprintf(sum, "%d/%s/%s", len(c.Name), c.Name, identity)
	return "trial/" + hex.EncodeToString(sum.Sum(nil)), nil
}

// Grant mints an identity's trial for an account, and says whether that was done
// now; false if the same was done before. It fails with [ErrTried] where the
// identity had its trial for another account or in another amount.
func (c Campaign) Grant(ctx context.Context, l issuer.Ledger, identity, recipient string) (granted bool, err error) {
	reference, err := c.Reference(identity)
	if err != nil {
		return false, err
	}
	if err := l.Check(recipient); err != nil {
		return false, err
	}
	granted, err = issuer.Issue(ctx, l, issuer.Payment{Reference: reference, Recipient: recipient, Ucredit: c.Amount})
	if errors.Is(err, issuer.ErrConflict) {
		return false, ErrTried
	}
	return granted, err
}

// Secret reads the secret kept in a file, or makes one there. Who loses it grants
// everybody another trial.
func Secret(path string) ([]byte, error) {
	secret, err := os.ReadFile(path)
	if err == nil && len(secret) != sha256.Size {
		return nil, fmt.Errorf("%s has %d bytes and is no secret of trials: restore it, or move it away and name another campaign", path, len(secret))
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return secret, err
	}
	secret = make([]byte, sha256.Size)
	rand.Read(secret) // never fails
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	return secret, renameio.WriteFile(path, secret, 0o600)
}
