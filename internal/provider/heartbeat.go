package provider

import (
	"context"
	"slices"
	"sync"
	"time"

	heartbeatv1 "github.com/koinon/koinon/api/koinon/heartbeat/v1"
	"github.com/koinon/koinon/internal/heartbeat"
	"github.com/koinon/koinon/internal/route"
)

// pulse is what heartbeats say beside what the provider knows anyway.
type pulse struct {
	mu       sync.Mutex
	prefixes []uint64 // names of beginnings of prompts in the cache, the oldest first
	rate     float64  // tokens a second of one answer, when there last was one
}

// cached notes the prefixes of a prompt that was answered. Without a scope, which
// only its gateway knows, their names could be guessed: they are not told.
func (p *Provider) cached(scope string, prompt []int32) {
	if scope == "" {
		return
	}
	names := route.Prefixes(scope, prompt)
	u := &p.pulse
	u.mu.Lock()
	defer u.mu.Unlock()
	u.prefixes = slices.DeleteFunc(u.prefixes, func(n uint64) bool { return slices.Contains(names, n) })
	u.prefixes = append(u.prefixes, names...)
	if extra := len(u.prefixes) - heartbeat.MaxPrefixes; extra > 0 {
		u.prefixes = slices.Delete(u.prefixes, 0, extra)
	}
}

// beat makes the heartbeat of this moment.
func (p *Provider) beat(sequence uint64) *heartbeatv1.Heartbeat {
	open := len(p.streams)
	active := min(open, p.config.Slots)
	state := heartbeatv1.State_STATE_OPEN
	switch now, _ := p.State(); now {
	case Paused:
		state = heartbeatv1.State_STATE_PAUSED
	case Draining, Starting:
		state = heartbeatv1.State_STATE_DRAINING
	}
	p.tally.mu.Lock()
	rate := p.tally.decayed(p.now())
	p.tally.mu.Unlock()
	u := &p.pulse
	u.mu.Lock()
	defer u.mu.Unlock()
	if active > 0 && rate > 0 {
		u.rate = rate / float64(active)
	}
	return &heartbeatv1.Heartbeat{
		ChainId: p.out.Ledger.ChainID(), Provider: p.out.Ledger.Address(), ModelDigest: p.out.Model.Digest.String(),
		Sequence: sequence, Time: p.now().UnixMilli(), State: state,
		Queue: uint32(open - active), Active: uint32(active), Slots: uint32(p.config.Slots), Rate: uint64(u.rate * 1000),
		Prefixes: slices.Clone(u.prefixes), Version: p.out.Version,
	}
}

// beatLoop tells the network how the provider is, now and then, and as soon as
// its slots fill, empty or close, until the context ends.
func (p *Provider) beatLoop(ctx context.Context) {
	if p.out.Gossip == nil {
		return
	}
	// Later starts begin higher, since there are fewer beats than milliseconds.
	sequence := uint64(p.now().UnixMilli())
	var last *heartbeatv1.Heartbeat
	var told time.Time
	tick := time.NewTicker(heartbeat.Soonest)
	defer tick.Stop()
	for {
		next := p.beat(sequence)
		if last == nil || p.now().Sub(told) >= heartbeat.Every || differs(last, next) {
			sequence++
			last, told = next, p.now()
			p.tell(ctx, next)
		}
		select {
		case <-ctx.Done():
			farewell := p.beat(sequence)
			farewell.State = heartbeatv1.State_STATE_DRAINING
			p.tell(context.WithoutCancel(ctx), farewell)
			return
		case <-tick.C:
		}
	}
}

func (p *Provider) tell(ctx context.Context, h *heartbeatv1.Heartbeat) {
	message, err := heartbeat.Sign(h, p.out.Key)
	if err == nil {
		err = p.out.Gossip(ctx, message)
	}
	if err != nil {
		p.log.Debug("a heartbeat was not sent", "error", err)
	}
}

// differs says whether gateways should know at once.
func differs(a, b *heartbeatv1.Heartbeat) bool {
	full := func(h *heartbeatv1.Heartbeat) bool { return h.Active >= h.Slots }
	return a.State != b.State || full(a) != full(b) || b.Queue > 2*a.Queue+a.Slots
}
