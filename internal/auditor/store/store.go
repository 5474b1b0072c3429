// Package store is an auditor's memory: what it bought, what it found, what it
// committed to. SQLite, one process, each write on disk when it returns.
package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/koinon/koinon/internal/auditor/bench"
	"github.com/koinon/koinon/internal/proof"
	"github.com/koinon/koinon/receipt"
)

// schema, version 1. A purchase is bought, then checked, then told to the
// ledger; a ballot is written once.
const schema = `
CREATE TABLE IF NOT EXISTS purchases (
	receipt    BLOB PRIMARY KEY,
	provider   TEXT NOT NULL,
	epoch      INTEGER NOT NULL,
	bought     INTEGER NOT NULL,
	record     TEXT NOT NULL,
	finding    TEXT,
	reported   INTEGER NOT NULL DEFAULT 0,
	disputed   INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS purchases_open ON purchases (reported, disputed);
CREATE TABLE IF NOT EXISTS ballots (
	case_id INTEGER NOT NULL,
	stage   INTEGER NOT NULL,
	ballot  TEXT NOT NULL,
	PRIMARY KEY (case_id, stage)
) STRICT, WITHOUT ROWID;
PRAGMA user_version = 1;
`

// Store is an auditor's database. It is safe for concurrent use.
type Store struct {
	db   *sql.DB
	lock *os.File
}

// Purchase is an answer that the auditor bought.
type Purchase struct {
	receipt.Record
	Provider string
	Epoch    uint64
	Bought   time.Time
	Finding  *proof.Finding // nil before it is checked
	Reported bool           // to the ledger
	Disputed bool           // a case is open, or was
}

// Open opens or creates the database in a folder, which no other process may
// have open.
func Open(home string) (*Store, error) {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return nil, fmt.Errorf("creating the auditor's home: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(home, "auditor.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the auditor's lock: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		return nil, fmt.Errorf("another process uses the auditor's home %s: stop it, or choose another home: %w", home, err)
	}
	db, err := sql.Open("sqlite", "file:"+filepath.Join(home, "auditor.db")+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=busy_timeout(10000)&_txlock=immediate")
	if err == nil {
		db.SetMaxOpenConns(1)
		_, err = db.Exec(schema)
	}
	if err != nil {
		lock.Close()
		return nil, fmt.Errorf("opening the auditor's database in %s: %w", home, err)
	}
	return &Store{db: db, lock: lock}, nil
}

// Read opens an auditor's database to look at it, though it may be at work.
func Read(home string) (*Store, error) {
	file := filepath.Join(home, "auditor.db")
	if _, err := os.Stat(file); err != nil {
		return nil, fmt.Errorf("opening the auditor's database: %w", err)
	}
	db, err := sql.Open("sqlite", "file:"+file+"?mode=ro&_pragma=busy_timeout(10000)")
	if err != nil {
		return nil, fmt.Errorf("opening the auditor's database in %s: %w", home, err)
	}
	return &Store{db: db}, nil
}

// Close releases the database.
func (s *Store) Close() error {
	if s.lock == nil {
		return s.db.Close()
	}
	return errors.Join(s.db.Close(), s.lock.Close())
}

// Keep writes a purchase before anything is done about it.
func (s *Store) Keep(ctx context.Context, p Purchase) error {
	record, err := json.Marshal(p.Record)
	if err != nil {
		return fmt.Errorf("encoding a purchase: %w", err)
	}
	hash := p.Receipt.Hash()
	_, err = s.db.ExecContext(ctx, `INSERT OR IGNORE INTO purchases (receipt, provider, epoch, bought, record) VALUES (?, ?, ?, ?, ?)`,
		hash[:], p.Provider, int64(p.Epoch), p.Bought.Unix(), string(record))
	return wrap("keeping a purchase", err)
}

// Found writes what a check of a purchase came to.
func (s *Store) Found(ctx context.Context, hash receipt.Digest, f proof.Finding) error {
	finding, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("encoding a finding: %w", err)
	}
	_, err = s.db.ExecContext(ctx, `UPDATE purchases SET finding = ? WHERE receipt = ?`, string(finding), hash[:])
	return wrap("keeping a finding", err)
}

