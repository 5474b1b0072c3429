package statistical

import (
	"fmt"
	"math"
	"slices"
)

// How cautious a calibration is.
const (
	// winsorised is the share of honest margins that the cap leaves as they are.
	winsorised = 0.999
	// leastCap keeps a margin that is nothing but rounding from counting in full,
	// in units of logits.
	leastCap = 1e-3
	// deviations above the measured mean, and headroom on what comes of it: honest
	// engines that were not measured are somewhat worse than those that were.
	deviations, headroom = 4, 1.5
	// unseen is −ln of the chance that something so frequent was not seen at all:
	// where no token differed, the mean is taken to be unseen over the tokens.
	unseen = 9.2
	// distanceRoom is how far beyond the honest 99.9th percentile distances count.
	distanceRoom = 10
	// surpriseCap bounds the surprise of one token, in nats.
	surpriseCap = 8
)

// rooms are how far beyond the honest 99.9th percentile margins may count. Where
// honest engines differ often, by little, and cheats by much, a margin that is
// measured tells more than one that is counted; where honest ones hardly ever differ,
// it tells less.
var rooms = [...]float64{1, 3, 10, 30}

// Fit is a profile as [Calibrate] makes it of honest answers, with the bet, and for
// margins the cap, that gain most on a known cheat. None of the choices makes honest
// answers likelier to be accused: each cap has the bound of its own honest mean.
func Fit(p Profile, cheat [][]float32, kinds ...[][]float32) (Profile, error) {
	if p.Method != Margin {
		p, err := Calibrate(p, kinds...)
		if err != nil || p.Method == Likelihood { // in which no four bits show: nothing to tune on
			return p, err
		}
		p, _ = p.Tune(cheat)
		return p, nil
	}
	var best Profile
	most := math.Inf(-1)
	for _, room := range rooms {
		fitted, err := calibrate(p, room, kinds...)
		if err != nil {
			return p, err
		}
		fitted, growth := fitted.Tune(cheat)
		if growth > most {
			best, most = fitted, growth
		}
	}
	return best, nil
}

// Calibrate fills in a profile's cap, mean and bet from honest answers: what was
// measured of each token, by answer, for each kind of honest server. The mean
// bounds that of the worst kind, and over answers, not tokens, as those of one
// answer are alike. The bet is half of the largest that could lose all;
// [Profile.Tune] may choose a better one.
func Calibrate(p Profile, kinds ...[][]float32) (Profile, error) {
	room := 1.0
	if p.Method == Distance {
		room = distanceRoom
	}
	return calibrate(p, room, kinds...)
}

// calibrate has the cap so far beyond the honest 99.9th percentile.
func calibrate(p Profile, room float64, kinds ...[][]float32) (Profile, error) {
	var all []float32
	p.Answers, p.Differing = 0, 0
	for _, answers := range kinds {
		p.Answers += len(answers)
		tokens := slices.Concat(answers...)
		if len(answers) < 10 || len(tokens) < 1000 {
			return p, fmt.Errorf("%w: %d answers of %d tokens to calibrate on; 10 and 1000 at least", ErrProfile, len(answers), len(tokens))
		}
		all = append(all, tokens...)
	}
	if len(all) == 0 {
		return p, fmt.Errorf("%w: nothing to calibrate on", ErrProfile)
	}
	p.Tokens, p.Cap = len(all), surpriseCap
	if p.Method != Likelihood {
		slices.Sort(all)
		p.Cap = float32(room) * max(leastCap, all[int(winsorised*float64(len(all)-1))])
		if p.Method == Margin {
			agree, _ := slices.BinarySearch(all, math.SmallestNonzeroFloat32)
			p.Differing = len(all) - agree
		}
		if math.IsInf(float64(p.Cap), 1) {
			return p, fmt.Errorf("%w: one honest token in a thousand could not have been drawn", ErrProfile)
		}
	}
	worst := 0.0
	for _, answers := range kinds {
		worst = max(worst, p.bound(answers))
	}
	p.Mean = uint64(math.Ceil(worst * Unit))
	p.Bet = Unit * Unit / 2 / p.Mean
	return p, p.Validate()
}

// bound is what the mean score of one kind of server is taken to be at most.
func (p Profile) bound(answers [][]float32) float64 {
	mean, deviation := p.moments(answers)
	tokens := 0
	for _, values := range answers {
		tokens += len(values)
	}
	bound := max(mean+deviations*deviation/math.Sqrt(float64(len(answers))), unseen/float64(tokens))
	if p.Method != Likelihood {
		return bound * headroom
	}
	return max(bound, 0.5) // the mean of whoever draws from the model
}

// moments are the mean and the standard deviation of answers' scores.
func (p Profile) moments(answers [][]float32) (mean, deviation float64) {
	var sum, squares float64
	for _, values := range answers {
		x := float64(p.Score(values).Millionth) / Unit
		sum += x
		squares += x * x
	}
	n := float64(len(answers))
	mean = sum / n
	return mean, math.Sqrt(max(0, squares/n-mean*mean))
}

// Tune chooses the bet that gains most on a known cheat, and says how much that is.
// No choice of it makes honest answers likelier to be accused; it is only how soon
// the cheat is.
func (p Profile) Tune(cheat [][]float32) (Profile, float64) {
	best, most := p.Bet, math.Inf(-1)
	for share := 0.02; share < 1; share += 0.02 {
		bet := share / (float64(p.Mean) / Unit)
		growth := 0.0
		for _, values := range cheat {
			x := float64(p.Score(values).Millionth) / Unit
			growth += math.Log(1 + bet*(x-float64(p.Mean)/Unit))
		}
		if growth > most {
			best, most = uint64(bet*Unit), growth
		}
	}
	p.Bet = best
	return p, most
}
