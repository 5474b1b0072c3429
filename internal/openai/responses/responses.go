package responses

import (
	"crypto/rand"
	"net/http"
	"time"

	"github.com/koinon/koinon/internal/openai"
)

// States of a response and of its items.
const (
	statusRunning = "in_progress"
	statusDone    = "completed"
	statusCut     = "incomplete"
)

// Serve serves POST /v1/responses.
func Serve(w http.ResponseWriter, r *http.Request, prepare openai.Prepare) error {
	var asked request
	parseBody := func(body []byte) (c openai.Completion, err error) {
		c, asked, err = parse(body)
		return c, err
	}
	id, c, j, err := openai.Begin(r, "resp_", parseBody, prepare)
	if err != nil {
		return err
	}
	choice := j.Choices()[0]
	o := &output{
		response: newResponse(id, time.Now().Unix(), j.Model(), c, asked), wants: c,
		vocabulary: choice.Vocabulary, calls: openai.NewCallReader(c, choice),
	}
	if c.Stream {
		return o.stream(w, r, j)
	}
	answers, err := j.Run(r.Context(), func(_ int, d openai.Delta) error { return o.add(d) })
	if err != nil {
		return err
	}
	if err := o.end(answers[0].Finish); err != nil {
		return err
	}
	openai.Label(w, j, answers)
	return openai.WriteJSON(w, http.StatusOK, o.response.finish(j, answers[0], o.items))
}

// output collects the items of an answer as they come and, of a stream, tells
// each step.
type output struct {
	response   Response
	wants      openai.Completion
	vocabulary openai.Vocabulary
	calls      *openai.CallReader
	items      []any
	message    *Message             // the last item, while it goes on
	logprobs   []openai.ChatLogprob // of tokens whose text is yet to come
	events     *events              // nil where the answer comes whole
}

// add takes what arrived.
func (o *output) add(d openai.Delta) error {
	text, calls := o.calls.Push(d.Text)
	if o.wants.Logprobs {
		o.logprobs = append(o.logprobs, openai.Logprobs(o.vocabulary, d.Tokens, int(o.wants.TopLogprobs))...)
	}
	return o.take(text, calls)
}

// end takes the rest and closes the last item.
func (o *output) end(finish string) error {
	text, calls := o.calls.Flush()
	if err := o.take(text, calls); err != nil {
		return err
	}
	if len(o.items) == 0 || o.message != nil && len(o.logprobs) > 0 { // an answer may have no token
		if err := o.say(""); err != nil {
			return err
		}
	}
	status := statusDone
	if finish == "length" {
		status = statusCut
	}
	return o.close(status)
}

func (o *output) take(text string, calls []openai.ToolCall) error {
	if text != "" {
		if err := o.say(text); err != nil {
			return err
		}
	}
	for _, c := range calls {
		if err := o.call(c); err != nil {
			return err
		}
	}
	return nil
}

// open begins a message.
func (o *output) open() error {
	if o.message != nil {
		return nil
	}
	o.message = &Message{ID: "msg_" + rand.Text(), Type: "message", Status: statusRunning, Role: "assistant", Content: []Part{}}
	o.items = append(o.items, o.message)
	if err := o.tell("response.output_item.added", fields{"item": o.message}); err != nil {
		return err
	}
	part := Part{Type: "output_text", Annotations: []struct{}{}, Logprobs: []openai.ChatLogprob{}}
	o.message.Content = append(o.message.Content, part)
	return o.tellPart("response.content_part.added", fields{"part": part})
}

// say adds text to the message, with the log-probabilities of its tokens.
func (o *output) say(text string) error {
	if err := o.open(); err != nil {
		return err
	}
	part := &o.message.Content[0]
	part.Text += text
	part.Logprobs = append(part.Logprobs, o.logprobs...)
	logprobs := append([]openai.ChatLogprob{}, o.logprobs...)
	o.logprobs = nil
	return o.tellPart("response.output_text.delta", fields{"delta": text, "logprobs": logprobs})
}

// close ends the message, if there is one.
func (o *output) close(status string) error {
	if o.message == nil {
		return nil
	}
	part := o.message.Content[0]
	if err := o.tellPart("response.output_text.done", fields{"text": part.Text, "logprobs": part.Logprobs}); err != nil {
		return err
	}
	if err := o.tellPart("response.content_part.done", fields{"part": part}); err != nil {
		return err
	}
	o.message.Status = status
	err := o.tell("response.output_item.done", fields{"item": o.message})
	o.message = nil
	return err
}

// call adds a call, which comes whole.
func (o *output) call(c openai.ToolCall) error {
	if err := o.close(statusDone); err != nil {
		return err
	}
	o.logprobs = nil // of the tokens that made it
	call := &Call{ID: "fc_" + rand.Text(), Type: "function_call", Status: statusRunning, CallID: c.ID, Name: c.Function.Name}
	o.items = append(o.items, call)
	if err := o.tell("response.output_item.added", fields{"item": call}); err != nil {
		return err
	}
	call.Arguments, call.Status = c.Function.Arguments, statusDone
	if err := o.tell("response.function_call_arguments.delta", fields{"item_id": call.ID, "delta": call.Arguments}); err != nil {
		return err
	}
	done := fields{"item_id": call.ID, "name": call.Name, "arguments": call.Arguments}
	if err := o.tell("response.function_call_arguments.done", done); err != nil {
		return err
	}
	return o.tell("response.output_item.done", fields{"item": call})
}
