package openai

import (
	"net/http"
	"strings"
	"time"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
)

// Chat serves POST /v1/chat/completions.
func Chat(w http.ResponseWriter, r *http.Request, prepare Prepare) error {
	id, c, j, err := Begin(r, "chatcmpl-", ParseChat, prepare)
	if err != nil {
		return err
	}
	if c.Stream {
		return streamChat(w, r, c, id, j)
	}
	choices := j.Choices()
	messages := make([]message, len(choices))
	for i := range messages {
		messages[i].calls = NewCallReader(c, choices[i])
	}
	answers, err := j.Run(r.Context(), func(i int, d Delta) error {
		messages[i].add(messages[i].calls.Push(d.Text))
		messages[i].logprobs = chatLogprobs(messages[i].logprobs, c, choices[i].Vocabulary, d.Tokens)
		return nil
	})
	if err != nil {
		return err
	}
	result := ChatCompletion{
		ID: id, Object: "chat.completion", Created: time.Now().Unix(), Model: j.Model(),
		Usage: UsageOf(j, answers), Koinon: answers[0].Koinon,
	}
	for i, a := range answers {
		m := &messages[i]
		m.add(m.calls.Flush())
		choice := ChatChoice{
			Index: i, Message: m.message(), Logprobs: chatLogprobs(m.logprobs, c, nil, nil), FinishReason: m.calls.Finish(a.Finish),
		}
		if len(answers) > 1 {
			choice.Koinon = a.Koinon
		}
		result.Choices = append(result.Choices, choice)
	}
	Label(w, j, answers)
	return WriteJSON(w, http.StatusOK, result)
}

// message is a choice's answer as it comes.
type message struct {
	text     strings.Builder
	list     []ToolCall
	calls    *CallReader
	logprobs *ChatLogprobs
}

func (m *message) add(text string, calls []ToolCall) {
	m.text.WriteString(text)
	for _, c := range calls {
		c.Index = nil // in chunks alone
		m.list = append(m.list, c)
	}
}

func (m *message) message() ChatMessage {
	out := ChatMessage{Role: "assistant", ToolCalls: m.list}
	if text := m.text.String(); text != "" || len(m.list) == 0 {
		out.Content = &text
	}
	return out
}

// streamChat answers in server-sent events.
func streamChat(w http.ResponseWriter, r *http.Request, c Completion, id string, j Job) error {
	s := &chatStream{
		Events: NewEvents(w), job: j, choices: j.Choices(), wants: c, opened: make([]bool, len(j.Choices())),
		calls: make([]*CallReader, len(j.Choices())),
		head:  ChatChunk{ID: id, Object: "chat.completion.chunk", Created: time.Now().Unix(), Model: j.Model()},
	}
	for i, choice := range s.choices {
		s.calls[i] = NewCallReader(c, choice)
	}
	answers, err := j.Run(r.Context(), s.delta)
	if err == nil {
		err = s.end(answers)
	}
	return s.fail(err)
}

// chatStream writes the chunks of one chat.
type chatStream struct {
	*Events
	job     Job
	choices []Choice
	wants   Completion
	head    ChatChunk     // what all chunks share
	opened  []bool        // choices whose role was sent
	calls   []*CallReader // of choices
	used    Usage         // so far, if it is to be said in each chunk
}

// chunk sends what is new of one choice.
func (s *chatStream) chunk(c ChatChunkChoice, k *Koinon) error {
	chunk := s.head
	chunk.Choices, chunk.Koinon = []ChatChunkChoice{c}, k
	if s.wants.Running {
		used := s.used
		chunk.Usage = &used
	}
	return s.Send("", chunk)
}

// open sends a choice's role, once.
func (s *chatStream) open(choice int, provider string) error {
	if s.opened[choice] {
		return nil
	}
	s.opened[choice] = true
	s.Start(s.job, provider)
	empty := ""
	return s.chunk(ChatChunkChoice{Index: choice, Delta: ChatDelta{Role: "assistant", Content: &empty}}, nil)
}

// delta sends what arrived of a choice.
func (s *chatStream) delta(choice int, d Delta) error {
	if err := s.open(choice, d.Provider); err != nil {
		return err
	}
	if s.wants.Running {
		s.use(choice, d)
	}
	logprobs := chatLogprobs(nil, s.wants, s.choices[choice].Vocabulary, d.Tokens)
	text, calls := s.calls[choice].Push(d.Text)
	return s.add(choice, text, calls, logprobs)
}

// use counts what arrived of a choice.
func (s *chatStream) use(choice int, d Delta) {
	if s.used.CompletionTokens == 0 {
		s.used.PromptTokens = uint64(len(s.choices[choice].Prompt))
		s.used.PromptTokensDetails.CachedTokens = d.Cached
	}
	s.used.CompletionTokens += uint64(len(d.Tokens))
	s.used.TotalTokens = s.used.PromptTokens + s.used.CompletionTokens
}

// add sends text and calls, unless there is nothing to send.
func (s *chatStream) add(choice int, text string, calls []ToolCall, logprobs *ChatLogprobs) error {
	if text == "" && calls == nil && logprobs == nil && !s.wants.Running {
		return nil
	}
	delta := ChatDelta{ToolCalls: calls}
	if text != "" || calls == nil {
		delta.Content = &text
	}
	return s.chunk(ChatChunkChoice{Index: choice, Delta: delta, Logprobs: logprobs}, nil)
}

// end sends how each choice ended, the usage, and the end of the stream.
func (s *chatStream) end(answers []Answer) error {
	for i, a := range answers {
		if err := s.open(i, a.Provider()); err != nil { // an answer may have no token
			return ErrClient
		}
		text, calls := s.calls[i].Flush()
		if err := s.add(i, text, calls, nil); err != nil {
			return ErrClient
		}
		finish := s.calls[i].Finish(a.Finish)
		if err := s.chunk(ChatChunkChoice{Index: i, FinishReason: &finish}, a.Koinon); err != nil {
			return ErrClient
		}
	}
	if s.wants.Usage {
		chunk, usage := s.head, UsageOf(s.job, answers)
		chunk.Choices, chunk.Usage, chunk.Koinon = []ChatChunkChoice{}, &usage, answers[0].Koinon.brief()
		if err := s.Send("", chunk); err != nil {
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
	all.Content = append(all.Content, Logprobs(v, tokens, int(c.TopLogprobs))...)
	return all
}

// Logprobs are the log-probabilities of tokens, with at most so many
// alternatives each.
func Logprobs(v Vocabulary, tokens []inferencev1.Token, top int) []ChatLogprob {
	list := make([]ChatLogprob, 0, len(tokens))
	for _, t := range tokens {
		entry := ChatLogprob{TokenLogprob: tokenLogprob(v, t.Id, t.Logprob), Top: []TokenLogprob{}}
		for _, other := range t.Top[:min(len(t.Top), top)] {
			entry.Top = append(entry.Top, tokenLogprob(v, other.Id, other.Logprob))
		}
		list = append(list, entry)
	}
	return list
}
