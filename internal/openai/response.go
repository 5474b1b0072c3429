package openai

import (
	"fmt"
	"strings"

	"github.com/koinon/koinon/receipt"
)

// Koinon is what this API adds to an answer: who served which weights, and the
// receipt that proves it.
type Koinon struct {
	Model    string `json:"model"`    // digest of the version
	Provider string `json:"provider"` // account address
	Receipt  string `json:"receipt"`  // its id, for GET /v1/receipts/{id}
	Cost     uint64 `json:"cost"`     // ucredit, charged to the API key
	// Earlier are the parts of the answer that other providers gave before they
	// failed; the one above went on from there.
	Earlier []Part `json:"earlier,omitempty"`
	// Transcript is what an audit needs beside the receipt, where it was asked for.
	Transcript *receipt.Transcript `json:"transcript,omitempty"`
}

// brief leaves out what was said before.
func (k *Koinon) brief() *Koinon {
	if k == nil {
		return nil
	}
	b := *k
	b.Transcript = nil
	return &b
}

// Part is the beginning of an answer that its provider did not finish.
type Part struct {
	Provider string `json:"provider"`
	// Receipt is the id of what it signed, or empty if it left without.
	Receipt string `json:"receipt,omitempty"`
	Tokens  uint64 `json:"tokens"`
	// Transcript is of this part, where there is a receipt of it and it was asked for.
	Transcript *receipt.Transcript `json:"transcript,omitempty"`
}

// Usage counts tokens.
type Usage struct {
	PromptTokens        uint64        `json:"prompt_tokens"`
	CompletionTokens    uint64        `json:"completion_tokens"`
	TotalTokens         uint64        `json:"total_tokens"`
	PromptTokensDetails PromptDetails `json:"prompt_tokens_details"`
}

// PromptDetails says more about the prompt.
type PromptDetails struct {
	CachedTokens uint64 `json:"cached_tokens"`
}

// ChatCompletion is the answer of POST /v1/chat/completions.
type ChatCompletion struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"` // "chat.completion"
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []ChatChoice `json:"choices"`
	Usage   Usage        `json:"usage"`
	Koinon  *Koinon      `json:"koinon,omitempty"` // of the first choice
}

// ChatChoice is one answer.
type ChatChoice struct {
	Index        int           `json:"index"`
	Message      ChatMessage   `json:"message"`
	Logprobs     *ChatLogprobs `json:"logprobs"`
	FinishReason string        `json:"finish_reason"`
	Koinon       *Koinon       `json:"koinon,omitempty"` // where there are several choices
}

// ChatMessage is the assistant's.
type ChatMessage struct {
	Role      string     `json:"role"`
	Content   *string    `json:"content"` // nil where there are calls alone
	ToolCalls []ToolCall `json:"tool_calls,omitempty"`
	Refusal   *string    `json:"refusal"`
}

// ChatLogprobs are the tokens of an answer.
type ChatLogprobs struct {
	Content []ChatLogprob `json:"content"`
	Refusal []ChatLogprob `json:"refusal"`
}

// ChatLogprob is one token, and what else might have stood there.
type ChatLogprob struct {
	TokenLogprob
	Top []TokenLogprob `json:"top_logprobs"`
}

// TokenLogprob is a token's text, bytes and log-probability.
type TokenLogprob struct {
	Token   string  `json:"token"`
	Logprob float32 `json:"logprob"`
	Bytes   []int   `json:"bytes"`
}

// ChatChunk is one event of a streamed chat.
type ChatChunk struct {
	ID      string            `json:"id"`
	Object  string            `json:"object"` // "chat.completion.chunk"
	Created int64             `json:"created"`
	Model   string            `json:"model"`
	Choices []ChatChunkChoice `json:"choices"`
	Usage   *Usage            `json:"usage,omitempty"`
	Koinon  *Koinon           `json:"koinon,omitempty"`
}

// ChatChunkChoice is what a chunk adds to one answer.
type ChatChunkChoice struct {
	Index        int           `json:"index"`
	Delta        ChatDelta     `json:"delta"`
	Logprobs     *ChatLogprobs `json:"logprobs"`
	FinishReason *string       `json:"finish_reason"`
}

