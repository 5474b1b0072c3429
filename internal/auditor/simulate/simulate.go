// Package simulate plays the economy of audits with agents that cheat: at all
// jobs or at a few, from the first day or once they are trusted, under many
// names, with a part of the auditors on their side or bought. It shows whether
// what internal/mechanism/deterrence says by formula holds where its
// assumptions do not: audit rates that move, committees, false accusations.
//
// It is off the ledger, so it reckons in floating point; the seed fixes it.
package simulate

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
)

// Class is how an answer is judged.
type Class string

// The classes of the design, section 5.
const (
	// Exact needs one honest auditor: a referee decides.
	Exact Class = "exact"
	// Statistical needs honest majorities of 3, 21 and, contested, 61.
	Statistical Class = "statistical"
)

// Config is a market and its parameters. Amounts are in ucredit.
type Config struct {
	Providers int     // at all, shared evenly by the strategies
	Days      int     // that pass
	JobsADay  float64 // of each provider
	Price     float64 // of a job
	Saving    float64 // part of the price that cheating saves
	Margin    float64 // part of the price that honesty earns

	Class     Class
	Detection float64 // chance that an audit of a cheated job shows it
	False     float64 // chance that an audit of an honest job shows a fault; 0 for the exact class
	// Rate is the audit rate after so many clean audits.
	Rate func(clean int) float64
	Bond float64 // of an identity
	// Cap is how far what is maturing may go beyond the stake; the rest of a
	// day's jobs goes elsewhere. 0 is no cap.
	Cap     float64
	Window  float64 // days until earnings mature
	Verdict float64 // days from the job to the verdict
	Rest    float64 // days until a convicted provider sells again, under another name

	Colluding float64 // share of auditors on the cheats' side
	Lazy      float64 // share that vote valid without looking

	Seed uint64
}

// Falling is an audit rate that falls from 1 to the least as 1/(1+n/2).
func Falling(least float64) func(clean int) float64 {
	return func(clean int) float64 { return max(least, 1/(1+float64(clean)/2)) }
}

// Default is the network's parameters, with ten thousand providers.
func Default() Config {
	return Config{
		Providers: 10_000, Days: 90, JobsADay: 200, Price: 1000, Saving: 0.6, Margin: 0.2,
		Class: Statistical, Detection: 0.95, False: 1e-9, Rate: Falling(0.02),
		Bond: 100_000, Window: 2, Verdict: 1, Rest: 1, Colluding: 1. / 3, Lazy: 0.05, Seed: 1,
	}
}

// Result is what one strategy came to.
type Result struct {
	Strategy   string
	Providers  int
	Cheated    int     // jobs
	Convicted  float64 // share of providers convicted at least once
	Identities float64 // identities used by each, on average
	// UntilFound is the median of cheated jobs before the first conviction, of
	// those convicted.
	UntilFound int
	// Income is what the strategy earned, for each job that it could have served,
	// ucredit: margins and savings, less what was slashed, forfeited and paid in
	// bribes. Gain is how much that is beyond honesty.
	Income, Gain float64
}

// Run plays every strategy, on all cores; the seed fixes the result.
func Run(c Config, strategies []Strategy) []Result {
	share := max(1, c.Providers/max(1, len(strategies)))
	results := make([]Result, len(strategies))
	var group sync.WaitGroup
	limit := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, s := range strategies {
		group.Go(func() {
			limit <- struct{}{}
			defer func() { <-limit }()
			lives := make([]life, share)
			for n := range lives {
				lives[n] = c.live(s, rand.New(rand.NewPCG(c.Seed, uint64(i)<<32|uint64(n))))
			}
			results[i] = c.sum(s, lives)
		})
	}
	group.Wait()
	return results
}

// life is what one provider did and came to.
type life struct {
	cheated    int // jobs
	identities int
	untilFound int // cheated jobs before the first conviction; -1 for none
	income     float64
}

// live plays one provider: from audit to audit, since between two of them
// nothing happens but jobs.
func (c Config) live(s Strategy, chance *rand.Rand) life {
	l := life{identities: 1, untilFound: -1}
	total, jobs := c.jobs(), 0
	since, clean := 0, 0 // jobs and clean audits of this identity
	least := c.Rate(math.MaxInt32)
	for jobs < total {
		gap := min(geometric(chance, c.Rate(clean)), total-jobs)
		part := s.part(c.Rate(clean) <= least)
		cheats := binomial(chance, gap-1, part)
		audited := chance.Float64() < part
		if audited {
			cheats++
		}
		jobs, since = jobs+gap, since+gap
		l.cheated += cheats
		l.income += float64(gap)*c.Price*c.Margin + float64(cheats)*c.Price*c.Saving
		if jobs == total {
			break
		}
		if !c.convicts(s, audited, chance, &l) {
			clean++
			continue
		}
		if l.untilFound < 0 {
			l.untilFound = l.cheated
		}
		l.income -= c.Bond + c.forfeit(since)
		since, clean = 0, 0
		jobs += int(c.Rest * c.JobsADay)
		l.identities++
	}
	return l
}

