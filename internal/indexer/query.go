package indexer

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// ErrNotFound says that the tables have no such thing.
var ErrNotFound = errors.New("not in the index")

// Page bounds a list: the rows before a cursor, newest first.
type Page struct {
	Before Cursor
	Limit  int
}

// Cursor is a place in the ledger: a transaction, or with a position of -1 the
// end of its block. The zero value stands after everything.
type Cursor struct{ Height, Position int64 }

// MaxPage bounds what one query returns.
const MaxPage = 1000

func (p Page) bounds() (height, position int64, limit int) {
	if p.Before == (Cursor{}) {
		p.Before.Height = 1 << 62
	}
	if p.Limit <= 0 || p.Limit > MaxPage {
		p.Limit = 50
	}
	return p.Before.Height, p.Before.Position, p.Limit
}

// list reads rows of one kind.
func list[T any](ctx context.Context, x *Index, scan func(*sql.Rows, *T) error, query string, args ...any) ([]T, error) {
	rows, err := x.reader.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("reading the index: %w", err)
	}
	defer rows.Close()
	found := []T{}
	for rows.Next() {
		var row T
		if err := scan(rows, &row); err != nil {
			return nil, fmt.Errorf("reading the index: %w", err)
		}
		found = append(found, row)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("reading the index: %w", err)
	}
	return found, nil
}

// one reads the only row of a query, or ErrNotFound.
func one[T any](ctx context.Context, x *Index, scan func(*sql.Rows, *T) error, query string, args ...any) (T, error) {
	found, err := list(ctx, x, scan, query, args...)
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		var none T
		return none, err
	}
	return found[0], nil
}

// BlockRow is a block in a list.
type BlockRow struct {
	Height   int64  `json:"height"`
	At       int64  `json:"at"` // Unix seconds
	Hash     string `json:"hash"`
	Proposer string `json:"proposer"`
	Txs      int    `json:"txs"`
}

func scanBlock(r *sql.Rows, b *BlockRow) error {
	return r.Scan(&b.Height, &b.At, &b.Hash, &b.Proposer, &b.Txs)
}

const selectBlock = `SELECT height, at, hash, proposer, txs FROM blocks `

// Blocks lists blocks, newest first.
func (x *Index) Blocks(ctx context.Context, p Page) ([]BlockRow, error) {
	height, _, limit := p.bounds()
	return list(ctx, x, scanBlock, selectBlock+`WHERE height < ? ORDER BY height DESC LIMIT ?`, height, limit)
}

// BlockAt returns one block.
func (x *Index) BlockAt(ctx context.Context, height int64) (BlockRow, error) {
	return one(ctx, x, scanBlock, selectBlock+`WHERE height = ?`, height)
}

// Step is a message or an event of a transaction.
type Step struct {
	Kind string          `json:"kind"`
	Body json.RawMessage `json:"body"`
}

// TxRow is a transaction, or what a block did by itself.
type TxRow struct {
	Height   int64  `json:"height"`
	Position int64  `json:"position"` // -1 for the block itself
	At       int64  `json:"at"`       // Unix seconds
	Hash     string `json:"hash,omitempty"`
	Sender   string `json:"sender,omitempty"`
	Fee      uint64 `json:"fee"` // ukoin
	Gas      int64  `json:"gas"`
	Refusal  string `json:"refusal,omitempty"`
	Messages []Step `json:"messages"`
	Events   []Step `json:"events"`
}

// Cursor is the transaction's place.
func (t TxRow) Cursor() Cursor { return Cursor{t.Height, t.Position} }

func scanTx(r *sql.Rows, t *TxRow) error {
	return r.Scan(&t.Height, &t.Position, &t.At, &t.Hash, &t.Sender, &t.Fee, &t.Gas, &t.Refusal)
}