// Told notes that the ledger knows of a purchase: reported, disputed, or both.
func (s *Store) Told(ctx context.Context, hash receipt.Digest, reported, disputed bool) error {
	_, err := s.db.ExecContext(ctx, `UPDATE purchases SET reported = reported OR ?, disputed = disputed OR ? WHERE receipt = ?`, reported, disputed, hash[:])
	return wrap("keeping what was told", err)
}

// Purchases lists those that satisfy a state, oldest first.
func (s *Store) Purchases(ctx context.Context, which Which) ([]Purchase, error) {
	rows, err := s.db.QueryContext(ctx, `SELECT provider, epoch, bought, record, finding, reported, disputed FROM purchases WHERE `+string(which)+` ORDER BY bought, receipt`)
	if err != nil {
		return nil, wrap("reading purchases", err)
	}
	defer rows.Close()
	var list []Purchase
	for rows.Next() {
		var p Purchase
		var bought int64
		var record string
		var finding sql.NullString
		if err := rows.Scan(&p.Provider, &p.Epoch, &bought, &record, &finding, &p.Reported, &p.Disputed); err != nil {
			return nil, wrap("reading purchases", err)
		}
		p.Bought = time.Unix(bought, 0)
		if err := json.Unmarshal([]byte(record), &p.Record); err != nil {
			return nil, wrap("reading a purchase", err)
		}
		if finding.Valid {
			p.Finding = new(proof.Finding)
			if err := json.Unmarshal([]byte(finding.String), p.Finding); err != nil {
				return nil, wrap("reading a finding", err)
			}
		}
		list = append(list, p)
	}
	return list, wrap("reading purchases", rows.Err())
}

// Which purchases are wanted.
type Which string

// What [Store.Purchases] lists.
const (
	All        Which = `TRUE`
	Unchecked  Which = `finding IS NULL`
	Unreported Which = `finding IS NOT NULL AND NOT reported`
)

// Bought says how often the auditor bought of a provider in an epoch.
func (s *Store) Bought(ctx context.Context, epoch uint64, provider string) (int, error) {
	var n int
	err := s.db.QueryRowContext(ctx, `SELECT COUNT(*) FROM purchases WHERE epoch = ? AND provider = ?`, int64(epoch), provider).Scan(&n)
	return n, wrap("counting purchases", err)
}

// Transcript implements [bench.Store].
func (s *Store) Transcript(ctx context.Context, r receipt.Receipt) (receipt.Transcript, bool, error) {
	hash := r.Hash()
	var text string
	err := s.db.QueryRowContext(ctx, `SELECT record FROM purchases WHERE receipt = ?`, hash[:]).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return receipt.Transcript{}, false, nil
	}
	var record receipt.Record
	if err == nil {
		err = json.Unmarshal([]byte(text), &record)
	}
	if err != nil || record.Transcript == nil {
		return receipt.Transcript{}, false, wrap("reading a transcript", err)
	}
	return *record.Transcript, true, nil
}

// Ballot implements [bench.Store].
func (s *Store) Ballot(ctx context.Context, id uint64, stage uint32) (b bench.Ballot, ok bool, err error) {
	var text string
	err = s.db.QueryRowContext(ctx, `SELECT ballot FROM ballots WHERE case_id = ? AND stage = ?`, int64(id), stage).Scan(&text)
	if errors.Is(err, sql.ErrNoRows) {
		return b, false, nil
	}
	if err == nil {
		err = json.Unmarshal([]byte(text), &b)
	}
	return b, err == nil, wrap("reading a ballot", err)
}

// KeepBallot implements [bench.Store].
func (s *Store) KeepBallot(ctx context.Context, id uint64, stage uint32, b bench.Ballot) error {
	text, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("encoding a ballot: %w", err)
	}
	_, err = s.db.ExecContext(ctx, `INSERT OR IGNORE INTO ballots (case_id, stage, ballot) VALUES (?, ?, ?)`, int64(id), stage, string(text))
	return wrap("keeping a ballot", err)
}

func wrap(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", what, err)
}
