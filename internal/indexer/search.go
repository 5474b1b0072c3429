package indexer

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"unicode"
)

// Hit is something that a search found.
type Hit struct {
	Kind  string `json:"kind"` // block, transaction, account, provider, model, digest
	ID    string `json:"id"`
	Title string `json:"title"`
}

// Search finds blocks by height or hash, transactions, accounts, providers by
// address or name, models by digest or name, and whatever else a transaction
// names: receipts, grants. Names are matched by their beginning.
func (x *Index) Search(ctx context.Context, query string) ([]Hit, error) {
	query = strings.TrimSpace(query)
	if query == "" || len(query) > 200 {
		return []Hit{}, nil
	}
	height, err := strconv.ParseInt(strings.TrimPrefix(query, "#"), 10, 64)
	if err != nil {
		height = -1
	}
	hash, digest := strings.ToUpper(query), strings.ToLower(strings.TrimPrefix(query, "sha256:"))
	begins := strings.ToLower(strings.TrimPrefix(query, "@"))
	const last = string(unicode.MaxRune) // comes after all that names go on with
	return list(ctx, x, func(r *sql.Rows, h *Hit) error { return r.Scan(&h.Kind, &h.ID, &h.Title) }, `
		SELECT 'block', height, 'Block ' || height FROM blocks WHERE height = ? OR hash = ?
		UNION ALL SELECT 'transaction', hash, 'Transaction ' || substr(hash, 1, 12) || '…' FROM txs WHERE hash = ?
		UNION ALL SELECT 'model', digest, name || '@' || version FROM versions WHERE digest = 'sha256:' || ? OR lower(name) >= ? AND lower(name) < ?
		UNION ALL SELECT 'provider', address, moniker FROM providers WHERE address = ? OR lower(moniker) >= ? AND lower(moniker) < ?
		UNION ALL SELECT * FROM (SELECT CASE WHEN length(subject) = 64 THEN 'digest' ELSE 'account' END, subject, subject FROM mentions
			WHERE subject = ? AND NOT EXISTS (SELECT 1 FROM providers WHERE address = subject) AND NOT EXISTS (SELECT 1 FROM versions WHERE digest = 'sha256:' || subject) LIMIT 1)
		LIMIT 50`, height, hash, hash, digest, begins, begins+last, digest, begins, begins+last, digest)
}