// jobs is how many a provider may serve.
func (c Config) jobs() int { return int(float64(c.Days) * c.JobsADay) }

// forfeit is the earnings that have not matured when the verdict falls: those
// of the window, with the days that the verdict took in it.
func (c Config) forfeit(jobs int) float64 {
	maturing := min(float64(jobs), max(0, c.Window-c.Verdict)*c.JobsADay)
	lost := maturing * c.Price
	if c.Cap > 0 {
		lost = min(lost, c.Cap*c.Bond)
	}
	return lost
}

// convicts plays one audit through its committees.
func (c Config) convicts(s Strategy, cheated bool, chance *rand.Rand, l *life) bool {
	if !cheated {
		return chance.Float64() < c.False
	}
	if chance.Float64() >= c.Detection {
		return false
	}
	bad := c.Lazy
	if s.Colludes {
		bad += c.Colluding
	}
	if s.Bribe > 0 { // the same auditors, but they must be paid
		bad += c.Colluding
	}
	sizes := []int{3, 21}
	if c.Class == Exact {
		sizes = []int{1}
	}
	for _, n := range sizes {
		bought := binomial(chance, n, bad)
		if s.Bribe > 0 {
			l.income -= float64(bought) * s.Bribe * c.Price
		}
		if 2*bought > n {
			return false
		}
	}
	return true
}

func (c Config) sum(s Strategy, lives []life) Result {
	r := Result{Strategy: s.Name, Providers: len(lives)}
	var until []int
	for _, l := range lives {
		r.Cheated += l.cheated
		r.Identities += float64(l.identities)
		r.Income += l.income
		if l.untilFound >= 0 {
			until = append(until, l.untilFound)
		}
	}
	r.Convicted = float64(len(until)) / float64(len(lives))
	r.Identities /= float64(len(lives))
	r.Income /= float64(len(lives)) * float64(c.jobs())
	r.Gain = r.Income - c.Price*c.Margin
	if len(until) > 0 {
		slices.SortFunc(until, cmp.Compare)
		r.UntilFound = until[len(until)/2]
	}
	return r
}

// geometric draws how many jobs pass up to and with the next that is audited.
func geometric(chance *rand.Rand, p float64) int {
	if p >= 1 {
		return 1
	}
	n := math.Ceil(math.Log1p(-chance.Float64()) / math.Log1p(-p))
	return int(min(max(1, n), math.MaxInt32))
}

// binomial draws how many of n happen; by its normal limit where that is good
// to a tenth of a standard deviation.
func binomial(chance *rand.Rand, n int, p float64) int {
	switch variance := float64(n) * p * (1 - p); {
	case n <= 0 || p <= 0:
		return 0
	case p >= 1:
		return n
	case variance > 25:
		k := math.Round(float64(n)*p + math.Sqrt(variance)*chance.NormFloat64())
		return int(min(max(0, k), float64(n)))
	}
	k := 0
	for range n {
		if chance.Float64() < p {
			k++
		}
	}
	return k
}

// Validate names the first value that cannot be simulated.
func (c Config) Validate() error {
	for _, share := range []struct {
		name  string
		value float64
	}{
		{"saving", c.Saving}, {"margin", c.Margin}, {"detection", c.Detection}, {"false", c.False},
		{"colluding", c.Colluding}, {"lazy", c.Lazy}, {"colluding and lazy", c.Colluding + c.Lazy},
	} {
		if !(share.value >= 0 && share.value <= 1) {
			return fmt.Errorf("%s of %g: a share is between 0 and 1", share.name, share.value)
		}
	}
	if c.Class != Exact && c.Class != Statistical {
		return fmt.Errorf("class %q: it is %s or %s", c.Class, Exact, Statistical)
	}
	if c.Providers < 1 || c.Days < 1 || !(c.JobsADay*float64(c.Days) >= 1) || c.JobsADay*float64(c.Days) > math.MaxInt32 {
		return fmt.Errorf("%d providers for %d days with %g jobs a day: each is more than nothing, with at most %d jobs", c.Providers, c.Days, c.JobsADay, math.MaxInt32)
	}
	return nil
}
