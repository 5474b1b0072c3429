package bank

import (
	"flag"
	"os"
	"testing"
)

// TestMain has fewer random histories tried than elsewhere: each keeps its books
// on disk. -rapid.checks asks for more.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "25"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
