package gateway

import (
	"context"
	"crypto/ed25519"
	"io"
	"time"

	assemblyv1 "github.com/koinon/koinon/api/koinon/assembly/v1"
	escrowv1 "github.com/koinon/koinon/api/koinon/escrow/v1"
	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/internal/engine/toolcall"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/receipt"
)

// Ledger is what the gateway reads from and writes to the ledger, always in the
// background.
type Ledger interface {
	// Versions, Providers and Offers list all that are registered.
	Versions(context.Context) ([]modelv1.Version, error)
	// Tags lists all tags, which point to versions.
	Tags(context.Context) ([]modelv1.Tag, error)
	Providers(context.Context) ([]providerv1.Provider, error)
	Offers(context.Context) ([]providerv1.Offer, error)
	// Audited is a provider's audit record: which part of its answers, between 0
	// and 1, need no audit any more, or [route.Unaudited] if it had none.
	Audited(ctx context.Context, provider string) (float64, error)
	// Ceilings lists the highest prices that models' shareholders allow.
	Ceilings(context.Context) ([]assemblyv1.ModelCeiling, error)
	// Access lists who may call what, and the access tokens that the payer holds.
	Access(context.Context) (Access, error)
	// Payer is the account that pays: its address.
	Payer() string
	// Escrow is the payer's; a payer who never deposited has an empty one.
	Escrow(context.Context) (escrowv1.Escrow, error)
	// Balance is what the payer's account holds outside the escrow, in ucredit.
	Balance(context.Context) (uint64, error)
	// Deposit moves ucredit from the account into the escrow, sets its grant
	// key, and returns once the ledger has it.
	Deposit(ctx context.Context, amount uint64, grantKey ed25519.PublicKey) error
	// Accuse convicts a provider by what it signed. Refusal: [ErrNoConviction].
	Accuse(ctx context.Context, e Evidence) error
}

// Peer is where a provider can be reached.
type Peer struct {
	Key   ed25519.PublicKey // its libp2p identity
	Addrs []string          // libp2p multiaddrs without the /p2p part
}

// Network opens streams to providers.
type Network interface {
	// Open opens a stream of [inference.Protocol]. The context bounds the
	// opening alone.
	Open(context.Context, Peer) (Stream, error)
	// Probe connects if need be and measures a round trip.
	Probe(context.Context, Peer) (time.Duration, error)
}

// Stream is one request's connection. CloseWrite says that everything has been
// received; Reset breaks the stream off in both directions.
type Stream interface {
	io.ReadWriteCloser
	CloseWrite() error
	Reset() error
	SetReadDeadline(time.Time) error
	SetWriteDeadline(time.Time) error
}

// Vocabularies finds the vocabulary of a model version by content address.
type Vocabularies interface {
	// Vocabulary fetches and checks a version's tokenizer and chat template,
	// from any of the peers, and may take long the first time.
	Vocabulary(ctx context.Context, model receipt.Digest, peers []Peer) (Vocabulary, error)
}

// Vocabulary is a model's tokenizer and chat template. It is safe for
// concurrent use.
type Vocabulary interface {
	// Prompt is the token ids of a request's prompt, exactly as a provider of
	// the same weights makes them.
	Prompt(inference.Request) ([]int32, error)
	// Tools is how the model writes calls of tools.
	Tools() toolcall.Format
	// Piece is what a token stands for; false if there is no such token.
	Piece(id int32) ([]byte, bool)
}
