// Package store keeps what a gateway must not lose: its API keys and what they
// have spent, its grants and how far they are revealed, and the receipts it
// was given.
//
// Everything lies in one SQLite database with a write-ahead log. What a method has
// returned from survives a loss of power; progress on answers, which comes many
// times a second, survives the end of the process, and is on disk a moment later
// (docs/adr/0020). Writes are gathered: all that wait while one transaction
// commits go into the next, so that hundreds of streams share its cost.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"net/url"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // the driver

	"github.com/koinon/koinon/internal/flush"
)

// Errors of the store.
var (
	// ErrNotFound says that there is no such row.
	ErrNotFound = errors.New("not found")
	// ErrClosed says that the store was closed before the write was taken on.
	ErrClosed = errors.New("the gateway's store is closed")
	// ErrAmount says that an amount does not fit SQLite's signed 64 bits.
	ErrAmount = errors.New("amount beyond 9.2e18 micro-units")
	// ErrInUse says that another gateway runs on the same home directory.
	ErrInUse = errors.New("another gateway runs on this home directory: stop it, or give this one its own")
	// ErrVersion says that a newer program wrote the database.
	ErrVersion = errors.New("the gateway's database was written by a newer version of koinon")
)

// Store is the gateway's database. It is safe for concurrent use; several
// processes may open it at once, as `koinon keys` does beside a gateway.
type Store struct {
	reader *sql.DB
	writer *sql.DB // one connection
	log    *flush.Log
	saving progressStatements

	keyChanges atomic.Uint64

	next  time.Time // when the next commit may be; the loop's
	queue chan write
	stop  chan struct{} // closed by Close
	ended chan struct{} // closed when the writing loop has
	done  chan struct{} // closed when nothing is under way any more
}

// write is one caller's part of a transaction: a change, or progress.
type write struct {
	apply    func(*sql.Tx) error
	progress *Progress
	result   chan error
}

// Pending is a write that has been taken on, in its place before all later ones.
type Pending struct {
	store  *Store
	result chan error
}

// Wait returns when the write is safe, as far as its kind is, or has failed.
func (p Pending) Wait() error {
	select {
	case err := <-p.result:
		return err
	case <-p.store.done:
		select {
		case err := <-p.result:
			return err
		default:
			return ErrClosed
		}
	}
}

// batch bounds the writes of one transaction.
const batch = 512

// Open opens or creates the database at path. The file is readable by its
// owner only, for it holds the seeds of the grants.
func Open(ctx context.Context, path string) (*Store, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("opening the gateway's database: %w", err)
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the gateway's database: %w", err)
	}
	if err := file.Close(); err != nil {
		return nil, fmt.Errorf("opening the gateway's database: %w", err)
	}
	s := &Store{queue: make(chan write, batch), stop: make(chan struct{}), ended: make(chan struct{}), done: make(chan struct{})}
	if s.writer, err = connect(path, "&_txlock=immediate"); err != nil {
		return nil, err
	}
	s.writer.SetMaxOpenConns(1)
	if err = migrate(ctx, s.writer); err == nil {
		s.saving, err = prepareProgress(ctx, s.writer)
	}
	if err == nil {
		s.log, err = flush.Open(path)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("preparing %s: %w", path, err), s.writer.Close())
	}
	if s.reader, err = connect(path, "&_pragma=query_only(1)"); err != nil {
		return nil, errors.Join(err, s.log.Close(), s.writer.Close())
	}
	s.reader.SetMaxOpenConns(4)
	go s.loop()
	return s, nil
}

// connect opens a pool of connections.
func connect(path, more string) (*sql.DB, error) {
	dsn := url.URL{
		Scheme:   "file",
		Path:     path,
		RawQuery: flush.Pragmas + more,
	}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("opening the gateway's database: %w", err)
	}
	return db, nil
}

