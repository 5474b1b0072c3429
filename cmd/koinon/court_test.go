package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/mechanism/challenge"
	"github.com/koinon/koinon/internal/mechanism/court"
	"github.com/koinon/koinon/models/trivium"
)

// courtTranscript, when set, is the file into which the trial writes what
// happened, and has the trial be played: it takes minutes.
const courtTranscript = "KOINON_COURT"

// courtroom is a network of processes, of whose five providers four cheat.
type courtroom struct {
	*machines
	began  time.Time
	names  map[string]string // of accounts
	copier *role
	bonds  map[string]uint64 // of providers, ukoin
	said   map[string]bool
	lines  []string
}

// Five providers in processes of their own: one sells a quantised twin, one does
// not read its customers' prompts, one copies answers to challenges, one is silent
// when it is challenged. Auditors in processes of their own buy of them at a gateway,
// as strangers, compute again what the challenged answer, and take to court what is
// wrong; the ledger itself finds who does not answer. Each cheat is convicted and slashed, and the honest one is not touched.
func TestFourOfFiveProvidersCheat(t *testing.T) {
	file := os.Getenv(courtTranscript)
	if file == "" {
		t.Skip("takes minutes: make court")
	}
	w := newCourtroom(t)
	w.sell()
	w.audit(3)
	want := map[string]auditv1.Offence{
		quantiser: auditv1.Offence_OFFENCE_WRONG_MODEL, truncator: auditv1.Offence_OFFENCE_WRONG_MODEL,
		copier: auditv1.Offence_OFFENCE_NO_ANSWER, silent: auditv1.Offence_OFFENCE_NO_ANSWER,
	}
	w.poll("all cheats to be convicted", func() error { return w.caught(want) })
	w.refused()
	w.untouched()
	if err := os.WriteFile(file, []byte(strings.Join(w.lines, "\n")+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
}

func newCourtroom(t *testing.T) *courtroom {
	w := &courtroom{
		machines: &machines{bench: newBench(t), first: t.TempDir(), second: t.TempDir(), third: t.TempDir()},
		names:    map[string]string{}, bonds: map[string]uint64{}, said: map[string]bool{},
	}
	w.run(w.first, "node", "init", "--chain-id", "koinon-court-1", "--audit-fund", "100",
		"--challenge-epoch", "30s", "--audit-epoch", "40s", "--court-step", "10s")
	w.founding = w.startNode("the node", w.first, &w.node)
	var err error
	if w.ledger, err = client.Dial(w.ctx, w.node.GRPC, ""); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.ledger.Close() })
	w.began = time.Now()
	return w
}

// sell starts the providers and the gateway.
func (w *courtroom) sell() {
	model, err := trivium.Install(w.second)
	if err != nil {
		w.Fatal(err)
	}
	twin := filepath.Join(w.second, "twin.gguf")
	w.run(w.second, "model", "quantize", model, twin, "--type", "Q4_0")
	config := filepath.Join(w.second, "provider.yaml")
	if err := os.WriteFile(config, []byte("challenge_every: 200ms\n"), 0o600); err != nil {
		w.Fatal(err)
	}
	w.start("the honest provider", w.second, &w.a, "provide", model, "--ledger", w.node.GRPC, "--threads", "1", "--config", config,
		"--listen", "/ip4/127.0.0.1/udp/0/quic-v1", "--input-price", "0.50", "--output-price", "2", "--bond", "100000000", "--redeem-every", "5s")
	w.enrol("honest", w.a)
	for _, what := range []string{quantiser, truncator, copier, silent} {
		var s seller
		p := w.startCommand("the "+what, &s, exec.Command("cheat", what, w.node.GRPC, model, twin, w.TempDir()))
		if what == copier {
			w.copier = p
		}
		w.enrol(what, s)
	}
	w.gateway = w.start("the gateway", w.third, &w.buyer, "gateway", "--ledger", w.node.GRPC, "--listen", anyPort, "--public")
	w.send(w.buyer.Address, funds, credit.Denom)
}

// enrol gives a provider its bond's money, and waits until it sells.
func (w *courtroom) enrol(name string, s seller) {
	w.names[s.Address] = name
	w.send(s.Address, 200_000_000, "ukoin")
	w.awaitOffer(s)
	p, err := w.ledger.Provider(w.ctx, s.Address)
	if err != nil {
		w.Fatal(err)
	}
	w.bonds[s.Address] = p.Bond
	w.say("%s sells %s, with a bond of %s", name, trivium.Name, credit.Koin(p.Bond))
}

// audit starts auditors.
func (w *courtroom) audit(n int) {
	for i := range n {
		home, name := w.TempDir(), fmt.Sprintf("auditor-%d", i+1)
		key := filepath.Join(home, "account.json")
		account, err := client.LoadKey(key, name)
		if err != nil {
			w.Fatal(err)
		}
		w.names[account.Address()] = name
		w.send(account.Address(), 200_000_000, "ukoin")
		w.send(account.Address(), 30_000_000, credit.Denom)
		var status json.RawMessage
		w.start(name, home, &status, "audit", "run", "--home", home, "--ledger", w.node.GRPC, "--gateway", w.buyer.Gateway,
			"--threads", "1", "--every", "300ms", "--listen", "/ip4/127.0.0.1/udp/0/quic-v1")
		w.say("%s audits", name)
	}
}

