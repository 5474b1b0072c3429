package court

import (
	"context"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/mechanism/challenge"
	"github.com/koinon/koinon/internal/mechanism/penalty"
	"github.com/koinon/koinon/receipt"
)

// manner is what a provider does when it is challenged.
type manner string

const (
	answers manner = "answers" // with what it runs
	copies  manner = "copies"  // what another has shown
	silent  manner = "silent"
)

var challenges = challenge.Params{Epoch: 86400, Commit: 3600, Reveal: 3600, Verdict: 86400, Blocks: 2, Tokens: 12, Steps: 6, Excuse: 10}

// shown is what everybody sees of a participant while a challenge runs.
type shown struct {
	commitment receipt.Digest
	answer     challenge.Answer
	salt       [32]byte
}

// challenge has every provider show that it runs the model: who does not answer is
// convicted of that; whose answer differs is not, but shoppers will come.
func (w *world) challenge(ctx context.Context) {
	w.t.Helper()
	now, height := w.now, w.height
	c, err := challenge.Challenge{Stage: challenge.Enrolled}.Draw(challenges, challenge.Seed(w.randomness(), w.model.String(), w.now/86400), now, height)
	w.must(err)
	var of []challenge.Participant
	var sellers []*seller
	for _, s := range w.sellers {
		if s.sells() {
			of, sellers = append(of, challenge.Participant{Provider: s.name, Bond: s.bond}), append(sellers, s)
		}
	}
	seen := make([]shown, len(of))
	for i, s := range sellers { // those who answer come first, so that there is something to copy
		if s.challenged != answers {
			continue
		}
		seen[i].answer.Digest = w.answerOf(ctx, s, c.Seed)
		seen[i].salt = w.digest()
		seen[i].commitment = challenge.Commitment(c.Seed, seen[i].answer.Digest, s.name, seen[i].salt)
		of[i], err = c.Commit(of[i], seen[i].commitment)
		w.must(err)
	}
	for i, s := range sellers {
		if s.challenged == copies && len(of) > 1 { // it sees commitments alone
			of[i], err = c.Commit(of[i], seen[0].commitment)
			w.must(err)
		}
	}
	now, height = now+challenges.Commit, height+challenges.Blocks
	c = c.Advance(challenges, now, height)
	var leader challenge.Tally
	for i, s := range sellers {
		if s.challenged == copies { // and now the first one's answer, with its salt
			if _, err := c.Reveal(of[i], seen[0].answer, seen[0].salt); err == nil {
				w.t.Fatalf("seed %d: %s revealed what it copied", w.seed, s.name)
			}
			w.say("%s copies an answer, which is not what it committed to", s.name)
			if _, err := c.Commit(of[i], challenge.Commitment(c.Seed, seen[0].answer.Digest, s.name, seen[0].salt)); err == nil {
				w.t.Fatalf("seed %d: %s committed once answers were shown", w.seed, s.name)
			}
		}
		if s.challenged != answers {
			continue
		}
		of[i], err = c.Reveal(of[i], seen[i].answer, seen[i].salt)
		w.must(err)
		var tally challenge.Tally
		for _, q := range of {
			if q.Revealed && q.Answer == of[i].Answer {
				tally = tally.Add(q)
			}
		}
		if tally.Leads(leader) {
			leader = tally
		}
	}
	now, height = now+challenges.Reveal, height+challenges.Blocks
	c = c.Advance(challenges, now, height)
	for i, s := range sellers {
		c, of[i], err = c.Judge(of[i], leader, false, false)
		w.must(err)
		switch of[i].Outcome {
		case challenge.NoAnswer:
			w.convict(penalty.Conviction{Provider: s.name, Offence: penalty.NoAnswer, Reference: "challenge"})
		case challenge.Differed:
			w.say("%s answers the challenge otherwise than most", s.name)
			s.clean = 0
		}
	}
}

// answerOf is what a provider finds by running what it runs.
func (w *world) answerOf(ctx context.Context, s *seller, seed receipt.Digest) receipt.Digest {
	request := engine.Request{Prompt: s.read(challenge.Prompt(seed, 0, challenges.Tokens)), MaxTokens: int(challenges.Steps)}
	request.Sampling.TopP = 1
	var leaves []receipt.Digest
	_, err := w.engineOf(s).Generate(ctx, request, func(t engine.Token) error {
		leaves = append(leaves, t.Leaf)
		return nil
	})
	w.must(err)
	return receipt.MerkleRoot(leaves)
}
