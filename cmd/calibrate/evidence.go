package main

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/koinon/koinon/internal/mechanism/eprocess"
	"github.com/koinon/koinon/internal/proof/statistical"
)

// How a cheat is judged, and what an honest provider risks.
const (
	auditsPerYear = 10_000 // of one provider: 500,000 jobs at a rate of 2 %
	falsePerYear  = 1e-6   // accusations of an honest one
	detected      = 0.99   // of cheats
	runs          = 1000   // simulated providers of one cheat
	mostAudits    = 3000   // after which a cheat counts as not detected
	mostTokens    = 200_000
)

// lengths are the numbers of audited tokens that curves are given at.
var lengths = []int{16, 64, 256, 1024, 2000, 4096}

// power is how well one cheat is told from honest answers.
type power struct {
	Mean      float64 `json:"mean_score"` // of [0, 1]
	Differing float64 `json:"differing"`  // share of tokens that are not the agreed draw
	// AUC by the number of tokens, held-out honest answers against the cheat's.
	AUC map[int]float64 `json:"auc"`
	// Threshold is how many tokens one verdict needs; −1 for more than were tried.
	Threshold int `json:"threshold_tokens"`
	// WithholdAudits and SlashAudits are after how many audits 99 % of cheats have
	// reached the e-process's thresholds, SlashTokens how many tokens those have.
	WithholdAudits int `json:"withhold_audits"`
	SlashAudits    int `json:"slash_audits"`
	SlashTokens    int `json:"slash_tokens"`
	// Detected is the share that is past the slashing threshold by tokens audited.
	Detected map[int]float64 `json:"detected"`
}

// scored is an answer that was judged by a profile.
type scored struct {
	millionth uint64
	before    []float64 // sums of the scores of the tokens before each, and of all
}

func scoreAll(p statistical.Profile, answers [][]float32) []scored {
	var list []scored
	for _, values := range answers {
		a := scored{millionth: p.Score(values).Millionth, before: make([]float64, len(values)+1)}
		for i := range values {
			a.before[i+1] = a.before[i] + float64(p.Score(values[i:i+1]).Millionth)/statistical.Unit
		}
		list = append(list, a)
	}
	return list
}

func (a scored) tokens() int { return len(a.before) - 1 }

// powerOf judges a cheat by a profile, against held-out honest answers.
func powerOf(p statistical.Profile, honestValues, cheatValues [][]float32) power {
	rng := rand.New(rand.NewPCG(1, 1))
	s := p.Score(slices.Concat(cheatValues...))
	honest, cheat := scoreAll(p, honestValues), scoreAll(p, cheatValues)
	w := power{Mean: float64(s.Millionth) / statistical.Unit, Differing: share(s.Differing, s.Tokens), AUC: map[int]float64{}, Detected: map[int]float64{}}
	for _, n := range lengths {
		w.AUC[n] = auc(sums(honest, n, rng), sums(cheat, n, rng))
	}
	w.Threshold = thresholdTokens(p, cheat, rng)
	w.sequential(p, cheat, rng)
	return w
}

func share(n, of int) float64 { return float64(n) / float64(max(1, of)) }

// sums draws mean scores of n tokens: answers at random, the last cut short.
func sums(answers []scored, n int, rng *rand.Rand) []float64 {
	list := make([]float64, 500)
	for i := range list {
		for left := n; left > 0; {
			a := answers[rng.IntN(len(answers))]
			take := min(left, a.tokens())
			from := rng.IntN(a.tokens() - take + 1)
			list[i] += a.before[from+take] - a.before[from]
			left -= take
		}
		list[i] /= float64(n)
	}
	return list
}

// auc is the chance that a cheat's score is above an honest one; equals count half.
func auc(honest, cheat []float64) float64 {
	slices.Sort(honest)
	var wins float64
	for _, x := range cheat {
		below, _ := slices.BinarySearch(honest, x)
		above, _ := slices.BinarySearch(honest, math.Nextafter(x, math.Inf(1)))
		wins += float64(below) + float64(above-below)/2
	}
	return wins / float64(len(honest)*len(cheat))
}

