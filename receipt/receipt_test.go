package receipt

import (
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "rewrite the published vectors")

var (
	payerKey    = ed25519.NewKeyFromSeed([]byte(strings.Repeat("p", 32)))
	providerKey = ed25519.NewKeyFromSeed([]byte(strings.Repeat("q", 32)))
)

func sampleGrant() Grant {
	var seed [32]byte
	copy(seed[:], "a seed that is no secret, 32 byte")
	return Grant{
		ChainID: "koinon-test", Payer: "koinon1payer", Provider: "koinon1provider", App: "koinon1app",
		Model: Sum([]byte("model")), TicketValue: 10, Tickets: 1000, Expiry: 1_800_000_000,
		Anchor: NewChain(seed, 1000).Anchor(), Right: "token/7", Calls: 64,
	}
}

func sampleLeaf(step uint64, token int32, logits string) Digest {
	return Leaf(step, token, Sum([]byte(logits)), Fold([]uint64{step, 1 << 63}))
}

func sampleBias(yield func(uint32, float32) bool) { _ = yield(7, -1.5) && yield(9, 100) }

func sampleReceipt() Receipt {
	lot, err := DrawLot(providerKey, sampleGrant().ID())
	if err != nil {
		panic(err)
	}
	return Receipt{
		Version: Version, ChainID: "koinon-test", Grant: sampleGrant().ID(), Sequence: 1,
		Provider: "koinon1provider", Payer: "koinon1payer", App: "koinon1app", Right: "token/7", Model: Sum([]byte("model")), Class: Exact,
		Request: Sum([]byte("request")), PromptTokens: 412, CachedTokens: 256, CompletionTokens: 3,
		PromptDigest: TokensDigest([]int32{1, 2, 3}), OutputDigest: TokensDigest([]int32{7, 8, 9}),
		Commitment: MerkleRoot([]Digest{sampleLeaf(0, 7, "a"), sampleLeaf(1, 8, "b"), sampleLeaf(2, 9, "c")}),
		Logprobs:   Logprobs{Form: "sample", Digest: Sum([]byte("log-probabilities"))},
		Sampling: Sampling{
			Kind: Categorical, Temperature: 0.8, TopP: 0.95, TopK: 40, MinP: 0.05, TypicalP: 0.9, RepetitionPenalty: 1.1,
			PresencePenalty: -0.5, FrequencyPenalty: 0.25, PenaltyWindow: 64, LogitBias: BiasDigest(sampleBias),
			Grammar: GrammarDigest(`root ::= "yes"`), Stop: StopDigest([]string{"\n\n", "END"}), MaxTokens: 128, Resumed: 2,
		},
		Seed: lot.Seed(Sum([]byte("nonce"))), FinishReason: "stop",
		Price: Price{Input: 1_000_000, CachedInput: 250_000, Output: 3_000_000}, Cost: 229, Owed: 229, Ticket: 42,
		Started: 1_790_000_000_000, FirstToken: 1_790_000_000_050, Finished: 1_790_000_000_100,
	}.Sign(providerKey)
}

func TestReceiptVerifies(t *testing.T) {
	if err := sampleReceipt().Verify(); err != nil {
		t.Fatal(err)
	}
}

// TestEveryFieldIsSigned changes each field in turn; no change may verify.
func TestEveryFieldIsSigned(t *testing.T) {
	change := func(v reflect.Value) {
		switch v.Kind() {
		case reflect.String:
			v.SetString(v.String() + "x")
		case reflect.Int, reflect.Int64:
			v.SetInt(v.Int() + 1)
		case reflect.Uint32, reflect.Uint64:
			v.SetUint(v.Uint() + 1)
		case reflect.Float32:
			v.SetFloat(v.Float() / 2)
		case reflect.Array, reflect.Slice:
			if v.Kind() == reflect.Slice {
				v.Set(reflect.AppendSlice(reflect.MakeSlice(v.Type(), 0, v.Len()), v))
			}
			v.Index(0).SetUint(v.Index(0).Uint() ^ 1)
		default:
			t.Fatalf("unexpected field of kind %s", v.Kind())
		}
	}
	var walk func(path string, index []int, typ reflect.Type)
	walk = func(path string, index []int, typ reflect.Type) {
		for i := range typ.NumField() {
			f := typ.Field(i)
			at := append(append([]int(nil), index...), i)
			if f.Type.Kind() == reflect.Struct {
				walk(path+f.Name+".", at, f.Type)
				continue
			}
			r := sampleReceipt()
			change(reflect.ValueOf(&r).Elem().FieldByIndex(at))
			if err := r.Verify(); err == nil {
				t.Errorf("a receipt with another %s%s verifies", path, f.Name)
			}
		}
	}
	walk("", nil, reflect.TypeFor[Receipt]())
}

