package receipt

import (
	"crypto/ed25519"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestEquivocation(t *testing.T) {
	a := sampleReceipt()
	b := a
	b.OutputDigest = Sum([]byte("another answer"))
	b = b.Sign(providerKey)
	if err := Equivocates(a, b); err != nil {
		t.Fatalf("two answers in one place: %v", err)
	}
	for name, spoil := range map[string]func(*Receipt){
		"the same":         func(r *Receipt) { *r = a },
		"another grant":    func(r *Receipt) { r.Grant[0] ^= 1; *r = r.Sign(providerKey) },
		"another sequence": func(r *Receipt) { r.Sequence++; *r = r.Sign(providerKey) },
		"another chain":    func(r *Receipt) { r.ChainID = "other"; *r = r.Sign(providerKey) },
		"another provider": func(r *Receipt) { r.Provider = "koinon1other"; *r = r.Sign(providerKey) },
		"another key":      func(r *Receipt) { *r = r.Sign(payerKey) },
		"no signature":     func(r *Receipt) { r.Signature = nil },
		"unsigned change":  func(r *Receipt) { r.Cost++ },
	} {
		bad := b
		spoil(&bad)
		if err := Equivocates(a, bad); !errors.Is(err, ErrNoEquivocation) {
			t.Errorf("%s: %v", name, err)
		}
		if err := Equivocates(bad, a); !errors.Is(err, ErrNoEquivocation) {
			t.Errorf("%s, the other way round: %v", name, err)
		}
	}
}

// TestOverCounting has receipts convict themselves by their own digests, and by
// nothing else.
func TestOverCounting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfN(rapid.Int32(), 0, 100).Draw(t, "tokens")
		stated := rapid.Uint64Range(0, 128).Draw(t, "stated")
		r := sampleReceipt()
		r.CompletionTokens, r.OutputDigest = stated, TokensDigest(ids)
		r = r.Sign(providerKey)
		proof, err := ProveCount(ids)
		if err != nil {
			t.Fatal(err)
		}
		if err := proof.Verify(TokensDigest(ids)); err != nil {
			t.Fatalf("%d tokens: %v", len(ids), err)
		}
		err = r.OverCounts(nil, &proof)
		over := stated > uint64(len(ids))
		if over != (err == nil) || !over && !errors.Is(err, ErrNotOverCounted) {
			t.Fatalf("%d stated of %d: %v", stated, len(ids), err)
		}
		if counts := Convict(r, nil, ids); over != (counts != nil) {
			t.Fatalf("%d stated of %d: convicted by %v", stated, len(ids), counts)
		}
		proof.Count += rapid.Uint64Range(1, 1<<41).Draw(t, "more")
		if err := r.OverCounts(nil, &proof); !errors.Is(err, ErrCount) {
			t.Fatalf("a count that the digest does not have: %v", err)
		}
	})
	r := sampleReceipt()
	prompt, err := ProveCount([]int32{1, 2, 3})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.OverCounts(&prompt, nil); err != nil {
		t.Errorf("412 tokens of a prompt of 3: %v", err)
	}
	if err := r.OverCounts(nil, nil); !errors.Is(err, ErrNotOverCounted) {
		t.Errorf("no proof: %v", err)
	}
	r.Cost++
	if err := r.OverCounts(&prompt, nil); !errors.Is(err, ErrReceiptSignature) {
		t.Errorf("a receipt that nobody signed: %v", err)
	}
}

// TestSeeds: the provider chooses nothing of what both draw.
func TestSeeds(t *testing.T) {
	grant, nonce := Sum([]byte("grant")), Sum([]byte("nonce"))
	key := providerKey.Public().(ed25519.PublicKey)
	lot, err := DrawLot(providerKey, grant)
	if err != nil {
		t.Fatal(err)
	}
	seed := lot.Seed(nonce)
	if again, err := DrawLot(providerKey, grant); err != nil || !again.Seed(nonce).Equal(seed) {
		t.Errorf("drawn again it is %v, %v", again.Seed(nonce), err)
	}
	if err := seed.Verify(key, grant); err != nil || seed.Value >= 1<<53 {
		t.Errorf("%d: %v", seed.Value, err)
	}
	if lot.Seed(Sum([]byte("another nonce"))).Value == seed.Value {
		t.Error("the nonce counts for nothing")
	}
	if err := NameSeed(7).Verify(key, grant); err != nil {
		t.Errorf("a named seed: %v", err)
	}
	others, err := DrawLot(payerKey, grant)
	other := others.Seed(nonce)
	if err != nil || other.Value == seed.Value {
		t.Errorf("another provider draws %d, %v", other.Value, err)
	}
	for name, spoil := range map[string]func(*Seed){
		"value":         func(s *Seed) { s.Value++ },
		"nonce":         func(s *Seed) { s.Nonce[0] ^= 1 },
		"no nonce":      func(s *Seed) { s.Nonce = Digest{} },
		"proof":         func(s *Seed) { s.Proof = append([]byte{s.Proof[0] ^ 1}, s.Proof[1:]...) },
		"no proof":      func(s *Seed) { s.Proof = nil },
		"other's proof": func(s *Seed) { s.Proof = other.Proof },
		"origin":        func(s *Seed) { s.Origin = Named },
		"no origin":     func(s *Seed) { s.Origin = "" },
	} {
		bad := seed
		spoil(&bad)
		if err := bad.Verify(key, grant); !errors.Is(err, ErrSeed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range seed.Proof {
		proof := append([]byte(nil), seed.Proof...)
		proof[i] ^= 1
		if _, err := ProvenLot(key, proof, grant); !errors.Is(err, ErrSeed) {
			t.Fatalf("a proof with another byte %d: %v", i, err)
		}
	}
	if err := seed.Verify(key, Sum([]byte("another grant"))); !errors.Is(err, ErrSeed) {
		t.Errorf("of another grant: %v", err)
	}
	r := sampleReceipt()
	r.Seed.Value++
	if err := r.Sign(providerKey).Verify(); !errors.Is(err, ErrSeed) {
		t.Errorf("a receipt with a seed that was not drawn: %v", err)
	}
}

func TestDecodeIsStrict(t *testing.T) {
	data := sampleReceipt().Encode()
	r, err := Decode(data)
	if err != nil || r.Verify() != nil || string(r.Encode()) != string(data) {
		t.Fatalf("%v, %v", err, r.Verify())
	}
	for n := range data {
		if _, err := Decode(data[:n]); !errors.Is(err, ErrDecode) {
			t.Fatalf("the first %d bytes: %v", n, err)
		}
	}
	if _, err := Decode(append(data, 0)); !errors.Is(err, ErrDecode) {
		t.Errorf("a byte too many: %v", err)
	}
	long := sampleReceipt()
	long.FinishReason = strings.Repeat("x", maxText+1)
	if _, err := Decode(long.Encode()); !errors.Is(err, ErrDecode) {
		t.Errorf("a text too long: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(sampleReceipt().Encode())
	f.Add([]byte("koinon/receipt/v1\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Decode(data)
		if err != nil {
			return
		}
		if string(r.Encode()) != string(data) {
			t.Fatal("a receipt has two encodings")
		}
		_ = r.Verify()
	})
}

func BenchmarkDrawLot(b *testing.B) {
	for b.Loop() {
		if _, err := DrawLot(providerKey, Digest{1}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	r := sampleReceipt()
	for b.Loop() {
		if err := r.Verify(); err != nil {
			b.Fatal(err)
		}
	}
}
