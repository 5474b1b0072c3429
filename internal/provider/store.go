package provider

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/koinon/koinon/internal/flush"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

// ErrStore says that the database can no longer be written. It is fatal: a
// provider that cannot store a ticket must not serve on its strength.
var ErrStore = errors.New("the provider's database failed")

// schema, version 1. A grant's row holds what the process must not forget; the
// columns settled, revealed and forgiven are an inference.Books, the columns
// previous and receipted the end of the grant's chain of receipts, and places
// the highest place in it that a receipt may have. until is when the right that the
// grant names ends.
const schema = `
CREATE TABLE IF NOT EXISTS grants (
	id        BLOB PRIMARY KEY,
	payer     TEXT NOT NULL,
	body      TEXT NOT NULL,
	signature BLOB NOT NULL,
	state     INTEGER NOT NULL,
	reason    TEXT NOT NULL DEFAULT '',
	created   INTEGER NOT NULL,
	revealed  INTEGER NOT NULL DEFAULT 0,
	ticket    BLOB NOT NULL,
	settled   INTEGER NOT NULL DEFAULT 0,
	forgiven  INTEGER NOT NULL DEFAULT 0,
	places    INTEGER NOT NULL,
	previous  BLOB NOT NULL,
	receipted INTEGER NOT NULL DEFAULT 0,
	redeemed  INTEGER NOT NULL DEFAULT 0,
	until     INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS grants_state ON grants (state);
CREATE INDEX IF NOT EXISTS grants_payer ON grants (payer, created);
CREATE TABLE IF NOT EXISTS receipts (
	grant_id BLOB NOT NULL,
	sequence INTEGER NOT NULL,
	hash     BLOB NOT NULL,
	body     BLOB NOT NULL,
	PRIMARY KEY (grant_id, sequence)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = 1;
`

// state is how far a grant has come. It only grows.
type state int

const (
	pending state = iota // the ledger has not confirmed its activation
	active
	refused // the ledger will never activate it
	closed  // nothing more can be collected on it
)

func (s state) String() string {
	return [...]string{"pending", "active", "refused", "closed"}[s]
}

// record is one row of grants.
type record struct {
	signed    receipt.SignedGrant
	state     state
	reason    string
	created   int64 // Unix seconds
	books     inference.Books
	ticket    receipt.Digest // of index books.Revealed; the anchor at 0
	sequence  uint64         // that the last receipt may have
	places    uint64         // that are taken; as many as sequence but for a new grant
	previous  receipt.Digest // the last receipt's hash
	receipted uint64         // its Owed, ucredit
	redeemed  uint64         // ticket index
	until     int64          // when the right to call ends, Unix seconds; 0 for never
	calls     uint64         // that have a receipt
}

// store is the provider's database. Writes of all grants share transactions, and
// transactions share flushes; see [write].
type store struct {
	db         *sql.DB
	writing    *sql.DB // one connection, the writer's
	statements map[string]*sql.Stmt
	log        *flush.Log
	lock       *os.File

	writes chan write
	done   chan struct{}

	mu     sync.Mutex // guards closed against the send on writes
	closed bool

	failing sync.Once
	failed  chan struct{} // closed on the first failure
	failure error         // set before failed is closed
}

// openStore opens or creates the database in a folder, which no other process
// may have open.
func openStore(home string) (*store, error) {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, fmt.Errorf("creating the provider's home: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(home, "provider.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the provider's lock: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("another process uses the provider's home %s: stop it, or choose another home: %w", home, err)
	}
	s := &store{
		statements: map[string]*sql.Stmt{}, lock: lock,
		writes: make(chan write, 1024), done: make(chan struct{}), failed: make(chan struct{}),
	}
	if err := s.connect(filepath.Join(home, "provider.db")); err != nil {
		lock.Close()
		return nil, fmt.Errorf("opening the provider's database in %s: %w", home, err)
	}
	go s.writer()
	return s, nil
}

// connect opens the database.
func (s *store) connect(path string) (err error) {
	source := "file:" + path + "?" + flush.Pragmas + "&_txlock=immediate"
	if s.db, err = sql.Open("sqlite", source); err != nil {
		return err
	}
	if s.writing, err = sql.Open("sqlite", source); err != nil {
		return err
	}
	s.writing.SetMaxOpenConns(1)
	if _, err = s.writing.Exec(schema + evidenceSchema); err != nil {
		return err
	}
	s.log, err = flush.Open(path)
	return err
}

