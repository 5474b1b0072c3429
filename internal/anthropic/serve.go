package anthropic

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/koinon/koinon/internal/openai"
)

// requestID is Anthropic's header for what OpenAI calls X-Request-Id.
const requestID = "Request-Id"

// Endpoints are a server's for this API: its errors have Anthropic's form.
func Endpoints(e openai.Endpoints) openai.Endpoints {
	e.Refuse = func(w http.ResponseWriter, err *openai.Error) {
		id := w.Header().Get(openai.RequestID)
		w.Header().Set(requestID, id)
		body, fault := json.Marshal(failed(err, id))
		if fault != nil {
			panic(fault) // strings always marshal
		}
		err.WriteBody(w, body)
	}
	return e
}

// Key is the API key of a request as Anthropic's clients send it, or empty.
func Key(h http.Header) string { return strings.TrimSpace(h.Get("X-Api-Key")) }

// Messages serves POST /v1/messages.
func Messages(w http.ResponseWriter, r *http.Request, prepare openai.Prepare) error {
	w.Header().Set(requestID, w.Header().Get(openai.RequestID))
	id, c, j, err := openai.Begin(r, "msg_", parse, prepare)
	if err != nil {
		return err
	}
	choice := j.Choices()[0]
	head := Message{ID: id, Type: "message", Role: "assistant", Model: j.Model(), Content: []any{}}
	calls := openai.NewCallReader(c, choice)
	if c.Stream {
		s := &stream{Events: openai.NewEvents(w), job: j, head: head, calls: calls}
		return s.run(r)
	}
	var text strings.Builder
	add := func(part string, used []openai.ToolCall) {
		if text.WriteString(part); len(used) > 0 && text.Len() > 0 {
			head.Content = append(head.Content, Text{"text", text.String()})
			text.Reset()
		}
		for _, call := range used {
			head.Content = append(head.Content, toolUse(call))
		}
	}
	answers, err := j.Run(r.Context(), func(_ int, d openai.Delta) error {
		add(calls.Push(d.Text))
		return nil
	})
	if err != nil {
		return err
	}
	add(calls.Flush())
	if text.Len() > 0 {
		head.Content = append(head.Content, Text{"text", text.String()})
	}
	a := answers[0]
	reason, sequence := stopped(calls.Finish(a.Finish), a.Stop)
	head.StopReason, head.StopSequence, head.Usage, head.Koinon = &reason, sequence, usage(a), a.Koinon
	openai.Label(w, j, answers)
	return openai.WriteJSON(w, http.StatusOK, head)
}

// CountTokens serves POST /v1/messages/count_tokens.
func CountTokens(w http.ResponseWriter, r *http.Request, count openai.Count) error {
	w.Header().Set(requestID, w.Header().Get(openai.RequestID))
	body, err := openai.ReadBody(r)
	if err != nil {
		return err
	}
	c, _, err := read(body)
	if err != nil {
		return err
	}
	n, err := count(r.Context(), c)
	if err != nil {
		return err
	}
	return openai.WriteJSON(w, http.StatusOK, map[string]uint64{"input_tokens": n})
}
