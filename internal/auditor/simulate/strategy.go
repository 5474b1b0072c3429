package simulate

// Strategy is how a provider behaves.
type Strategy struct {
	Name string
	// Part of the jobs cheated at.
	Part float64
	// Trusted waits until audits have fallen to their least before it cheats.
	Trusted bool
	// Colludes has the colluding share of the auditors vote for it.
	Colludes bool
	// Bribe is what each auditor who votes for it is paid, in prices of a job.
	Bribe float64
}

// part is the part of the jobs cheated at by an identity, trusted or not.
func (s Strategy) part(trusted bool) float64 {
	if s.Trusted && !trusted {
		return 0
	}
	return s.Part
}

// Strategies are those that docs/economics.md shows.
func Strategies() []Strategy {
	return []Strategy{
		{Name: "honest"},
		{Name: "cheats at every job", Part: 1},
		{Name: "cheats at 20%", Part: 0.2},
		{Name: "cheats at 5%", Part: 0.05},
		{Name: "many names, each honest until trusted", Part: 1, Trusted: true},
		{Name: "a third of the auditors collude", Part: 1, Colludes: true},
		{Name: "a third collude, 5%, once trusted", Part: 0.05, Trusted: true, Colludes: true},
		{Name: "bribes a third of the auditors", Part: 1, Bribe: 1},
	}
}
