// Package receipts judges a provider's receipt by what the gateway itself saw
// of the answer. It is pure.
package receipts

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/koinon/koinon/receipt"
)

// ErrFalse says that a receipt states something the gateway saw otherwise. A
// provider that signs such a receipt is suspended.
var ErrFalse = errors.New("false receipt")

// Seen is what the gateway knows of an answer without taking anybody's word:
// from the request it sent, the grant it signed, the ledger's offer, its own
// count of the prompt and the tokens that arrived.
type Seen struct {
	ChainID     string
	Grant       receipt.Digest
	Provider    string // account address
	ProviderKey []byte // registered on the ledger
	Payer, App  string
	Right       string // the grant's
	Model       receipt.Digest
	Class       string
	Request     receipt.Digest
	Prompt      []int32
	Cached      uint64 // tokens of the prompt that the provider said are
	Output      []int32
	Vectors     [][]float32 // in its place, of embeddings
	Sampling    receipt.Sampling
	Seed        receipt.Seed  // which is proven, or named
	Price       receipt.Price // the offer's; a receipt may ask for less
	Ticket      uint64        // the highest index revealed
	Failed      bool          // the provider ended the answer with an error
	At          time.Time     // that the receipt came
}

// skew is how far a provider's clock may be off. A receipt that says it is old could
// not be disputed, one that is of the future not be audited.
const skew = 10 * time.Minute

// Check verifies a receipt by itself and against what was seen. What it says is
// owed on the grant adds up all of the grant's receipts, some of which may have
// been lost on their way; [Chain] checks it against those that were not. Nothing
// is paid by it: tickets pay.
func (s Seen) Check(r receipt.Receipt) error {
	if err := errors.Join(r.Validate(), r.VerifySignature()); err != nil { // the seed is known
		return fmt.Errorf("%w: %w", ErrFalse, err)
	}
	for _, field := range []struct {
		name string
		ok   bool
	}{
		{"chain_id", r.ChainID == s.ChainID},
		{"grant", r.Grant == s.Grant},
		{"provider", r.Provider == s.Provider},
		{"provider_key", bytes.Equal(r.ProviderKey, s.ProviderKey)},
		{"payer", r.Payer == s.Payer},
		{"app", r.App == s.App},
		{"right", r.Right == s.Right},
		{"model", r.Model == s.Model},
		{"class", r.Class == s.Class},
		{"request", r.Request == s.Request},
		{"prompt_tokens", r.PromptTokens == uint64(len(s.Prompt))},
		{"cached_tokens", r.CachedTokens == s.Cached},
		{"prompt_digest", r.PromptDigest == receipt.TokensDigest(s.Prompt)},
		{"completion_tokens", r.CompletionTokens == uint64(len(s.Output))},
		{"output_digest", r.OutputDigest == s.output()},
		{"sampling", r.Sampling == s.Sampling},
		{"seed", r.Seed.Equal(s.Seed)},
		{"finish_reason", s.finished(r.FinishReason)},
		{"price", r.Price.Input <= s.Price.Input && r.Price.CachedInput <= s.Price.CachedInput && r.Price.Output <= s.Price.Output},
		{"ticket", r.Ticket <= s.Ticket},
		{"finished", s.At.Sub(time.UnixMilli(r.Finished)).Abs() <= skew},
	} {
		if !field.ok {
			return fmt.Errorf("%w: %s is not what the gateway saw", ErrFalse, field.name)
		}
	}
	return nil
}

// output is the digest of what arrived.
func (s Seen) output() receipt.Digest {
	if s.Vectors != nil {
		return receipt.VectorsDigest(s.Vectors)
	}
	return receipt.TokensDigest(s.Output)
}

// finished says whether an answer can have ended so: only one that is as long
// as was asked for ends by its length.
func (s Seen) finished(reason string) bool {
	switch reason {
	case "stop":
		return !s.Failed
	case "length":
		return !s.Failed && len(s.Output) == int(s.Sampling.MaxTokens)
	}
	return s.Failed && reason == "error"
}

// Chain checks a receipt against those of the same grant that are known, in any
// order. Streams end in parallel and some end without a receipt, so there may
// be gaps; two receipts for one place, or neighbours that do not follow from
// each other, are fraud.
func Chain(r receipt.Receipt, known []receipt.Receipt) error {
	for _, other := range known {
		var err error
		switch {
		case other.Hash() == r.Hash():
			continue
		case other.Sequence == r.Sequence:
			err = fmt.Errorf("%w: another receipt has sequence %d too", receipt.ErrReceiptChain, r.Sequence)
		case other.Sequence+1 == r.Sequence:
			err = r.Follows(other)
		case r.Sequence+1 == other.Sequence:
			err = other.Follows(r)
		}
		if err != nil {
			return fmt.Errorf("%w: %w", ErrFalse, err)
		}
	}
	return nil
}
