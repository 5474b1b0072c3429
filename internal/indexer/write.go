package indexer

import (
	"context"
	"database/sql"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

// writer writes blocks in one SQL transaction; after its first error it does
// nothing more.
type writer struct {
	ctx context.Context
	tx  *sql.Tx
	err error
	// prepared are the statements used so far: they are few, and a block has many.
	// They close with the transaction.
	prepared map[string]*sql.Stmt

	height int64 // of the block at hand
	at     int64 // its time, Unix seconds
}

func (w *writer) exec(query string, args ...any) {
	if w.err != nil {
		return
	}
	statement, ok := w.prepared[query]
	if !ok {
		if statement, w.err = w.tx.PrepareContext(w.ctx, query); w.err != nil {
			return
		}
		w.prepared[query] = statement
	}
	_, w.err = statement.ExecContext(w.ctx, args...)
}

// own is the position of what is the block's own.
const own = -1

func (w *writer) block(b Block) {
	w.height, w.at = b.Height, b.Time.Unix()
	w.exec(`INSERT INTO blocks (height, at, hash, proposer, txs) VALUES (?, ?, ?, ?, ?)`, b.Height, w.at, b.Hash, b.Proposer, len(b.Txs))
	for i, tx := range b.Txs {
		w.transaction(i, tx)
	}
	w.events(own, b.Events)
}

func (w *writer) transaction(position int, t Tx) {
	w.exec(`INSERT INTO txs (height, position, hash, sender, fee, gas, refusal) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		w.height, position, t.Hash, t.Sender, int64(t.Fee), t.Gas, t.Refusal)
	w.mention(position, t.Sender)
	for i, m := range t.Messages {
		w.exec(`INSERT INTO messages (height, position, number, kind, body) VALUES (?, ?, ?, ?, ?)`, w.height, position, i, m.Kind, string(m.Body))
		w.mentions(position, m.Body)
	}
	w.events(position, t.Events)
	if t.Refusal == "" {
		for _, m := range t.Messages {
			w.learn(m.Value)
		}
	}
}

func (w *writer) events(position int, events []Event) {
	number := 0
	for _, e := range events {
		if !telling(position, e.Kind) {
			continue
		}
		w.exec(`INSERT INTO events (height, position, number, kind, body) VALUES (?, ?, ?, ?, ?)`, w.height, position, number, e.Kind, string(e.Body))
		number++
		w.mentions(position, e.Body)
		w.happened(e.Value)
	}
}

// bookkeeping are events that repeat what another says, or that every block has.
var bookkeeping = []string{
	"coin_spent", "coin_received", "coinbase", "burn", "tx", "message", "mint", "rewards", "commission", "proposer_reward", "liveness",
	"claim_validator", "use_feegrant",
}

// telling says whether an event is worth a row. A block moves money between the
// ledger's own accounts all the time; whom it pays is told by events of koinon's.
func telling(position int, kind string) bool {
	return !slices.Contains(bookkeeping, kind) && (position != own || kind != "transfer")
}

// subjects are what a person may search for: addresses, and digests and grants
// as 64 hexadecimal digits.
var subjects = regexp.MustCompile(`"(koinon(?:valoper)?1[02-9ac-hj-np-z]{38,58}|(?:sha256:)?[0-9a-f]{64})"`)

func (w *writer) mentions(position int, body json.RawMessage) {
	for _, found := range subjects.FindAllSubmatch(body, -1) {
		w.mention(position, strings.TrimPrefix(string(found[1]), "sha256:"))
	}
}

func (w *writer) mention(position int, subject string) {
	if subject != "" {
		w.exec(`INSERT OR IGNORE INTO mentions (subject, height, position) VALUES (?, ?, ?)`, subject, w.height, position)
	}
}

// column reads a query's only column.
func column(ctx context.Context, q interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}, query string, args ...any) (list []string, err error) {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var s string
		if err := rows.Scan(&s); err != nil {
			return nil, err
		}
		list = append(list, s)
	}
	return list, rows.Err()
}
