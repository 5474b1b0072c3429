package access_test

import (
	"errors"
	"math"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/mechanism/access"
	"github.com/koinon/koinon/internal/mechanism/split"
)

// Over any history of grants that open and close, a token's calls are left, set
// aside or used and are never more than were sold; none is admitted after its end;
// and one that is in use stays with its holder.
func TestCallsAreCounted(t *testing.T) {
	type grant struct{ calls uint64 }
	rapid.Check(t, func(t *rapid.T) {
		terms := access.Terms{
			Calls: rapid.Uint64Range(0, 20).Draw(t, "calls"), Seconds: rapid.Int64Range(0, 50).Draw(t, "seconds"),
			Transferable: rapid.Bool().Draw(t, "transferable"),
		}
		token := access.New("@ada/bard", "ada", terms, 1000)
		var open []grant
		var used uint64
		now := int64(1000)
		t.Repeat(map[string]func(*rapid.T){
			"open": func(t *rapid.T) {
				g := grant{calls: rapid.Uint64Range(0, 8).Draw(t, "of")}
				next, err := access.Admit(access.Policy{Gated: true}, &token, access.Request{Model: "@ada/bard", Payer: token.Holder, Right: access.Right(1), Calls: g.calls}, now)
				if terms.Seconds > 0 && now >= 1000+terms.Seconds {
					if !errors.Is(err, access.ErrEnded) {
						t.Fatalf("after its end: %v", err)
					}
					return
				}
				if terms.Calls > 0 && (g.calls == 0 || g.calls > token.Left) {
					if !errors.Is(err, access.ErrUnbound) && !errors.Is(err, access.ErrCalls) {
						t.Fatalf("%d of %d: %v", g.calls, token.Left, err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				token, open = *next, append(open, g)
			},
			"close": func(t *rapid.T) {
				if len(open) == 0 {
					t.Skip("none is open")
				}
				made := rapid.Uint64Range(0, 10).Draw(t, "made")
				next, counted := access.Settle(token, open[0].calls, made)
				if terms.Calls > 0 {
					used += min(made, open[0].calls)
				}
				if next.Used != used || terms.Calls > 0 && counted != min(made, open[0].calls) {
					t.Fatalf("%+v used %d, not %d", next, counted, used)
				}
				token, open = next, open[1:]
			},
			"give": func(t *rapid.T) {
				next, err := access.Transfer(token, token.Holder, "bob", now)
				if err == nil && (len(open) > 0 || !terms.Transferable) {
					t.Fatal("a token that cannot be transferred was")
				}
				token = next
			},
			"wait": func(t *rapid.T) { now += rapid.Int64Range(0, 20).Draw(t, "wait") },
			"": func(t *rapid.T) {
				if token.Left+token.Reserved+token.Used != terms.Calls || token.Grants != uint64(len(open)) {
					t.Fatalf("%+v of %d calls, %d grants", token, terms.Calls, len(open))
				}
			},
		})
	})
}

func TestWhoIsAdmitted(t *testing.T) {
	gated := access.Policy{Gated: true, Accounts: []string{"ada", "bob"}}
	token := access.New("@ada", "cid", access.Terms{}, 0)
	metered := access.New("@ada/bard", "cid", access.Terms{Calls: 2}, 0)
	for _, c := range []struct {
		name   string
		policy access.Policy
		token  *access.Token
		r      access.Request
		want   error
	}{
		{"open to all", access.Policy{}, nil, access.Request{Model: "@ada/bard", Payer: "eve"}, nil},
		{"no right", gated, nil, access.Request{Model: "@ada/bard", Payer: "ada"}, access.ErrGated},
		{"listed", gated, nil, access.Request{Model: "@ada/bard", Payer: "bob", Right: access.Listed}, nil},
		{"not listed", gated, nil, access.Request{Model: "@ada/bard", Payer: "eve", Right: access.Listed}, access.ErrListed},
		{"no such token", gated, nil, access.Request{Model: "@ada/bard", Payer: "cid", Right: access.Right(9)}, access.ErrRight},
		{"a namespace's token", gated, &token, access.Request{Model: "@ada/bard", Payer: "cid", Right: access.Right(1)}, nil},
		{"another's token", gated, &token, access.Request{Model: "@ada/bard", Payer: "eve", Right: access.Right(1)}, access.ErrHolder},
		{"another namespace", gated, &token, access.Request{Model: "@adam/bard", Payer: "cid", Right: access.Right(1)}, access.ErrScope},
		{"no namespace", gated, &token, access.Request{Model: "ada", Payer: "cid", Right: access.Right(1)}, access.ErrScope},
		{"all calls", gated, &metered, access.Request{Model: "@ada/bard", Payer: "cid", Right: access.Right(2), Calls: 2}, nil},
		{"more calls", gated, &metered, access.Request{Model: "@ada/bard", Payer: "cid", Right: access.Right(2), Calls: 3}, access.ErrCalls},
		{"any number", gated, &metered, access.Request{Model: "@ada/bard", Payer: "cid", Right: access.Right(2)}, access.ErrUnbound},
	} {
		if _, err := access.Admit(c.policy, c.token, c.r, 1); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestRights(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.Uint64().Draw(t, "id")
		if got, ok, err := access.TokenOf(access.Right(id)); got != id || !ok || err != nil {
			t.Fatalf("%d, %v, %v", got, ok, err)
		}
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`token/[+0-9 ]{0,4}`)).Draw(t, "text")
		if got, ok, err := access.TokenOf(text); ok && (err != nil || access.Right(got) != text) {
			t.Fatalf("%q is %d, %v", text, got, err)
		}
	})
	for _, p := range []access.Policy{{Accounts: []string{"a"}}, {Gated: true, Accounts: []string{"b", "a"}}, {Gated: true, Accounts: []string{"a", "a"}}, {Gated: true, Accounts: make([]string, access.MaxAccounts+1)}} {
		if p.Validate() == nil {
			t.Errorf("%v is valid", p.Accounts)
		}
	}
	if (access.Terms{Calls: math.MaxUint64}).Validate() == nil || (access.Terms{Seconds: -1}).Validate() == nil {
		t.Error("terms out of range are valid")
	}
}

// What a token costs is divided to the last micro-credit, and parents have the
// same part of it that they have of an answer.
func TestSalesAreDivided(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rest := uint32(split.Whole)
		take := func(name string) uint32 {
			part := rapid.Uint32Range(0, rest).Draw(t, name)
			rest -= part
			return part
		}
		p := split.Policy{ProviderBps: take("provider"), AppBps: take("app"), CuratorsBps: take("curators")}
		if own := take("own"); own > 0 {
			p.Royalties = append(p.Royalties, split.Share{Recipient: "@ada/bard", Bps: own})
		}
		parent := take("parent")
		if parent > 0 {
			p.Royalties = append(p.Royalties, split.Share{Recipient: "elder", Bps: parent})
		}
		p.TreasuryBps = rest
		amount := rapid.Uint64Range(0, 1<<50).Draw(t, "amount")
		parts, err := split.Split(amount, access.Sale(p, "@ada/bard"), split.Parties{Treasury: "treasury"})
		if err != nil {
			t.Fatal(err)
		}
		var sum, elder uint64
		for _, part := range parts {
			sum += part.Amount
			if part.Recipient == "elder" {
				elder += part.Amount
			}
			if part.Recipient == "" {
				t.Fatalf("nobody has %+v", part)
			}
		}
		if sum != amount || elder != amount*uint64(parent)/split.Whole {
			t.Fatalf("%d of %d, the parent has %d", sum, amount, elder)
		}
	})
}
