package receipt

import (
	"crypto/sha256"
	"encoding"
	"encoding/binary"
	"errors"
	"fmt"
)

// CountProof shows of how many tokens a [TokensDigest] is, without the tokens: the
// state of SHA-256 before its last block, and what of the text is in that block.
// Whoever could make one for another number could find inputs of SHA-256's
// compression for an output that is given.
type CountProof struct {
	State Digest `json:"state"` // after all whole blocks of 16 tokens
	Tail  []byte `json:"tail"`  // of the last 0 to 15 tokens, 4 bytes each
	Count uint64 `json:"count"` // tokens
}

// Counts are proofs of how many tokens a receipt's digests are of: what convicts
// one that counts more.
type Counts struct {
	Prompt *CountProof `json:"prompt,omitempty"`
	Answer *CountProof `json:"answer,omitempty"`
}

// Convict makes the proofs that a receipt counts more tokens than there are, if it
// does and its own digests show it; nil if not.
func Convict(r Receipt, prompt, answer []int32) *Counts {
	var c Counts
	for _, part := range []struct {
		ids    []int32
		digest Digest
		stated uint64
		proof  **CountProof
	}{{prompt, r.PromptDigest, r.PromptTokens, &c.Prompt}, {answer, r.OutputDigest, r.CompletionTokens, &c.Answer}} {
		if part.stated <= uint64(len(part.ids)) || part.digest != TokensDigest(part.ids) {
			continue
		}
		if p, err := ProveCount(part.ids); err == nil {
			*part.proof = &p
		}
	}
	if r.OverCounts(c.Prompt, c.Answer) != nil {
		return nil
	}
	return &c
}

// Errors of counts.
var (
	// ErrCount is returned for a proof that is not one of this digest.
	ErrCount = errors.New("the proof does not make the digest")
	// ErrNotOverCounted is returned for a receipt that counts no more than there is.
	ErrNotOverCounted = errors.New("the receipt counts no more tokens than its digest is of")
)

const (
	tokenSize = 4
	// stateMagic begins the state of SHA-256 as package crypto/sha256 writes it:
	// then the 32 bytes of the state, a block, and the length so far.
	stateMagic = "sha\x03"
)

// ProveCount makes the proof of a number of tokens.
func ProveCount(ids []int32) (CountProof, error) {
	data := tokenBytes(ids)
	whole := len(data) / sha256.BlockSize * sha256.BlockSize
	h := sha256.New()
	h.Write(data[:whole])
	state, err := h.(encoding.BinaryMarshaler).MarshalBinary()
	if err != nil {
		return CountProof{}, fmt.Errorf("proving a count: %w", err)
	}
	p := CountProof{Tail: data[whole:], Count: uint64(len(ids))}
	copy(p.State[:], state[len(stateMagic):])
	return p, nil
}

// Verify checks that a digest is of as many tokens as the proof says. Refusal:
// [ErrCount].
func (p CountProof) Verify(digest Digest) error {
	length := p.Count * tokenSize
	if p.Count > 1<<40 || len(p.Tail) >= sha256.BlockSize || uint64(len(p.Tail)) != length%sha256.BlockSize {
		return fmt.Errorf("%w: %d tokens do not end with %d bytes", ErrCount, p.Count, len(p.Tail))
	}
	state := append([]byte(stateMagic), p.State[:]...)
	state = append(state, make([]byte, sha256.BlockSize)...)
	state = binary.BigEndian.AppendUint64(state, length-uint64(len(p.Tail)))
	h := sha256.New()
	if err := h.(encoding.BinaryUnmarshaler).UnmarshalBinary(state); err != nil {
		return fmt.Errorf("%w: %w", ErrCount, err)
	}
	h.Write(p.Tail)
	if Digest(h.Sum(nil)) != digest {
		return ErrCount
	}
	return nil
}

// OverCounts checks that a receipt charges for more tokens than the digest that it
// states is of: of its prompt by the one proof or of its answer by the other,
// either nil. It returns nil if the receipt convicts itself. A provider whose
// counts and digests are one false story is not convicted by it: what it sent
// nobody signed; the gateway, which counted, refuses such a receipt and pays for
// no token that did not arrive.
func (r Receipt) OverCounts(prompt, answer *CountProof) error {
	if err := r.VerifySignature(); err != nil {
		return err
	}
	for _, part := range []struct {
		proof  *CountProof
		digest Digest
		stated uint64
	}{{prompt, r.PromptDigest, r.PromptTokens}, {answer, r.OutputDigest, r.CompletionTokens}} {
		if part.proof == nil {
			continue
		}
		if err := part.proof.Verify(part.digest); err != nil {
			return err
		}
		if part.stated > part.proof.Count {
			return nil
		}
	}
	return ErrNotOverCounted
}
