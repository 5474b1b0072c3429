package gateway

import (
	"fmt"
	"testing"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/receipt"
)

// Names, versions, tags and digests find what they mean, and what is a draft or
// withdrawn is not found.
func TestModelsAreFoundByTheirNames(t *testing.T) {
	digest := func(name string) string { return receipt.Sum([]byte(name)).String() }
	var versions []modelv1.Version
	for i, status := range []modelv1.Status{1, 2, 3, 2, 4} {
		number := fmt.Sprint(i)
		versions = append(versions, modelv1.Version{Digest: digest(number), Name: "@ada/bard", Version: number, Status: status, CreatedAt: int64(i)})
	}
	m := newMarket(versions, []modelv1.Tag{
		{Model: "@ada/bard", Tag: "latest", Digest: digest("1")}, {Model: "@ada/bard", Tag: "gone", Digest: digest("4")},
		{Model: "@ada/bard", Tag: "old", Digest: digest("2")},
	})
	offered := func(numbers ...string) {
		for _, v := range m.versions {
			v.offers = nil
			for _, n := range numbers {
				if v.Version.Version == n {
					v.offers = make([]offer, 1)
				}
			}
		}
	}
	for _, c := range []struct {
		offered    []string
		name, want string
	}{
		{nil, "@ada/bard", "3"}, {nil, "@ada/bard@1", "1"}, {nil, "@ada/bard@" + digest("2"), "2"}, {nil, digest("2"), "2"},
		{nil, "@ada/bard:old", "2"}, {nil, "@ada/bard:gone", ""}, {nil, "@ada/bard@0", ""}, {nil, digest("4"), ""}, {nil, "bard", ""}, {nil, "@ada", ""},
		{[]string{"1", "2", "3"}, "@ada/bard", "1"}, // as it is tagged so
		{[]string{"2", "3"}, "@ada/bard", "3"}, {[]string{"2"}, "@ada/bard", "2"},
	} {
		offered(c.offered...)
		got := ""
		if v := m.find(c.name); v != nil {
			got = v.Version.Version
		}
		if got != c.want {
			t.Errorf("with offers of %v, %s is version %q, not %q", c.offered, c.name, got, c.want)
		}
	}
}