// ChatDelta is the text a chunk adds.
type ChatDelta struct {
	Role      string     `json:"role,omitempty"`
	Content   *string    `json:"content,omitempty"`
	ToolCalls []ToolCall `json:"tool_calls,omitempty"`
}

// TextCompletion is the answer of POST /v1/completions, and each of its events.
type TextCompletion struct {
	ID      string       `json:"id"`
	Object  string       `json:"object"` // "text_completion"
	Created int64        `json:"created"`
	Model   string       `json:"model"`
	Choices []TextChoice `json:"choices"`
	Usage   *Usage       `json:"usage,omitempty"`
	Koinon  *Koinon      `json:"koinon,omitempty"`
}

// TextChoice is one answer, or what an event adds to it.
type TextChoice struct {
	Index        int           `json:"index"`
	Text         string        `json:"text"`
	Logprobs     *TextLogprobs `json:"logprobs"`
	FinishReason *string       `json:"finish_reason"`
	Koinon       *Koinon       `json:"koinon,omitempty"` // where there are several choices
}

// TextLogprobs are the tokens of an answer.
type TextLogprobs struct {
	Tokens        []string             `json:"tokens"`
	TokenLogprobs []float32            `json:"token_logprobs"`
	TopLogprobs   []map[string]float32 `json:"top_logprobs"`
	TextOffset    []int                `json:"text_offset"`
}

// Model is one entry of GET /v1/models.
type Model struct {
	ID      string `json:"id"`
	Object  string `json:"object"` // "model"
	Created int64  `json:"created"`
	OwnedBy string `json:"owned_by"`
	// ContextLength and Pricing are where OpenRouter's clients look for them.
	ContextLength uint32      `json:"context_length"`
	Pricing       *Pricing    `json:"pricing,omitempty"` // absent if there is no price
	Koinon        ModelDetail `json:"koinon"`
}

// Pricing is a [Price] as OpenRouter writes it: dollars for one token, as decimals.
type Pricing struct {
	Prompt     string `json:"prompt"`
	Cached     string `json:"input_cache_read"`
	Completion string `json:"completion"`
}

// ModelDetail is what the ledger and this gateway know of a version.
type ModelDetail struct {
	Name          string `json:"name"`
	Version       string `json:"version"`
	Digest        string `json:"digest"`
	Class         string `json:"class"` // exact or statistical
	License       string `json:"license"`
	Architecture  string `json:"architecture"`
	Parameters    uint64 `json:"parameters"`
	Quantization  string `json:"quantization"`
	ContextLength uint32 `json:"context_length"`
	Providers     int    `json:"providers"` // that can be reached now
	// Price is the cheapest of theirs; absent if there is none.
	Price *Price `json:"price,omitempty"`
	// AuditScore is the best audit record among them, between 0 and 1, which
	// min_audit_score bounds; absent if none of them was audited.
	AuditScore *float64 `json:"audit_score,omitempty"`
}

// Price is in ucredit, millionths of a dollar, for 1,000,000 tokens.
type Price struct {
	Input       uint64 `json:"input"`
	CachedInput uint64 `json:"cached_input"`
	Output      uint64 `json:"output"`
}

// PerToken is the price as OpenRouter writes it.
func (p Price) PerToken() *Pricing {
	return &Pricing{perToken(p.Input), perToken(p.CachedInput), perToken(p.Output)}
}

// perToken is millionths of a dollar for 1,000,000 tokens as dollars for one.
func perToken(price uint64) string {
	const perDollar = 1_000_000_000_000
	text := fmt.Sprintf("%d.%012d", price/perDollar, price%perDollar)
	return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
}

// List is a page of anything.
type List[T any] struct {
	Object  string `json:"object"` // "list"
	Data    []T    `json:"data"`
	HasMore bool   `json:"has_more,omitempty"`
	// Next is the cursor of the next page, for `before`.
	Next string `json:"next,omitempty"`
}
