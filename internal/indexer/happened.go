package indexer

import (
	"strings"

	"github.com/cosmos/gogoproto/proto"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
)

// word is an enumeration's value as people say it: STATUS_ACTIVE is "active".
func word(value interface{ String() string }, prefix string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(value.String(), prefix), "_", " "))
}

// learn takes from a message what no event repeats.
func (w *writer) learn(m proto.Message) {
	switch m := m.(type) {
	case *modelv1.MsgRegisterVersion:
		status := "listed"
		if m.Draft {
			status = "draft"
		}
		w.exec(`INSERT OR IGNORE INTO versions (digest, name, version, owner, status, class, license, architecture, quantization, parameters, size, context, at)
			VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			m.Digest, m.Name, m.Version, m.Owner, status, word(m.Class, "VERIFICATION_CLASS_"), m.License, m.Architecture, m.Quantization,
			int64(m.Parameters), int64(m.SizeBytes), m.ContextLength, w.at)
		for _, parent := range m.Parents {
			w.exec(`INSERT OR IGNORE INTO lineage (version, parent) VALUES (?, ?)`, m.Digest, parent)
		}
	case *providerv1.MsgRegister:
		w.exec(`UPDATE providers SET region = ? WHERE address = ?`, m.Region, m.Provider)
	}
}

// happened writes what an event changes.
func (w *writer) happened(e proto.Message) {
	switch e := e.(type) {
	case *escrowv1.EventGrantActivated:
		w.exec(`INSERT OR IGNORE INTO grants (id, payer, provider, model, cap, expiry, at) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			e.Id, e.Payer, e.Provider, e.ModelDigest, int64(e.Cap), e.Expiry, w.at)
	case *escrowv1.EventRedeemed:
		w.redeemed(e)
	case *escrowv1.EventGrantClosed:
		w.exec(`UPDATE grants SET closed = ? WHERE id = ?`, w.at, e.Id)
	case *modelv1.EventStatusChanged:
		w.exec(`UPDATE versions SET status = ? WHERE digest = ?`, word(e.To, "STATUS_"), e.Digest)
	case *modelv1.EventTransferred:
		w.exec(`UPDATE versions SET owner = ? WHERE name = ?`, e.To, e.Name)
	case *modelv1.EventTagMoved:
		w.exec(`DELETE FROM tags WHERE model = ? AND tag = ?`, e.Model, e.Tag)
		if e.Digest != "" {
			w.exec(`INSERT INTO tags (model, tag, version) VALUES (?, ?, ?)`, e.Model, e.Tag, e.Digest)
		}
	default:
		w.providers(e)
		w.judged(e)
	}
}

func (w *writer) redeemed(e *escrowv1.EventRedeemed) {
	w.exec(`UPDATE grants SET redeemed = redeemed + ?, settled = CASE settled WHEN 0 THEN ? ELSE settled END WHERE id = ?`, int64(e.Amount), w.at, e.Id)
	for _, p := range e.Payouts {
		w.exec(`INSERT INTO payments (height, at, grant_id, payer, provider, model, recipient, role, amount) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			w.height, w.at, e.Id, e.Payer, e.Provider, e.ModelDigest, p.Recipient, word(p.Role, "ROLE_"), int64(p.Amount))
	}
}

// providers writes what becomes of providers and their offers.
func (w *writer) providers(e proto.Message) {
	const setBond = `UPDATE providers SET bond = ? WHERE address = ?`
	switch e := e.(type) {
	case *providerv1.EventRegistered:
		w.exec(`INSERT INTO providers (address, moniker, bond, at) VALUES (?, ?, ?, ?)
			ON CONFLICT (address) DO UPDATE SET moniker = excluded.moniker, bond = excluded.bond`, e.Provider, e.Moniker, int64(e.Bond), w.at)
	case *providerv1.EventUpdated:
		w.exec(`UPDATE providers SET status = ? WHERE address = ?`, word(e.Status, "STATUS_"), e.Provider)
	case *providerv1.EventBonded:
		w.exec(setBond, int64(e.Bond), e.Provider)
	case *providerv1.EventUnbonding:
		w.exec(setBond, int64(e.Bond), e.Provider)
	case *providerv1.EventSlashed:
		w.exec(`UPDATE providers SET bond = ?, slashed = slashed + ? WHERE address = ?`, int64(e.Bond), int64(e.Amount), e.Provider)
	case *providerv1.EventJailed:
		w.exec(`UPDATE providers SET status = 'jailed', jailed_until = ?, tombstoned = ? WHERE address = ?`, e.Until, e.Tombstoned, e.Provider)
	case *providerv1.EventUnjailed:
		w.exec(`UPDATE providers SET status = 'active', jailed_until = 0 WHERE address = ?`, e.Provider)
	case *providerv1.EventOfferSet:
		w.exec(`INSERT INTO offers (provider, model, input, cached, output) VALUES (?, ?, ?, ?, ?)
			ON CONFLICT DO UPDATE SET input = excluded.input, cached = excluded.cached, output = excluded.output`,
			e.Provider, e.ModelDigest, int64(e.InputPrice), int64(e.CachedInputPrice), int64(e.OutputPrice))
	case *providerv1.EventOfferRemoved:
		w.exec(`DELETE FROM offers WHERE provider = ? AND model = ?`, e.Provider, e.ModelDigest)
	}
}

// judged writes what audits, challenges and courts find.
func (w *writer) judged(e proto.Message) {
	const audit = `INSERT INTO audits (provider, model, kind, outcome, at) VALUES (?, ?, ?, ?, ?)`
	switch e := e.(type) {
	case *auditv1.EventCaseOpened:
		w.exec(`INSERT OR REPLACE INTO cases (id, provider, accuser, receipt, state, opened) VALUES (?, ?, ?, ?, 'opened', ?)`,
			int64(e.CaseId), e.Provider, e.Accuser, e.Receipt, w.at)
	case *auditv1.EventCaseMoved:
		w.exec(`UPDATE cases SET state = ? WHERE id = ?`, word(e.State, "CASE_STATE_"), int64(e.CaseId))
	case *auditv1.EventCaseClosed:
		w.exec(`UPDATE cases SET state = 'closed', outcome = ?, closed = ? WHERE id = ?`, word(e.Outcome, "OUTCOME_"), w.at, int64(e.CaseId))
	case *auditv1.EventConvicted:
		c := e.Conviction
		w.exec(`INSERT OR IGNORE INTO convictions (reference, convict, offence, finder, victim, fine, forfeited, at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			c.Reference, c.Convict, word(c.Offence, "OFFENCE_"), c.Finder, c.Victim, int64(c.Fine), int64(c.Forfeited), w.at)
	case *auditv1.EventReported:
		outcome := "passed"
		if !e.Agrees {
			outcome = "differs"
		}
		w.exec(audit, e.Provider, "", "purchase", outcome, w.at)
	case *challengev1.EventRevealed:
		w.exec(audit, e.Provider, e.ModelDigest, "challenge", "passed", w.at)
	case *challengev1.EventJudged:
		// Who revealed was taken for right until now.
		w.exec(`DELETE FROM audits WHERE id = (SELECT MAX(id) FROM audits WHERE provider = ? AND model = ? AND kind = 'challenge' AND outcome = 'passed')
			AND ?`, e.Provider, e.ModelDigest, e.Outcome != challengev1.Outcome_OUTCOME_NO_ANSWER)
		w.exec(audit, e.Provider, e.ModelDigest, "challenge", word(e.Outcome, "OUTCOME_"), w.at)
	}
}
