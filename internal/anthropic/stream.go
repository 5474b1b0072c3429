package anthropic

import (
	"encoding/json"
	"net/http"

	"github.com/koinon/koinon/internal/openai"
)

// stream writes the events of one message.
type stream struct {
	*openai.Events
	job     openai.Job
	head    Message
	calls   *openai.CallReader
	index   int  // of the block that is open, or the next
	writing bool // a block of text is open
}

// event is what one event says, beside its type.
type event map[string]any

func (s *stream) tell(name string, e event) error {
	e["type"] = name
	return s.Send(name, e)
}

// run answers in server-sent events.
func (s *stream) run(r *http.Request) error {
	answers, err := s.job.Run(r.Context(), func(_ int, d openai.Delta) error {
		if err := s.begin(d.Provider, d.Cached); err != nil {
			return err
		}
		return s.add(s.calls.Push(d.Text))
	})
	if err == nil && s.end(answers) != nil {
		err = openai.ErrClient
	}
	if fault := s.Fault(err); fault != nil {
		_ = s.Send("error", failed(fault, ""))
		return nil
	}
	return err
}

// begin tells that the message has begun, once.
func (s *stream) begin(provider string, cached uint64) error {
	if !s.Start(s.job, provider) {
		return nil
	}
	s.head.Usage = usage(openai.Answer{Prompt: uint64(len(s.job.Choices()[0].Prompt)), Cached: cached})
	return s.tell("message_start", event{"message": s.head})
}

// add tells what arrived.
func (s *stream) add(text string, calls []openai.ToolCall) error {
	if text != "" {
		if !s.writing {
			s.writing = true
			if err := s.tell("content_block_start", event{"index": s.index, "content_block": Text{"text", ""}}); err != nil {
				return err
			}
		}
		delta := event{"index": s.index, "delta": map[string]string{"type": "text_delta", "text": text}}
		if err := s.tell("content_block_delta", delta); err != nil {
			return err
		}
	}
	for _, c := range calls {
		if err := s.call(c); err != nil {
			return err
		}
	}
	return nil
}

// close ends the block of text, if one is open.
func (s *stream) close() error {
	if !s.writing {
		return nil
	}
	s.writing = false
	s.index++
	return s.tell("content_block_stop", event{"index": s.index - 1})
}

// call tells a use of a tool, which comes whole.
func (s *stream) call(c openai.ToolCall) error {
	if err := s.close(); err != nil {
		return err
	}
	use := toolUse(c)
	input := string(use.Input)
	use.Input = json.RawMessage("{}")
	if err := s.tell("content_block_start", event{"index": s.index, "content_block": use}); err != nil {
		return err
	}
	delta := event{"index": s.index, "delta": map[string]string{"type": "input_json_delta", "partial_json": input}}
	if err := s.tell("content_block_delta", delta); err != nil {
		return err
	}
	s.index++
	return s.tell("content_block_stop", event{"index": s.index - 1})
}

// end tells why the message ended, its usage and its receipt.
func (s *stream) end(answers []openai.Answer) error {
	a := answers[0]
	if err := s.begin(a.Provider(), a.Cached); err != nil { // an answer may have no token
		return err
	}
	if err := s.add(s.calls.Flush()); err != nil {
		return err
	}
	if err := s.close(); err != nil {
		return err
	}
	reason, sequence := stopped(s.calls.Finish(a.Finish), a.Stop)
	last := event{"delta": map[string]any{"stop_reason": reason, "stop_sequence": sequence}, "usage": usage(a)}
	if a.Koinon != nil {
		last["koinon"] = a.Koinon
	}
	s.Receipts(answers)
	if err := s.tell("message_delta", last); err != nil {
		return err
	}
	return s.tell("message_stop", event{})
}
