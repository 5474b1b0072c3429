package provider

import (
	"context"
	"path/filepath"
	"time"

	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/provider/duty"
	"github.com/koinon/koinon/receipt"
)

// dutyLoop answers the epoch challenges of the model version.
func (p *Provider) dutyLoop(ctx context.Context) {
	duty.New(p.challenges(), p.out.Model.Class, p.out.Model.Digest, p.out.Ledger, challenged{p.out.Engine}, p.out.Key, p.log).Run(ctx, p.config.ChallengeEvery)
}

// challenges is the folder of what it answered to them.
func (p *Provider) challenges() string { return filepath.Join(p.config.Home, "challenges") }

// challenged runs the model for a challenge as for any request.
type challenged struct{ engine Engine }

// Answer implements duty.Engine.
func (c challenged) Answer(ctx context.Context, prompt []int32, steps int) (a duty.Answer, err error) {
	var leaves []receipt.Digest
	job := Job{
		Request: inference.Request{TopP: 1}, Prompt: prompt, MaxTokens: steps,
		Scope: receipt.TokensDigest(prompt), // nobody's but this challenge's
	}
	_, err = c.engine.Generate(ctx, job, func(t Token) error {
		a.Tokens, leaves = append(a.Tokens, t.ID), append(leaves, t.Leaf)
		if !t.Said.IsZero() {
			a.Said = append(a.Said, t.Said)
		}
		return nil
	})
	a.Root = receipt.MerkleRoot(leaves)
	return a, err
}

// defaultChallengeEvery leaves many rounds in the shortest stage of a public
// network, ten minutes.
const defaultChallengeEvery = 10 * time.Second
