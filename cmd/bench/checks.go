package main

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"time"

	"github.com/koinon/koinon/internal/tensor"
	"github.com/koinon/koinon/receipt"
)

// checkSpeed is how many checks one core makes per second.
type checkSpeed struct {
	// Tickets are checked one after the other, as while an answer streams.
	Tickets spread `json:"tickets_per_second"`
	// AfterKernels are tickets checked right after one of the engine's kernels, as
	// in a provider. It should be no slower: whatever leaves the processor's wide
	// vector registers in use slows down SHA-256 behind it.
	AfterKernels spread `json:"tickets_after_kernels_per_second"`
	// Jumps are tickets 100 after the last, as when a provider catches up.
	Jumps spread `json:"tickets_100_ahead_per_second"`
	// Receipts are checked for form, cost and signature.
	Receipts spread `json:"receipts_per_second"`
}

const (
	chainTickets = 10_000
	jump         = 100
)

// measureChecks runs each check on one goroutine.
func measureChecks(ctx context.Context, quick bool) (*checkSpeed, error) {
	runs, length := 9, 500*time.Millisecond
	if quick {
		runs, length = 3, 100*time.Millisecond
	}
	tickets, err := allTickets(chainTickets)
	if err != nil {
		return nil, err
	}
	signed, err := someReceipt()
	if err != nil {
		return nil, err
	}
	var speed checkSpeed
	// The Go runtime, too, leaves wide registers in use when it preempts a
	// goroutine, so they are cleared before each batch: a batch of tickets takes
	// about a millisecond.
	for _, part := range []struct {
		into  *spread
		batch func() (int, error)
	}{
		{&speed.Tickets, func() (int, error) { clearVectors(); return verifyTickets(tickets, 1) }},
		{&speed.Jumps, func() (int, error) { clearVectors(); return verifyTickets(tickets, jump) }},
		{&speed.Receipts, func() (int, error) {
			const n = 50
			for range n {
				if err := signed.Verify(); err != nil {
					return 0, err
				}
			}
			return n, nil
		}},
		{&speed.AfterKernels, func() (int, error) {
			var values [1 << 10]float32
			tensor.ExpAll(values[:], values[:])
			return verifyTickets(tickets, 1)
		}},
	} {
		rates := make([]float64, runs)
		for i := range rates {
			if rates[i], err = perSecond(ctx, length, part.batch); err != nil {
				return nil, err
			}
		}
		*part.into = spreadOf(rates)
	}
	return &speed, nil
}

// perSecond repeats a batch for a while and returns how many of what it counts
// go into a second.
func perSecond(ctx context.Context, length time.Duration, batch func() (int, error)) (float64, error) {
	count, began := 0, time.Now()
	for {
		n, err := batch()
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return 0, err
		}
		count += n
		if took := time.Since(began); took >= length {
			return float64(count) / took.Seconds(), nil
		}
	}
}

// allTickets lists the tickets of a chain from the anchor on.
func allTickets(n uint64) ([]receipt.Digest, error) {
	var seed [32]byte
	rand.Read(seed[:]) // never fails
	chain := receipt.NewChain(seed, n)
	list := make([]receipt.Digest, n+1)
	for i := range list {
		var err error
		if list[i], err = chain.Ticket(uint64(i)); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// verifyTickets checks a chain from end to end in steps.
func verifyTickets(tickets []receipt.Digest, step int) (count int, err error) {
	for i := step; i < len(tickets); i += step {
		if err := receipt.VerifyTicket(tickets[i-step], uint64(i-step), tickets[i], uint64(i)); err != nil {
			return 0, err
		}
		count++
	}
	return count, nil
}

// someReceipt is a receipt as a provider signs it, every field filled in.
func someReceipt() (receipt.Receipt, error) {
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return receipt.Receipt{}, err
	}
	digest := func(s string) receipt.Digest { return receipt.Sum([]byte(s)) }
	price := receipt.Price{Input: 500_000, CachedInput: 125_000, Output: 2_000_000}
	const prompt, completion, before = 6, 60, 1_000
	cost, err := price.Cost(prompt, 0, completion)
	if err != nil {
		return receipt.Receipt{}, err
	}
	lot, err := receipt.DrawLot(key, digest("grant"))
	if err != nil {
		return receipt.Receipt{}, err
	}
	now := time.Now().UnixMilli()
	const address = "koinon1a7luqsrla9jeckdyt0w3aywrk5j22pnsgchjw0"
	return receipt.Receipt{
		Version: receipt.Version, ChainID: "koinon-bench-1", Grant: digest("grant"), Sequence: 2, Previous: digest("previous"),
		Provider: address, Payer: address, App: address, Model: digest("model"), Class: receipt.Exact,
		Request: digest("request"), PromptTokens: prompt, CompletionTokens: completion,
		PromptDigest: digest("prompt"), OutputDigest: digest("output"), Commitment: digest("commitment"),
		Sampling: receipt.Sampling{Kind: receipt.Categorical, Temperature: temperature, TopP: 1, MaxTokens: completion}, Seed: lot.Seed(digest("nonce")),
		FinishReason: "length", Price: price, Cost: cost, Owed: before + cost, Ticket: 100,
		Started: now - 300, FirstToken: now - 290, Finished: now,
	}.Sign(key), nil
}
