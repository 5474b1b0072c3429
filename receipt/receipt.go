package receipt

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"slices"

	voi "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
)

// Version is the version of receipts that this package writes.
const Version = 1

// Classes of verification of a model version.
const (
	Exact       = "exact"       // a re-run reproduces every bit
	Statistical = "statistical" // an answer is judged by its likelihood
)

// Logprobs commits to log-probabilities that an engine reported of each step. The
// form names what is packed and how: how many alternatives, on which grid.
type Logprobs struct {
	Form   string `json:"form"`   // empty for none
	Digest Digest `json:"digest"` // of what is packed; zero for none
}

// Receipt is a provider's signed statement of one answer. A grant's receipts
// form a chain: Sequence counts from 1, Previous is the hash of the one before
// (zero for the first) and Owed adds up their costs.
type Receipt struct {
	Version          int      `json:"version"`
	ChainID          string   `json:"chain_id"`
	Grant            Digest   `json:"grant"`
	Sequence         uint64   `json:"sequence"`
	Previous         Digest   `json:"previous"`
	Provider         string   `json:"provider"`
	ProviderKey      []byte   `json:"provider_key"` // Ed25519, 32 bytes
	Payer            string   `json:"payer"`
	App              string   `json:"app"`
	Right            string   `json:"right"` // the grant's: under which the call was made
	Model            Digest   `json:"model"`
	Class            string   `json:"class"`
	Request          Digest   `json:"request"` // SHA-256 of the request as sent
	PromptTokens     uint64   `json:"prompt_tokens"`
	CachedTokens     uint64   `json:"cached_tokens"`
	CompletionTokens uint64   `json:"completion_tokens"`
	PromptDigest     Digest   `json:"prompt_digest"` // TokensDigest
	OutputDigest     Digest   `json:"output_digest"` // TokensDigest
	Commitment       Digest   `json:"commitment"`    // MerkleRoot over the steps' Leafs
	Logprobs         Logprobs `json:"logprobs"`
	Sampling         Sampling `json:"sampling"`
	Seed             Seed     `json:"seed"`
	FinishReason     string   `json:"finish_reason"` // stop, length, cancelled or error
	Price            Price    `json:"price"`
	Cost             uint64   `json:"cost"`        // ucredit
	Owed             uint64   `json:"owed"`        // ucredit, on the grant, this answer included
	Ticket           uint64   `json:"ticket"`      // highest index seen when signed
	Started          int64    `json:"started"`     // Unix time, milliseconds
	FirstToken       int64    `json:"first_token"` // likewise; Finished if there was none
	Finished         int64    `json:"finished"`
	Signature        []byte   `json:"signature"`
}

// noSteps is the commitment to none.
var noSteps = MerkleRoot(nil)

// Errors of receipts.
var (
	ErrReceiptVersion   = errors.New("receipt of an unknown version")
	ErrReceiptField     = errors.New("receipt field missing or out of range")
	ErrReceiptCost      = errors.New("receipt's cost is not its price times its tokens")
	ErrReceiptSignature = errors.New("receipt's signature does not match its provider's key")
	ErrReceiptChain     = errors.New("receipts do not form a chain")
)

// Bytes is the canonical form of all but the signature.
func (r Receipt) Bytes() []byte {
	c := slices.Grow(begin("receipt"), 1<<10) // more than most have, signature included
	c.integer(uint64(r.Version))
	c.text(r.ChainID)
	c.digest(r.Grant)
	c.integer(r.Sequence)
	c.digest(r.Previous)
	c.text(r.Provider)
	c.text(string(r.ProviderKey))
	c.text(r.Payer)
	c.text(r.App)
	c.text(r.Right)
	c.digest(r.Model)
	c.text(r.Class)
	c.digest(r.Request)
	c.integer(r.PromptTokens)
	c.integer(r.CachedTokens)
	c.integer(r.CompletionTokens)
	c.digest(r.PromptDigest)
	c.digest(r.OutputDigest)
	c.digest(r.Commitment)
	c.text(r.Logprobs.Form)
	c.digest(r.Logprobs.Digest)
	r.Sampling.append(&c)
	r.Seed.append(&c)
	c.text(r.FinishReason)
	c.integer(r.Price.Input)
	c.integer(r.Price.CachedInput)
	c.integer(r.Price.Output)
	c.integer(r.Cost)
	c.integer(r.Owed)
	c.integer(r.Ticket)
	c.integer(uint64(r.Started))
	c.integer(uint64(r.FirstToken))
	c.integer(uint64(r.Finished))
	return c
}

// receipt reads what [Receipt.Bytes] writes, and the signature after it.
func (in *reader) receipt() (r Receipt) {
	r.Version = int(in.short())
	r.ChainID, r.Grant = in.text(), in.digest()
	r.Sequence, r.Previous = in.integer(), in.digest()
	r.Provider, r.ProviderKey, r.Payer, r.App, r.Right = in.text(), in.bytes(), in.text(), in.text(), in.text()
	r.Model, r.Class, r.Request = in.digest(), in.text(), in.digest()
	r.PromptTokens, r.CachedTokens, r.CompletionTokens = in.integer(), in.integer(), in.integer()
	r.PromptDigest, r.OutputDigest, r.Commitment = in.digest(), in.digest(), in.digest()
	r.Logprobs = Logprobs{in.text(), in.digest()}
	r.Sampling, r.Seed = in.sampling(), in.seed()
	r.FinishReason = in.text()
	r.Price = Price{in.integer(), in.integer(), in.integer()}
	r.Cost, r.Owed, r.Ticket = in.integer(), in.integer(), in.integer()
	r.Started, r.FirstToken, r.Finished = int64(in.integer()), int64(in.integer()), int64(in.integer())
	r.Signature = in.bytes()
	return r
}

