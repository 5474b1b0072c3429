// Package flush has a disk take what SQLite has committed, beside the commits.
//
// A process that is killed loses nothing of what it has handed to the system; a
// machine that loses power does, until the disk has it. SQLite with a write-ahead
// log and synchronous=NORMAL commits to the system alone and leaves the disk to
// its checkpoints. [Log] adds the flush that synchronous=FULL makes in each commit,
// so that only those wait for it who need it, and many share one.
package flush

import (
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Pragmas are the settings of a connection to a database whose log is flushed by
// a [Log], for the query of its data source name.
const Pragmas = "_pragma=journal_mode(WAL)&_pragma=wal_autocheckpoint(8000)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(10000)"

// Log is a database's write-ahead log. It is safe for concurrent use.
type Log struct {
	file *os.File
	done chan struct{}
	soon atomic.Bool // a flush is to come, for nobody

	mu      sync.Mutex
	more    *sync.Cond
	waiting []func(error)
	closed  bool
	err     error // of the first flush that failed, and of all after it
}

// Open finds the log of a database that a connection has open, by the path of the
// database. Close it before the last connection.
func Open(database string) (*Log, error) {
	file, err := os.OpenFile(database+"-wal", os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the write-ahead log: %w", err)
	}
	l := &Log{file: file, done: make(chan struct{})}
	l.more = sync.NewCond(&l.mu)
	go l.run()
	return l, nil
}

// Then calls a function once all that is committed now is on disk, or with why it
// never will be. It does not wait; the function must not either.
func (l *Log) Then(f func(error)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		f(os.ErrClosed)
		return
	}
	l.waiting = append(l.waiting, f)
	l.more.Signal()
}

// lag is how long what nobody waits for may be without the disk, beside the time of
// a flush. It spares a flush for each of many commits.
const lag = 10 * time.Millisecond

// Soon has all that is committed now on disk a moment later.
func (l *Log) Soon() {
	if l.soon.CompareAndSwap(false, true) {
		time.AfterFunc(lag, func() {
			l.soon.Store(false)
			l.Then(func(error) {}) // the next commit learns what Err says
		})
	}
}

// Err is why nothing is flushed any more, or nil. What the system could not write
// once it may have dropped: trying again would prove nothing.
func (l *Log) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Close waits for what was asked for.
func (l *Log) Close() error {
	l.mu.Lock()
	l.closed = true
	l.more.Signal()
	l.mu.Unlock()
	<-l.done
	return l.file.Close()
}

// run flushes for all who wait, again and again.
func (l *Log) run() {
	defer close(l.done)
	l.mu.Lock()
	defer l.mu.Unlock()
	for {
		for len(l.waiting) == 0 && !l.closed {
			l.more.Wait()
		}
		if len(l.waiting) == 0 {
			return
		}
		waiting, err := l.waiting, l.err
		l.waiting = nil
		l.mu.Unlock()
		if err == nil {
			err = l.file.Sync()
		}
		for _, f := range waiting {
			f(err)
		}
		l.mu.Lock()
		l.err = err
	}
}