// schema is the current layout; PRAGMA user_version names it. Amounts are in
// ucredit, times in Unix milliseconds, lengths of time in milliseconds, digests
// are raw bytes.
var schema = []string{`
CREATE TABLE keys (
	id      TEXT PRIMARY KEY,
	hash    BLOB NOT NULL,
	name    TEXT NOT NULL,
	budget  INTEGER NOT NULL CHECK (budget >= 0),
	period  INTEGER NOT NULL DEFAULT 0,                     -- of the budget; 0 for one budget for ever
	spent   INTEGER NOT NULL DEFAULT 0 CHECK (spent >= 0),  -- in all
	recent  INTEGER NOT NULL DEFAULT 0 CHECK (recent >= 0), -- in the period
	period_number INTEGER NOT NULL DEFAULT 0,               -- of that period, from the first, 0
	models  TEXT NOT NULL DEFAULT '',                       -- that may be asked, one a line; none for all
	rate    INTEGER NOT NULL DEFAULT 0,                     -- requests in rate_per; 0 for any number
	rate_per INTEGER NOT NULL DEFAULT 0,
	created INTEGER NOT NULL,
	expires INTEGER,
	revoked INTEGER
) WITHOUT ROWID;

CREATE TABLE grants (
	id        BLOB PRIMARY KEY,
	body      TEXT NOT NULL,
	signature BLOB NOT NULL,
	seed      BLOB NOT NULL,
	expiry    INTEGER NOT NULL,
	settled   INTEGER NOT NULL DEFAULT 0,
	revealed  INTEGER NOT NULL DEFAULT 0,
	retired   TEXT NOT NULL DEFAULT '',
	created   INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX open_grants ON grants (expiry) WHERE retired = '';

CREATE TABLE receipts (
	seen     INTEGER PRIMARY KEY,
	id       BLOB NOT NULL UNIQUE,
	key      TEXT NOT NULL,
	request  TEXT NOT NULL,
	grant_id BLOB NOT NULL,
	sequence INTEGER NOT NULL,
	provider TEXT NOT NULL,
	problem  TEXT NOT NULL,
	received INTEGER NOT NULL,
	body     BLOB NOT NULL
);
CREATE INDEX receipts_of_key ON receipts (key, seen);
CREATE INDEX receipts_of_grant ON receipts (grant_id, sequence);

CREATE TABLE suspensions (
	provider TEXT PRIMARY KEY,
	reason   TEXT NOT NULL,
	until    INTEGER NOT NULL
) WITHOUT ROWID;
`, `
CREATE TABLE answers (
	key     TEXT NOT NULL,
	name    TEXT NOT NULL,
	request BLOB NOT NULL,
	begun   INTEGER NOT NULL,
	status  INTEGER NOT NULL DEFAULT 0,
	header  TEXT NOT NULL DEFAULT '',
	body    BLOB NOT NULL DEFAULT x'',
	PRIMARY KEY (key, name)
);
CREATE INDEX answers_by_age ON answers (begun);
`, `
ALTER TABLE receipts ADD COLUMN transcript BLOB; -- JSON; NULL unless transcripts are kept
`, `
ALTER TABLE receipts ADD COLUMN counts BLOB; -- JSON; NULL unless they convict the receipt
`, `
ALTER TABLE receipts ADD COLUMN shown INTEGER NOT NULL DEFAULT 0; -- a false one, to the ledger
CREATE INDEX receipts_unshown ON receipts (seen) WHERE problem <> '' AND shown = 0;
`}

// migrate brings the layout up to date, one transaction a step.
func migrate(ctx context.Context, db *sql.DB) error {
	for {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		var version int
		if err := tx.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		if version >= len(schema) {
			if version > len(schema) {
				return errors.Join(ErrVersion, tx.Rollback())
			}
			return tx.Rollback()
		}
		if _, err := tx.ExecContext(ctx, schema[version]+fmt.Sprintf("PRAGMA user_version = %d;", version+1)); err != nil {
			return errors.Join(err, tx.Rollback())
		}
		if err := tx.Commit(); err != nil {
			return err
		}
	}
}

// Close finishes the writes that were taken on and closes the database.
func (s *Store) Close() error {
	close(s.stop)
	<-s.ended
	err := s.log.Close()
	close(s.done)
	return errors.Join(err, s.reader.Close(), s.writer.Close())
}

// write applies a change durably. It does not take a context: a caller must
// know whether what it is about to reveal is on disk.
func (s *Store) write(apply func(*sql.Tx) error) error { return s.enter(write{apply: apply}).Wait() }