// Hash names the receipt: the SHA-256 of its canonical bytes. The signature is
// not part of it, so nobody can give one statement two names.
func (r Receipt) Hash() Digest { return Sum(r.Bytes()) }

// Sign fills in the provider's key and signature.
func (r Receipt) Sign(key ed25519.PrivateKey) Receipt {
	r.ProviderKey = key.Public().(ed25519.PublicKey)
	r.Signature = voi.Sign(voi.PrivateKey(key), r.Bytes())
	return r
}

// Verify checks what can be checked of one receipt alone: form, the arithmetic
// of its cost, the signature by the key it names, and that its seed came about as
// it says. That this key is the provider's is on the ledger.
func (r Receipt) Verify() error {
	if err := r.Validate(); err != nil {
		return err
	}
	if err := r.VerifySignature(); err != nil {
		return err
	}
	return r.Seed.Verify(r.ProviderKey, r.Grant)
}

// VerifySignature checks that who holds the key signed this, right or wrong: what
// it states is not looked at. Refusals: [ErrKey], [ErrReceiptSignature].
func (r Receipt) VerifySignature() error {
	if len(r.ProviderKey) != ed25519.PublicKeySize {
		return ErrKey
	}
	if !signed(r.ProviderKey, r.Bytes(), r.Signature) {
		return ErrReceiptSignature
	}
	return nil
}

// Validate is [Receipt.Verify] without the signature.
func (r Receipt) Validate() error {
	if r.Version != Version {
		return fmt.Errorf("%w: %d, not %d", ErrReceiptVersion, r.Version, Version)
	}
	if err := r.validate(); err != nil {
		return err
	}
	cost, err := r.Price.Cost(r.PromptTokens, r.CachedTokens, r.CompletionTokens)
	if err != nil {
		return err
	}
	if cost != r.Cost {
		return fmt.Errorf("%w: it says %d ucredit, they make %d", ErrReceiptCost, r.Cost, cost)
	}
	return nil
}

func (r Receipt) validate() error {
	bad := func(field string) error { return fmt.Errorf("%w: %s", ErrReceiptField, field) }
	short := func(s string) bool { return s != "" && len(s) <= maxText }
	switch {
	case !short(r.ChainID):
		return bad("chain_id")
	case !short(r.Provider):
		return bad("provider")
	case !short(r.Payer):
		return bad("payer")
	case len(r.App) > maxText:
		return bad("app")
	case len(r.Right) > maxText:
		return bad("right")
	case len(r.ProviderKey) != ed25519.PublicKeySize:
		return bad("provider_key")
	case r.Grant.IsZero():
		return bad("grant")
	case r.Model.IsZero():
		return bad("model")
	case r.Class != Exact && r.Class != Statistical:
		return bad("class")
	case r.Sequence == 0 || (r.Sequence == 1) != r.Previous.IsZero():
		return bad("sequence")
	case r.CachedTokens > r.PromptTokens:
		return bad("cached_tokens")
	case r.Price.CachedInput > r.Price.Input:
		return bad("price.cached_input")
	case r.CompletionTokens > uint64(r.Sampling.MaxTokens):
		return bad("completion_tokens")
	case r.CompletionTokens > 0 && (r.Commitment.IsZero() || r.Commitment == noSteps):
		return bad("commitment")
	case !r.Sampling.valid():
		return bad("sampling")
	case uint64(r.Sampling.Resumed) > r.PromptTokens:
		return bad("sampling.resumed")
	case len(r.Logprobs.Form) > maxText || (r.Logprobs.Form == "") != r.Logprobs.Digest.IsZero():
		return bad("logprobs")
	case !short(r.FinishReason):
		return bad("finish_reason")
	case r.Owed < r.Cost:
		return bad("owed")
	case r.Started <= 0 || r.FirstToken < r.Started || r.Finished < r.FirstToken:
		return bad("times")
	}
	return r.Seed.form()
}

// VerifyChain checks that receipts are of one grant, in order, and that each which
// is right after another follows from it. Places may be left out: a provider that
// was interrupted leaves out those that it may have given away. It does not check
// the receipts one by one; [Receipt.Verify] does.
func VerifyChain(receipts []Receipt) error {
	for i := 1; i < len(receipts); i++ {
		r, before := receipts[i], receipts[i-1]
		if r.Grant == before.Grant && r.Sequence > before.Sequence+1 && r.Ticket >= before.Ticket {
			continue
		}
		if err := r.Follows(before); err != nil {
			return err
		}
	}
	return nil
}

// Follows checks that r is the receipt right after previous.
func (r Receipt) Follows(previous Receipt) error {
	wrong := func(what string) error {
		return fmt.Errorf("%w: %s at sequence %d", ErrReceiptChain, what, r.Sequence)
	}
	switch {
	case r.Grant != previous.Grant:
		return wrong("another grant")
	case r.Sequence != previous.Sequence+1:
		return wrong(fmt.Sprintf("%d comes before it", previous.Sequence))
	case r.Previous != previous.Hash():
		return wrong("it names another receipt as the one before")
	case r.Owed < r.Cost || r.Owed-r.Cost != previous.Owed:
		return wrong("what is owed does not add up")
	case r.Ticket < previous.Ticket:
		return wrong("fewer tickets than before")
	}
	return nil
}
