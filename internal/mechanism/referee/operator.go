package referee

import (
	"github.com/koinon/koinon/internal/mechanism/softfloat"
	"github.com/koinon/koinon/receipt"
)

// Operator is what gives a run of words.
type Operator byte

// The operators. Those of positions are in the order of the decoder.
const (
	OpPrompt   Operator = iota // token ids of the prompt, in blocks
	OpOutput                   // token ids of the answer
	OpEmbed                    // row of the embedding
	OpAttnNorm                 // RMSNorm
	OpQ                        // products, with biases
	OpK
	OpV
	OpTurnQ // norm of heads, if any, and rotation
	OpTurnK
	OpScores  // q·k/√n, [head][position]
	OpWeights // their softmax
	OpMix     // sums of weighted values, after each mixSpan positions
	OpAttend  // x + product
	OpFFNNorm
	OpGate
	OpUp
	OpAct // SwiGLU
	OpOut // x + product
	OpNorm
	OpLogits
	OpLogitFolds // of each logitSpan of them
	OpLogitsHash
	OpFolds // of each layer's output
	OpFoldHash
	OpAdjusted // logits after bias and penalties
	OpBest     // the first candidate so far
	OpSorted   // keys in order, in runs that double
	OpSum      // candidates so far, and the sum of their exponentials
	OpExpected // sum so far of probabilities times scaled logits
	OpTypical  // where the range that typical_p keeps begins and ends so far, and its sum as it was taken
	OpRange    // sum so far of the range, in order
	OpTop      // how many of them top_p keeps, and their sum
	OpLeast    // and min_p
	OpDraw     // running sum, whether it was enough, and the token
	OpClaim
)

var operatorNames = [...]string{
	"prompt", "answer", "embedding", "attention norm", "queries", "keys", "values",
	"rotated queries", "rotated keys", "scores", "attention weights", "weighted values", "attention output", "feed-forward norm",
	"gate", "up", "activation", "layer output", "last norm", "logits", "folds of the logits", "digest of the logits", "folds", "digest of the folds",
	"adjusted logits", "best token", "sorted tokens", "sum of exponentials", "expected logit", "typical_p", "sum of what is typical", "top_p", "min_p", "draw", "claim",
}

// String names the Operator, for people.
func (o Operator) String() string { return operatorNames[o] }

// draw is how much of the draw a trace shows.
type draw int

const (
	foreign draw = iota // nothing: the token is taken as given
	greedy              // the first candidate
	sampled             // all steps
)

// drawOf says how a draw can be refereed. With a grammar or with another sampler than
// the engine's own, it cannot.
func drawOf(p *receipt.Sampling) draw {
	switch {
	case p.Kind != receipt.Categorical || !p.Grammar.IsZero():
		return foreign
	case isZero(p.Temperature):
		return greedy
	}
	return sampled
}

// typical says whether step 11 leaves anything out.
func typical(p *receipt.Sampling) bool {
	return !isZero(p.TypicalP) && bits(p.TypicalP) != softfloat.One
}

// keyWords are the words of one candidate's key; RunKeys are the keys that one chunk
// holds.
const (
	keyWords = 2
	RunKeys  = ChunkWords / keyWords
)

// scans is how many states a scan over all candidates shows: one after each
// RunKeys of them.
func (t *Trace) scans() uint64 { return (t.Shape.Vocabulary + RunKeys - 1) / RunKeys }

// levels is how many stages the sort has: runs of one chunk, then of twice as many.
func (t *Trace) levels() uint64 {
	n := uint64(1)
	for width := uint64(RunKeys); width < t.Shape.Vocabulary; width *= 2 {
		n++
	}
	return n
}

// tokens says whether the operator's words are given by the receipt.
func (o Operator) tokens() bool { return o == OpPrompt || o == OpOutput }

// hashWords is how many words a SHA-256 over so many words shows: the state after
// each chunk, the last with the padding.
func hashWords(words uint64) uint64 { return stateWords * ((words + ChunkWords - 1) / ChunkWords) }
