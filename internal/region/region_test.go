package region

import "testing"

func TestValid(t *testing.T) {
	for _, name := range []string{"DE", "US-CA", "FR-75", "GB-ENG", "AT-9"} {
		if !Valid(name) || len(name) > MaxBytes {
			t.Errorf("%q is a region", name)
		}
	}
	for _, name := range []string{"", "D", "de", "DEU", "US-", "US-CALI", "US-ca", "US_CA", "U-S", "1A", "US-C A", "ÄÖ"} {
		if Valid(name) {
			t.Errorf("%q is no region", name)
		}
	}
}

func TestWithin(t *testing.T) {
	for _, c := range []struct {
		name, whole string
		want        bool
	}{{"US-CA", "US", true}, {"US", "US", true}, {"US", "US-CA", false}, {"USA", "US", false}, {"", "US", false}} {
		if got := Within(c.name, c.whole); got != c.want {
			t.Errorf("Within(%q, %q) is %v", c.name, c.whole, got)
		}
	}
}