func (s *store) addGrant(id receipt.Digest, r record) <-chan error {
	body, err := json.Marshal(r.signed.Grant)
	if err != nil {
		done := make(chan error, 1)
		done <- fmt.Errorf("encoding a grant: %w", err)
		return done
	}
	return s.exec(`INSERT INTO grants (id, payer, body, signature, state, created, ticket, places, previous, until) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		id[:], r.signed.Payer, string(body), r.signed.Signature, r.state, r.created, r.ticket[:], r.places, r.previous[:], r.until)
}

func (s *store) saveTicket(id receipt.Digest, index uint64, ticket receipt.Digest) <-chan error {
	return s.queue(latest("ticket", id, `UPDATE grants SET revealed = ?, ticket = ? WHERE id = ? AND revealed < ?`, index, ticket[:], id[:], index).onlyKept())
}

func (s *store) saveBooks(id receipt.Digest, b inference.Books) <-chan error {
	return s.queue(latest("books", id, `UPDATE grants SET settled = ?, forgiven = ? WHERE id = ?`, b.Settled, b.Forgiven, id[:]).onlyKept())
}

func (s *store) savePlaces(id receipt.Digest, places uint64) <-chan error {
	return s.queue(latest("places", id, `UPDATE grants SET places = ? WHERE id = ?`, places, id[:]))
}

func (s *store) addReceipt(r receipt.Receipt, body []byte) {
	hash := r.Hash()
	s.exec(`INSERT INTO receipts (grant_id, sequence, hash, body) VALUES (?, ?, ?, ?)`, r.Grant[:], r.Sequence, hash[:], body)
	s.queue(latest("chain", r.Grant, `UPDATE grants SET previous = ?, receipted = ? WHERE id = ?`, hash[:], r.Owed, r.Grant[:]))
}

func (s *store) setState(id receipt.Digest, to state, reason string) <-chan error {
	return s.exec(`UPDATE grants SET state = ?, reason = ? WHERE id = ? AND state <= ?`, to, reason, id[:], to)
}

func (s *store) setRedeemed(id receipt.Digest, index uint64) <-chan error {
	return s.exec(`UPDATE grants SET redeemed = ? WHERE id = ? AND redeemed < ?`, index, id[:], index)
}

// open reads the grants that can still pay.
func (s *store) open(ctx context.Context) ([]record, error) {
	return s.read(ctx, `state IN (?, ?)`, pending, active)
}

// grant reads one grant, whatever its state; false if there is none.
func (s *store) grant(ctx context.Context, id receipt.Digest) (record, bool, error) {
	found, err := s.read(ctx, `id = ?`, id[:])
	if err != nil || len(found) == 0 {
		return record{}, false, err
	}
	return found[0], true, nil
}

func (s *store) read(ctx context.Context, where string, args ...any) ([]record, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT body, signature, state, reason, created, revealed, ticket, settled,
		forgiven, places, previous, receipted, redeemed, until,
		(SELECT COUNT(*) FROM receipts WHERE grant_id = id) FROM grants WHERE `+where+` ORDER BY created, id`, args...)
	if err != nil {
		return nil, fmt.Errorf("reading grants: %w", err)
	}
	defer rows.Close()
	var out []record
	for rows.Next() {
		var r record
		var body, ticket, previous []byte
		if err := rows.Scan(&body, &r.signed.Signature, &r.state, &r.reason, &r.created, &r.books.Revealed, &ticket,
			&r.books.Settled, &r.books.Forgiven, &r.places, &previous, &r.receipted, &r.redeemed, &r.until, &r.calls); err != nil {
			return nil, fmt.Errorf("reading grants: %w", err)
		}
		if err := json.Unmarshal(body, &r.signed.Grant); err != nil {
			return nil, fmt.Errorf("reading a grant's body: %w", err)
		}
		r.sequence = r.places // another process may have used them all
		if copy(r.ticket[:], ticket) != len(ticket) || copy(r.previous[:], previous) != len(previous) {
			return nil, fmt.Errorf("%w: a digest of a wrong length", ErrStore)
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// debt is what a payer's grants made since a time were given and have not paid,
// in ucredit. A ticket of a refused grant pays nothing.
func (s *store) debt(ctx context.Context, payer string, since time.Time) (uint64, error) {
	records, err := s.read(ctx, `payer = ? AND created >= ?`, payer, since.Unix())
	if err != nil {
		return 0, err
	}
	var total uint64
	for _, r := range records {
		var paid uint64
		if r.state != refused {
			paid = r.books.Revealed * r.signed.TicketValue
		}
		if given := r.books.Settled + r.books.Forgiven; given > paid {
			total += given - paid
		}
	}
	return total, nil
}

// receiptHashes lists the hashes of a grant's receipts in order.
func (s *store) receiptHashes(ctx context.Context, id receipt.Digest) ([]receipt.Digest, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT hash FROM receipts WHERE grant_id = ? ORDER BY sequence`, id[:])
	if err != nil {
		return nil, fmt.Errorf("reading receipts: %w", err)
	}
	defer rows.Close()
	var out []receipt.Digest
	for rows.Next() {
		var hash []byte
		if err := rows.Scan(&hash); err != nil {
			return nil, fmt.Errorf("reading receipts: %w", err)
		}
		if len(hash) != len(receipt.Digest{}) {
			return nil, fmt.Errorf("%w: a receipt's hash of %d bytes", ErrStore, len(hash))
		}
		out = append(out, receipt.Digest(hash))
	}
	return out, rows.Err()
}
