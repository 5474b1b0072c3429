package openai

import (
	"net/http"
	"strings"
	"time"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
)

// Chat serves POST /v1/chat/completions.
func Chat(w http.ResponseWriter, r *http.Request, prepare Prepare) error {
	id, c, j, err := begin(r, "chatcmpl-", ParseChat, prepare)
	if err != nil {
		return err
	}
	if c.Stream {
		return streamChat(w, r, c, id, j)
	}
	choices := j.Choices()
	text := make([]strings.Builder, len(choices))
	logprobs := make([]*ChatLogprobs, len(choices))
	answers, err := j.Run(r.Context(), func(i int, d Delta) error {
		text[i].WriteString(d.Text)
		logprobs[i] = chatLogprobs(logprobs[i], c, choices[i].Vocabulary, d.Tokens)
		return nil
	})
	if err != nil {
		return err
	}
	result := ChatCompletion{
		ID: id, Object: "chat.completion", Created: time.Now().Unix(), Model: j.Model(),
		Usage: usageOf(j, answers), Koinon: answers[0].Koinon,
	}
	for i, a := range answers {
		choice := ChatChoice{
			Index: i, Message: ChatMessage{Role: "assistant", Content: text[i].String()},
			Logprobs: chatLogprobs(logprobs[i], c, nil, nil), FinishReason: a.Finish,
		}
		if len(answers) > 1 {
			choice.Koinon = a.Koinon
		}
		result.Choices = append(result.Choices, choice)
	}
	label(w, j, answers)
	return WriteJSON(w, http.StatusOK, result)
}

// streamChat answers in server-sent events.
func streamChat(w http.ResponseWriter, r *http.Request, c Completion, id string, j Job) error {
	s := &chatStream{
		events: newEvents(w), job: j, choices: j.Choices(), wants: c, opened: make([]bool, len(j.Choices())),
		head: ChatChunk{ID: id, Object: "chat.completion.chunk", Created: time.Now().Unix(), Model: j.Model()},
	}
	answers, err := j.Run(r.Context(), s.delta)
	if err == nil {
		err = s.end(answers)
	}
	return s.fail(err)
}

// chatStream writes the chunks of one chat.
type chatStream struct {
	*events
	job     Job
	choices []Choice
	wants   Completion
	head    ChatChunk // what all chunks share
	opened  []bool    // choices whose role was sent
}

// chunk sends what is new of one choice.
func (s *chatStream) chunk(c ChatChunkChoice, k *Koinon) error {
	chunk := s.head
	chunk.Choices, chunk.Koinon = []ChatChunkChoice{c}, k
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
	return s.chunk(ChatChunkChoice{Index: choice, Delta: ChatDelta{Role: "assistant", Content: &empty}}, nil)
}

// delta sends what arrived of a choice.
func (s *chatStream) delta(choice int, d Delta) error {
	if err := s.open(choice, d.Provider); err != nil {
		return err
	}
	logprobs := chatLogprobs(nil, s.wants, s.choices[choice].Vocabulary, d.Tokens)
	if d.Text == "" && logprobs == nil {
		return nil
	}
	return s.chunk(ChatChunkChoice{Index: choice, Delta: ChatDelta{Content: &d.Text}, Logprobs: logprobs}, nil)
}

// end sends how each choice ended, the usage, and the end of the stream.
func (s *chatStream) end(answers []Answer) error {
	for i, a := range answers {
		if err := s.open(i, providerOf(a)); err != nil { // an answer may have no token
			return ErrClient
		}
		if err := s.chunk(ChatChunkChoice{Index: i, FinishReason: &a.Finish}, a.Koinon); err != nil {
			return ErrClient
		}
	}
	if s.wants.Usage {
		chunk, usage := s.head, usageOf(s.job, answers)
		chunk.Choices, chunk.Usage, chunk.Koinon = []ChatChunkChoice{}, &usage, answers[0].Koinon
		if err := s.send(chunk); err != nil {
			return ErrClient
		}
	}
	s.finish(answers)
	return nil
}

// chatLogprobs adds tokens to those of an answer, if they were asked for.
func chatLogprobs(all *ChatLogprobs, c Completion, v Vocabulary, tokens []inferencev1.Token) *ChatLogprobs {
	if !c.Logprobs {
		return nil
	}
	if all == nil {
		all = &ChatLogprobs{Content: []ChatLogprob{}}
	}
	for _, t := range tokens {
		entry := ChatLogprob{TokenLogprob: tokenLogprob(v, t.Id, t.Logprob), Top: []TokenLogprob{}}
		for _, top := range t.Top[:min(len(t.Top), int(c.TopLogprobs))] {
			entry.Top = append(entry.Top, tokenLogprob(v, top.Id, top.Logprob))
		}
		all.Content = append(all.Content, entry)
	}
	return all
}
