package referee

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/koinon/koinon/internal/mechanism/canonical"
	"github.com/koinon/koinon/receipt"
)

// Finishes that somebody must be able to show: another says that a side broke the
// answer off.
const (
	FinishStop   = "stop"   // a token that ends a text was drawn, or a stop string came
	FinishLength = "length" // as many tokens as were allowed, or as the context holds
)

// ErrEnding is returned for what does not show why an answer ended where it did.
var ErrEnding = errors.New("this does not show why the answer ended")

// Disputable says whether where a receipt's answer ended can be disputed: it has
// fewer tokens than were allowed, and says that it was over. Embeddings have none.
func Disputable(r receipt.Receipt) bool {
	short := r.CompletionTokens < uint64(r.Sampling.MaxTokens) && r.Sampling.Grammar.IsZero()
	text := r.CompletionTokens > 0 || r.OutputDigest == receipt.TokensDigest(nil)
	return short && text && (r.FinishReason == FinishLength || Drawn(r))
}

// Refereed says whether an answer's draws can be computed again. With a grammar they
// cannot: which tokens it allows is not in the receipt.
func Refereed(r receipt.Receipt) bool { return drawOf(&r.Sampling) != foreign }

// Drawn says whether an answer ended by a draw that can be computed again, unless a
// stop string ended it.
func Drawn(r receipt.Receipt) bool {
	return r.FinishReason == FinishStop && Refereed(r)
}

// Ending is why an answer was over though no draw has ended it: a stop string came,
// or the context was full.
type Ending struct {
	// Stop are the request's stop strings, in their order; none if the context was full.
	Stop []string
	// Blocks are the last blocks of tokens, as segment 0 of a trace has them, the last
	// first: the answer's, and where these are all of it and it was resumed, the
	// prompt's. Together they hold the stop string that came.
	Blocks [][]uint32
	// Pieces are what the tokens in them stand for, as rows under the weights root,
	// ascending.
	Pieces   []Row
	RowProof []receipt.Digest
}

// Bounds of an ending.
const (
	maxStops  = 64
	maxStop   = 1 << 10 // bytes
	maxBlocks = 64
	maxPieces = maxBlocks * blockTokens
)

// Append writes the ending's one encoding.
func (e *Ending) Append(to *canonical.Writer) {
	to.Uint32(uint32(len(e.Stop)))
	for _, s := range e.Stop {
		to.Bytes([]byte(s))
	}
	to.Uint32(uint32(len(e.Blocks)))
	for _, b := range e.Blocks {
		to.Words(b)
	}
	to.Uint32(uint32(len(e.Pieces)))
	for _, r := range e.Pieces {
		to.Uint64(r.Index)
		to.Bytes(r.Data)
	}
	to.Digests(e.RowProof)
}

// ReadEnding reads what Append writes; what is wrong, the reader notes.
func ReadEnding(r *canonical.Reader) (e Ending) {
	for range r.Count(maxStops, 4) {
		e.Stop = append(e.Stop, string(r.Bytes(maxStop)))
	}
	for range r.Count(maxBlocks, 4) {
		e.Blocks = append(e.Blocks, r.Words(ChunkWords))
	}
	for range r.Count(maxPieces, 12) {
		e.Pieces = append(e.Pieces, Row{r.Uint64(), r.Bytes(maxStop)})
	}
	e.RowProof = r.Digests(maxProof)
	return e
}

// Excused checks that an answer of a model of this shape was over for the reason
// that an ending shows. That its rows are under the weights root is checked
// before. Refusal: [ErrEnding].
func (s *Shape) Excused(r receipt.Receipt, e *Ending) error {
	if r.FinishReason == FinishLength {
		if r.PromptTokens+r.CompletionTokens < s.Context {
			return fmt.Errorf("%w: it has %d tokens of %d, with its prompt %d of a context of %d",
				ErrEnding, r.CompletionTokens, r.Sampling.MaxTokens, r.PromptTokens+r.CompletionTokens, s.Context)
		}
		return nil
	}
	if len(e.Stop) == 0 || receipt.StopDigest(e.Stop) != r.Sampling.Stop {
		return fmt.Errorf("%w: its stop strings are not those of the receipt", ErrEnding)
	}
	tokens, err := tail(r, e.Blocks)
	if err != nil {
		return err
	}
	var text []byte
	for _, token := range tokens {
		piece, err := s.piece(token, e.Pieces)
		if err != nil {
			return err
		}
		text = append(text, piece...)
	}
	last, _ := s.piece(tokens[len(tokens)-1], e.Pieces) // as above
	for _, stop := range e.Stop {
		// It must reach into the last token, or the answer was over before.
		if from := len(text) - len(last) - len(stop) + 1; bytes.Contains(text[max(0, from):], []byte(stop)) {
			return nil
		}
	}
	return fmt.Errorf("%w: none of its stop strings came with the last token", ErrEnding)
}

// piece is what a token stands for.
func (s *Shape) piece(token uint32, rows []Row) ([]byte, error) {
	at := s.row(tensorPieces, 0, uint64(token))
	i, found := slices.BinarySearchFunc(rows, at, func(r Row, at uint64) int {
		switch {
		case r.Index < at:
			return -1
		case r.Index > at:
			return 1
		}
		return 0
	})
	if !found || uint64(token) >= s.Vocabulary {
		return nil, fmt.Errorf("%w: what token %d stands for is not shown", ErrEnding, token)
	}
	return rows[i].Data, nil
}

// PieceRow is the row of what a token stands for.
func (s *Shape) PieceRow(token uint32) uint64 { return s.row(tensorPieces, 0, uint64(token)) }

// tail is the tokens of blocks that end an answer, in order. What it resumed belongs
// to it.
func tail(r receipt.Receipt, blocks [][]uint32) (tokens []uint32, err error) {
	for _, of := range []struct {
		count, most uint64
		digest      receipt.Digest
	}{{r.CompletionTokens, r.CompletionTokens, r.OutputDigest}, {r.PromptTokens, uint64(r.Sampling.Resumed), r.PromptDigest}} {
		n := min(uint64(len(blocks)), blocksOf(of.count))
		part, err := lastTokens(of.count, of.digest, blocks[:n])
		if err != nil {
			return nil, err
		}
		if most := int(min(of.most, uint64(len(part)))); most < len(part) {
			part = part[len(part)-most:]
		}
		tokens, blocks = append(part, tokens...), blocks[n:]
	}
	if len(tokens) == 0 || len(blocks) > 0 {
		return nil, fmt.Errorf("%w: it shows no tokens, or more than there are", ErrEnding)
	}
	return tokens, nil
}

// lastTokens are the tokens of the last blocks of so many that have a digest.
func lastTokens(count uint64, digest receipt.Digest, blocks [][]uint32) (tokens []uint32, err error) {
	goal := digestWords(digest)
	for i, block := range blocks {
		at := blockTokens * (blocksOf(count) - 1 - uint64(i))
		if want := stateWords + min(blockTokens, count-at); uint64(len(block)) != want {
			return nil, fmt.Errorf("%w: block %d from the end has %d words, not %d", ErrEnding, i, len(block), want)
		}
		right, err := leads(block, at, i == 0, goal)
		if err != nil {
			return nil, err
		}
		if !right {
			return nil, fmt.Errorf("%w: block %d from the end is not the receipt's", ErrEnding, i)
		}
		tokens, goal = append(slices.Clone(block[stateWords:]), tokens...), block[:stateWords]
	}
	return tokens, nil
}
