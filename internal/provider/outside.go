package provider

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/cosmos/gogoproto/proto"

	challengev1 "github.com/koinon/koinon/api/koinon/challenge/v1"
	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

// Errors that a [Ledger] must return, wrapped or not.
var (
	// ErrNotFound: the ledger answered, and has no such entry.
	ErrNotFound = errors.New("not on the ledger")
	// ErrRefused: the ledger answered, and will not have the transaction. Any
	// other error of Send leaves it unknown whether the transaction went through.
	ErrRefused = errors.New("the ledger refused the transaction")
)

// Ledger is the provider's view of the chain, bound to its account.
type Ledger interface {
	// Address is the account that signs.
	Address() string
	// ChainID names the chain.
	ChainID() string
	// Send signs one transaction and returns when it is in a block: all of its
	// messages took effect, or (with an error that is ErrRefused) none did.
	Send(ctx context.Context, msgs ...proto.Message) error
	// Redeem sends redemptions as one transaction and returns when it is in a
	// block, with each one's refusal (an ErrRefused), nil for those accepted. An
	// error says that none took effect, or that it is not known.
	Redeem(ctx context.Context, msg *escrowv1.MsgRedeem) ([]error, error)
	Version(ctx context.Context, digest string) (modelv1.Version, error)
	Provider(ctx context.Context, address string) (providerv1.Provider, error)
	// Offers lists one provider's offers.
	Offers(ctx context.Context, provider string) ([]providerv1.Offer, error)
	Escrow(ctx context.Context, payer string) (escrowv1.Escrow, error)
	Grant(ctx context.Context, id string) (escrowv1.ActiveGrant, error)
	EscrowParams(ctx context.Context) (escrowv1.Params, error)
	// Admission is until when a grant's payer may call under the right that it names,
	// in Unix seconds, 0 for no end; an ErrRefused if it may not.
	Admission(ctx context.Context, g receipt.Grant) (until int64, err error)
	// Ceiling is the highest price that a model's shareholders allow; zero for any.
	Ceiling(ctx context.Context, model string) (receipt.Price, error)
	// Duties lists the epoch challenges that the account has to answer.
	Duties(ctx context.Context) ([]challengev1.Duty, error)
}

// Stream is one libp2p stream, or what behaves like it.
type Stream interface {
	io.ReadWriteCloser
	// Reset ends both directions at once, with an error at the other side.
	Reset() error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// Errors that an [Engine] must return, wrapped or not.
var (
	// ErrBusy: slots and queue are full.
	ErrBusy = errors.New("every slot is taken and the queue is full")
	// ErrContextLength: the prompt leaves no room for an answer.
	ErrContextLength = errors.New("the prompt does not fit the model's context")
	// ErrUnsupported: this engine cannot do what was asked, another's may.
	ErrUnsupported = errors.New("this provider's engine cannot do that")
	// ErrEngine: the engine failed, through no fault of the request.
	ErrEngine = errors.New("the engine failed")
)

// Engine turns a request into tokens. It is safe for concurrent use.
type Engine interface {
	// Prompt is the token ids of a request: rendered by the model's template, or
	// encoded as they are.
	Prompt(r inference.Request) ([]int32, error)
	// Check refuses a request that Generate cannot answer, and says why, so that
	// nothing is paid for it.
	Check(r inference.Request) error
	// Sampler is the kind of what draws its tokens, as receipts have it:
	// [receipt.Categorical], [receipt.Gumbel] or [receipt.Foreign].
	Sampler() string
	// ContextLength bounds prompt and answer together, in tokens.
	ContextLength() int
	// Generate emits an answer's tokens in order and says why it ended: "stop"
	// or "length". It waits for a slot in a bounded queue. An error of emit ends
	// the answer and is returned; the end of ctx frees the slot at once. While
	// emit waits, other answers go on.
	Generate(ctx context.Context, job Job, emit func(Token) error) (finish string, err error)
}

// Embedder is what an [Engine] also is that makes embeddings. It is safe for
// concurrent use.
type Embedder interface {
	// Texts are the token ids of each text of a request, or why they cannot be
	// embedded.
	Texts(e *inference.Embed) ([][]int32, error)
	// Embed is the vector of one text, with at most [inference.MaxVector] elements.
	Embed(ctx context.Context, text []int32, pooling string) ([]float32, error)
}

// Job is one answer to generate.
type Job struct {
	Request inference.Request
	// Prompt is what Prompt made of the request.
	Prompt []int32
	// MaxTokens is at least 1, and fits the context with the prompt.
	MaxTokens int
	// Scope is whose request it is: what was computed for one scope must not be
	// used for another, nor show in what it is charged.
	Scope receipt.Digest
}

// Token is one step of an answer.
type Token struct {
	ID      int32
	Logprob float32
	Top     []TopLogprob
	// Leaf commits to the step's logits and token.
	Leaf receipt.Digest
	// Said is the digest of logits in it, of an engine that cannot compute them
	// again; zero if it can.
	Said receipt.Digest
	// Cached, in the first token alone, is how many of the prompt's tokens were
	// computed for the same scope before.
	Cached int
}

// TopLogprob is an alternative that the step might have drawn.
type TopLogprob struct {
	ID      int32
	Logprob float32
}

// Model is the one model version that a provider serves.
type Model struct {
	Digest        receipt.Digest
	Name, Version string
	// Class is receipt.Exact or receipt.Statistical.
	Class         string
	License       string
	Architecture  string
	Parameters    uint64
	SizeBytes     uint64
	ContextLength uint32
	Quantization  string
	Root          receipt.Digest // over the rows of an exact version's weights
	Conduct       receipt.Digest // of system prompt and filters; zero if it has none
}
