package bench

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"

	"github.com/koinon/koinon/receipt"
)

// ErrSealed says that what an accuser sealed is not for this auditor, or is no
// transcript of the receipt's answer: it is voted unreadable.
var ErrSealed = errors.New("what was sealed is no transcript for this auditor")

// maxTranscript bounds an opened transcript, in bytes: a request of 1 MiB and an
// answer, as JSON.
const maxTranscript = 4 << 20

// Identity is an auditor's age key.
type Identity struct{ key *age.X25519Identity }

// NewIdentity makes a key.
func NewIdentity() (Identity, error) {
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return Identity{}, fmt.Errorf("making an age key: %w", err)
	}
	return Identity{key}, nil
}

// ParseIdentity reads what [Identity.Secret] writes.
func ParseIdentity(secret string) (Identity, error) {
	key, err := age.ParseX25519Identity(secret)
	if err != nil {
		return Identity{}, fmt.Errorf("reading an age key: %w", err)
	}
	return Identity{key}, nil
}

// Secret is the key as age writes it: it is the auditor's alone.
func (i Identity) Secret() string { return i.key.String() }

// Recipient is to whom others encrypt; it stands on the ledger.
func (i Identity) Recipient() string { return i.key.Recipient().String() }

// Seal encrypts a transcript to recipients, so that nobody else can read the
// prompt.
func Seal(t receipt.Transcript, recipients []string) ([]byte, error) {
	var to []age.Recipient
	for _, text := range recipients {
		r, err := age.ParseX25519Recipient(text)
		if err != nil {
			return nil, fmt.Errorf("recipient %q: %w", text, err)
		}
		to = append(to, r)
	}
	plain, err := json.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("encoding a transcript: %w", err)
	}
	var sealed bytes.Buffer
	w, err := age.Encrypt(&sealed, to...)
	if err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	if _, err := w.Write(plain); err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("sealing: %w", err)
	}
	return sealed.Bytes(), nil
}

// Open reads what [Seal] writes for this key, from anybody. Refusal: [ErrSealed].
func (i Identity) Open(sealed []byte) (t receipt.Transcript, err error) {
	plain, err := age.Decrypt(bytes.NewReader(sealed), i.key)
	if err != nil {
		return t, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	data, err := io.ReadAll(io.LimitReader(plain, maxTranscript+1))
	switch {
	case err != nil:
		return t, fmt.Errorf("%w: %w", ErrSealed, err)
	case len(data) > maxTranscript:
		return t, fmt.Errorf("%w: more than %d bytes", ErrSealed, maxTranscript)
	}
	if err := json.Unmarshal(data, &t); err != nil {
		return t, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	return t, nil
}
