package gateway

import (
	"context"
	"time"

	"github.com/koinon/koinon/internal/engine"
	"github.com/koinon/koinon/internal/inference"
	"github.com/koinon/koinon/internal/p2p"
	"github.com/koinon/koinon/receipt"
)

// OnNetwork reaches providers over libp2p.
func OnNetwork(h *p2p.Host) Network { return onNetwork{h} }

type onNetwork struct{ host *p2p.Host }

func (n onNetwork) Open(ctx context.Context, p Peer) (Stream, error) {
	return n.host.Open(ctx, p2p.Peer(p), inference.Protocol)
}

func (n onNetwork) Probe(ctx context.Context, p Peer) (time.Duration, error) {
	return n.host.Ping(ctx, p2p.Peer(p))
}

// Files fetches the files of model versions by content address.
type Files interface {
	// Vocabulary is the path of a version's vocabulary, a GGUF file without
	// weights, every byte of which was checked against the version's digest.
	Vocabulary(ctx context.Context, version receipt.Digest, from []p2p.Peer) (path string, err error)
}

// FromFiles reads vocabularies with the reference engine's tokenizer.
func FromFiles(f Files) Vocabularies { return fromFiles{f} }

type fromFiles struct{ files Files }

func (f fromFiles) Vocabulary(ctx context.Context, model receipt.Digest, peers []Peer) (Vocabulary, error) {
	from := make([]p2p.Peer, len(peers))
	for i, p := range peers {
		from[i] = p2p.Peer(p)
	}
	path, err := f.files.Vocabulary(ctx, model, from)
	if err != nil {
		return nil, err
	}
	v, err := engine.OpenVocabulary(path)
	if err != nil {
		return nil, err
	}
	return engineVocabulary{v}, nil
}

// engineVocabulary is the reference engine's, as providers use it.
type engineVocabulary struct{ vocabulary *engine.Vocabulary }

func (v engineVocabulary) Chat(messages []inference.Message) ([]int32, error) {
	turns := make([]engine.Message, len(messages))
	for i, m := range messages {
		turns[i] = engine.Message(m)
	}
	return v.vocabulary.Chat(turns)
}

func (v engineVocabulary) Text(s string) ([]int32, error) { return v.vocabulary.Prompt(s), nil }

// Piece leaves the text of control tokens out: it is nothing to read.
func (v engineVocabulary) Piece(id int32) ([]byte, bool) {
	if id < 0 || int(id) >= v.vocabulary.Size() {
		return nil, false
	}
	if v.vocabulary.IsControl(id) {
		return nil, true
	}
	return v.vocabulary.Piece(id), true
}
