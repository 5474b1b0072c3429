package statistical

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/koinon/koinon/internal/engine"
)

// Method is what a profile's scores look at.
type Method string

// Methods of scoring.
const (
	// Margin is the distance from the agreed draw; it may slash.
	Margin Method = "margin"
	// Likelihood is how surprising the tokens are, where no draw was agreed. It
	// raises the audit rate and never slashes: what is served may be anything that
	// is likely enough.
	Likelihood Method = "likelihood"
	// Distance is how far reported log-probabilities are off. It raises the audit
	// rate and never slashes: what is reported need not be what was served by.
	Distance Method = "distance"
)

// Unit is one, in millionths: scores are in millionths.
const Unit = 1_000_000

// Profile is what is known of honest answers of a model on engines of a kind.
type Profile struct {
	// Model, Quantisation, Engine and Hardware are what it was measured on.
	Model        string `json:"model"`
	Quantisation string `json:"quantisation"`
	Engine       string `json:"engine"`
	Hardware     string `json:"hardware"`
	Method       Method `json:"method"`
	// Least and Most are the temperatures it holds for, both included.
	Least float32 `json:"least_temperature"`
	Most  float32 `json:"most_temperature"`
	// Cap is where scores are winsorised: for margins 1 to 30 times the honest 99.9th
	// percentile, in units of logits; for distances ten times that, in nats, so that
	// they are measured and not only counted; for likelihood a bound of surprise, in nats.
	Cap float32 `json:"cap"`
	// Mean is a bound of the honest mean score, Bet what an e-process stakes on
	// each: eprocess.Profile's fields, in millionths.
	Mean uint64 `json:"mean"`
	Bet  uint64 `json:"bet"`
	// Answers and Tokens are how many honest ones it was calibrated on, Differing
	// how many tokens were not the agreed draw.
	Answers   int `json:"answers"`
	Tokens    int `json:"tokens"`
	Differing int `json:"differing"`
}

// Score is an answer that was judged. There is none for an inconclusive one: a
// function that returns an error returns nil.
type Score struct {
	Method    Method
	Millionth uint64  // the mean over tokens of what was winsorised and scaled to [0, 1]
	Tokens    int     // that were judged
	Differing int     // of these, not the agreed draw; of method Margin
	Worst     float32 // the largest margin or surprise
}

// MaySlash says whether scores of this method may ever convict.
func (s *Score) MaySlash() bool { return s.Method == Margin }

// ErrProfile is returned for a profile that cannot judge.
var ErrProfile = errors.New("profile is out of range")

// Validate checks a profile that was read from a file.
func (p Profile) Validate() error {
	bad := func(field string) error { return fmt.Errorf("%w: %s", ErrProfile, field) }
	switch {
	case p.Method != Margin && p.Method != Likelihood && p.Method != Distance:
		return bad("method")
	case !(p.Least >= 0 && p.Most >= p.Least && p.Most <= 2):
		return bad("least_temperature and most_temperature")
	case p.Method == Likelihood && p.Least == 0:
		return bad("least_temperature: likelihood needs one above 0")
	case !(p.Cap > 0 && p.Cap <= math.MaxFloat32):
		return bad("cap")
	case p.Mean == 0 || p.Mean >= Unit:
		return bad("mean")
	case p.Bet == 0 || p.Bet > Unit*Unit || p.Bet*p.Mean >= Unit*Unit:
		return bad("bet")
	}
	return nil
}

// Judge scores an answer with the registered weights. Its errors are
// [Inconclusive], and then there is no score.
func (p Profile) Judge(m *engine.Model, j Job, threads int) (*Score, error) {
	if err := p.Validate(); err != nil {
		return nil, &Inconclusive{UnknownModel, err}
	}
	if t := j.Sampling.Temperature; !(t >= p.Least && t <= p.Most) {
		return nil, &Inconclusive{UnknownModel, fmt.Errorf("temperature %g, the profile holds for %g to %g", t, p.Least, p.Most)}
	}
	values, err := j.Look(p.Method, m, threads)
	if err != nil {
		return nil, err
	}
	return p.Score(values), nil
}

// Look measures each token of an answer by a method. Its errors are
// [Inconclusive].
func (j Job) Look(method Method, m *engine.Model, threads int) ([]float32, error) {
	switch method {
	case Margin:
		return j.Margins(m, threads)
	case Likelihood:
		return j.Surprises(m, threads)
	case Distance:
		return j.Distances(m, threads)
	}
	return nil, &Inconclusive{UnknownModel, fmt.Errorf("method %q", method)}
}

// Score winsorises what was measured of each token, one at least, and takes the
// mean, rounded down: in favour of who is judged.
func (p Profile) Score(values []float32) *Score {
	s := &Score{Method: p.Method, Tokens: len(values), Worst: slices.Max(values)}
	var sum float64
	for _, v := range values {
		sum += p.scale(v)
		if p.Method == Margin && v > 0 {
			s.Differing++
		}
	}
	s.Millionth = uint64(sum / float64(len(values)) * Unit)
	return s
}

// scale winsorises one value and maps it to [0, 1]: margins and distances from 0 to the
// cap, surprises from −cap to cap, so that an honest mean is one half.
func (p Profile) scale(v float32) float64 {
	cap := float64(p.Cap)
	if p.Method == Likelihood {
		return (1 + min(1, max(-1, float64(v)/cap))) / 2
	}
	return min(1, max(0, float64(v))/cap)
}
