// Package duty answers the epoch challenges that a provider is asked on the
// ledger: it runs the model on the prompt that the beacon drew, commits to the
// answer, and reveals it when it is time. What it committed to is on disk first,
// so that a provider killed between the two can still reveal.
package duty

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/cosmos/gogoproto/proto"
	"github.com/google/renameio/v2"

	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	"github.com/koinon/koinon/internal/mechanism/challenge"
	"github.com/koinon/koinon/receipt"
)

// Ledger is the chain as the provider's account sees it.
type Ledger interface {
	// Address is the account that signs.
	Address() string
	// ChainID names the chain.
	ChainID() string
	// Duties lists the challenges that the account has to answer.
	Duties(ctx context.Context) ([]challengev1.Duty, error)
	// Send signs one transaction and returns when it is in a block.
	Send(ctx context.Context, msgs ...proto.Message) error
}

// Engine runs the model.
type Engine interface {
	// Answer returns the tokens, at most steps, that the model finds most likely
	// after a prompt.
	Answer(ctx context.Context, prompt []int32, steps int) (Answer, error)
}

// Answer is what an engine said.
type Answer struct {
	Tokens []int32
	Root   receipt.Digest // over their leaves
	// Said are the digests of what it said of each step; class statistical.
	Said []receipt.Digest
}

// Answerer answers for one provider and one model version.
type Answerer struct {
	folder string
	class  string
	model  receipt.Digest
	ledger Ledger
	engine Engine
	key    ed25519.PrivateKey
	log    *slog.Logger
}

// New makes an answerer that keeps its files in a folder of its own. The key is
// the one that signs the provider's receipts.
func New(folder string, class string, model receipt.Digest, l Ledger, e Engine, key ed25519.PrivateKey, log *slog.Logger) *Answerer {
	return &Answerer{folder, class, model, l, e, key, log}
}

