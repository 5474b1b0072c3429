package conduct_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/mechanism/conduct"
)

// Two conducts that differ have digests that differ, also where their texts are
// joined alike.
func TestDigestsTellConductsApart(t *testing.T) {
	draw := rapid.Custom(func(t *rapid.T) conduct.Conduct {
		names := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{1,3}`), 0, 3, rapid.ID[string]).Draw(t, "filters")
		slices.Sort(names)
		return conduct.Conduct{SystemPrompt: rapid.StringMatching(`[ab\n]{0,3}`).Draw(t, "prompt"), Filters: names}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		if err := a.Validate(); err != nil {
			t.Fatal(err)
		}
		same := a.SystemPrompt == b.SystemPrompt && slices.Equal(a.Filters, b.Filters)
		if same != (a.Digest() == b.Digest()) || a.IsZero() != a.Digest().IsZero() || a.IsZero() != (a.Text() == "") {
			t.Fatalf("%+v and %+v: %s and %s", a, b, a.Digest(), b.Digest())
		}
	})
}

func TestConductsThatAreNone(t *testing.T) {
	for name, c := range map[string]conduct.Conduct{
		"long":       {SystemPrompt: strings.Repeat("x", conduct.MaxPrompt+1)},
		"no text":    {SystemPrompt: "a\xff"},
		"a zero":     {SystemPrompt: "a\x00b"},
		"order":      {Filters: []string{"b", "a"}},
		"twice":      {Filters: []string{"a", "a"}},
		"upper case": {Filters: []string{"A"}},
		"too many":   {Filters: make([]string, conduct.MaxFilters+1)},
	} {
		if err := c.Validate(); !errors.Is(err, conduct.ErrConduct) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
