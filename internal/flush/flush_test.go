package flush_test

import (
	"database/sql"
	"path/filepath"
	"sync/atomic"
	"testing"

	_ "modernc.org/sqlite" // the driver

	"github.com/koinon/koinon/internal/flush"
)

// Everybody who asks is answered, by the end at the latest, and nobody after it.
func TestLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "some.db")
	if _, err := flush.Open(path); err == nil {
		t.Fatal("there is no database, and yet its log")
	}
	db, err := sql.Open("sqlite", "file:"+path+"?"+flush.Pragmas)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	if _, err := db.Exec(`CREATE TABLE t (x INTEGER)`); err != nil {
		t.Fatal(err)
	}
	log, err := flush.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	var answered atomic.Int64
	const asked = 100
	for i := range asked {
		if _, err := db.Exec(`INSERT INTO t VALUES (?)`, i); err != nil {
			t.Fatal(err)
		}
		log.Then(func(err error) {
			if err != nil {
				t.Error(err)
			}
			answered.Add(1)
		})
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if n := answered.Load(); n != asked {
		t.Errorf("%d of %d were answered", n, asked)
	}
	if err := log.Err(); err != nil {
		t.Error(err)
	}
	late := make(chan error, 1)
	log.Then(func(err error) { late <- err })
	if <-late == nil {
		t.Error("a closed log flushes")
	}
}