// say writes a line of the transcript.
func (w *courtroom) say(format string, args ...any) {
	w.lines = append(w.lines, fmt.Sprintf("%6.1fs  ", time.Since(w.began).Seconds())+fmt.Sprintf(format, args...))
}

// once says what was not said before.
func (w *courtroom) once(format string, args ...any) {
	if line := fmt.Sprintf(format, args...); !w.said[line] {
		w.said[line] = true
		w.say("%s", line)
	}
}

// caught looks at the ledger and says what is new; nil once each has been
// convicted of what it did and no case is open.
func (w *courtroom) caught(want map[string]auditv1.Offence) error {
	cases, err := w.ledger.Cases(w.ctx, "")
	if err != nil {
		return err
	}
	open := 0
	for _, c := range cases {
		state := court.State(c.State)
		line := fmt.Sprintf("case %d: %s accuses %s: %s", c.Id, w.names[c.Accuser], w.names[c.Provider], state)
		switch state {
		case court.Sealing:
			line += " to"
			for _, s := range c.Seats {
				line += " " + w.names[s.Auditor]
			}
		case court.Playing:
			line += fmt.Sprintf(", %s against %s", w.names[c.Challengers[0]], w.names[c.Provider])
		case court.Unmasking:
			line += ": " + court.Outcome(c.Outcome).String()
		}
		w.once("%s", line)
		if state != court.Closed {
			open++
		}
	}
	missing := make(map[string]auditv1.Offence, len(want))
	for name, offence := range want {
		missing[name] = offence
	}
	convictions, err := w.ledger.Convictions(w.ctx, "")
	if err != nil {
		return err
	}
	for _, v := range convictions {
		name := w.names[v.Convict]
		w.once("%s is convicted of %s: loses %s and %s (%s)", name, offence(v.Offence), credit.Koin(v.Fine), credit.Dollars(v.Forfeited), short(v.Reference))
		if missing[name] == v.Offence {
			delete(missing, name)
		}
	}
	if len(missing) > 0 || open > 0 {
		return fmt.Errorf("%d cases are open; not convicted: %v", open, missing)
	}
	return nil
}

// short is a reference without the digits of digests and addresses.
func short(reference string) string {
	kind, rest, _ := strings.Cut(reference, "/")
	name, _, _ := strings.Cut(rest, "/")
	if len(name) > 8 {
		name = name[:8] + "…"
	}
	return kind + " " + name
}

// refused fails unless the copier has sent another's answer and salt, and its own
// address was why they were not taken.
func (w *courtroom) refused() {
	why := challenge.ErrCommitment.Error()
	if log := w.copier.log.String(); !strings.Contains(log, why) {
		w.Errorf("no copy was refused because of its commitment:\n%s", tail(log))
	}
	w.say("what copier copied is refused: %s", why)
}

// untouched fails if anybody who is honest lost anything, a cheat lost nothing, or
// the ledger's books do not hold.
func (w *courtroom) untouched() {
	for address, name := range w.names {
		convictions, err := w.ledger.Convictions(w.ctx, address)
		if err != nil {
			w.Fatal(err)
		}
		before, sells := w.bonds[address]
		var now uint64
		if sells {
			p, err := w.ledger.Provider(w.ctx, address)
			if err != nil {
				w.Fatal(err)
			}
			now = p.Bond
		} else {
			a, _, err := w.ledger.Auditor(w.ctx, address)
			if err != nil {
				w.Fatal(err)
			}
			before, now = 100_000_000, a.Bond
		}
		honest := name == "honest" || !sells
		if honest && (len(convictions) > 0 || now != before) {
			w.Errorf("%s was touched: a bond of %d, then %d; %+v", name, before, now, convictions)
		}
		if !honest && now >= before {
			w.Errorf("%s kept its bond of %d", name, before)
		}
		if sells {
			record, rate, err := w.ledger.AuditRecord(w.ctx, address)
			if err != nil || name == "honest" && record.Clean == 0 {
				w.Errorf("%s: %+v, %v: nobody found its answers good", name, record, err)
			}
			w.say("%s has a bond of %s; %d clean audits, %.1f%% of its answers are audited", name, credit.Koin(now), record.Clean, float64(rate)/1e4)
		}
	}
	books, err := w.ledger.AuditInvariants(w.ctx)
	if money, err2 := w.ledger.Invariants(w.ctx); err != nil || err2 != nil || !books.Holds || !money.Holds {
		w.Errorf("the books: %+v, %+v: %v", books, money, errors.Join(err, err2))
	}
}