// Flush returns when everything that was taken on before is on disk.
func (s *Store) Flush() error { return s.write(func(*sql.Tx) error { return nil }) }

// enter puts a write in line.
func (s *Store) enter(w write) Pending {
	w.result = make(chan error, 1)
	select {
	case <-s.stop:
		w.result <- ErrClosed
		return Pending{s, w.result}
	default:
	}
	select {
	case s.queue <- w:
	case <-s.done:
	}
	return Pending{s, w.result}
}

// loop commits what is waiting, again and again.
func (s *Store) loop() {
	defer close(s.ended)
	for {
		select {
		case w := <-s.queue:
			s.commit(s.gather(w))
		case <-s.stop:
			for {
				select {
				case w := <-s.queue:
					s.commit(s.gather(w))
				default:
					return
				}
			}
		}
	}
}

// pace is the time from one commit to the next. An answer waits for none, and each
// costs the more the fewer writes share it.
const pace = 2 * time.Millisecond

// gather takes what else is waiting when the next commit may be.
func (s *Store) gather(first write) []write {
	time.Sleep(time.Until(s.next))
	s.next = time.Now().Add(pace)
	writes := []write{first}
	for len(writes) < batch {
		select {
		case w := <-s.queue:
			writes = append(writes, w)
		default:
			return writes
		}
	}
	return writes
}

// commit runs writes in one transaction. If that fails, each is tried alone, so
// that one caller's impossible change is not another's failure.
func (s *Store) commit(writes []write) {
	err := s.transact(writes)
	if err != nil && len(writes) > 1 {
		for _, w := range writes {
			s.settle([]write{w}, s.transact([]write{w}))
		}
		return
	}
	s.settle(writes, err)
}

// settle tells those whose writes were tried together. What is not progress waits
// for the disk.
func (s *Store) settle(writes []write, err error) {
	var waiting []write
	for _, w := range writes {
		if err != nil || w.progress != nil {
			w.result <- err
		} else {
			waiting = append(waiting, w)
		}
	}
	if len(waiting) == 0 {
		s.log.Soon()
		return
	}
	s.log.Then(func(err error) {
		if err != nil {
			err = fmt.Errorf("writing to the gateway's database: %w", err)
		}
		for _, w := range waiting {
			w.result <- err
		}
	})
}

func (s *Store) transact(writes []write) error {
	if err := s.log.Err(); err != nil {
		return fmt.Errorf("the disk of the gateway's database failed: %w", err)
	}
	tx, err := s.writer.Begin()
	if err != nil {
		return fmt.Errorf("writing to the gateway's database: %w", err)
	}
	sum := newProgressSum()
	for _, w := range writes {
		if w.progress != nil {
			sum.add(*w.progress)
		} else if err := w.apply(tx); err != nil {
			return errors.Join(err, tx.Rollback())
		}
	}
	if err := s.saving.apply(tx, sum); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	if err := tx.Commit(); err != nil {
		return fmt.Errorf("writing to the gateway's database: %w", err)
	}
	return nil
}

// amount converts to what SQLite can hold.
func amount(v uint64) (int64, error) {
	if v > math.MaxInt64 {
		return 0, fmt.Errorf("%w: %d", ErrAmount, v)
	}
	return int64(v), nil
}

// Lock holds a home directory for one gateway until it is closed or its
// process ends, however it ends.
type Lock struct{ db *sql.DB }

// Acquire takes the lock at path, or fails with [ErrInUse]. The lock is an open
// exclusive transaction on a database of its own, which every system that runs
// SQLite releases when the process dies.
func Acquire(ctx context.Context, path string) (*Lock, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("locking the gateway's home: %w", err)
	}
	dsn := url.URL{Scheme: "file", Path: path}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("locking the gateway's home: %w", err)
	}
	db.SetMaxOpenConns(1)
	if _, err := db.ExecContext(ctx, "BEGIN EXCLUSIVE"); err != nil {
		return nil, errors.Join(fmt.Errorf("%w (%v)", ErrInUse, err), db.Close())
	}
	return &Lock{db}, nil
}

// Close releases the lock.
func (l *Lock) Close() error { return l.db.Close() }
