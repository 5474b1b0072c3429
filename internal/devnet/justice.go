package devnet

import (
	"fmt"
	"time"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	"github.com/koinon/koinon/internal/ledger/x/audit"
	"github.com/koinon/koinon/internal/ledger/x/challenge"
)

// Justice is how fast a new ledger's audits and courts are. A public network takes
// days, so that nobody is convicted for a night's sleep; a network that is watched
// takes minutes. Zero means a public network's.
type Justice struct {
	// ChallengeEpoch is how often providers have to show that they run the model.
	ChallengeEpoch time.Duration
	// AuditEpoch is how often auditors are drawn to buy of providers.
	AuditEpoch time.Duration
	// CourtStep is how long whoever has to act in a case has for it.
	CourtStep time.Duration
}

// shortest is the least time of anything: a block or two.
const shortest = time.Second

// Validate names what is too short.
func (j Justice) Validate() error {
	for _, f := range []struct {
		name string
		time time.Duration
		is   time.Duration
	}{
		{"challenge epoch", 5 * shortest, j.ChallengeEpoch}, {"audit epoch", 5 * shortest, j.AuditEpoch}, {"court step", shortest, j.CourtStep},
	} {
		if f.is != 0 && f.is < f.time {
			return fmt.Errorf("the %s of %s is too short: give at least %s", f.name, f.is, f.time)
		}
	}
	return nil
}

// Audit are the court's parameters; nil for the defaults.
func (j Justice) Audit() *auditv1.Params {
	if j.AuditEpoch == 0 && j.CourtStep == 0 {
		return nil
	}
	p := audit.DefaultParams()
	if j.AuditEpoch != 0 {
		p.EpochSeconds = seconds(j.AuditEpoch)
	}
	if j.CourtStep != 0 {
		step := seconds(j.CourtStep)
		p.DrawSeconds, p.SealSeconds, p.CommitSeconds, p.OpenSeconds = step, step, step, step
		p.RevealSeconds, p.MoveSeconds, p.UnmaskSeconds = step, step, max(1, step/10)
	}
	return &p
}

// Challenge are the parameters of the epoch challenge, a fifth of it to commit,
// and one to reveal; nil for the defaults.
func (j Justice) Challenge() *challengev1.Params {
	if j.ChallengeEpoch == 0 {
		return nil
	}
	p := challenge.DefaultGenesis().Params
	p.EpochSeconds = seconds(j.ChallengeEpoch)
	p.CommitSeconds = max(1, p.EpochSeconds/5)
	p.RevealSeconds = p.CommitSeconds
	p.VerdictSeconds = 6 * p.EpochSeconds
	return &p
}

func seconds(d time.Duration) int64 { return int64(d / time.Second) }
