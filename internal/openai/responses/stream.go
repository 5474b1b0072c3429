package responses

import (
	"net/http"

	"github.com/koinon/koinon/internal/openai"
)

// fields are what one event says.
type fields map[string]any

// events writes the events of one response, numbered from 0.
type events struct {
	*openai.Events
	sequence int
}

func (e *events) tell(name string, f fields) error {
	f["type"], f["sequence_number"] = name, e.sequence
	e.sequence++
	return e.Send(name, f)
}

// tell writes an event of the last item, if the answer is streamed.
func (o *output) tell(name string, f fields) error {
	if o.events == nil {
		return nil
	}
	f["output_index"] = len(o.items) - 1
	return o.events.tell(name, f)
}

// tellPart writes an event of the message's text.
func (o *output) tellPart(name string, f fields) error {
	f["item_id"], f["content_index"] = o.message.ID, 0
	return o.tell(name, f)
}

// stream answers in server-sent events.
func (o *output) stream(w http.ResponseWriter, r *http.Request, j openai.Job) error {
	o.events = &events{Events: openai.NewEvents(w)}
	answers, err := j.Run(r.Context(), func(_ int, d openai.Delta) error {
		if err := o.start(j, d.Provider); err != nil {
			return err
		}
		return o.add(d)
	})
	if err == nil {
		err = o.finish(j, answers)
	}
	if fault := o.events.Fault(err); fault != nil {
		_ = o.events.tell("error", fields{
			"code": fault.Code, "message": fault.Message, "param": fault.Param,
			"error": fault, // clients raise an event that has one
		})
		return nil
	}
	return err
}

// start tells that the response has begun, once.
func (o *output) start(j openai.Job, provider string) error {
	if !o.events.Start(j, provider) {
		return nil
	}
	if err := o.events.tell("response.created", fields{"response": o.response}); err != nil {
		return err
	}
	return o.events.tell("response.in_progress", fields{"response": o.response})
}

// finish tells the end.
func (o *output) finish(j openai.Job, answers []openai.Answer) error {
	a := answers[0]
	if err := o.start(j, a.Provider()); err != nil { // an answer may have no token
		return openai.ErrClient
	}
	if err := o.end(a.Finish); err != nil {
		return openai.ErrClient
	}
	whole := o.response.finish(j, a, o.items)
	o.events.Receipts(answers)
	if err := o.events.tell("response."+whole.Status, fields{"response": whole}); err != nil {
		return openai.ErrClient
	}
	return nil
}
