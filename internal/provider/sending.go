package provider

import (
	"fmt"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
)

// step is one token on its way to the gateway.
type step struct {
	token  Token
	cached int    // of the prompt's tokens; said with the first
	owed   uint64 // on the grant, ucredit
}

// sending writes tokens beside the engine, which does not wait for the network:
// those that come while one frame is written go together into the next.
type sending struct {
	steps  chan step
	broken chan struct{} // closed when a frame could not be written
	done   chan struct{}
	err    error // why, set before broken is closed
}

// maxStep bounds the tokens of one frame, and those that wait for it.
const maxStep = 64

// startSending begins. Until its end, nothing else may send on the stream.
func (s *session) startSending() *sending {
	out := &sending{make(chan step, maxStep), make(chan struct{}), make(chan struct{}), nil}
	go func() {
		defer close(out.done)
		for first := range out.steps {
			if out.err != nil {
				continue
			}
			if err := s.send(out.frame(first)); err != nil {
				out.err = fmt.Errorf("%w: %w", errBroken, err)
				close(out.broken)
			}
		}
	}()
	return out
}

// frame takes what else is waiting.
func (o *sending) frame(next step) *inferencev1.ServerFrame {
	tokens := &inferencev1.Tokens{CachedTokens: uint32(next.cached)}
	for {
		w := inferencev1.Token{Id: uint32(next.token.ID), Logprob: next.token.Logprob}
		for _, top := range next.token.Top {
			w.Top = append(w.Top, inferencev1.TopLogprob{Id: uint32(top.ID), Logprob: top.Logprob})
		}
		tokens.Tokens, tokens.Owed = append(tokens.Tokens, w), next.owed
		if len(tokens.Tokens) < maxStep {
			select {
			case after, ok := <-o.steps:
				if ok {
					next = after
					continue
				}
			default:
			}
		}
		return &inferencev1.ServerFrame{Frame: &inferencev1.ServerFrame_Tokens{Tokens: tokens}}
	}
}

// add gives it a token, or says that the gateway is gone.
func (o *sending) add(s step) error {
	select {
	case o.steps <- s:
		return nil
	case <-o.broken:
		return o.err
	}
}

// end waits until all is written.
func (o *sending) end() error {
	close(o.steps)
	<-o.done
	return o.err
}
