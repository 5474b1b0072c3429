package provider

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/sha256"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/koinon/koinon/internal/provider/duty"
	"github.com/koinon/koinon/receipt"
)

// evidenceSchema holds what the provider needs to answer an accusation: for each
// receipt the request and the tokens, sealed, since the request is somebody's
// prompt. They are forgotten when nobody can accuse any more.
const evidenceSchema = `
CREATE TABLE IF NOT EXISTS evidence (
	request BLOB NOT NULL,
	output  BLOB NOT NULL,
	kept    INTEGER NOT NULL,
	sealed  BLOB NOT NULL,
	PRIMARY KEY (request, output)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS evidence_kept ON evidence (kept);
`

// Evidence is what a provider keeps of an answer: enough to compute it again, or,
// where its engine cannot, what the leaves were made of.
type Evidence struct {
	receipt.Transcript
	// Said are the digests of what the engine said of each step; class statistical.
	Said []receipt.Digest `json:"said,omitempty"`
}

// ErrNoEvidence says that the provider has nothing about an answer: it is not
// its own, or older than evidence is kept.
var ErrNoEvidence = errors.New("the provider keeps nothing about this answer")

// sealer encrypts evidence at rest with a key of the provider's own: a copy of
// the database without the key shows no prompt.
func sealer(key ed25519.PrivateKey) (cipher.AEAD, error) {
	secret, err := hkdf.Key(sha256.New, key.Seed(), nil, "koinon/provider/evidence/v1", 32)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of evidence: %w", err)
	}
	block, err := aes.NewCipher(secret)
	if err != nil {
		return nil, fmt.Errorf("deriving the key of evidence: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// keepEvidence is on disk before the receipt leaves: without it an accusation
// could not be answered.
func (s *session) keepEvidence(n int) error {
	if s.request.Embed != nil {
		return nil
	}
	plain, err := json.Marshal(Evidence{receipt.Transcript{Request: string(s.raw), Output: s.tokens[:n]}, s.said[:min(n, len(s.said))]})
	if err != nil {
		return fmt.Errorf("encoding evidence: %w", err)
	}
	output := receipt.TokensDigest(s.tokens[:n])
	sealed := s.p.seal.Seal(nil, nil, plain, append(s.digest[:], output[:]...))
	return <-s.p.store.exec(`INSERT OR REPLACE INTO evidence (request, output, kept, sealed) VALUES (?, ?, ?, ?)`,
		s.digest[:], output[:], s.p.now().Unix(), sealed)
}

// Evidence is what was kept of an answer that this provider gave, by its receipt,
// or by its statement to an epoch challenge.
// Refusal: [ErrNoEvidence].
func (p *Provider) Evidence(ctx context.Context, r receipt.Receipt) (Evidence, error) {
	var t Evidence
	var sealed []byte
	err := p.store.db.QueryRowContext(ctx, `SELECT sealed FROM evidence WHERE request = ? AND output = ?`, r.Request[:], r.OutputDigest[:]).Scan(&sealed)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		if a, err := duty.Said(p.challenges(), r); err == nil {
			return Evidence{receipt.Transcript{Output: a.Tokens}, a.Said}, nil
		}
		return t, fmt.Errorf("%w: receipt %s", ErrNoEvidence, r.Hash().Hex())
	case err != nil:
		return t, fmt.Errorf("reading evidence: %w", err)
	}
	plain, err := p.seal.Open(nil, nil, sealed, append(r.Request[:], r.OutputDigest[:]...))
	if err != nil {
		return t, fmt.Errorf("opening evidence, sealed with another key than this provider's: %w", err)
	}
	if err := json.Unmarshal(plain, &t); err != nil {
		return t, fmt.Errorf("reading evidence: %w", err)
	}
	return t, nil
}

// forgetLoop drops evidence that is older than accusations may be, and the
// oldest of what is more than the owner gives room for.
func (p *Provider) forgetLoop(ctx context.Context) {
	for {
		if err := p.forgetEvidence(ctx, p.config.KeepEvidence, p.config.MaxEvidence); err != nil && ctx.Err() == nil {
			p.log.Warn("old evidence could not be dropped; trying again", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(p.config.KeepEvidence / 100):
		}
	}
}

// forgetEvidence drops what is older than keep, and the oldest beyond most bytes.
func (p *Provider) forgetEvidence(ctx context.Context, keep time.Duration, most uint64) error {
	if err := <-p.store.exec(`DELETE FROM evidence WHERE kept < ?`, p.now().Add(-keep).Unix()); err != nil {
		return err
	}
	var oldest sql.NullInt64
	err := p.store.db.QueryRowContext(ctx, `SELECT MAX(kept) FROM (SELECT kept, SUM(LENGTH(sealed)) OVER (ORDER BY kept DESC) AS held FROM evidence) WHERE held > ?`,
		most).Scan(&oldest)
	if err != nil || !oldest.Valid {
		return err
	}
	p.log.Warn("evidence is dropped early, and accusations about it cannot be answered: raise max_evidence",
		"max_evidence", most, "until", time.Unix(oldest.Int64, 0))
	return <-p.store.exec(`DELETE FROM evidence WHERE kept <= ?`, oldest.Int64)
}
