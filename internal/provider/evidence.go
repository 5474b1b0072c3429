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
	"sync"
	"time"

	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/provider/duty"
	"github.com/koinon/koinon/receipt"
)

// evidenceSchema holds what the provider needs to answer an accusation: for each
// receipt the request and, unless the engine is exact, the tokens (output is empty
// then), sealed, since the request is somebody's prompt. They are forgotten when
// nobody can accuse any more.
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

// keepRequest, at the first token, has the request of an exact answer on disk while
// the engine works: that is evidence enough, for the engine says the same again.
func (s *session) keepRequest() {
	if s.p.out.Model.Class == receipt.Exact {
		s.kept = s.keep(write{}, Evidence{Transcript: receipt.Transcript{Request: string(s.raw)}}, nil)
	}
}

// keepAnswer has what the engine said kept before its receipt leaves: without it an
// accusation could not be answered. Of an engine that cannot say it again, that is
// the answer too. The receipt does not wait for the disk to have it, which would be
// all that a short answer waits for (docs/adr/0020): a killed process loses nothing.
func (s *session) keepAnswer(n int) error {
	if s.request.Embed != nil {
		return nil
	}
	if s.kept == nil {
		output := receipt.TokensDigest(s.tokens[:n])
		s.kept = s.keep(write{kept: true}, Evidence{receipt.Transcript{Request: string(s.raw), Output: s.tokens[:n]}, s.said[:min(n, len(s.said))]}, output[:])
	}
	return s.kept()
}

// keep stores evidence, sealed to the digests that name it. It is safe, as the write
// has it, when what is returned says so.
func (s *session) keep(w write, e Evidence, output []byte) func() error {
	plain, err := json.Marshal(e)
	if err != nil {
		return func() error { return fmt.Errorf("encoding evidence: %w", err) }
	}
	if output == nil {
		output = []byte{}
	}
	sealed := s.p.seal.Seal(nil, nil, plain, append(s.digest[:], output...))
	w.query = `INSERT OR REPLACE INTO evidence (request, output, kept, sealed) VALUES (?, ?, ?, ?)`
	w.args = []any{s.digest[:], output, s.p.now().Unix(), sealed}
	done := s.p.store.queue(w)
	return sync.OnceValue(func() error { return <-done })
}

// Evidence is what defends an answer that this provider gave, by its receipt, or by
// its statement to an epoch challenge: as it was kept, or with tokens that the
// engine says once more.
// Refusal: [ErrNoEvidence].
func (p *Provider) Evidence(ctx context.Context, r receipt.Receipt) (Evidence, error) {
	var e Evidence
	var output, sealed []byte
	err := p.store.db.QueryRowContext(ctx, `SELECT output, sealed FROM evidence WHERE request = ? AND output IN (?, x'') ORDER BY output DESC`,
		r.Request[:], r.OutputDigest[:]).Scan(&output, &sealed)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		if a, err := duty.Said(p.challenges(), r); err == nil {
			return Evidence{receipt.Transcript{Output: a.Tokens}, a.Said}, nil
		}
		return e, fmt.Errorf("%w: receipt %s", ErrNoEvidence, r.Hash().Hex())
	case err != nil:
		return e, fmt.Errorf("reading evidence: %w", err)
	}
	plain, err := p.seal.Open(nil, nil, sealed, append(r.Request[:], output...))
	if err != nil {
		return e, fmt.Errorf("opening evidence, sealed with another key than this provider's: %w", err)
	}
	if err := json.Unmarshal(plain, &e); err != nil {
		return e, fmt.Errorf("reading evidence: %w", err)
	}
	if len(output) == 0 {
		e.Output, err = p.again(ctx, e.Request, r)
	}
	return e, err
}

// again has an exact engine repeat the answer of a receipt.
// Refusal: [ErrNoEvidence], if it says another thing now.
func (p *Provider) again(ctx context.Context, request string, r receipt.Receipt) ([]int32, error) {
	q, err := inference.ParseRequest([]byte(request))
	if err != nil {
		return nil, fmt.Errorf("reading evidence: %w", err)
	}
	q.Seed = r.Seed.Value
	prompt, err := p.out.Engine.Prompt(q)
	if err != nil {
		return nil, fmt.Errorf("answering again: %w", err)
	}
	output := []int32{}
	job := Job{Request: q, Prompt: prompt, MaxTokens: int(max(1, r.CompletionTokens)), Scope: scope(r.Payer, q)}
	_, err = p.out.Engine.Generate(ctx, job, func(t Token) error {
		output = append(output, t.ID)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("answering again: %w", err)
	}
	output = output[:min(uint64(len(output)), r.CompletionTokens)]
	if receipt.TokensDigest(output) != r.OutputDigest {
		return nil, fmt.Errorf("%w as it was: the engine says something else than in receipt %s", ErrNoEvidence, r.Hash().Hex())
	}
	return output, nil
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
