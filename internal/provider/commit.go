package provider

import (
	"database/sql"
	"errors"
	"fmt"

	"github.com/koinon/koinon/receipt"
)

// write is one change and the channel that learns when it is safe.
type write struct {
	query string
	args  []any
	// only names what is written anew each time: of several writes in one
	// transaction the last one counts. Empty for a write that stands by itself.
	only string
	// kept is for a write that a killed process must not lose: it is done once the
	// system has it. Others are done once they are on disk, and survive a loss of
	// power, too. docs/adr/0020 says which is which, and why.
	kept bool
	done chan<- error
}

// Close waits for writes under way.
func (s *store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.writes)
	s.mu.Unlock()
	<-s.done
	return errors.Join(s.log.Close(), s.writing.Close(), s.db.Close(), s.lock.Close())
}

// fail ends the store's work with the first error.
func (s *store) fail(err error) error {
	if err == nil {
		return nil
	}
	s.failing.Do(func() {
		s.failure = fmt.Errorf("%w: %w", ErrStore, err)
		close(s.failed)
	})
	return s.failure
}

// broken is why nothing more is written, or nil.
func (s *store) broken() error {
	select {
	case <-s.failed:
		return s.failure
	default:
		return nil
	}
}

// writer commits changes in the order in which they were queued: those that come
// while it commits go together into the next transaction.
func (s *store) writer() {
	defer close(s.done)
	for first := range s.writes {
		batch := gather(first, s.writes)
		err := s.broken()
		if err == nil {
			err = s.fail(s.log.Err())
		}
		if err == nil {
			err = s.fail(s.commit(batch))
		}
		var waiting []write
		for _, w := range batch {
			if w.kept || err != nil {
				w.done <- err
			} else {
				waiting = append(waiting, w)
			}
		}
		if len(waiting) == 0 {
			s.log.Soon()
			continue
		}
		s.log.Then(func(err error) {
			err = s.fail(err)
			for _, w := range waiting {
				w.done <- err
			}
		})
	}
}

// gather takes what else is waiting, without waiting for more.
func gather(first write, from <-chan write) []write {
	batch := append(make([]write, 0, 64), first)
	for len(batch) < 512 {
		select {
		case w, ok := <-from:
			if !ok {
				return batch
			}
			batch = append(batch, w)
		default:
			return batch
		}
	}
	return batch
}

func (s *store) commit(batch []write) error {
	last := map[string]int{}
	for i, w := range batch {
		last[w.only] = i
		// Before the transaction, which takes the only connection.
		if _, err := s.statement(w.query); err != nil {
			return err
		}
	}
	tx, err := s.writing.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	for i, w := range batch {
		if w.only != "" && last[w.only] > i {
			continue
		}
		if _, err := tx.Stmt(s.statements[w.query]).Exec(w.args...); err != nil {
			return err
		}
	}
	return tx.Commit()
}

// statement parses a query once. Only the writer calls it.
func (s *store) statement(query string) (*sql.Stmt, error) {
	if known := s.statements[query]; known != nil {
		return known, nil
	}
	made, err := s.writing.Prepare(query)
	if err == nil {
		s.statements[query] = made
	}
	return made, err
}

// queue puts a change in line and returns what to wait on. Changes of one grant
// are queued under its lock, so that they reach the disk in their order.
func (s *store) queue(w write) <-chan error {
	done := make(chan error, 1)
	w.done = done
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		done <- fmt.Errorf("%w: it is closed", ErrStore)
		return done
	}
	s.writes <- w
	return done
}

func (s *store) exec(query string, args ...any) <-chan error {
	return s.queue(write{query: query, args: args})
}

// latest is a write of a part of a grant that is written anew each time.
func latest(part string, id receipt.Digest, query string, args ...any) write {
	return write{query: query, args: args, only: part + string(id[:])}
}

// onlyKept is the write as one that need not wait for the disk.
func (w write) onlyKept() write {
	w.kept = true
	return w
}