// Run answers what is asked until ctx ends, looking every so often.
func (a *Answerer) Run(ctx context.Context, every time.Duration) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		if err := a.Round(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn("an epoch challenge is not answered yet", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Round does what can be done now about every open challenge. What fails is
// tried again in the next round.
func (a *Answerer) Round(ctx context.Context) error {
	duties, err := a.ledger.Duties(ctx)
	if err != nil {
		return err
	}
	var failed []error
	for _, d := range duties {
		if d.Challenge.ModelDigest != a.model.String() || d.Challenge.Statistical != (a.class == receipt.Statistical) {
			continue
		}
		committed := len(d.Participant.Commitment) > 0
		switch {
		case d.Challenge.Stage == challengev1.Stage_STAGE_COMMITTING && !committed:
			err = a.commit(ctx, d.Challenge)
		case d.Challenge.Stage == challengev1.Stage_STAGE_REVEALING && committed && len(d.Participant.Answer) == 0:
			err = a.reveal(ctx, d.Challenge)
		default:
			continue
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("epoch %d: %w", d.Challenge.Epoch, err))
		}
	}
	return errors.Join(append(failed, a.forget())...)
}

// secret is what must not be lost between commitment and reveal.
type secret struct {
	Seed    receipt.Digest `json:"seed"`
	Attempt int            `json:"attempt"`
	Tokens  []int32        `json:"tokens"`
	Answer  receipt.Digest `json:"answer"`
	Salt    receipt.Digest `json:"salt"`
	// Said is kept to open leaves in court.
	Said []receipt.Digest `json:"said,omitempty"`
}

func (a *Answerer) file(c challengev1.Challenge) string {
	return filepath.Join(a.folder, fmt.Sprintf("%d-%s.json", c.Epoch, a.model.Hex()))
}

// load reads the secret of a challenge; fs.ErrNotExist if there is none.
func (a *Answerer) load(c challengev1.Challenge) (s secret, err error) {
	data, err := os.ReadFile(a.file(c))
	if err != nil {
		return s, err
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return s, fmt.Errorf("%s is damaged: %w", a.file(c), err)
	}
	if string(s.Seed[:]) != string(c.Seed) { // of another ledger
		return s, fmt.Errorf("%w: %s is about another prompt", fs.ErrNotExist, a.file(c))
	}
	return s, nil
}

// commit computes the answer, unless it is on disk, and commits to it.
func (a *Answerer) commit(ctx context.Context, c challengev1.Challenge) error {
	s, err := a.load(c)
	if errors.Is(err, fs.ErrNotExist) {
		s, err = a.answer(ctx, c)
	}
	if err != nil {
		return err
	}
	commitment := challenge.Commitment(s.Seed, s.Answer, a.ledger.Address(), s.Salt)
	err = a.ledger.Send(ctx, &challengev1.MsgCommit{Provider: a.ledger.Address(), Commitments: []challengev1.Commitment{{
		Epoch: c.Epoch, ModelDigest: c.ModelDigest, Commitment: commitment[:]}}})
	if err == nil {
		a.log.Info("committed to an epoch challenge", "epoch", c.Epoch)
	}
	return err
}

// answer runs the model and stores what came out, durably.
func (a *Answerer) answer(ctx context.Context, c challengev1.Challenge) (s secret, err error) {
	if len(c.Seed) != len(s.Seed) {
		return s, fmt.Errorf("the challenge's seed has %d bytes, not %d", len(c.Seed), len(s.Seed))
	}
	if c.Tokens < 1 || c.Tokens > challenge.MaxTokens || c.Steps < 1 || c.Steps > challenge.MaxTokens {
		return s, fmt.Errorf("the challenge asks for %d tokens after %d, each is 1 to %d", c.Steps, c.Tokens, challenge.MaxTokens)
	}
	s.Seed = receipt.Digest(c.Seed)
	if _, err := rand.Read(s.Salt[:]); err != nil {
		return s, err
	}
	for {
		prompt := challenge.Prompt(s.Seed, s.Attempt, c.Tokens)
		answer, err := a.engine.Answer(ctx, prompt, int(c.Steps))
		if err != nil {
			return s, err
		}
		s.Tokens, s.Answer, s.Said = answer.Tokens, answer.Root, answer.Said
		if len(s.Tokens) > 0 {
			break
		}
		if s.Attempt++; s.Attempt == challenge.MaxAttempts {
			return s, fmt.Errorf("the model says nothing to any of %d prompts", challenge.MaxAttempts)
		}
	}
	data, err := json.Marshal(s)
	if err != nil {
		return s, err
	}
	if err := os.MkdirAll(a.folder, 0o700); err != nil {
		return s, err
	}
	return s, renameio.WriteFile(a.file(c), data, 0o600)
}

// reveal shows what was committed to.
func (a *Answerer) reveal(ctx context.Context, c challengev1.Challenge) error {
	s, err := a.load(c)
	if err != nil {
		return fmt.Errorf("what was committed to cannot be revealed: %w", err)
	}
	statement := challenge.Statement{
		Chain: a.ledger.ChainID(), Class: a.class, Payer: c.Payer, Provider: a.ledger.Address(), Model: a.model, Seed: s.Seed,
		Tokens: c.Tokens, Steps: c.Steps, Attempt: s.Attempt, Output: s.Tokens, Root: s.Answer,
	}.Receipt().Sign(a.key)
	err = a.ledger.Send(ctx, &challengev1.MsgReveal{Provider: a.ledger.Address(), Answers: []challengev1.Answer{{
		Epoch: c.Epoch, ModelDigest: c.ModelDigest, Digest: s.Answer[:], Salt: s.Salt[:],
		Attempt: uint32(s.Attempt), Tokens: s.Tokens, Signature: statement.Signature}}})
	if err == nil {
		a.log.Info("answered an epoch challenge", "epoch", c.Epoch)
	}
	return err
}

// Said is what this provider answered to the challenge that a statement is about;
// fs.ErrNotExist if nothing is kept of it.
func Said(folder string, statement receipt.Receipt) (Answer, error) {
	list, err := filepath.Glob(filepath.Join(folder, "*-"+statement.Model.Hex()+".json"))
	if err != nil {
		return Answer{}, err
	}
	for _, file := range list {
		var s secret
		data, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(data, &s)
		}
		if err != nil {
			return Answer{}, fmt.Errorf("%s: %w", file, err)
		}
		if s.Seed == statement.Request {
			return Answer{s.Tokens, s.Answer, s.Said}, nil
		}
	}
	return Answer{}, fmt.Errorf("%w: no answer to the challenge of seed %s", fs.ErrNotExist, statement.Request.Hex())
}

// keep is for how long files stay: longer than any challenge is open.
const keep = 30 * 24 * time.Hour

// forget removes old files.
func (a *Answerer) forget() error {
	list, err := os.ReadDir(a.folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var failed []error
	for _, entry := range list {
		info, err := entry.Info()
		if err == nil && time.Since(info.ModTime()) > keep {
			err = os.Remove(filepath.Join(a.folder, entry.Name()))
		}
		if !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	return errors.Join(append(failed, err)...)
}
