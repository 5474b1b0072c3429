package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cosmos/gogoproto/jsonpb"
	"github.com/cosmos/gogoproto/proto"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/indexer"
)

// shape is how large a made-up ledger is.
type shape struct {
	models, providers, payers int
	// redemptions, each of a grant with so many receipts and paid out to so many
	// accounts; a block has so many of them.
	redemptions, receipts, payouts, block int
}

// madeUp is a ledger of that shape, the same whenever it is read: first versions and
// providers register, then providers redeem, are audited and, a few, convicted.
type madeUp struct {
	shape
	began time.Time // of the first block
	held  int64     // so many of the last blocks are not there yet
}

const registrations = 200 // in a block

// phases are the blocks at which each part ends.
func (l madeUp) phases() (models, providers, redemptions int64) {
	up := func(n, by int) int64 { return int64((n + by - 1) / by) }
	models = up(l.models, registrations)
	providers = models + up(l.providers, registrations)
	return models, providers, providers + up(l.redemptions, l.block)
}

// ChainID implements [indexer.Ledger].
func (l madeUp) ChainID() string { return "koinon-bench-1" }

// Height implements [indexer.Ledger].
func (l madeUp) Height(context.Context) (int64, error) {
	_, _, last := l.phases()
	return last - l.held, nil
}

// Block implements [indexer.Ledger].
func (l madeUp) Block(_ context.Context, height int64) (indexer.Block, error) {
	models, providers, _ := l.phases()
	b := indexer.Block{Height: height, Time: l.began.Add(time.Duration(height) * l.spacing()), Hash: upper("block", height), Proposer: address("validator", 0)}
	switch {
	case height <= models:
		b.Txs = each(height-1, registrations, l.models, l.registerModel)
	case height <= providers:
		b.Txs = each(height-models-1, registrations, l.providers, l.registerProvider)
	default:
		b.Txs = each(height-providers-1, l.block, l.redemptions, func(i int) indexer.Tx { return l.redeem(i, b.Time) })
	}
	for i := range b.Txs {
		b.Txs[i].Hash = upper("tx", height<<16|int64(i))
	}
	return b, nil
}

// spacing spreads blocks over forty days, so that charts of thirty have most.
func (l madeUp) spacing() time.Duration {
	_, _, last := l.phases()
	return 40 * 24 * time.Hour / time.Duration(last)
}

// each are the transactions of the nth block of a phase that has total.
func each(n int64, perBlock, total int, tx func(int) indexer.Tx) (txs []indexer.Tx) {
	for i := int(n) * perBlock; i < min(total, int(n+1)*perBlock); i++ {
		txs = append(txs, tx(i))
	}
	return txs
}

func (l madeUp) registerModel(i int) indexer.Tx {
	m := &modelv1.MsgRegisterVersion{
		Owner: address("author", i%97), Digest: "sha256:" + sum("model", int64(i)), Name: fmt.Sprintf("model-%d", i/3), Version: fmt.Sprint(1 + i%3),
		Class: modelv1.VerificationClass_VERIFICATION_CLASS_EXACT, License: "Apache-2.0", Architecture: "llama", Quantization: "q8_0",
		Parameters: uint64(1+i%70) * 1e9, SizeBytes: uint64(1+i%70) * 1e9, ContextLength: 8192,
	}
	if i%3 > 0 {
		m.Parents = []string{"sha256:" + sum("model", int64(i-1))}
	}
	return indexer.Tx{Sender: m.Owner, Gas: 200_000, Messages: []indexer.Message{message(m)}}
}

func (l madeUp) registerProvider(i int) indexer.Tx {
	who := address("provider", i)
	m := &providerv1.MsgRegister{Provider: who, Moniker: fmt.Sprintf("machine %d", i), Region: []string{"DE", "US-CA", "JP", "BR"}[i%4]}
	return indexer.Tx{Sender: who, Gas: 200_000, Fee: 2_000, Messages: []indexer.Message{message(m)}, Events: []indexer.Event{
		event(&providerv1.EventRegistered{Provider: who, Moniker: m.Moniker, Bond: 100_000_000 + uint64(i)}),
		event(&providerv1.EventOfferSet{Provider: who, ModelDigest: l.model(i), InputPrice: 100_000 + uint64(i), OutputPrice: 400_000 + uint64(i)}),
	}}
}

