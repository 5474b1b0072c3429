package devnet

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/google/renameio/v2"

	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/gateway"
	"github.com/koinon/koinon/internal/gateway/keys"
	ledgerapp "github.com/koinon/koinon/internal/ledger/app"
	"github.com/koinon/koinon/internal/ledger/client"
	"github.com/koinon/koinon/internal/ledger/node"
	"github.com/koinon/koinon/internal/ledger/x/assembly"
	"github.com/koinon/koinon/internal/ledger/x/pin"
	"github.com/koinon/koinon/receipt"
)

// The names of accounts: the validator and the issuer of credit, Ada who owns
// the model, the buyer whom the gateway pays for, the application that refers
// its requests, and Bob, who has money and no role yet.
const (
	validator = "validator"
	issuer    = "issuer"
	ada       = "ada"
	buyer     = "buyer"
	app       = "app"
	bob       = "bob"
)

// chainID names the ledger.
const chainID = "koinon-devnet-1"

// maxProviders and maxAuditors are how many of each a genesis funds, so that a
// network may be started with more later.
const (
	maxProviders = 16
	maxAuditors  = 7
)

func providerName(i int) string { return fmt.Sprintf("provider-%d", i+1) }

// FirstAuditor is the folder, in a network's home, of its first auditor.
const FirstAuditor = "auditor-1"

func auditorName(i int) string { return fmt.Sprintf("auditor-%d", i+1) }

func names(providers, auditors int) []string {
	list := []string{validator, issuer, ada, buyer, app, bob}
	for i := range providers {
		list = append(list, providerName(i))
	}
	for i := range auditors {
		list = append(list, auditorName(i))
	}
	return list
}

func keyFile(home, name string) string { return filepath.Join(home, "accounts", name+".json") }

// loadAccounts reads the accounts' keys, making those that are not there.
func loadAccounts(folder string, providers, auditors int) (map[string]client.Key, error) {
	if providers > maxProviders || auditors > maxAuditors {
		return nil, fmt.Errorf("at most %d providers and %d auditors run in one process, not %d and %d", maxProviders, maxAuditors, providers, auditors)
	}
	accounts := map[string]client.Key{}
	for _, name := range names(maxProviders, maxAuditors) {
		key, err := client.LoadKey(filepath.Join(folder, name+".json"), name)
		if err != nil {
			return nil, err
		}
		accounts[name] = key
	}
	return accounts, nil
}

// Times of a devnet are short, so that a whole life of a grant can be watched.
const (
	challengeWindow = 60 // seconds
	grantLifetime   = time.Hour
)

// initLedger writes the genesis: KOIN for those who provide, credit for those
// who buy.
func initLedger(home string, accounts map[string]client.Key, justice Justice) error {
	consensusKey, _, err := node.Keys(home)
	if err != nil {
		return err
	}
	const koin, credit = 1_000_000, 1_000_000 // micro-units of one
	fund := map[string]ledgerapp.Account{
		validator: {Koin: 1_000 * koin}, issuer: {Koin: 1_000 * koin}, ada: {Koin: 100 * koin},
		buyer: {Credit: 1_000 * credit}, bob: {Koin: 1_000 * koin, Credit: 100 * credit},
	}
	c := ledgerapp.GenesisConfig{
		Validators: []ledgerapp.Validator{{
			Operator: accounts[validator].Address(), ConsensusKey: consensusKey, Stake: 10_000 * koin, Moniker: validator,
		}},
		Issuer: escrowv1.Issuer{Address: accounts[issuer].Address(), Name: "devnet", Cap: 1_000_000 * credit},
		Escrow: &escrowv1.Params{
			WithdrawDelaySeconds: 60, ChallengeWindowSeconds: challengeWindow, RedeemGraceSeconds: 600, MaxTickets: 1 << 17,
			MaxGrantSeconds: 7 * 24 * 3600, FreeTxsPerWindow: 20, FreeWindowBlocks: 600,
		},
		Provider:     &providerv1.Params{MinBond: 10 * koin, UnbondingSeconds: 120, MaxOffersPerProvider: 256},
		Challenge:    justice.Challenge(),
		Audit:        justice.Audit(),
		AuditFund:    auditFund,
		Assembly:     assembly.Paced(time.Minute, 10*time.Second),
		Pin:          pin.Paced(10),
		VotingPeriod: 2 * time.Minute,
	}
	for i := range maxAuditors {
		fund[auditorName(i)] = ledgerapp.Account{Koin: 1_000 * koin, Credit: 20 * credit}
	}
	for _, name := range names(maxProviders, maxAuditors) {
		a, ok := fund[name]
		if !ok {
			a = ledgerapp.Account{Koin: 1_000 * koin}
		}
		a.Address = accounts[name].Address()
		c.Accounts = append(c.Accounts, a)
	}
	return node.Init(home, chainID, c, time.Now().UTC())
}

// auditFund is what a devnet's auditors are paid of at first, in ucredit.
const auditFund = 100_000_000

// withDefaults has a devnet's courts be as slow as one can watch.
func (j Justice) withDefaults() Justice {
	return Justice{
		ChallengeEpoch: cmp.Or(j.ChallengeEpoch, 10*time.Minute),
		AuditEpoch:     cmp.Or(j.AuditEpoch, 10*time.Minute),
		CourtStep:      cmp.Or(j.CourtStep, 30*time.Second),
	}
}

// prices differ, so that the gateway has something to choose.
var prices = []receipt.Price{
	{Input: 500_000, CachedInput: 125_000, Output: 2_000_000},
	{Input: 550_000, CachedInput: 137_500, Output: 2_200_000},
	{Input: 600_000, CachedInput: 150_000, Output: 2_400_000},
}

// policy gives Ada her royalty.
func policy(accounts map[string]client.Key) modelv1.Policy {
	return modelv1.Policy{
		ProviderBps: 8000, AppBps: 300, TreasuryBps: 300, CuratorsBps: 200,
		Owners: []modelv1.Share{{Address: accounts[ada].Address(), Bps: 1200}},
	}
}

// KeyBudget is what the network's API key may spend in all, in ucredit.
const KeyBudget = 100_000_000

// apiKey returns the devnet's API key, made once and kept beside the gateway,
// which itself keeps only a hash.
func apiKey(ctx context.Context, home, gatewayHome string) (string, error) {
	path := filepath.Join(home, "api_key")
	if data, err := os.ReadFile(path); err == nil {
		return string(data), nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	store, err := gateway.OpenStore(ctx, gatewayHome)
	if err != nil {
		return "", err
	}
	text, _, err := keys.Create(store, keys.Terms{Name: "devnet", Budget: KeyBudget}, time.Now())
	if err = errors.Join(err, store.Close()); err != nil {
		return "", err
	}
	return text, renameio.WriteFile(path, []byte(text), 0o600)
}

// awaitReady waits until the gateway can pay a provider that it can reach.
func (n *Network) awaitReady(ctx context.Context) error {
	return n.poll(ctx, func() (bool, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(n.Gateway, "/v1")+"/readyz", nil)
		if err != nil {
			return false, err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false, err
		}
		defer response.Body.Close()
		var status struct{ Providers int }
		err = json.NewDecoder(response.Body).Decode(&status)
		return response.StatusCode == http.StatusOK && status.Providers > 0, err
	})
}
