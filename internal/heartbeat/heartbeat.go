// Package heartbeat is how providers say that they are: signed messages of a few
// hundred bytes, gossiped every few seconds. Whoever hears one checks it before
// passing it on, so that nobody can speak for a provider, repeat it, or flood the
// network with its name. What a provider says of itself may still be a lie; that
// is for the listener to weigh.
package heartbeat

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"sync"
	"time"

	heartbeatv1 "github.com/koinon/koinon/api/koinon/heartbeat/v1"
	"github.com/koinon/koinon/receipt"
)

// Every is the usual time between two heartbeats of a provider; they come sooner
// when its state changes, but never sooner than Soonest.
const (
	Every   = 5 * time.Second
	Soonest = 500 * time.Millisecond
)

// Bounds of a message.
const (
	MaxBytes    = 4096
	MaxPrefixes = 256

	maxAddress = 128
	maxVersion = 64
	maxCount   = 1 << 20
	maxRate    = 1 << 40
)

// skew is how far a provider's clock may be from the listener's.
const skew = time.Minute

// Refusals. A peer that sends what is malformed or forged breaks the protocol;
// the others happen to the honest, and are just not passed on.
var (
	ErrMalformed = errors.New("malformed heartbeat")
	ErrForged    = errors.New("the heartbeat's signature is not its provider's")
	ErrStranger  = errors.New("the heartbeat is of nobody who is registered")
	ErrStale     = errors.New("the heartbeat's time is too far from now")
	ErrOld       = errors.New("a heartbeat as new has been heard before")
	ErrOften     = errors.New("the provider's heartbeats come too often")
)

// Topic is where the heartbeats of a ledger's providers are gossiped.
func Topic(chainID string) string { return "/koinon/heartbeat/1/" + chainID }

// signed is what the signature covers.
func signed(body []byte) []byte { return append([]byte("koinon/heartbeat/1\x00"), body...) }

// Sign encodes a heartbeat with its provider's signature.
func Sign(h *heartbeatv1.Heartbeat, key ed25519.PrivateKey) ([]byte, error) {
	if err := check(h); err != nil {
		return nil, err
	}
	body, err := h.Marshal()
	if err != nil {
		return nil, err
	}
	message := heartbeatv1.Signed{Heartbeat: body, Signature: ed25519.Sign(key, signed(body))}
	return message.Marshal()
}

// check holds a heartbeat to its bounds.
func check(h *heartbeatv1.Heartbeat) error {
	wrong := func(field string) error { return fmt.Errorf("%w: %s is out of range", ErrMalformed, field) }
	if _, err := receipt.ParseDigest(h.ModelDigest); err != nil {
		return wrong("model_digest")
	}
	switch {
	case h.Provider == "" || len(h.Provider) > maxAddress:
		return wrong("provider")
	case h.State < heartbeatv1.State_STATE_OPEN || h.State > heartbeatv1.State_STATE_DRAINING:
		return wrong("state")
	case h.Queue > maxCount || h.Active > maxCount || h.Slots > maxCount:
		return wrong("queue, active or slots")
	case h.Rate > maxRate:
		return wrong("rate")
	case len(h.Prefixes) > MaxPrefixes:
		return wrong("prefixes")
	case len(h.Version) > maxVersion:
		return wrong("version")
	}
	return nil
}

// Listener checks what is heard. It is safe for concurrent use.
type Listener struct {
	chainID string
	keyOf   func(provider string) ed25519.PublicKey
	now     func() time.Time

	mu   sync.Mutex
	last map[string]heard // by provider: only of the registered, so it is bounded
}

type heard struct {
	sequence uint64
	at       time.Time
}

// NewListener listens to the providers of one ledger. KeyOf is the registered
// key of a provider, or nil for strangers.
func NewListener(chainID string, keyOf func(provider string) ed25519.PublicKey, now func() time.Time) *Listener {
	return &Listener{chainID: chainID, keyOf: keyOf, now: now, last: map[string]heard{}}
}

// Hear checks a message. It returns the heartbeat only once.
func (l *Listener) Hear(message []byte) (*heartbeatv1.Heartbeat, error) {
	if len(message) > MaxBytes {
		return nil, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrMalformed, len(message), MaxBytes)
	}
	var outer heartbeatv1.Signed
	if err := outer.Unmarshal(message); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	var h heartbeatv1.Heartbeat
	if err := h.Unmarshal(outer.Heartbeat); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if err := check(&h); err != nil {
		return nil, err
	}
	if h.ChainId != l.chainID {
		return nil, fmt.Errorf("%w: it is for another ledger", ErrMalformed)
	}
	key := l.keyOf(h.Provider)
	if len(key) != ed25519.PublicKeySize {
		return nil, ErrStranger
	}
	now := l.now()
	if off := now.Sub(time.UnixMilli(h.Time)); off > skew || off < -skew {
		return nil, ErrStale
	}
	if !ed25519.Verify(key, signed(outer.Heartbeat), outer.Signature) {
		return nil, ErrForged
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	last, known := l.last[h.Provider]
	switch {
	case known && h.Sequence <= last.sequence:
		return nil, ErrOld
	case known && now.Sub(last.at) < Soonest/2: // the network may bunch them
		return nil, ErrOften
	}
	l.last[h.Provider] = heard{h.Sequence, now}
	return &h, nil
}

// Forget drops what is remembered of those who are no longer registered.
func (l *Listener) Forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for provider := range l.last {
		if l.keyOf(provider) == nil {
			delete(l.last, provider)
		}
	}
}

// Harmless says whether a refusal is none of the sender's fault.
func Harmless(err error) bool {
	for _, e := range []error{ErrStranger, ErrStale, ErrOld, ErrOften} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
