package prompts

import (
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Histogram says how often lengths occur: Count[i] of them are at most Most[i]
// tokens, and more than the one before.
type Histogram struct {
	Most  []uint64
	Count []uint64
}

// Lengths are those of the market's prompts and answers, in tokens.
type Lengths struct{ Prompt, Answer Histogram }

// Usual are lengths to begin with, before the market has said anything: about
// those of public logs of chats.
func Usual() Lengths {
	most := []uint64{8, 16, 32, 64, 128, 256, 512, 1024}
	return Lengths{
		Prompt: Histogram{most, []uint64{6, 16, 26, 22, 14, 9, 5, 2}},
		Answer: Histogram{most, []uint64{4, 6, 10, 18, 26, 22, 11, 3}},
	}
}

// draw takes a length by chance, at least 1.
func (h Histogram) draw(chance *rand.Rand) uint64 {
	var total uint64
	for _, n := range h.Count {
		total += n
	}
	if total == 0 {
		return 1
	}
	at := chance.Uint64N(total)
	low := uint64(0)
	for i, n := range h.Count {
		if at < n {
			return min(maxLength, low+1+chance.Uint64N(max(1, max(h.Most[i], low)-low)))
		}
		at, low = at-n, h.Most[i]
	}
	return min(maxLength, max(1, low))
}

// The metrics of a gateway in which lengths stand.
const (
	PromptTokens = "koinon_gateway_prompt_tokens"
	AnswerTokens = "koinon_gateway_answer_tokens"
)

// enough is how many answers a gateway must have counted to be believed.
const enough = 100

// ErrLengths says that a gateway's metrics have no lengths yet.
var ErrLengths = errors.New("no lengths in these metrics yet")

// ReadLengths finds lengths in the metrics of a gateway, in Prometheus's text,
// from anybody. Refusal: [ErrLengths].
func ReadLengths(metrics io.Reader) (Lengths, error) {
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(io.LimitReader(metrics, 4<<20))
	if err != nil {
		return Lengths{}, fmt.Errorf("reading a gateway's metrics: %w", err)
	}
	l := Lengths{Prompt: histogram(families[PromptTokens]), Answer: histogram(families[AnswerTokens])}
	if l.Prompt.total() < enough || l.Answer.total() < enough {
		return Lengths{}, ErrLengths
	}
	return l, nil
}

func (h Histogram) total() (n uint64) {
	for _, count := range h.Count {
		n += count
	}
	return n
}

// histogram is what a family counts, up to the longest answer that is asked for.
func histogram(f *dto.MetricFamily) (h Histogram) {
	if f == nil || len(f.Metric) == 0 || f.Metric[0].Histogram == nil {
		return h
	}
	var before uint64
	for _, b := range f.Metric[0].Histogram.Bucket {
		most := b.GetUpperBound()
		if math.IsInf(most, 0) || math.IsNaN(most) || most < 1 || most > maxLength || b.GetCumulativeCount() < before {
			continue
		}
		h.Most = append(h.Most, uint64(most))
		h.Count = append(h.Count, b.GetCumulativeCount()-before)
		before = b.GetCumulativeCount()
	}
	return h
}

// maxLength bounds what is asked for, in tokens, whatever a gateway says.
const maxLength = 1 << 15