// TestFormOfReceipts signs what no receipt may state.
func TestFormOfReceipts(t *testing.T) {
	for name, spoil := range map[string]func(*Receipt){
		"steps committed to by nothing":   func(r *Receipt) { r.Commitment = Digest{} },
		"steps committed to as none":      func(r *Receipt) { r.Commitment = MerkleRoot(nil) },
		"log-probabilities of no form":    func(r *Receipt) { r.Logprobs.Form = "" },
		"more resumed than the prompt":    func(r *Receipt) { r.Sampling.Resumed = 413 },
		"a sampler that nobody knows":     func(r *Receipt) { r.Sampling.Kind = "dice" },
		"a penalty that is no number":     func(r *Receipt) { r.Sampling.PresencePenalty = float32(math.NaN()) },
		"a seed of no origin":             func(r *Receipt) { r.Seed.Origin = "" },
		"a named seed with a proof":       func(r *Receipt) { r.Seed.Origin = Named },
		"more tokens than were allowed":   func(r *Receipt) { r.Sampling.MaxTokens = 2 },
		"more cached than the prompt has": func(r *Receipt) { r.CachedTokens = 413 },
	} {
		r := sampleReceipt()
		spoil(&r)
		if err := r.Sign(providerKey).Verify(); err == nil {
			t.Errorf("a receipt with %s verifies", name)
		}
	}
}

func TestGrantSignature(t *testing.T) {
	public := payerKey.Public().(ed25519.PublicKey)
	signed := sampleGrant().Sign(payerKey)
	if err := signed.Verify(public); err != nil {
		t.Fatal(err)
	}
	if err := signed.Verify(providerKey.Public().(ed25519.PublicKey)); !errors.Is(err, ErrGrantSignature) {
		t.Errorf("another key: %v", err)
	}
	if err := signed.Verify(public[:31]); !errors.Is(err, ErrKey) {
		t.Errorf("a short key: %v", err)
	}
	raised := signed
	raised.TicketValue++
	if err := raised.Verify(public); !errors.Is(err, ErrGrantSignature) {
		t.Errorf("a raised value: %v", err)
	}
	huge := sampleGrant()
	huge.TicketValue = math.MaxUint64
	if err := huge.Sign(payerKey).Verify(public); !errors.Is(err, ErrGrantOverflow) {
		t.Errorf("an overflowing cap: %v", err)
	}
}

func TestTicketsLeadToTheAnchor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(1, 300).Draw(t, "tickets")
		var seed [32]byte
		copy(seed[:], rapid.SliceOfN(rapid.Byte(), 32, 32).Draw(t, "seed"))
		chain := NewChain(seed, n)
		last, lastIndex := chain.Anchor(), uint64(0)
		for range rapid.IntRange(1, 8).Draw(t, "reveals") {
			i := rapid.Uint64Range(0, n).Draw(t, "index")
			ticket, err := chain.Ticket(i)
			if err != nil {
				t.Fatal(err)
			}
			err = VerifyTicket(last, lastIndex, ticket, i)
			if i <= lastIndex {
				if !errors.Is(err, ErrTicketOrder) {
					t.Fatalf("index %d after %d: %v", i, lastIndex, err)
				}
				continue
			}
			if err != nil {
				t.Fatalf("index %d after %d: %v", i, lastIndex, err)
			}
			ticket[0] ^= 1
			if err := VerifyTicket(last, lastIndex, ticket, i); !errors.Is(err, ErrTicketChain) {
				t.Fatalf("a false ticket: %v", err)
			}
			ticket[0] ^= 1
			last, lastIndex = ticket, i
		}
		if seedTicket, _ := chain.Ticket(n); seedTicket != Digest(seed) {
			t.Fatal("the last ticket is not the seed")
		}
		if _, err := chain.Ticket(n + 1); !errors.Is(err, ErrTicketIndex) {
			t.Fatalf("a ticket past the end: %v", err)
		}
	})
}

