package console

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/mechanism/bond"
	"github.com/koinon/koinon/internal/web"
)

// standing is what stands on the ledger, asked from a node for the pages.
type standing struct{ ledger *client.Client }

// Account implements [web.Ledger].
func (s standing) Account(ctx context.Context, address string) (web.Account, error) {
	a := web.Account{Address: address, Others: []web.Coin{}, Tokens: []web.Token{}}
	if err := client.CheckAddress(address); err != nil {
		return a, web.Refusal{Says: err.Error()}
	}
	number, sequence, err := s.ledger.Numbers(ctx, address)
	if errors.Is(err, client.ErrNotFound) {
		return a, nil
	}
	if err != nil {
		return a, err
	}
	a.Exists, a.Number, a.Sequence = true, number, sequence
	coins, err := s.ledger.Balances(ctx, address)
	if err != nil {
		return a, err
	}
	for _, c := range coins {
		switch {
		case c.Denom == credit.Denom && c.Amount.IsUint64():
			a.Credit = c.Amount.Uint64()
		case c.Denom == credit.KoinDenom && c.Amount.IsUint64():
			a.Koin = c.Amount.Uint64()
		default:
			a.Others = append(a.Others, web.Coin{Denom: c.Denom, Amount: c.Amount.String()})
		}
	}
	if a.Tokens, err = s.tokens(ctx, address); err != nil {
		return a, err
	}
	escrow, err := s.ledger.Escrow(ctx, address)
	if errors.Is(err, client.ErrNotFound) {
		return a, nil
	}
	a.Escrow, a.Locked, a.GrantKey = escrow.Available, escrow.Locked, len(escrow.GrantKey) > 0
	return a, err
}

// Simulate implements [web.Ledger].
func (s standing) Simulate(ctx context.Context, tx []byte) (web.Estimate, error) {
	e, err := s.ledger.Simulate(ctx, tx)
	if errors.Is(err, client.ErrSimulation) {
		return web.Estimate{}, web.Refusal{Says: strings.TrimPrefix(err.Error(), client.ErrSimulation.Error()+": ")}
	}
	return web.Estimate{Gas: e.Gas, Fee: e.Fee}, err
}

// Send implements [web.Ledger].
func (s standing) Send(ctx context.Context, tx []byte) (string, error) {
	if err := s.ledger.Broadcast(ctx, tx); err != nil {
		return "", web.Refusal{Says: err.Error()}
	}
	sum := sha256.Sum256(tx)
	return strings.ToUpper(hex.EncodeToString(sum[:])), nil
}

// Shares implements [web.Ledger].
func (s standing) Shares(ctx context.Context, model string) (web.Shares, error) {
	issue, err := s.ledger.Issue(ctx, model)
	if errors.Is(err, client.ErrNotFound) {
		return web.Shares{}, nil
	}
	if err != nil {
		return web.Shares{}, err
	}
	found, err := s.ledger.Holders(ctx, model)
	if err != nil {
		return web.Shares{}, err
	}
	shares := web.Shares{Supply: issue.Supply, Held: issue.Issue.Held, Holders: []web.Holder{}}
	for _, h := range found {
		shares.Holders = append(shares.Holders, web.Holder{Address: h.Holding.Holder, Shares: h.Shares, Unpaid: h.Royalties})
	}
	slices.SortStableFunc(shares.Holders, func(a, b web.Holder) int { return cmp.Compare(b.Shares, a.Shares) })
	return shares, nil
}

// Validators implements [web.Ledger].
func (s standing) Validators(ctx context.Context) ([]web.Validator, error) {
	found, err := s.ledger.Validators(ctx)
	list := make([]web.Validator, len(found))
	for i, v := range found {
		list[i] = web.Validator(v)
	}
	return list, err
}

// Issuers implements [web.Ledger].
func (s standing) Issuers(ctx context.Context) ([]web.Issuer, error) {
	found, err := s.ledger.Issuers(ctx)
	list := make([]web.Issuer, len(found))
	for i, v := range found {
		list[i] = web.Issuer{Address: v.Address, Name: v.Name, Backing: v.Backing, Cap: v.Cap, Outstanding: v.Outstanding}
	}
	slices.SortStableFunc(list, func(a, b web.Issuer) int { return cmp.Compare(b.Outstanding, a.Outstanding) })
	return list, err
}

// Capital implements [web.Ledger].
func (s standing) Capital(ctx context.Context, bonds uint64) (web.Capital, error) {
	c, err := s.ledger.Capital(ctx)
	return web.Capital{Capacity: bond.Exposure(bonds, c.PerKoin), Supply: c.Supply, Staked: c.Staked, Yield: c.Yield}, err
}

// Modules implements [web.Ledger].
func (s standing) Modules(ctx context.Context) ([]web.Module, error) {
	found, err := s.ledger.Modules(ctx)
	list := make([]web.Module, len(found))
	for i, m := range found {
		list[i] = web.Module{Name: m.Name, Params: settings("", m.Params), State: settings("", m.Books)}
		for j, b := range list[i].State {
			if b.Name == "holds" { // what must hold of the books
				list[i].State[j].Name = "books balance"
			}
		}
		for _, c := range m.Holds {
			text := c.Amount.String() + " " + c.Denom
			if c.Amount.IsUint64() {
				text = amount(c.Amount.Uint64(), c.Denom)
			}
			list[i].State = append(list[i].State, web.Setting{Name: "on its account", Value: text})
		}
	}
	return list, err
}

// settings writes parameters line by line, in the order that they have; those
// within others with a dot.
func settings(before string, params json.RawMessage) []web.Setting {
	list := []web.Setting{}
	d := json.NewDecoder(bytes.NewReader(params))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return list
	}
	for d.More() {
		name, err := d.Token()
		var value json.RawMessage
		if err != nil || d.Decode(&value) != nil {
			return list
		}
		path := before + fmt.Sprint(name)
		if value[0] == '{' {
			list = append(list, settings(path+".", value)...)
		} else {
			list = append(list, web.Setting{Name: path, Value: written(value)})
		}
	}
	return list
}

// written is a value as people read it: a list's elements follow each other, and a
// fraction ends with its last digit that is not zero.
func written(value json.RawMessage) string {
	var text string
	var list []json.RawMessage
	switch {
	case json.Unmarshal(value, &list) == nil:
		var elements []string
		for _, v := range list {
			if v[0] != '{' {
				elements = append(elements, written(v))
				continue
			}
			var fields []string
			for _, f := range settings("", v) {
				fields = append(fields, f.Name+" "+f.Value)
			}
			elements = append(elements, strings.Join(fields, ", "))
		}
		return cmp.Or(strings.Join(elements, "; "), "none")
	case json.Unmarshal(value, &text) != nil:
		return string(value)
	case fraction.MatchString(text):
		return strings.TrimSuffix(strings.TrimRight(text, "0"), ".")
	}
	return cmp.Or(text, "none")
}

var fraction = regexp.MustCompile(`^\d+\.\d+$`)

var _ web.Ledger = standing{}

// newest returns a list from its end to its beginning.
func newest[T any](list []T) []T {
	slices.Reverse(list)
	return list
}

// word is an enumeration's value as people say it.
func word(value interface{ String() string }, prefix string) string {
	return strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(value.String(), prefix), "_", " "))
}