const (
	selectTx = `SELECT t.height, t.position, b.at, t.hash, t.sender, t.fee, t.gas, t.refusal FROM txs t JOIN blocks b USING (height) `
	// selectMention also finds what a block did by itself.
	selectMention = `SELECT m.height, m.position, b.at, COALESCE(t.hash, ''), COALESCE(t.sender, ''), COALESCE(t.fee, 0), COALESCE(t.gas, 0), COALESCE(t.refusal, '')
		FROM mentions m JOIN blocks b USING (height) LEFT JOIN txs t USING (height, position) `
	latestFirst = ` ORDER BY 1 DESC, 2 DESC LIMIT ?`
)

// Txs lists transactions, newest first.
func (x *Index) Txs(ctx context.Context, p Page) ([]TxRow, error) {
	height, position, limit := p.bounds()
	return x.withSteps(ctx)(list(ctx, x, scanTx, selectTx+`WHERE (t.height, t.position) < (?, ?)`+latestFirst, height, position, limit))
}

// TxsOf lists transactions, and what blocks did by themselves, that name an
// address, a digest or a grant, newest first.
func (x *Index) TxsOf(ctx context.Context, subject string, p Page) ([]TxRow, error) {
	height, position, limit := p.bounds()
	return x.withSteps(ctx)(list(ctx, x, scanTx, selectMention+`WHERE m.subject = ? AND (m.height, m.position) < (?, ?)`+latestFirst,
		strings.TrimPrefix(subject, "sha256:"), height, position, limit))
}

// TxsIn lists what a block has and did, in order, from a position on: the block's
// own is -1.
func (x *Index) TxsIn(ctx context.Context, height, from int64, limit int) ([]TxRow, error) {
	return x.withSteps(ctx)(list(ctx, x, scanTx, selectTx+`WHERE t.height = ?1 AND t.position >= ?2
		UNION ALL SELECT height, -1, at, '', '', 0, 0, '' FROM blocks WHERE height = ?1 AND ?2 < 0 AND EXISTS (SELECT 1 FROM events e WHERE e.height = blocks.height AND e.position = -1)
		ORDER BY 2 LIMIT ?3`, height, from, limit))
}

// Tx returns one transaction by its hash in hexadecimal digits.
func (x *Index) Tx(ctx context.Context, hash string) (TxRow, error) {
	found, err := x.withSteps(ctx)(list(ctx, x, scanTx, selectTx+`WHERE t.hash = ?`, strings.ToUpper(hash)))
	if err == nil && len(found) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return TxRow{}, err
	}
	return found[0], nil
}

// withSteps adds messages and events to transactions that were read.
func (x *Index) withSteps(ctx context.Context) func([]TxRow, error) ([]TxRow, error) {
	return func(txs []TxRow, err error) ([]TxRow, error) {
		if err != nil || len(txs) == 0 {
			return txs, err
		}
		messages, err := x.steps(ctx, "messages", txs)
		if err != nil {
			return nil, err
		}
		events, err := x.steps(ctx, "events", txs)
		for i := range txs {
			txs[i].Messages, txs[i].Events = messages[txs[i].Cursor()], events[txs[i].Cursor()]
		}
		return txs, err
	}
}

// steps reads the messages or events of transactions, all at once.
func (x *Index) steps(ctx context.Context, table string, txs []TxRow) (map[Cursor][]Step, error) {
	type placed struct {
		at   Cursor
		step Step
	}
	var places strings.Builder
	var args []any
	for i, t := range txs {
		if i > 0 {
			places.WriteByte(',')
		}
		places.WriteString("(?,?)")
		args = append(args, t.Height, t.Position)
	}
	found, err := list(ctx, x, func(r *sql.Rows, p *placed) error {
		var body string
		err := r.Scan(&p.at.Height, &p.at.Position, &p.step.Kind, &body)
		p.step.Body = json.RawMessage(body)
		return err
	}, `WITH places (h, p) AS (VALUES `+places.String()+`) SELECT height, position, kind, body FROM places CROSS JOIN `+table+` ON height = h AND position = p
		ORDER BY height, position, number`, args...)
	steps := map[Cursor][]Step{}
	for _, t := range txs {
		steps[t.Cursor()] = []Step{}
	}
	for _, p := range found {
		steps[p.at] = append(steps[p.at], p.step)
	}
	return steps, err
}
