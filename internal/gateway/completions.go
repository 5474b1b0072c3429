package gateway

import (
	"crypto/rand"
	"net/http"
	"strings"
	"unicode/utf8"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
	"github.com/koinon/koinon/internal/gateway/openai"
	"github.com/koinon/koinon/internal/gateway/store"
)

// completions serves POST /v1/completions.
func (g *Gateway) completions(w http.ResponseWriter, r *http.Request, key store.Key) error {
	body, err := g.readBody(r)
	if err != nil {
		return err
	}
	c, err := openai.ParseCompletion(body)
	if err != nil {
		return err
	}
	id, j, err := g.begin(r, "cmpl-", rand.Text(), key, c)
	if err != nil {
		return err
	}
	head := openai.TextCompletion{ID: id, Object: "text_completion", Created: g.now().Unix(), Model: j.version.label()}
	if c.Stream {
		s := &textStream{events: newEvents(w), job: j, wants: c, head: head, offsets: make([]int, len(j.calls))}
		answers, err := g.run(r.Context(), j, s.delta)
		if err == nil {
			err = s.end(answers)
		}
		return s.fail(err)
	}
	text := make([]strings.Builder, len(j.calls))
	tokens := make([][]inferencev1.Token, len(j.calls))
	answers, err := g.run(r.Context(), j, func(i int, d delta) error {
		text[i].WriteString(d.text)
		tokens[i] = append(tokens[i], d.tokens...)
		return nil
	})
	if err != nil {
		return err
	}
	usage := j.usage(answers)
	head.Usage, head.Koinon = &usage, j.koinon(answers[0])
	for i, a := range answers {
		choice := openai.TextChoice{Index: i, Text: text[i].String(), FinishReason: &a.finish}
		choice.Logprobs, _ = textLogprobs(c, j.calls[i].vocabulary, tokens[i], 0)
		if len(answers) > 1 {
			choice.Koinon = j.koinon(a)
		}
		head.Choices = append(head.Choices, choice)
	}
	j.label(w, answers)
	return writeJSON(w, http.StatusOK, head)
}

// textStream writes the events of one completion.
type textStream struct {
	*events
	job     *job
	wants   openai.Completion
	head    openai.TextCompletion // what all events share
	offsets []int                 // of each choice's next token, in characters
}

// event sends what is new of one choice.
func (s *textStream) event(c openai.TextChoice, k *openai.Koinon) error {
	event := s.head
	event.Choices, event.Koinon = []openai.TextChoice{c}, k
	return s.send(event)
}

// delta sends what arrived of a choice.
func (s *textStream) delta(choice int, d delta) error {
	s.start(s.job, d.provider)
	c := openai.TextChoice{Index: choice, Text: d.text}
	c.Logprobs, s.offsets[choice] = textLogprobs(s.wants, s.job.calls[choice].vocabulary, d.tokens, s.offsets[choice])
	if d.text == "" && c.Logprobs == nil {
		return nil
	}
	return s.event(c, nil)
}

// end sends how each choice ended, the usage, and the end of the stream.
func (s *textStream) end(answers []answer) error {
	for i, a := range answers {
		s.start(s.job, a.provider)
		if err := s.event(openai.TextChoice{Index: i, FinishReason: &a.finish}, s.job.koinon(a)); err != nil {
			return errClient
		}
	}
	if s.wants.Usage {
		event, usage := s.head, s.job.usage(answers)
		event.Choices, event.Usage, event.Koinon = []openai.TextChoice{}, &usage, s.job.koinon(answers[0])
		if err := s.send(event); err != nil {
			return errClient
		}
	}
	s.finish(answers)
	return nil
}

// textLogprobs are the log-probabilities of tokens from an offset on, if they
// were asked for, and the offset after them.
func textLogprobs(c openai.Completion, v Vocabulary, tokens []inferencev1.Token, offset int) (*openai.TextLogprobs, int) {
	if !c.Logprobs {
		return nil, offset
	}
	l := &openai.TextLogprobs{Tokens: []string{}, TokenLogprobs: []float32{}, TopLogprobs: []map[string]float32{}, TextOffset: []int{}}
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
func tokenLogprob(v Vocabulary, id uint32, logprob float32) openai.TokenLogprob {
	piece, _ := v.Piece(int32(id))
	bytes := make([]int, len(piece))
	for i, b := range piece {
		bytes[i] = int(b)
	}
	if !(logprob >= leastLogprob) {
		logprob = leastLogprob
	}
	return openai.TokenLogprob{Token: strings.ToValidUTF8(string(piece), "\uFFFD"), Logprob: min(logprob, 0), Bytes: bytes}
}
