package split

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// anyPolicy draws a valid policy.
func anyPolicy(t *rapid.T) Policy {
	rest := uint32(Whole)
	take := func(name string) uint32 {
		part := rapid.Uint32Range(0, rest).Draw(t, name)
		rest -= part
		return part
	}
	p := Policy{ProviderBps: take("provider"), AppBps: take("app"), CuratorsBps: take("curators")}
	if part := take("owner"); part > 0 {
		p.Owners = append(p.Owners, Share{"owner", part})
	}
	if part := take("royalty"); part > 0 {
		p.Royalties = append(p.Royalties, Share{"@ada/bard", part})
	}
	if part := take("data"); part > 0 {
		p.Data = append(p.Data, Share{"data", part})
	}
	p.TreasuryBps = rest
	return p
}

// Every split sums to the whole, whatever the amount (design, section 4).
func TestSplitSumsToTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		amount := rapid.Uint64().Draw(t, "amount")
		app := rapid.SampledFrom([]string{"", "app"}).Draw(t, "app")
		p := anyPolicy(t)
		parts, err := Split(amount, p, Parties{"provider", app, "treasury", "sha256:m"})
		if err != nil {
			t.Fatal(err)
		}
		var sum uint64
		for _, part := range parts {
			if part.Amount == 0 || part.Recipient == "" {
				t.Fatalf("an empty part: %+v", part)
			}
			sum += part.Amount
		}
		if sum != amount {
			t.Fatalf("parts of %d sum to %d", amount, sum)
		}
	})
}

func TestTheRemainderGoesToTheTreasury(t *testing.T) {
	p := Policy{ProviderBps: 8000, AppBps: 300, TreasuryBps: 500, Owners: []Share{{"ada", 1200}}}
	parts, err := Split(101, p, Parties{"prov", "app", "treasury", "sha256:m"})
	if err != nil {
		t.Fatal(err)
	}
	want := []Part{{Provider, "prov", 80}, {Owner, "ada", 12}, {App, "app", 3}, {Treasury, "treasury", 6}}
	if len(parts) != len(want) {
		t.Fatalf("got %v, want %v", parts, want)
	}
	for i := range want {
		if parts[i] != want[i] {
			t.Errorf("got %v, want %v", parts[i], want[i])
		}
	}
	parts, err = Split(101, p, Parties{"prov", "", "treasury", "sha256:m"})
	if err != nil {
		t.Fatal(err)
	}
	if last := parts[len(parts)-1]; last != (Part{Treasury, "treasury", 9}) {
		t.Errorf("without an app the treasury has %v, want 9", last)
	}
}

// Curators of the model, the provider and the app have the same part each; what
// does not divide is the treasury's.
func TestCuratorsAreListings(t *testing.T) {
	p := Policy{ProviderBps: 9000, TreasuryBps: 500, CuratorsBps: 500}
	for app, want := range map[string][]Part{
		"app": {{Provider, "prov", 900}, {Curators, "model/sha256:m", 16}, {Curators, "provider/prov", 16}, {Curators, "app/app", 16}, {Treasury, "treasury", 52}},
		"":    {{Provider, "prov", 900}, {Curators, "model/sha256:m", 25}, {Curators, "provider/prov", 25}, {Treasury, "treasury", 50}},
	} {
		parts, err := Split(1000, p, Parties{"prov", app, "treasury", "sha256:m"})
		if err != nil || !slices.Equal(parts, want) {
			t.Errorf("app %q: %v, want %v; %v", app, parts, want, err)
		}
	}
}

func TestPolicyRefusals(t *testing.T) {
	many := Policy{}
	for range MaxShares + 1 {
		many.Owners = append(many.Owners, Share{"x", 1})
	}
	for name, c := range map[string]struct {
		policy Policy
		want   error
	}{
		"too little": {Policy{ProviderBps: 9999}, ErrSum},
		"too much":   {Policy{ProviderBps: 10_001}, ErrSum},
		"wrapping":   {Policy{ProviderBps: 1<<32 - 1, AppBps: 10_001}, ErrSum},
		"nobody":     {Policy{ProviderBps: 9000, Owners: []Share{{"", 1000}}}, ErrShare},
		"nothing":    {Policy{ProviderBps: 10_000, Owners: []Share{{"ada", 0}}}, ErrShare},
		"twice":      {Policy{ProviderBps: 8000, Owners: []Share{{"ada", 1000}, {"ada", 1000}}}, ErrTwice},
		"too many":   {many, ErrShares},
	} {
		if err := c.policy.Validate(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
