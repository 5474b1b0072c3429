package duty

import (
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cosmos/gogoproto/proto"

	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	"github.com/koinon/koinon/internal/mechanism/challenge"
	"github.com/koinon/koinon/receipt"
)

var model = receipt.Sum([]byte("model"))

// ledger plays one challenge by the real rules.
type ledger struct {
	challenge   challenge.Challenge
	participant challenge.Participant
	sent        int
	lose        bool // take the next transaction, and say that it is not known
	down        bool // take none
}

func newLedger() *ledger {
	return &ledger{
		challenge:   challenge.Challenge{Stage: challenge.Committing, Seed: receipt.Digest{7}},
		participant: challenge.Participant{Provider: "koinon1seller"},
	}
}

var errLost = errors.New("no answer from the ledger")

func (l *ledger) Address() string { return l.participant.Provider }

func (l *ledger) ChainID() string { return "koinon-test" }

func (l *ledger) Duties(context.Context) ([]challengev1.Duty, error) {
	other := challengev1.Duty{Challenge: challengev1.Challenge{Epoch: 3, ModelDigest: receipt.Digest{}.String(), Stage: challengev1.Stage_STAGE_COMMITTING}}
	d := challengev1.Duty{Challenge: challengev1.Challenge{
		Epoch: 3, ModelDigest: model.String(), Stage: challengev1.Stage(l.challenge.Stage), Seed: l.challenge.Seed[:], Tokens: 5, Steps: 2, Payer: "koinon1module"}}
	if !l.participant.Commitment.IsZero() {
		d.Participant.Commitment = l.participant.Commitment[:]
	}
	if l.participant.Revealed {
		d.Participant.Answer = l.participant.Answer.Digest[:]
	}
	return []challengev1.Duty{other, d}, nil
}

func (l *ledger) Send(_ context.Context, msgs ...proto.Message) (err error) {
	if l.down {
		return errLost
	}
	for _, msg := range msgs {
		switch m := msg.(type) {
		case *challengev1.MsgCommit:
			l.participant, err = l.challenge.Commit(l.participant, receipt.Digest(m.Commitments[0].Commitment))
		case *challengev1.MsgReveal:
			a := m.Answers[0]
			statement := challenge.Statement{
				Chain: "koinon-test", Class: receipt.Exact, Payer: "koinon1module", Provider: m.Provider, Model: model, Seed: l.challenge.Seed,
				Tokens: 5, Steps: 2, Attempt: 1, Output: a.Tokens, Root: receipt.Digest(a.Digest),
			}.Receipt()
			statement.ProviderKey, statement.Signature = key.Public().(ed25519.PublicKey), a.Signature
			if err := statement.Verify(); err != nil || a.Attempt != 1 {
				return fmt.Errorf("attempt %d: %w", a.Attempt, err)
			}
			l.participant, err = l.challenge.Reveal(l.participant, challenge.Answer{Digest: receipt.Digest(a.Digest)}, receipt.Digest(a.Salt))
		}
		if err != nil {
			return err
		}
		l.sent++
	}
	if l.lose {
		l.lose = false
		return errLost
	}
	return nil
}

// machine runs no model: its answer follows from the prompt, and to the first
// prompt it has none.
type machine struct {
	runs int
	busy atomic.Bool
}

func (m *machine) Answer(_ context.Context, prompt []int32, steps int) (a Answer, err error) {
	if m.busy.Load() {
		return a, errors.New("every slot is taken")
	}
	if m.runs++; m.runs == 1 {
		return a, nil
	}
	root := receipt.TokensDigest(append(slices.Clone(prompt), int32(steps)))
	return Answer{Tokens: []int32{1, 2}, Root: root, Said: []receipt.Digest{{1}, {2}}}, nil
}

var key = ed25519.NewKeyFromSeed(make([]byte, 32))

func newAnswerer(folder string, l *ledger, m *machine) *Answerer {
	return New(folder, receipt.Exact, model, l, m, key, slog.New(slog.DiscardHandler))
}

// Killed at any moment, a provider answers: each round is a new process, and any
// transaction's fate may be unknown.
func TestAnswersThoughKilled(t *testing.T) {
	for _, lost := range [][2]bool{{false, false}, {true, false}, {false, true}, {true, true}} {
		folder, l, m := filepath.Join(t.TempDir(), "new"), newLedger(), &machine{}
		round := func(lose bool) {
			t.Helper()
			l.lose = lose
			if err := newAnswerer(folder, l, m).Round(t.Context()); (err != nil) != lose || err != nil && !errors.Is(err, errLost) {
				t.Fatalf("lost %v: %v", lost, err)
			}
		}
		round(lost[0])
		round(false)
		l.challenge.Stage = challenge.Revealing
		round(lost[1])
		round(false)
		want := receipt.TokensDigest(append(challenge.Prompt(l.challenge.Seed, 1, 5), 2))
		if !l.participant.Revealed || l.participant.Answer.Digest != want || l.sent != 2 || m.runs != 2 {
			t.Errorf("lost %v: %+v after %d transactions and %d runs", lost, l.participant, l.sent, m.runs)
		}
	}
}

// Killed before its commitment went out, it commits to what it has stored.
func TestTheSecretIsStoredFirst(t *testing.T) {
	folder, l, m := t.TempDir(), newLedger(), &machine{}
	l.down = true
	if err := newAnswerer(folder, l, m).Round(t.Context()); !errors.Is(err, errLost) {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(folder); err != nil || len(files) != 1 {
		t.Fatalf("%d files before the commitment, %v", len(files), err)
	}
	l.down = false
	if err := newAnswerer(folder, l, m).Round(t.Context()); err != nil || m.runs != 2 {
		t.Errorf("%v after %d runs", err, m.runs)
	}
}

func TestFailuresAreTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		folder, l, m := t.TempDir(), newLedger(), &machine{}
		m.busy.Store(true)
		ctx, cancel := context.WithCancel(t.Context())
		go newAnswerer(folder, l, m).Run(ctx, time.Second)
		synctest.Wait()
		m.busy.Store(false)
		time.Sleep(time.Second)
		synctest.Wait()
		if l.participant.Commitment.IsZero() {
			t.Error("no commitment after a failure")
		}
		cancel()
		synctest.Wait()
	})
}

func TestADamagedOrForeignSecretIsNotRevealed(t *testing.T) {
	folder, l, m := t.TempDir(), newLedger(), &machine{}
	a := newAnswerer(folder, l, m)
	if err := a.Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.challenge.Stage = challenge.Revealing
	files, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(folder, files[0].Name())
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, good[:len(good)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	if err := a.Round(t.Context()); err == nil || l.participant.Revealed {
		t.Errorf("a damaged secret: %v", err)
	}
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	l.challenge.Seed = receipt.Digest{8} // another ledger's
	if err := a.Round(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("another prompt's secret: %v", err)
	}
}

func TestOldFilesAreRemoved(t *testing.T) {
	folder, l := t.TempDir(), newLedger()
	old := filepath.Join(folder, "1-old.json")
	if err := os.WriteFile(old, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	then := time.Now().Add(-keep - time.Hour)
	if err := os.Chtimes(old, then, then); err != nil {
		t.Fatal(err)
	}
	if err := newAnswerer(folder, l, &machine{}).Round(t.Context()); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(folder); err != nil || len(files) != 1 || files[0].Name() == "1-old.json" {
		t.Errorf("files %v, %v", files, err)
	}
}
