package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/mechanism/registry"
)

// asset is some of what pools hold: dollars, KOIN, or shares of a model.
type asset struct {
	denom string
	// amount is in micro-units, of shares in shares.
	amount uint64
}

// parseAsset reads $5, '3 KOIN' or '100 @ada/bard'.
func parseAsset(text string) (asset, error) {
	number, model, ok := strings.Cut(strings.TrimSpace(text), " ")
	model = strings.TrimSpace(model)
	if ok && !strings.EqualFold(model, "koin") {
		shares, err := strconv.ParseUint(number, 10, 64)
		if err != nil || shares == 0 {
			return asset{}, usageError("%q is no amount: write $5, '3 KOIN', or shares like '100 @ada/bard'", text)
		}
		return asset{denomOf(model), shares}, nil
	}
	amount, err := credit.ParseAmount(text)
	if err != nil {
		return asset{}, usageError("%w, or shares like '100 @ada/bard'", err)
	}
	return asset{amount.Denom, amount.Units}, nil
}

// denomOf is what KOIN or a model's shares are called on the ledger.
func denomOf(name string) string {
	switch {
	case strings.EqualFold(name, "koin"), name == credit.KoinDenom:
		return credit.KoinDenom
	case strings.HasPrefix(name, "share/"):
		return name
	}
	return registry.Denom(name)
}

func (a asset) String() string {
	if strings.HasPrefix(a.denom, "share/") {
		return fmt.Sprintf("%d of %s", a.amount, a.denom)
	}
	return a.money().String()
}

// money is the asset as plans carry it.
func (a asset) money() credit.Amount { return credit.Amount{Denom: a.denom, Units: a.amount} }

// missing gives the failure to find something its exit code.
func missing(err error) error {
	if errors.Is(err, client.ErrNotFound) {
		return &exitError{exitNotFound, err}
	}
	return err
}

// priced writes a price of so many ucredit for a number of units, for one of them.
func priced(ucredit, units uint64) string {
	text := credit.Dollars(ucredit / units)
	if rest := ucredit % units; ucredit < units && rest > 0 {
		return "less than " + credit.Dollars(1)
	}
	return text
}
