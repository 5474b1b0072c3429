package model_test

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/cosmos/cosmos-sdk/types/query"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/ledger/ledgertest"
	"github.com/koinon/koinon/internal/ledger/x/model"
	"github.com/koinon/koinon/internal/mechanism/split"
)

var (
	olga  = ledgertest.NewAccount("olga")
	rival = ledgertest.NewAccount("rival")
)

func newLedger(t *testing.T) *ledgertest.Ledger {
	return ledgertest.New(t, []ledgertest.Account{olga, rival}, nil)
}

func TestFirstToRegisterANameOwnsIt(t *testing.T) {
	l := newLedger(t)
	l.Must(olga, ledgertest.Version(olga, "bard"))
	version := func(owner ledgertest.Account, number, digest string) *modelv1.MsgRegisterVersion {
		v := ledgertest.Version(owner, "bard")
		v.Version, v.Digest = number, ledgertest.Digest(digest)
		return v
	}
	for _, c := range []struct {
		name string
		from ledgertest.Account
		msg  *modelv1.MsgRegisterVersion
		want error
	}{
		{"another's name", rival, version(rival, "2.0", "theirs"), model.ErrNameTaken},
		{"same version", olga, version(olga, "1.0", "changed"), model.ErrVersionTaken},
		{"same digest", olga, version(olga, "2.0", "bard"), model.ErrDigestTaken},
		{"same digest, another name", rival, func() *modelv1.MsgRegisterVersion {
			v := version(rival, "1.0", "bard")
			v.Name = "copy"
			return v
		}(), model.ErrDigestTaken},
	} {
		if err := l.Send(c.from, c.msg); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	l.Must(olga, version(olga, "2.0", "second"))
}

func TestMalformedVersionsAreRefused(t *testing.T) {
	l := newLedger(t)
	for _, c := range []struct {
		name   string
		change func(*modelv1.MsgRegisterVersion)
		want   error
	}{
		{"digest of another form", func(m *modelv1.MsgRegisterVersion) { m.Digest = m.Digest[7:] }, model.ErrField},
		{"digest in capitals", func(m *modelv1.MsgRegisterVersion) { m.Digest = "sha256:" + strings.ToUpper(m.Digest[7:]) }, model.ErrField},
		{"no name", func(m *modelv1.MsgRegisterVersion) { m.Name = "" }, model.ErrField},
		{"name in capitals", func(m *modelv1.MsgRegisterVersion) { m.Name = "Bard" }, model.ErrField},
		{"long name", func(m *modelv1.MsgRegisterVersion) { m.Name = strings.Repeat("b", 65) }, model.ErrField},
		{"no class", func(m *modelv1.MsgRegisterVersion) { m.Class = 0 }, model.ErrField},
		{"unknown class", func(m *modelv1.MsgRegisterVersion) { m.Class = 9 }, model.ErrField},
		{"no parameters", func(m *modelv1.MsgRegisterVersion) { m.Parameters = 0 }, model.ErrField},
		{"no context", func(m *modelv1.MsgRegisterVersion) { m.ContextLength = 0 }, model.ErrField},
		{"policy of less than the whole", func(m *modelv1.MsgRegisterVersion) { m.Policy.AppBps-- }, split.ErrSum},
		{"policy of more than the whole", func(m *modelv1.MsgRegisterVersion) { m.Policy.AppBps++ }, split.ErrSum},
		{"policy that wraps round", func(m *modelv1.MsgRegisterVersion) { m.Policy.ProviderBps += 1<<32 - 1 }, split.ErrSum},
		{"policy names one owner twice", func(m *modelv1.MsgRegisterVersion) {
			m.Policy.ProviderBps -= 100
			m.Policy.Owners = append(m.Policy.Owners, modelv1.Share{Address: olga.Address, Bps: 100})
		}, model.ErrPolicy},
		{"policy pays nobody's address", func(m *modelv1.MsgRegisterVersion) { m.Policy.Owners[0].Address = "olga" }, account.ErrAddress},
		{"policy pays an address in capitals", func(m *modelv1.MsgRegisterVersion) {
			m.Policy.Owners[0].Address = strings.ToUpper(olga.Address)
		}, account.ErrAddress},
	} {
		msg := ledgertest.Version(olga, "bard")
		c.change(msg)
		err := l.Send(olga, msg)
		if err == nil || !strings.Contains(err.Error(), c.want.Error()) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
	// What a client is told about a policy is the registry's word, not the escrow's.
	msg := ledgertest.Version(olga, "bard")
	msg.Policy.AppBps++
	if err := l.Send(olga, msg); !errors.Is(err, model.ErrPolicy) {
		t.Errorf("a bad policy's code: %v", err)
	}
}

func TestVersionsAreFoundByDigestAndByName(t *testing.T) {
	l := newLedger(t)
	for _, number := range []string{"1.0", "1.1", "2.0"} {
		for _, name := range []string{"bard", "bards", "sage"} {
			v := ledgertest.Version(olga, name)
			v.Version, v.Digest = number, ledgertest.Digest(name+number)
			l.Must(olga, v)
		}
	}
	q := modelv1.NewQueryClient(l.Conn())
	ctx := context.Background()
	found, err := q.Version(ctx, &modelv1.QueryVersionRequest{Digest: ledgertest.Digest("sage1.1")})
	if err != nil || found.Version.Name != "sage" || found.Version.Version != "1.1" {
		t.Errorf("by digest: %+v, %v", found, err)
	}
	if _, err := q.Version(ctx, &modelv1.QueryVersionRequest{Digest: ledgertest.Digest("none")}); status.Code(err) != codes.NotFound {
		t.Errorf("unknown digest: %v", err)
	}
	// Pages of two, by name: "bard" is not "bards".
	var got []string
	page := &query.PageRequest{Limit: 2}
	for page != nil {
		r, err := q.Versions(ctx, &modelv1.QueryVersionsRequest{Name: "bard", Pagination: page})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range r.Versions {
			got = append(got, v.Name+"@"+v.Version)
		}
		page = nil
		if len(r.Pagination.NextKey) > 0 {
			page = &query.PageRequest{Limit: 2, Key: r.Pagination.NextKey}
		}
	}
	if want := "bard@1.0 bard@1.1 bard@2.0"; strings.Join(got, " ") != want {
		t.Errorf("by name: %v, want %s", got, want)
	}
	all, err := q.Versions(ctx, &modelv1.QueryVersionsRequest{})
	if err != nil || len(all.Versions) != 9 {
		t.Errorf("all: %d, %v", len(all.Versions), err)
	}
}
