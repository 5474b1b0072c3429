package challenge

import (
	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	"github.com/koinon/koinon/internal/mechanism/challenge"
	"github.com/koinon/koinon/receipt"
)

// rules are parameters as the mechanism has them.
func rules(p challengev1.Params) challenge.Params {
	return challenge.Params{
		Epoch: p.EpochSeconds, Commit: p.CommitSeconds, Reveal: p.RevealSeconds, Verdict: p.VerdictSeconds,
		Blocks: p.Blocks, Tokens: p.Tokens, Steps: p.Steps, Scored: p.ScoredSteps, Examine: p.ExamineMillionths, Excuse: p.ExcuseEpochs,
	}
}

// classOf is the verification class of the version that is challenged.
func classOf(c challengev1.Challenge) string {
	if c.Statistical {
		return receipt.Statistical
	}
	return receipt.Exact
}

func digest(b []byte) (d receipt.Digest) {
	copy(d[:], b)
	return d
}

// stateOf is a challenge as the mechanism has it.
func stateOf(c challengev1.Challenge) challenge.Challenge {
	return challenge.Challenge{
		Stage: challenge.Stage(c.Stage), Statistical: c.Statistical, Seed: digest(c.Seed),
		Deadline: c.Deadline, Until: c.Until, Differing: int(c.Differing),
	}
}

// with is a stored challenge with what the mechanism changed.
func with(c challengev1.Challenge, s challenge.Challenge) challengev1.Challenge {
	c.Stage, c.Deadline, c.Until, c.Differing = challengev1.Stage(s.Stage), s.Deadline, s.Until, uint64(s.Differing)
	if !s.Seed.IsZero() {
		c.Seed = s.Seed[:]
	}
	return c
}

// leaderOf is the answer that others are compared with.
func leaderOf(c challengev1.Challenge) challenge.Tally {
	return challenge.Tally{Answer: challenge.Answer{Digest: digest(c.Leader)}, Bond: c.LeaderBond}
}

func participantOf(q challengev1.Participant) challenge.Participant {
	return challenge.Participant{
		Provider: q.Provider, Bond: q.Bond, Commitment: digest(q.Commitment), Revealed: len(q.Answer) > 0,
		Answer: challenge.Answer{Digest: digest(q.Answer)}, Outcome: challenge.Outcome(q.Outcome),
	}
}

func storedParticipant(q challenge.Participant) challengev1.Participant {
	stored := challengev1.Participant{Provider: q.Provider, Bond: q.Bond, Outcome: challengev1.Outcome(q.Outcome)}
	if !q.Commitment.IsZero() {
		stored.Commitment = q.Commitment[:]
	}
	if q.Revealed {
		stored.Answer = q.Answer.Digest[:]
	}
	return stored
}
