package heartbeat

import (
	"crypto/ed25519"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	heartbeatv1 "github.com/koinon/koinon/api/koinon/heartbeat/v1"
	"github.com/koinon/koinon/receipt"
)

func keyOf(name string) ed25519.PrivateKey {
	seed := sha256.Sum256([]byte(name))
	return ed25519.NewKeyFromSeed(seed[:])
}

var now = time.Unix(1_800_000_000, 0)

func beat(sequence uint64) *heartbeatv1.Heartbeat {
	return &heartbeatv1.Heartbeat{
		ChainId: "c", Provider: "peter", ModelDigest: receipt.Sum([]byte("m")).String(), Sequence: sequence, Time: now.UnixMilli(),
		State: heartbeatv1.State_STATE_OPEN, Queue: 1, Active: 4, Slots: 4, Rate: 20_000, Prefixes: []uint64{7}, Version: "v1",
	}
}

// listener knows peter, and its clock.
func listener(clock *time.Time) *Listener {
	return NewListener("c", func(provider string) ed25519.PublicKey {
		if provider != "peter" {
			return nil
		}
		return keyOf("peter").Public().(ed25519.PublicKey)
	}, func() time.Time { return *clock })
}

func sign(t testing.TB, h *heartbeatv1.Heartbeat, name string) []byte {
	message, err := Sign(h, keyOf(name))
	if err != nil {
		t.Fatal(err)
	}
	return message
}

func TestHearsOnceAndInOrder(t *testing.T) {
	clock := now
	l := listener(&clock)
	first := sign(t, beat(5), "peter")
	if h, err := l.Hear(first); err != nil || h.Queue != 1 || h.Prefixes[0] != 7 {
		t.Fatalf("%+v, %v", h, err)
	}
	clock = clock.Add(time.Second)
	for _, c := range []struct {
		name    string
		message []byte
		want    error
	}{{"a repetition", first, ErrOld}, {"an older one", sign(t, beat(4), "peter"), ErrOld}, {"a newer one", sign(t, beat(6), "peter"), nil}, {"one at once", sign(t, beat(7), "peter"), ErrOften}} {
		if _, err := l.Hear(c.message); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}

func TestRefuses(t *testing.T) {
	clock := now
	change := func(f func(*heartbeatv1.Heartbeat)) []byte {
		h := beat(1)
		f(h)
		body, _ := h.Marshal()
		message := heartbeatv1.Signed{Heartbeat: body, Signature: ed25519.Sign(keyOf("peter"), signed(body))}
		data, _ := message.Marshal()
		return data
	}
	for _, c := range []struct {
		name     string
		message  []byte
		want     error
		harmless bool
	}{
		{"somebody else's signature", sign(t, beat(1), "paula"), ErrForged, false},
		{"a stranger", change(func(h *heartbeatv1.Heartbeat) { h.Provider = "paula" }), ErrStranger, true},
		{"another ledger's", change(func(h *heartbeatv1.Heartbeat) { h.ChainId = "d" }), ErrMalformed, false},
		{"of yesterday", change(func(h *heartbeatv1.Heartbeat) { h.Time -= 24 * 3600_000 }), ErrStale, true},
		{"of tomorrow", change(func(h *heartbeatv1.Heartbeat) { h.Time += 24 * 3600_000 }), ErrStale, true},
		{"no state", change(func(h *heartbeatv1.Heartbeat) { h.State = 0 }), ErrMalformed, false},
		{"no model", change(func(h *heartbeatv1.Heartbeat) { h.ModelDigest = "x" }), ErrMalformed, false},
		{"too many prefixes", change(func(h *heartbeatv1.Heartbeat) { h.Prefixes = make([]uint64, MaxPrefixes+1) }), ErrMalformed, false},
		{"a long version", change(func(h *heartbeatv1.Heartbeat) { h.Version = strings.Repeat("v", 65) }), ErrMalformed, false},
		{"absurd queue", change(func(h *heartbeatv1.Heartbeat) { h.Queue = 1 << 31 }), ErrMalformed, false},
		{"too long", make([]byte, MaxBytes+1), ErrMalformed, false},
		{"noise", []byte("noise"), ErrMalformed, false},
	} {
		_, err := listener(&clock).Hear(c.message)
		if !errors.Is(err, c.want) || Harmless(err) != c.harmless {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	full := beat(1)
	full.Prefixes = make([]uint64, MaxPrefixes)
	if message := sign(t, full, "peter"); len(message) > MaxBytes {
		t.Errorf("a full heartbeat has %d bytes", len(message))
	}
}

func FuzzHear(f *testing.F) {
	f.Add(sign(f, beat(1), "peter"))
	f.Add(sign(f, beat(1), "paula"))
	f.Fuzz(func(t *testing.T, message []byte) {
		clock := now
		if h, err := listener(&clock).Hear(message); err == nil && (h.Provider != "peter" || len(h.Prefixes) > MaxPrefixes) {
			t.Errorf("heard %+v", h)
		}
	})
}
