package receipt

import (
	"errors"
	"fmt"
)

// Transcript is what must be known of an answer, beside its receipt, to compute it
// again. It holds the prompt: who keeps one keeps that.
type Transcript struct {
	// Request is the JSON that went to the provider, as it was sent.
	Request string `json:"request"`
	// Output are the tokens that came.
	Output []int32 `json:"output"`
	// Leaves are the provider's, where it opened them.
	Leaves []Digest `json:"leaves,omitempty"`
}

// Record is a receipt as it is kept in a file, with the transcript if the payer
// keeps one.
type Record struct {
	Receipt    Receipt     `json:"receipt"`
	Transcript *Transcript `json:"transcript,omitempty"`
	// Counts convict a receipt that counts too many tokens.
	Counts *Counts `json:"over_counted,omitempty"`
}

// ErrTranscript is returned for a transcript that is not of the receipt's answer.
var ErrTranscript = errors.New("the transcript is not of this receipt's answer")

// Verify checks that the transcript is of a receipt's answer, by the digests that
// the receipt states.
func (t Transcript) Verify(r Receipt) error {
	switch {
	case Sum([]byte(t.Request)) != r.Request:
		return fmt.Errorf("%w: its request has another digest", ErrTranscript)
	case uint64(len(t.Output)) != r.CompletionTokens:
		return fmt.Errorf("%w: it has %d tokens of output, the receipt counts %d", ErrTranscript, len(t.Output), r.CompletionTokens)
	case TokensDigest(t.Output) != r.OutputDigest:
		return fmt.Errorf("%w: its output has another digest", ErrTranscript)
	case len(t.Leaves) > 0 && (len(t.Leaves) != len(t.Output) || MerkleRoot(t.Leaves) != r.Commitment):
		return fmt.Errorf("%w: its leaves are not those that the receipt commits to", ErrTranscript)
	}
	return nil
}
