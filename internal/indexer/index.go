package indexer

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	_ "modernc.org/sqlite" // the driver
)

// Errors of opening and following.
var (
	// ErrOtherLedger says that the tables are of another ledger.
	ErrOtherLedger = errors.New("the index is of another ledger")
)

// Index is the tables. Any number may read while one follows the ledger.
type Index struct {
	path   string
	writer *sql.DB // one connection, of Follow alone
	reader *sql.DB
	moved  *broadcast // tells readers of new blocks
}

// Open opens the tables of a file, new or as they were left. Tables of an older
// layout are emptied, to be filled again.
func Open(ctx context.Context, path string) (*Index, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("cannot make the index's folder: %w", err)
	}
	x := &Index{path: path, moved: newBroadcast()}
	var err error
	// What a crash loses is read again: no flush is waited for.
	if x.writer, err = connect(path, "&_txlock=immediate&_pragma=synchronous(NORMAL)&_pragma=cache_size(-65536)"); err != nil {
		return nil, err
	}
	x.writer.SetMaxOpenConns(1)
	if err := x.prepare(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("preparing %s: %w", path, err), x.writer.Close())
	}
	if x.reader, err = connect(path, "&_pragma=query_only(1)&_pragma=cache_size(-16384)"); err != nil {
		return nil, errors.Join(err, x.writer.Close())
	}
	x.reader.SetMaxOpenConns(8)
	return x, nil
}

// connect opens the file; more are pragmas. The writer's cache of 64 MiB holds what a
// few thousand transactions touch, so that their pages are not written in between.
func connect(path, more string) (*sql.DB, error) {
	path, err := filepath.Abs(path) // of a relative one a URL would take the first folder for a host
	if err != nil {
		return nil, fmt.Errorf("opening the index: %w", err)
	}
	dsn := url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)" + more}
	db, err := sql.Open("sqlite", dsn.String())
	if err != nil {
		return nil, fmt.Errorf("opening the index: %w", err)
	}
	return db, nil
}

// prepare makes the tables if they are not there, or are of another layout.
func (x *Index) prepare(ctx context.Context) error {
	var version int
	if err := x.writer.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return err
	}
	if version == layout {
		return nil
	}
	return x.reset(ctx)
}

// reset empties the index.
func (x *Index) reset(ctx context.Context) error {
	tx, err := x.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	tables, err := column(ctx, tx, `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`)
	if err != nil {
		return err
	}
	for _, name := range tables {
		if _, err := tx.ExecContext(ctx, `DROP TABLE "`+name+`"`); err != nil {
			return err
		}
	}
	if _, err := tx.ExecContext(ctx, schema+sums+fmt.Sprintf("PRAGMA user_version = %d;", layout)); err != nil {
		return err
	}
	return tx.Commit()
}

// Close closes the tables. Nobody may follow any more.
func (x *Index) Close() error { return errors.Join(x.reader.Close(), x.writer.Close()) }

// Height is that of the last block in the tables; 0 for none.
func (x *Index) Height(ctx context.Context) (int64, error) {
	var height sql.NullInt64
	err := x.reader.QueryRowContext(ctx, `SELECT height FROM source`).Scan(&height)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil
	}
	return height.Int64, err
}

// Moved is closed when the tables have a block that they do not have now.
func (x *Index) Moved() <-chan struct{} { return x.moved.next() }

// Follow brings the tables up to the ledger and keeps them there until ctx ends,
// which is no error. A node that does not answer is asked again.
func (x *Index) Follow(ctx context.Context, l Ledger, every time.Duration, log *slog.Logger) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	failing := false
	for {
		err := x.CatchUp(ctx, l, nil)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrOtherLedger):
			return err
		case err != nil && !failing:
			log.Warn("the index cannot follow the ledger for now", "error", err)
		}
		failing = err != nil
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// stride is how many blocks are read, and written, at once.
const stride = 64

// CatchUp reads the blocks that the tables lack. Progress, if not nil, is told
// how far it is.
func (x *Index) CatchUp(ctx context.Context, l Ledger, progress func(height, latest int64)) error {
	have, err := x.claim(ctx, l.ChainID())
	if err != nil {
		return err
	}
	latest, err := l.Height(ctx)
	if err != nil {
		return err
	}
	if latest < have {
		return fmt.Errorf("%w: it has block %d, the node only %d: is the ledger new? make the index again with 'koinon index rebuild'", ErrOtherLedger, have, latest)
	}
	for have < latest {
		blocks, err := read(ctx, l, have+1, min(have+stride, latest))
		if err != nil {
			return err
		}
		if err := x.add(ctx, blocks); err != nil {
			return err
		}
		have += int64(len(blocks))
		if progress != nil {
			progress(have, latest)
		}
	}
	return nil
}

// Rebuild empties the tables and makes them again from the first block.
func (x *Index) Rebuild(ctx context.Context, l Ledger, progress func(height, latest int64)) error {
	if err := x.reset(ctx); err != nil {
		return fmt.Errorf("emptying the index: %w", err)
	}
	return x.CatchUp(ctx, l, progress)
}

// claim says how far the tables are; new ones become this ledger's.
func (x *Index) claim(ctx context.Context, chainID string) (height int64, err error) {
	var of string
	err = x.writer.QueryRowContext(ctx, `SELECT chain_id, height FROM source`).Scan(&of, &height)
	if errors.Is(err, sql.ErrNoRows) {
		_, err = x.writer.ExecContext(ctx, `INSERT INTO source (chain_id, height) VALUES (?, 0)`, chainID)
		return 0, err
	}
	if err == nil && of != chainID {
		err = fmt.Errorf("%w: %s, not %s: give another --index, or make it again with 'koinon index rebuild'", ErrOtherLedger, of, chainID)
	}
	return height, err
}

// read reads blocks, a few at a time.
func read(ctx context.Context, l Ledger, from, to int64) ([]Block, error) {
	blocks := make([]Block, to-from+1)
	var group errgroup.Group
	group.SetLimit(4)
	for i := range blocks {
		group.Go(func() (err error) {
			blocks[i], err = l.Block(ctx, from+int64(i))
			return err
		})
	}
	return blocks, group.Wait()
}

// add writes blocks, all or none.
func (x *Index) add(ctx context.Context, blocks []Block) error {
	tx, err := x.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	w := &writer{ctx: ctx, tx: tx, prepared: map[string]*sql.Stmt{}}
	for _, b := range blocks {
		w.block(b)
	}
	w.exec(`UPDATE source SET height = ?`, blocks[len(blocks)-1].Height)
	if w.err != nil {
		return fmt.Errorf("indexing blocks %d to %d: %w", blocks[0].Height, blocks[len(blocks)-1].Height, w.err)
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	x.moved.tell()
	return nil
}
