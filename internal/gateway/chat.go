package gateway

import (
	"crypto/rand"
	"net/http"
	"strings"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
	"github.com/koinon/koinon/internal/gateway/openai"
	"github.com/koinon/koinon/internal/gateway/store"
)

// chat serves POST /v1/chat/completions.
func (g *Gateway) chat(w http.ResponseWriter, r *http.Request, key store.Key) error {
	body, err := g.readBody(r)
	if err != nil {
		return err
	}
	c, err := openai.ParseChat(body)
	if err != nil {
		return err
	}
	id, j, err := g.begin(r, "chatcmpl-", rand.Text(), key, c)
	if err != nil {
		return err
	}
	if c.Stream {
		return g.streamChat(w, r, c, id, j)
	}
	text := make([]strings.Builder, len(j.calls))
	logprobs := make([]*openai.ChatLogprobs, len(j.calls))
	answers, err := g.run(r.Context(), j, func(i int, d delta) error {
		text[i].WriteString(d.text)
		logprobs[i] = chatLogprobs(logprobs[i], c, j.calls[i].vocabulary, d.tokens)
		return nil
	})
	if err != nil {
		return err
	}
	result := openai.ChatCompletion{
		ID: id, Object: "chat.completion", Created: g.now().Unix(), Model: j.version.label(),
		Usage: j.usage(answers), Koinon: j.koinon(answers[0]),
	}
	for i, a := range answers {
		choice := openai.ChatChoice{
			Index: i, Message: openai.ChatMessage{Role: "assistant", Content: text[i].String()},
			Logprobs: chatLogprobs(logprobs[i], c, nil, nil), FinishReason: a.finish,
		}
		if len(answers) > 1 {
			choice.Koinon = j.koinon(a)
		}
		result.Choices = append(result.Choices, choice)
	}
	j.label(w, answers)
	return writeJSON(w, http.StatusOK, result)
}

// streamChat answers in server-sent events.
func (g *Gateway) streamChat(w http.ResponseWriter, r *http.Request, c openai.Completion, id string, j *job) error {
	s := &chatStream{
		events: newEvents(w), job: j, wants: c, opened: make([]bool, len(j.calls)),
		head: openai.ChatChunk{ID: id, Object: "chat.completion.chunk", Created: g.now().Unix(), Model: j.version.label()},
	}
	answers, err := g.run(r.Context(), j, s.delta)
	if err == nil {
		err = s.end(answers)
	}
	return s.fail(err)
}

// chatStream writes the chunks of one chat.
type chatStream struct {
	*events
	job    *job
	wants  openai.Completion
	head   openai.ChatChunk // what all chunks share
	opened []bool           // choices whose role was sent
}

// chunk sends what is new of one choice.
func (s *chatStream) chunk(c openai.ChatChunkChoice, k *openai.Koinon) error {
	chunk := s.head
	chunk.Choices, chunk.Koinon = []openai.ChatChunkChoice{c}, k
	return s.send(chunk)
}

// open sends a choice's role, once.
func (s *chatStream) open(choice int, provider string) error {
	if s.opened[choice] {
		return nil
	}
	s.opened[choice] = true
	s.start(s.job, provider)
	empty := ""
	return s.chunk(openai.ChatChunkChoice{Index: choice, Delta: openai.ChatDelta{Role: "assistant", Content: &empty}}, nil)
}

// delta sends what arrived of a choice.
func (s *chatStream) delta(choice int, d delta) error {
	if err := s.open(choice, d.provider); err != nil {
		return err
	}
	logprobs := chatLogprobs(nil, s.wants, s.job.calls[choice].vocabulary, d.tokens)
	if d.text == "" && logprobs == nil {
		return nil
	}
	return s.chunk(openai.ChatChunkChoice{Index: choice, Delta: openai.ChatDelta{Content: &d.text}, Logprobs: logprobs}, nil)
}

// end sends how each choice ended, the usage, and the end of the stream.
func (s *chatStream) end(answers []answer) error {
	for i, a := range answers {
		if err := s.open(i, a.provider); err != nil { // an answer may have no token
			return errClient
		}
		if err := s.chunk(openai.ChatChunkChoice{Index: i, FinishReason: &a.finish}, s.job.koinon(a)); err != nil {
			return errClient
		}
	}
	if s.wants.Usage {
		chunk, usage := s.head, s.job.usage(answers)
		chunk.Choices, chunk.Usage, chunk.Koinon = []openai.ChatChunkChoice{}, &usage, s.job.koinon(answers[0])
		if err := s.send(chunk); err != nil {
			return errClient
		}
	}
	s.finish(answers)
	return nil
}

// chatLogprobs adds tokens to those of an answer, if they were asked for.
func chatLogprobs(all *openai.ChatLogprobs, c openai.Completion, v Vocabulary, tokens []inferencev1.Token) *openai.ChatLogprobs {
	if !c.Logprobs {
		return nil
	}
	if all == nil {
		all = &openai.ChatLogprobs{Content: []openai.ChatLogprob{}}
	}
	for _, t := range tokens {
		entry := openai.ChatLogprob{TokenLogprob: tokenLogprob(v, t.Id, t.Logprob), Top: []openai.TokenLogprob{}}
		for _, top := range t.Top[:min(len(t.Top), int(c.TopLogprobs))] {
			entry.Top = append(entry.Top, tokenLogprob(v, top.Id, top.Logprob))
		}
		all.Content = append(all.Content, entry)
	}
	return all
}
