package indexer

import (
	"context"
	"database/sql"
)

// DayRow is what was paid on a day, by model or by role.
type DayRow struct {
	Day    int64  `json:"day"` // Unix seconds of its beginning, UTC
	Of     string `json:"of"`
	Amount uint64 `json:"amount"` // ucredit
}

func scanDay(r *sql.Rows, d *DayRow) error { return r.Scan(&d.Day, &d.Of, &d.Amount) }

// others is what a list calls those that are too many to be named.
const others = "others"

// FeesByModel is what was redeemed for each model version a day, since the day of a
// time: for the ten best paid lately by name, and for the others together.
func (x *Index) FeesByModel(ctx context.Context, since int64) ([]DayRow, error) {
	return list(ctx, x, scanDay, `WITH best AS MATERIALIZED (SELECT digest, name || '@' || version AS called FROM versions WHERE lately > 0 ORDER BY lately DESC, paid DESC, at DESC, digest DESC LIMIT 10),
		named AS MATERIALIZED (SELECT day, called, SUM(amount) AS amount FROM best CROSS JOIN parts ON model = digest AND day >= ?1 / 86400 * 86400 GROUP BY digest, day)
		SELECT day, called, amount FROM named
		UNION ALL SELECT day, ?2, SUM(amount) - COALESCE((SELECT SUM(amount) FROM named WHERE named.day = parts.day), 0) AS rest
			FROM parts WHERE model = '' AND day >= ?1 / 86400 * 86400 GROUP BY day HAVING rest > 0
		ORDER BY 1, 2`, since, others)
}

// PaidByRole is what each role was paid a day, since the day of a time, of a model
// version or of all for an empty one.
func (x *Index) PaidByRole(ctx context.Context, model string, since int64) ([]DayRow, error) {
	return list(ctx, x, scanDay, `SELECT day, role, amount FROM parts WHERE model = ? AND day >= ? / 86400 * 86400 ORDER BY 1, 2`, model, since)
}

// Royalties is what versions of a model's name were paid for the model itself a
// day, since the day of a time: to its shareholders or its owners.
func (x *Index) Royalties(ctx context.Context, name string, since int64) ([]DayRow, error) {
	return list(ctx, x, scanDay, `SELECT p.day, v.version, SUM(p.amount) FROM versions v JOIN parts p ON p.model = v.digest
		WHERE v.name = ? AND p.day >= ? / 86400 * 86400 AND p.role IN ('owner', 'royalty') GROUP BY 1, 2 ORDER BY 1, 2`, name, since)
}

// Earned is a provider's own part a day, by model version, since a time.
func (x *Index) Earned(ctx context.Context, provider string, since int64) ([]DayRow, error) {
	return list(ctx, x, scanDay, `SELECT p.at / 86400 * 86400, COALESCE(v.name || '@' || v.version, p.model), SUM(p.amount) FROM payments p
		LEFT JOIN versions v ON v.digest = p.model WHERE p.provider = ? AND p.at >= ? AND p.role = 'provider' GROUP BY 1, 2 ORDER BY 1, 2`, provider, since)
}

// Totals are the figures by which a network is judged.
type Totals struct {
	Height    int64 `json:"height"`
	At        int64 `json:"at"`    // of that block, Unix seconds
	Began     int64 `json:"began"` // of the first
	Txs       int64 `json:"txs"`
	Providers int   `json:"providers"` // active
	Versions  int   `json:"versions"`
	// Paid and the next are since the time asked for, in ucredit.
	Paid      uint64 `json:"paid"`
	Royalties uint64 `json:"royalties"` // of it, to models and their owners
	Buyers    int    `json:"buyers"`    // who paid in the last thirty days
	Sellers   int    `json:"sellers"`   // who were paid then
	Bonded    uint64 `json:"bonded"`    // ukoin, of providers
	Backing   uint64 `json:"backing"`   // of it, of those that are active
	Slashed   uint64 `json:"slashed"`   // ukoin, of providers, ever
	// Locked is what backs grants that are open, in ucredit.
	Locked uint64 `json:"locked"`
	// Settling is the mean time from activating a grant until its first redemption.
	Settling int64 `json:"settling"` // seconds
}

// Totals sums up; Paid, Royalties and Settling since the hour of a time in Unix
// seconds.
func (x *Index) Totals(ctx context.Context, since int64) (Totals, error) {
	scan := func(r *sql.Rows, t *Totals) error {
		return r.Scan(&t.Height, &t.At, &t.Began, &t.Txs, &t.Providers, &t.Versions, &t.Paid, &t.Royalties, &t.Buyers, &t.Sellers, &t.Bonded, &t.Backing, &t.Slashed, &t.Locked, &t.Settling)
	}
	return one(ctx, x, scan, `SELECT COALESCE(b.height, 0), COALESCE(b.at, 0), COALESCE((SELECT at FROM blocks ORDER BY height LIMIT 1), 0), t.txs, t.providers, (SELECT COUNT(*) FROM versions),
		COALESCE(h.paid, 0), COALESCE(h.royalty, 0),
		t.buyers, t.sellers, t.bonded, t.backing, t.slashed, t.locked, COALESCE(h.seconds / h.grants, 0)
		FROM totals t LEFT JOIN (SELECT height, at FROM blocks ORDER BY height DESC LIMIT 1) b ON TRUE
		LEFT JOIN (SELECT SUM(paid) AS paid, SUM(royalty) AS royalty, SUM(seconds) AS seconds, SUM(grants) AS grants FROM hours WHERE hour >= ? / 3600 * 3600) h ON TRUE`, since)
}
