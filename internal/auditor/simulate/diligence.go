package simulate

import "math/rand/v2"

// Bench is the auditors' side of the market. Amounts are in ucredit.
type Bench struct {
	Auditors int
	Audits   int     // offered to each
	Cost     float64 // of checking one answer
	Pay      float64 // for a completed audit
	Stake    float64 // lost by who is contradicted
	Planted  float64 // share of audits that are planted, half of them bad
	Bad      float64 // share of other audits that find a fault
	Seed     uint64
}

// Diligence is what a way of auditing came to.
type Diligence struct {
	Way    string
	Caught float64 // share of its auditors that lost their stake
	Income float64 // of an auditor for each audit it was offered, ucredit
}

// Idle plays auditors who check, who always vote valid, who always vote
// invalid, and who check every second answer. A caught one is out.
func Idle(b Bench) []Diligence {
	ways := []struct {
		name   string
		checks float64 // chance of looking
		valid  float64 // chance of voting valid without having looked
	}{
		{"checks every answer", 1, 0}, {"checks every second answer", 0.5, 1},
		{"votes valid, never looks", 0, 1}, {"votes invalid, never looks", 0, 0}, {"tosses a coin", 0, 0.5},
	}
	results := make([]Diligence, len(ways))
	for i, w := range ways {
		chance := rand.New(rand.NewPCG(b.Seed, uint64(i)))
		r := Diligence{Way: w.name}
		for range b.Auditors {
			for range b.Audits {
				r.Income += b.Pay
				if chance.Float64() < w.checks {
					r.Income -= b.Cost
					continue
				}
				planted := chance.Float64() < b.Planted
				bad := chance.Float64() < b.Bad
				if planted {
					bad = chance.Float64() < 0.5
				}
				valid := chance.Float64() < w.valid
				// To condemn the good is found at once: the accused answers. To
				// pass the bad is found if it was planted.
				if valid == bad && (planted || !valid) {
					r.Income -= b.Stake
					r.Caught++
					break
				}
			}
		}
		r.Caught /= float64(b.Auditors)
		r.Income /= float64(b.Auditors) * float64(b.Audits)
		results[i] = r
	}
	return results
}

// DefaultBench is the network's auditors for a market: an audit costs 0.3 of a
// job's price and pays 0.4 of it.
func DefaultBench(c Config) Bench {
	return Bench{
		Auditors: 1000, Audits: 2000, Cost: 0.3 * c.Price, Pay: 0.4 * c.Price,
		Stake: 100 * c.Price, Planted: 0.02, Bad: 0.001, Seed: c.Seed,
	}
}
