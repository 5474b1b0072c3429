package openai

import (
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
)

// Completions serves POST /v1/completions.
func Completions(w http.ResponseWriter, r *http.Request, prepare Prepare) error {
	id, c, j, err := Begin(r, "cmpl-", ParseCompletion, prepare)
	if err != nil {
		return err
	}
	choices := j.Choices()
	head := TextCompletion{ID: id, Object: "text_completion", Created: time.Now().Unix(), Model: j.Model()}
	if c.Stream {
		s := &textStream{Events: NewEvents(w), job: j, choices: choices, wants: c, head: head, offsets: make([]int, len(choices))}
		answers, err := j.Run(r.Context(), s.delta)
		if err == nil {
			err = s.end(answers)
		}
		return s.fail(err)
	}
	text := make([]strings.Builder, len(choices))
	tokens := make([][]inferencev1.Token, len(choices))
	answers, err := j.Run(r.Context(), func(i int, d Delta) error {
		text[i].WriteString(d.Text)
		tokens[i] = append(tokens[i], d.Tokens...)
		return nil
	})
	if err != nil {
		return err
	}
	usage := UsageOf(j, answers)
	head.Usage, head.Koinon = &usage, answers[0].Koinon
	for i, a := range answers {
		choice := TextChoice{Index: i, Text: text[i].String(), FinishReason: &a.Finish}
		choice.Logprobs, _ = textLogprobs(c, choices[i].Vocabulary, tokens[i], 0)
		if len(answers) > 1 {
			choice.Koinon = a.Koinon
		}
		head.Choices = append(head.Choices, choice)
	}
	Label(w, j, answers)
	return WriteJSON(w, http.StatusOK, head)
}

// textStream writes the events of one completion.
type textStream struct {
	*Events
	job     Job
	choices []Choice
	wants   Completion
	head    TextCompletion // what all events share
	offsets []int          // of each choice's next token, in characters
}

// event sends what is new of one choice.
func (s *textStream) event(c TextChoice, k *Koinon) error {
	event := s.head
	event.Choices, event.Koinon = []TextChoice{c}, k
	return s.Send("", event)
}

// delta sends what arrived of a choice.
func (s *textStream) delta(choice int, d Delta) error {
	s.Start(s.job, d.Provider)
	c := TextChoice{Index: choice, Text: d.Text}
	c.Logprobs, s.offsets[choice] = textLogprobs(s.wants, s.choices[choice].Vocabulary, d.Tokens, s.offsets[choice])
	if d.Text == "" && c.Logprobs == nil {
		return nil
	}
	return s.event(c, nil)
}

// end sends how each choice ended, the usage, and the end of the stream.
func (s *textStream) end(answers []Answer) error {
	for i, a := range answers {
		s.Start(s.job, a.Provider())
		if err := s.event(TextChoice{Index: i, FinishReason: &a.Finish}, a.Koinon); err != nil {
			return ErrClient
		}
	}
	if s.wants.Usage {
		event, usage := s.head, UsageOf(s.job, answers)
		event.Choices, event.Usage, event.Koinon = []TextChoice{}, &usage, answers[0].Koinon
		if err := s.Send("", event); err != nil {
			return ErrClient
		}
	}
	s.finish(answers)
	return nil
}

// textLogprobs are the log-probabilities of tokens from an offset on, if they
// were asked for, and the offset after them.
func textLogprobs(c Completion, v Vocabulary, tokens []inferencev1.Token, offset int) (*TextLogprobs, int) {
	if !c.Logprobs {
		return nil, offset
	}
	l := &TextLogprobs{Tokens: []string{}, TokenLogprobs: []float32{}, TopLogprobs: []map[string]float32{}, TextOffset: []int{}}
	for _, t := range tokens {
		one := tokenLogprob(v, t.Id, t.Logprob)
		top := map[string]float32{}
		for _, alternative := range t.Top[:min(len(t.Top), int(c.TopLogprobs))] {
			other := tokenLogprob(v, alternative.Id, alternative.Logprob)
			top[other.Token] = other.Logprob
		}
		l.Tokens, l.TokenLogprobs = append(l.Tokens, one.Token), append(l.TokenLogprobs, one.Logprob)
		l.TopLogprobs, l.TextOffset = append(l.TopLogprobs, top), append(l.TextOffset, offset)
		offset += utf8.RuneCountInString(one.Token)
	}
	return l, offset
}

// leastLogprob stands for an impossible token, as in OpenAI's API.
const leastLogprob = -9999

// tokenLogprob describes a token. JSON has no infinities, and a provider may
// send anything.
func tokenLogprob(v Vocabulary, id uint32, logprob float32) TokenLogprob {
	piece, _ := v.Piece(int32(id))
	bytes := make([]int, len(piece))
	for i, b := range piece {
		bytes[i] = int(b)
	}
	if !(logprob >= leastLogprob) {
		logprob = leastLogprob
	}
	return TokenLogprob{Token: strings.ToValidUTF8(string(piece), "\uFFFD"), Logprob: min(logprob, 0), Bytes: bytes}
}