func TestCostRoundsUpAndNeverOverflows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Price{rapid.Uint64().Draw(t, "input"), rapid.Uint64().Draw(t, "cached input"), rapid.Uint64().Draw(t, "output")}
		in, out := rapid.Uint64().Draw(t, "prompt"), rapid.Uint64().Draw(t, "completion")
		cached := rapid.Uint64Range(0, in).Draw(t, "cached")
		got, err := p.Cost(in, cached, out)
		exact := float64(p.Input)*float64(in-cached)/1e6 + float64(p.CachedInput)*float64(cached)/1e6 + float64(p.Output)*float64(out)/1e6
		if err != nil {
			if exact < math.MaxUint64*0.999 {
				t.Fatalf("%g refused: %v", exact, err)
			}
			return
		}
		if math.Abs(float64(got)-exact) > 1+exact*1e-9 {
			t.Fatalf("cost %d, exactly %g", got, exact)
		}
	})
	for tokens, want := range map[uint64]uint64{0: 0, 1: 1, 999_999: 1, 1_000_000: 1, 1_000_001: 2} {
		if got, err := (Price{Input: 1}).Cost(tokens, 0, 0); err != nil || got != want {
			t.Errorf("%d tokens at 1 a million cost %d, %v; want %d", tokens, got, err, want)
		}
	}
}

func TestChainOfReceipts(t *testing.T) {
	first := sampleReceipt()
	second := first
	second.Sequence, second.Previous, second.Owed = 2, first.Hash(), first.Owed+second.Cost
	second = second.Sign(providerKey)
	if err := VerifyChain([]Receipt{first, second}); err != nil {
		t.Fatal(err)
	}
	later := second
	later.Sequence, later.Previous = 67, Sum([]byte("lost with the power"))
	if err := VerifyChain([]Receipt{first, later.Sign(providerKey)}); err != nil {
		t.Errorf("places left out: %v", err)
	}
	for name, spoil := range map[string]func(*Receipt){
		"sequence": func(r *Receipt) { r.Sequence-- },
		"previous": func(r *Receipt) { r.Previous[0] ^= 1 },
		"owed":     func(r *Receipt) { r.Owed++ },
		"grant":    func(r *Receipt) { r.Grant[0] ^= 1 },
		"ticket":   func(r *Receipt) { r.Ticket-- },
	} {
		bad := second
		spoil(&bad)
		if err := VerifyChain([]Receipt{first, bad}); !errors.Is(err, ErrReceiptChain) {
			t.Errorf("another %s: %v", name, err)
		}
	}
}

// TestMerkleRootRFC6962 checks the shape of the tree on seven leaves, as
// section 2.1.3 draws it.
func TestMerkleRootRFC6962(t *testing.T) {
	var leaves []Digest
	for i := range 7 {
		leaves = append(leaves, Sum([]byte{byte(i)}))
	}
	leaf := func(i int) Digest { return Sum(append([]byte{0}, leaves[i][:]...)) }
	node := func(a, b Digest) Digest { return Sum(append(append([]byte{1}, a[:]...), b[:]...)) }
	k := node(node(leaf(0), leaf(1)), node(leaf(2), leaf(3)))
	l := node(node(leaf(4), leaf(5)), leaf(6))
	if MerkleRoot(leaves) != node(k, l) {
		t.Error("the root of seven leaves is wrong")
	}
	if MerkleRoot(nil) != Sum(nil) || MerkleRoot(leaves[:1]) != leaf(0) {
		t.Error("the root of none or one leaf is wrong")
	}
}

// vector is what other implementations can check themselves against.
type vector struct {
	PayerSeed    string            `json:"payer_seed"`
	ProviderSeed string            `json:"provider_seed"`
	ChainSeed    string            `json:"chain_seed"`
	Tickets      map[string]Digest `json:"tickets"`
	Grant        SignedGrant       `json:"grant"`
	GrantBytes   string            `json:"grant_bytes"`
	GrantID      Digest            `json:"grant_id"`
	Receipt      Receipt           `json:"receipt"`
	ReceiptBytes string            `json:"receipt_bytes"`
	ReceiptHash  Digest            `json:"receipt_hash"`
	// Encoded is the receipt for messages: its bytes and the signature.
	Encoded string `json:"encoded"`
	// The second of the receipt's three leaves, and the proof that it is.
	Leaf     Digest   `json:"leaf"`
	LeafPath []Digest `json:"leaf_path"`
	// Of embeddings.
	Vectors           [][]float32 `json:"vectors"`
	VectorsDigest     Digest      `json:"vectors_digest"`     // output_digest
	VectorsCommitment Digest      `json:"vectors_commitment"` // commitment
}