// model is what a provider serves: a few models have most of the providers.
func (l madeUp) model(provider int) string {
	r := random("serves", provider)
	return "sha256:" + sum("model", int64(float64(l.models)*r.Float64()*r.Float64()*r.Float64()))
}

// redeem is a provider's transaction, which activates a grant, redeems it and closes
// it; now and then an auditor reports, or a conviction follows.
func (l madeUp) redeem(i int, at time.Time) indexer.Tx {
	r, n, payer := l.parties(i)
	who, id, model := address("provider", n), sum("grant", int64(i)), l.model(n)
	amount := uint64(1_000 + r.IntN(1_000_000))
	payouts := []escrowv1.Payout{{Recipient: who, Role: escrowv1.Role_ROLE_PROVIDER, Amount: amount - amount/10}}
	for p, role := range []escrowv1.Role{escrowv1.Role_ROLE_OWNER, escrowv1.Role_ROLE_TREASURY, escrowv1.Role_ROLE_APP}[:min(3, l.payouts-1)] {
		payouts = append(payouts, escrowv1.Payout{Recipient: address(role.String(), p), Role: role, Amount: amount / 30})
	}
	tx := indexer.Tx{
		Sender: who, Gas: 300_000, Fee: 3_000,
		Messages: []indexer.Message{message(&escrowv1.MsgRedeem{Provider: who, Redemptions: []escrowv1.Redemption{{Id: id, Index: uint64(r.IntN(1e6)), Receipts: uint64(l.receipts)}}})},
		Events: []indexer.Event{
			event(&escrowv1.EventGrantActivated{Id: id, Payer: payer, Provider: who, ModelDigest: model, Cap: 2 * amount, Expiry: at.Add(24 * time.Hour).Unix()}),
			event(&escrowv1.EventRedeemed{Id: id, Payer: payer, Provider: who, ModelDigest: model, Amount: amount, Payouts: payouts}),
		},
	}
	if r.IntN(10) > 0 {
		tx.Events = append(tx.Events, event(&escrowv1.EventGrantClosed{Id: id}))
	}
	if r.IntN(20) == 0 {
		tx.Events = append(tx.Events, event(&auditv1.EventReported{Provider: who, Agrees: r.IntN(50) > 0}))
	}
	if r.IntN(1000) == 0 {
		tx.Events = append(tx.Events, event(&auditv1.EventCaseOpened{CaseId: uint64(i + 1), Provider: who, Accuser: payer, Receipt: "sha256:" + sum("receipt", int64(i))}))
	}
	return tx
}

// parties are the provider and the payer of a redemption, and the source for the rest
// of it: some providers have most of the custom.
func (l madeUp) parties(i int) (r *rand.Rand, provider int, payer string) {
	r = random("redeems", i)
	provider = int(float64(l.providers) * r.Float64() * r.Float64())
	return r, provider, address("payer", r.IntN(l.payers))
}

// random is a source that depends on what it is for alone.
func random(what string, i int) *rand.Rand {
	var seed [32]byte
	binary.BigEndian.PutUint64(seed[copy(seed[:24], what):], uint64(i))
	return rand.New(rand.NewChaCha8(seed))
}

func sum(what string, i int64) string {
	digest := sha256.Sum256(fmt.Appendf(nil, "%s/%d", what, i))
	return hex.EncodeToString(digest[:])
}

func upper(what string, i int64) string {
	return fmt.Sprintf("%X", sha256.Sum256(fmt.Appendf(nil, "%s/%d", what, i)))
}

// address looks like an account's; nobody has it.
func address(what string, i int) string {
	const letters = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
	digest := sha256.Sum256(fmt.Appendf(nil, "%s/%d", what, i))
	text := []byte("koinon1")
	for j := range 38 {
		text = append(text, letters[digest[j%32]>>(j/32)&31])
	}
	return string(text)
}

func message(m proto.Message) indexer.Message {
	return indexer.Message{Kind: proto.MessageName(m), Body: body(m), Value: m}
}

func event(m proto.Message) indexer.Event {
	return indexer.Event{Kind: proto.MessageName(m), Body: body(m), Value: m}
}

var marshaler = jsonpb.Marshaler{OrigName: true}

func body(m proto.Message) json.RawMessage {
	text, err := marshaler.MarshalToString(m)
	if err != nil {
		panic(err) // messages of ours have JSON
	}
	return json.RawMessage(text)
}
