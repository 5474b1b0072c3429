package gateway

import (
	"errors"
	"net/http"
	"testing"
	"time"

	heartbeatv1 "github.com/koinon/koinon/api/koinon/heartbeat/v1"
	"github.com/koinon/koinon/internal/heartbeat"
)

// says has the gateway hear what a provider says of itself, signed by another.
func (h *harness) says(of, by *scripted, sequence uint64, change func(*heartbeatv1.Heartbeat)) error {
	b := &heartbeatv1.Heartbeat{
		ChainId: testChain, Provider: of.address, ModelDigest: testModel.String(), Sequence: sequence,
		Time: time.Now().UnixMilli(), State: heartbeatv1.State_STATE_OPEN, Slots: 64,
	}
	change(b)
	message, err := heartbeat.Sign(b, by.key)
	if err != nil {
		h.t.Fatal(err)
	}
	return h.gossip(message)
}

func TestHeartbeatsSteer(t *testing.T) {
	a, b := newScripted(t, "a", testPrice, "a"), newScripted(t, "b", times(testPrice, 2), "b")
	h := newHarness(t, a, b)
	answers := func(want string) {
		t.Helper()
		if r := h.chat(hello + `}`); r.status != http.StatusOK || field(t, r.body, "choices.0.message.content") != want {
			t.Errorf("%d %s, want the answer of %s", r.status, r.body, want)
		}
	}
	answers("a")
	paused := func(b *heartbeatv1.Heartbeat) { b.State = heartbeatv1.State_STATE_PAUSED }
	if err := h.says(a, b, 1, paused); !errors.Is(err, heartbeat.ErrForged) {
		t.Errorf("a rival's word for it: %v", err)
	}
	answers("a")
	if err := h.says(a, a, 1, paused); err != nil {
		t.Fatal(err)
	}
	answers("b")
	if err := h.says(b, b, 1, func(b *heartbeatv1.Heartbeat) { b.Active, b.Queue = 64, 64 }); err != nil {
		t.Fatal(err)
	}
	answers("b") // full is better than none
	stranger := newScripted(t, "stranger", testPrice, "")
	if err := h.says(stranger, stranger, 1, paused); !errors.Is(err, heartbeat.ErrStranger) {
		t.Errorf("a stranger's: %v", err)
	}
}