func TestVectors(t *testing.T) {
	var seed [32]byte
	copy(seed[:], "a seed that is no secret, 32 byte")
	chain := NewChain(seed, 1000)
	v := vector{
		PayerSeed: hex.EncodeToString(payerKey.Seed()), ProviderSeed: hex.EncodeToString(providerKey.Seed()), ChainSeed: hex.EncodeToString(seed[:]),
		Tickets: map[string]Digest{}, Grant: sampleGrant().Sign(payerKey), Receipt: sampleReceipt(),
	}
	for name, i := range map[string]uint64{"0": 0, "1": 1, "42": 42, "1000": 1000} {
		ticket, err := chain.Ticket(i)
		if err != nil {
			t.Fatal(err)
		}
		v.Tickets[name] = ticket
	}
	v.GrantBytes, v.GrantID = hex.EncodeToString(v.Grant.Bytes()), v.Grant.ID()
	v.ReceiptBytes, v.ReceiptHash = hex.EncodeToString(v.Receipt.Bytes()), v.Receipt.Hash()
	v.Encoded = hex.EncodeToString(v.Receipt.Encode())
	v.Leaf = sampleLeaf(1, 8, "b")
	path, err := Prove([]Digest{sampleLeaf(0, 7, "a"), v.Leaf, sampleLeaf(2, 9, "c")}, 1)
	if err != nil {
		t.Fatal(err)
	}
	v.LeafPath = path
	v.Vectors = [][]float32{{0.6, -0.8}, {1, 0}}
	v.VectorsDigest = VectorsDigest(v.Vectors)
	v.VectorsCommitment = MerkleRoot([]Digest{VectorLeaf(0, v.Vectors[0]), VectorLeaf(1, v.Vectors[1])})
	got, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join("..", "spec", "vectors", "receipt", "v1.json")
	if *update {
		if err := os.WriteFile(file, append(got, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if strings.TrimSpace(string(want)) != string(got) {
		t.Error("the canonical form changed: receipts already signed would no longer verify. If that is meant, raise the version.")
	}
}

func FuzzReceiptJSON(f *testing.F) {
	data, err := json.Marshal(sampleReceipt())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"model":"sha256:zz"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var r Receipt
		if json.Unmarshal(data, &r) != nil || r.Verify() != nil {
			return
		}
		again, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		var back Receipt
		if err := json.Unmarshal(again, &back); err != nil || back.Hash() != r.Hash() || back.Verify() != nil {
			t.Fatalf("a valid receipt does not survive JSON: %v", err)
		}
	})
}

func FuzzGrantJSON(f *testing.F) {
	public := payerKey.Public().(ed25519.PublicKey)
	signed := sampleGrant().Sign(payerKey)
	data, err := json.Marshal(signed)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"ticket_value":18446744073709551615,"tickets":2,"expiry":-1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var g SignedGrant
		if json.Unmarshal(data, &g) != nil || g.Verify(public) != nil {
			return
		}
		if g.ID() != signed.ID() {
			t.Fatalf("a grant that the payer never signed verifies: %+v", g)
		}
		if _, err := g.Cap(); err != nil {
			t.Fatal(err)
		}
	})
}

func FuzzParseDigest(f *testing.F) {
	f.Add(Sum(nil).String())
	f.Add("sha256:")
	f.Add(strings.ToUpper(Sum(nil).String()))
	f.Fuzz(func(t *testing.T, text string) {
		if d, err := ParseDigest(text); err == nil && d.String() != text {
			t.Fatalf("%q reads as %s: a digest has one text", text, d)
		}
	})
}

func BenchmarkVerifyTicket(b *testing.B) {
	chain := NewChain([32]byte{1}, 1)
	last, _ := chain.Ticket(0)
	ticket, _ := chain.Ticket(1)
	for b.Loop() {
		if err := VerifyTicket(last, 0, ticket, 1); err != nil {
			b.Fatal(err)
		}
	}
}