// thresholdTokens is how many tokens one verdict needs: the least number where 99
// of 100 cheats are above what honest answers reach with a chance of 1e-6 over a
// year's audits, by the bound of Chernoff and Hoeffding for scores in [0, 1]
// whose mean is at most the profile's.
func thresholdTokens(p statistical.Profile, cheat []scored, rng *rand.Rand) int {
	mean := float64(p.Mean) / statistical.Unit
	wanted := math.Log(auditsPerYear / falsePerYear)
	for n := 8; n <= mostTokens; n += max(1, n/8) {
		scores := sums(cheat, n, rng)
		slices.Sort(scores)
		low := scores[int((1-detected)*float64(len(scores)))]
		if low > mean && float64(n)*divergence(low, mean) >= wanted {
			return n
		}
	}
	return -1
}

// divergence is Kullback and Leibler's, of two coins.
func divergence(a, b float64) float64 {
	d := 0.0
	if a > 0 {
		d += a * math.Log(a/b)
	}
	if a < 1 {
		d += (1 - a) * math.Log((1-a)/(1-b))
	}
	return d
}

// sequential audits simulated cheats, one answer after the other, until the
// e-process convicts them.
func (w *power) sequential(p statistical.Profile, cheat []scored, rng *rand.Rand) {
	var withhold, slash, tokens []int
	for range runs {
		var e eprocess.Evidence
		seen, first := 0, mostAudits+1
		audits := 0
		for audits < mostAudits && !e.Reaches(eprocess.Slash) {
			a := cheat[rng.IntN(len(cheat))]
			e = add(e, p, a)
			audits++
			seen += a.tokens()
			if first > mostAudits && e.Reaches(eprocess.Withhold) {
				first = audits
			}
		}
		if !e.Reaches(eprocess.Slash) {
			audits, seen = mostAudits+1, math.MaxInt
		}
		withhold, slash, tokens = append(withhold, first), append(slash, audits), append(tokens, seen)
	}
	for _, list := range [][]int{withhold, slash, tokens} {
		slices.Sort(list)
	}
	at := int(detected * runs)
	w.WithholdAudits, w.SlashAudits, w.SlashTokens = withhold[at], slash[at], tokens[at]
	if w.WithholdAudits > mostAudits {
		w.WithholdAudits = -1
	}
	if w.SlashAudits > mostAudits {
		w.SlashAudits, w.SlashTokens = -1, -1
	}
	for _, n := range lengths {
		by, _ := slices.BinarySearch(tokens, n+1)
		w.Detected[n] = share(by, len(tokens))
	}
}

// add is the e-process after one more answer.
func add(e eprocess.Evidence, p statistical.Profile, a scored) eprocess.Evidence {
	next, err := eprocess.Add(e, eprocess.Profile{Mean: p.Mean, Bet: p.Bet}, a.millionth)
	if err != nil {
		panic(err) // the profile was validated and scores are in range
	}
	return next
}

// risk is how near honest answers come to an accusation.
type risk struct {
	Mean      float64 `json:"mean_score"`
	Differing float64 `json:"differing"`
	Worst     float32 `json:"worst_margin"`
	Answers   int     `json:"answers"`
	Tokens    int     `json:"tokens"`
	// Lifetimes of so many audits each were simulated; Withheld and Slashed how
	// many ever reached a threshold.
	Lifetimes int `json:"lifetimes"`
	Audits    int `json:"audits_each"`
	Withheld  int `json:"withheld"`
	Slashed   int `json:"slashed"`
	// Strongest is the binary logarithm of the strongest evidence that was seen.
	Strongest int `json:"strongest_log2"`
}

// riskOf replays held-out honest answers, at random, as the audits of many
// providers' lives.
func riskOf(p statistical.Profile, values [][]float32, lifetimes, audits int) risk {
	rng := rand.New(rand.NewPCG(2, 2))
	all, honest := p.Score(slices.Concat(values...)), scoreAll(p, values)
	r := risk{
		Mean: float64(all.Millionth) / statistical.Unit, Differing: share(all.Differing, all.Tokens), Worst: all.Worst,
		Answers: len(honest), Tokens: all.Tokens, Lifetimes: lifetimes, Audits: audits, Strongest: math.MinInt,
	}
	for range lifetimes {
		var e eprocess.Evidence
		withheld, slashed := false, false
		for range audits {
			e = add(e, p, honest[rng.IntN(len(honest))])
			withheld, slashed = withheld || e.Reaches(eprocess.Withhold), slashed || e.Reaches(eprocess.Slash)
			r.Strongest = max(r.Strongest, e.Log2())
		}
		r.Withheld, r.Slashed = r.Withheld+count(withheld), r.Slashed+count(slashed)
	}
	return r
}

func count(b bool) int {
	if b {
		return 1
	}
	return 0
}
