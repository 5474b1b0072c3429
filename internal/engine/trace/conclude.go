package trace

import (
	"math"
	"slices"

	"github.com/koinon/koinon/internal/engine/sampling"
	"github.com/koinon/koinon/internal/mechanism/referee"
	"github.com/koinon/koinon/internal/tensor"
	"github.com/koinon/koinon/receipt"
)

// conclude makes the words of the last segment. What is many words is computed
// here as the engine does, the rest as the referee does.
func (t *Trace) conclude() error {
	last := len(t.tokens) - 1
	t.decoder.run(last, t.tokens[last:], func(int, []float32) {})
	norm := t.decoder.norm(1, t.decoder.outputs[len(t.decoder.outputs)-1], t.decoder.Norm)
	logits := t.decoder.multiply(1, norm, t.decoder.Output)[0]
	sampler, err := t.sampler()
	if err != nil {
		return err
	}
	logitFolds, folds := tensor.Folds(nil, logits), t.folds()
	adjusted := slices.Clone(sampler.Adjusted(logits))
	segment := t.Segments() - 1
	for _, r := range t.Runs(segment) {
		switch r.Operator {
		case referee.OpNorm:
			t.words = append(t.words, chunks(norm)...)
		case referee.OpLogits:
			t.words = append(t.words, chunks(logits)...)
		case referee.OpLogitsHash:
			err = t.appendHash(halves(logitFolds))
		case referee.OpLogitFolds:
			t.words = append(t.words, cut(halves(logitFolds))...)
		case referee.OpFolds:
			t.words = append(t.words, cut(halves(folds))...)
		case referee.OpFoldHash:
			err = t.appendHash(halves(folds))
		case referee.OpAdjusted:
			t.words = append(t.words, chunks(adjusted)...)
		case referee.OpSorted:
			t.words = append(t.words, cut(sorted(adjusted, r.Layer))...)
		default:
			err = t.compute(segment, r)
		}
		if err != nil {
			return err
		}
	}
	claim := t.words[len(t.words)-1]
	t.logits, t.fold, t.token = receipt.Fold(logitFolds), receipt.Fold(folds), int32(claim[len(claim)-2])
	return nil
}

// sampler is the answer's, before the step is drawn.
func (t *Trace) sampler() (*sampling.Sampler, error) {
	p := t.Receipt.Sampling
	params := sampling.Params{
		TopP: 1, RepetitionPenalty: p.RepetitionPenalty, PresencePenalty: p.PresencePenalty, FrequencyPenalty: p.FrequencyPenalty,
		PenaltyWindow: int(p.PenaltyWindow), Bias: t.c.Bias,
	}
	asked := len(t.c.Prompt) - min(len(t.c.Prompt), int(p.Resumed))
	s, err := sampling.New(params, t.c.Model.Size(), t.c.Prompt[:asked])
	if err != nil {
		return nil, err
	}
	for _, id := range t.tokens[asked:] {
		s.Accept(id)
	}
	return s, nil
}

// compute appends an operator's words as the referee computes them.
func (t *Trace) compute(segment uint64, r referee.Run) error {
	for at := uint64(0); at < r.Words; at += referee.ChunkWords {
		words := make([]uint32, min(referee.ChunkWords, r.Words-at))
		for i := range words {
			place := referee.Place{Segment: segment, Chunk: r.First + at/referee.ChunkWords, Word: uint64(i)}
			t.words = append(t.words[:place.Chunk], words) // a scan reads the words before its own
			word, err := t.Compute(place, t)
			if err != nil {
				return err
			}
			words[i] = word
		}
	}
	return nil
}

func (t *Trace) appendHash(words []uint32) error {
	states, err := referee.HashStates(words)
	t.words = append(t.words, cut(states)...)
	return err
}

// folds are those of the last position's layers.
func (t *Trace) folds() (list []uint64) {
	for _, x := range t.decoder.outputs {
		list = append(list, tensor.Fold(x))
	}
	return list
}

// halves are folds as words, the lower half of each first.
func halves(folds []uint64) (words []uint32) {
	for _, f := range folds {
		words = append(words, uint32(f), uint32(f>>32))
	}
	return words
}

// sorted are the keys of logits in sorted runs, as the sort has them at a level.
func sorted(logits []float32, level uint64) (words []uint32) {
	keys := make([]uint64, len(logits))
	for i, l := range logits {
		if l == 0 {
			l = 0 // −0 is equal to 0
		}
		turned := math.Float32bits(l)
		if turned>>31 == 0 {
			turned = ^(turned | 1<<31)
		}
		keys[i] = uint64(turned)<<32 | uint64(i)
	}
	for run := range slices.Chunk(keys, referee.RunKeys<<level) {
		slices.Sort(run)
	}
	for _, k := range keys {
		words = append(words, uint32(k>>32), uint32(k))
	}
	return words
}

// cut divides words into chunks.
func cut(words []uint32) (list [][]uint32) {
	for part := range slices.Chunk(words, referee.ChunkWords) {
		list = append(list, part)
	}
	return list
}

func bitsOf(values []float32) []uint32 {
	words := make([]uint32, len(values))
	for i, v := range values {
		words[i] = tensor.CanonicalBits(v)
	}
	return words
}
