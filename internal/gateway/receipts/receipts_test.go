package receipts

import (
	"crypto/ed25519"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/koinon/koinon/receipt"
)

var key = ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize))

func seen() Seen {
	return Seen{
		ChainID: "koinon-test", Grant: receipt.Sum([]byte("grant")), Provider: "koinon1provider",
		ProviderKey: key.Public().(ed25519.PublicKey), Payer: "koinon1payer", App: "koinon1app",
		Model: receipt.Sum([]byte("model")), Class: receipt.Exact, Request: receipt.Sum([]byte("{}")),
		Prompt: []int32{1, 2, 3}, Cached: 2, Output: []int32{4, 5},
		Sampling: receipt.Sampling{Kind: receipt.Categorical, Temperature: 1, TopP: 1, MaxTokens: 2}, Seed: receipt.NameSeed(7),
		Price: receipt.Price{Input: 1e6, CachedInput: 5e5, Output: 2e6}, Ticket: 3, At: time.UnixMilli(5),
	}
}

func honest(s Seen) receipt.Receipt {
	cost, err := s.Price.Cost(uint64(len(s.Prompt)), s.Cached, uint64(len(s.Output)))
	if err != nil {
		panic(err)
	}
	return receipt.Receipt{
		Version: receipt.Version, ChainID: s.ChainID, Grant: s.Grant, Sequence: 1, Provider: s.Provider,
		Payer: s.Payer, App: s.App, Model: s.Model, Class: s.Class, Request: s.Request,
		PromptTokens: uint64(len(s.Prompt)), CachedTokens: s.Cached, CompletionTokens: uint64(len(s.Output)),
		PromptDigest: receipt.TokensDigest(s.Prompt), OutputDigest: receipt.TokensDigest(s.Output),
		Commitment: receipt.Sum([]byte("the steps")), Sampling: s.Sampling, Seed: s.Seed, FinishReason: "length", Price: s.Price, Cost: cost, Owed: cost, Ticket: s.Ticket,
		Started: 1, FirstToken: 2, Finished: 3,
	}.Sign(key)
}

func TestHonestReceipt(t *testing.T) {
	s := seen()
	if err := s.Check(honest(s)); err != nil {
		t.Fatal(err)
	}
	cheaper := honest(s)
	cheaper.Price.Output = 1e6
	cheaper.Cost, cheaper.Owed = 4, 4
	if err := s.Check(cheaper.Sign(key)); err != nil {
		t.Errorf("a provider may ask for less than its offer: %v", err)
	}
}

// TestEveryLieIsFound lets a provider sign a receipt in which one thing is not
// as the gateway saw it.
func TestEveryLieIsFound(t *testing.T) {
	for name, lie := range map[string]func(*receipt.Receipt){
		"chain":             func(r *receipt.Receipt) { r.ChainID = "other" },
		"finished":          func(r *receipt.Receipt) { r.Finished = time.Hour.Milliseconds() },
		"grant":             func(r *receipt.Receipt) { r.Grant[0] ^= 1 },
		"provider":          func(r *receipt.Receipt) { r.Provider = "koinon1other" },
		"payer":             func(r *receipt.Receipt) { r.Payer = "koinon1other" },
		"app":               func(r *receipt.Receipt) { r.App = "" },
		"model":             func(r *receipt.Receipt) { r.Model[0] ^= 1 },
		"class":             func(r *receipt.Receipt) { r.Class = receipt.Statistical },
		"request":           func(r *receipt.Receipt) { r.Request[0] ^= 1 },
		"prompt tokens":     func(r *receipt.Receipt) { r.PromptTokens, r.Cost, r.Owed = 4, 7, 7 },
		"prompt":            func(r *receipt.Receipt) { r.PromptDigest[0] ^= 1 },
		"completion tokens": func(r *receipt.Receipt) { r.CompletionTokens, r.Cost, r.Owed = 1, 4, 4 },
		"output":            func(r *receipt.Receipt) { r.OutputDigest[0] ^= 1 },
		"temperature":       func(r *receipt.Receipt) { r.Sampling.Temperature = 0 },
		"seed":              func(r *receipt.Receipt) { r.Seed.Value++ },
		"sampler":           func(r *receipt.Receipt) { r.Sampling.Kind = receipt.Foreign },
		"penalty":           func(r *receipt.Receipt) { r.Sampling.PresencePenalty = 1 },
		"grammar":           func(r *receipt.Receipt) { r.Sampling.Grammar[0] ^= 1 },
		"max tokens":        func(r *receipt.Receipt) { r.Sampling.MaxTokens++ },
		"finish":            func(r *receipt.Receipt) { r.FinishReason = "cancelled" },
		"price":             func(r *receipt.Receipt) { r.Price.Output, r.Cost, r.Owed = 3e6, 8, 8 },
		"cached price":      func(r *receipt.Receipt) { r.Price.CachedInput, r.Cost, r.Owed = 1e6, 7, 7 },
		"cached tokens":     func(r *receipt.Receipt) { r.CachedTokens, r.Cost, r.Owed = 0, 7, 7 },
		"cost":              func(r *receipt.Receipt) { r.Cost++; r.Owed++ },
		"ticket":            func(r *receipt.Receipt) { r.Ticket++ },
		"error":             func(r *receipt.Receipt) { r.FinishReason = "error" },
	} {
		s := seen()
		r := honest(s)
		lie(&r)
		if reflect.DeepEqual(r, honest(s)) {
			t.Fatalf("%s: the lie changes nothing", name)
		}
		if err := s.Check(r.Sign(key)); !errors.Is(err, ErrFalse) {
			t.Errorf("%s: %v", name, err)
		}
	}
	failed := seen()
	failed.Failed = true
	if err := failed.Check(honest(failed)); !errors.Is(err, ErrFalse) {
		t.Errorf("failed, and called complete: %v", err)
	}
	other := ed25519.NewKeyFromSeed([]byte("another key's seed of 32 bytes.."))
	if err := seen().Check(honest(seen()).Sign(other)); !errors.Is(err, ErrFalse) {
		t.Errorf("signed with a key that is not registered: %v", err)
	}
	short := seen()
	short.Sampling.MaxTokens = 9
	if err := short.Check(honest(short)); !errors.Is(err, ErrFalse) {
		t.Errorf("cut short, and called complete: %v", err)
	}
}

func TestChain(t *testing.T) {
	first := honest(seen())
	second := first
	second.Sequence, second.Previous, second.Owed = 2, first.Hash(), first.Owed+second.Cost
	second = second.Sign(key)
	third := second
	third.Sequence, third.Previous, third.Owed = 3, second.Hash(), second.Owed+third.Cost
	third = third.Sign(key)
	for name, known := range map[string][]receipt.Receipt{
		"none": nil, "before": {first}, "after": {third}, "both": {first, third}, "itself": {second},
	} {
		if err := Chain(second, known); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	twin := second
	twin.Finished++
	if err := Chain(twin.Sign(key), []receipt.Receipt{second}); !errors.Is(err, ErrFalse) {
		t.Errorf("two for one place: %v", err)
	}
	padded := second
	padded.Owed++
	if err := Chain(padded.Sign(key), []receipt.Receipt{first}); !errors.Is(err, ErrFalse) {
		t.Errorf("owed out of nowhere: %v", err)
	}
	if err := Chain(padded.Sign(key), []receipt.Receipt{third}); !errors.Is(err, ErrFalse) {
		t.Errorf("owed out of nowhere, found out later: %v", err)
	}
}
