package indexer

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
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
	begins := strings.NewReplacer(`\`, `\\`, `%`, `\%`, `_`, `\_`).Replace(strings.ToLower(strings.TrimPrefix(query, "@"))) + "%"
	return list(ctx, x, func(r *sql.Rows, h *Hit) error { return r.Scan(&h.Kind, &h.ID, &h.Title) }, `
		SELECT 'block', height, 'Block ' || height FROM blocks WHERE height = ? OR hash = ?
		UNION ALL SELECT 'transaction', hash, 'Transaction ' || substr(hash, 1, 12) || '…' FROM txs WHERE hash = ?
		UNION ALL SELECT 'model', digest, name || '@' || version FROM versions WHERE digest = 'sha256:' || ? OR lower(name) LIKE ? ESCAPE '\'
		UNION ALL SELECT 'provider', address, moniker FROM providers WHERE address = ? OR lower(moniker) LIKE ? ESCAPE '\'
		UNION ALL SELECT * FROM (SELECT CASE WHEN length(subject) = 64 THEN 'digest' ELSE 'account' END, subject, subject FROM mentions
			WHERE subject = ? AND subject NOT IN (SELECT address FROM providers) AND 'sha256:' || subject NOT IN (SELECT digest FROM versions) LIMIT 1)
		LIMIT 50`, height, hash, hash, digest, begins, digest, begins, digest)
}
