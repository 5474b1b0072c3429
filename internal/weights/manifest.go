package weights

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multihash"

	"github.com/koinon/koinon/receipt"
)

// Format is the manifest's first field.
const Format = "koinon/manifest/v1"

// Limits of a manifest, checked before anything is fetched.
const (
	MaxManifest   = 16 << 10  // bytes of its JSON
	MaxVocabulary = 256 << 20 // bytes of the vocabulary's file
	maxText       = 256       // bytes of one text field
	maxNumber     = 1 << 53   // the largest integer that every JSON reader keeps
)

// Manifest describes one immutable version of a model. Its digest names the
// version everywhere: in the registry, in grants and in receipts.
type Manifest struct {
	Format        string `json:"format"` // [Format]
	Name          string `json:"name"`
	Version       string `json:"version"`
	Architecture  string `json:"architecture"`   // as GGUF's general.architecture
	Parameters    uint64 `json:"parameters"`     // elements of all tensors
	ContextLength uint32 `json:"context_length"` // tokens
	Quantization  string `json:"quantization"`   // type of most elements, as ggml names it
	Class         string `json:"class"`          // [receipt.Exact] or [receipt.Statistical]
	License       string `json:"license"`        // SPDX identifier
	// Weights is the whole GGUF file.
	Weights Blob `json:"weights"`
	// Vocabulary is a GGUF of the same metadata without tensors: what those need
	// who only recount tokens.
	Vocabulary Blob `json:"tokenizer"`
	// Root is the digest over the rows of an exact version's weights, by which single
	// rows are proved in a dispute (spec/bisection.md); zero for the statistical class.
	Root receipt.Digest `json:"root"`
	// Template is the SHA-256 of the chat template's text; zero if there is none.
	Template receipt.Digest `json:"template"`
	// Conduct is the digest of the system prompt and the safety filters in the file
	// (package mechanism/conduct); a version that is told nothing has no such field.
	Conduct receipt.Digest `json:"conduct,omitzero"`
}

// Blob is one file by content.
type Blob struct {
	SHA256 receipt.Digest `json:"sha256"` // of the whole file, for people: blocks are what is checked when it moves
	Size   uint64         `json:"size"`   // bytes
	CID    string         `json:"cid"`    // root of its blocks, CIDv1 in base32
}

// Bytes is the canonical form: JSON without white space, fields in the order of
// the struct.
func (m Manifest) Bytes() []byte {
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	if err := e.Encode(m); err != nil {
		panic(err) // texts, numbers and digests always encode
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n"))
}

// Digest names the version.
func (m Manifest) Digest() receipt.Digest { return receipt.Sum(m.Bytes()) }

// Decode reads a manifest, from anybody. It accepts the canonical form only, so
// a version has one manifest and one digest. Refusal: [ErrManifest].
func Decode(data []byte) (Manifest, error) {
	var m Manifest
	if len(data) > MaxManifest {
		return m, fmt.Errorf("%w: %d bytes, at most %d are allowed", ErrManifest, len(data), MaxManifest)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(&m); err != nil {
		return Manifest{}, fmt.Errorf("%w: %v", ErrManifest, err)
	}
	if err := m.Validate(); err != nil {
		return Manifest{}, err
	}
	if !bytes.Equal(data, m.Bytes()) {
		return Manifest{}, fmt.Errorf("%w: not in canonical form: fields in order, each once, no white space", ErrManifest)
	}
	return m, nil
}

// Validate checks every field. Refusal: [ErrManifest].
func (m Manifest) Validate() error {
	if m.Format != Format {
		return fmt.Errorf("%w: format %q, this build reads %q", ErrManifest, m.Format, Format)
	}
	texts := []struct{ field, text string }{
		{"name", m.Name}, {"version", m.Version}, {"architecture", m.Architecture},
		{"quantization", m.Quantization}, {"license", m.License},
	}
	for _, t := range texts {
		if err := checkText(t.text); err != nil {
			return fmt.Errorf("%w: %s %v", ErrManifest, t.field, err)
		}
	}
	switch {
	case m.Class != receipt.Exact && m.Class != receipt.Statistical:
		return fmt.Errorf("%w: class %q, not %s or %s", ErrManifest, m.Class, receipt.Exact, receipt.Statistical)
	case (m.Class == receipt.Exact) == m.Root.IsZero():
		return fmt.Errorf("%w: class %s with the root %s; exact versions have one, others zeros", ErrManifest, m.Class, m.Root)
	case m.Parameters == 0 || m.Parameters > maxNumber:
		return fmt.Errorf("%w: %d parameters", ErrManifest, m.Parameters)
	case m.ContextLength == 0:
		return fmt.Errorf("%w: context_length is 0", ErrManifest)
	case m.Vocabulary.Size > MaxVocabulary:
		return fmt.Errorf("%w: a tokenizer of %d bytes, at most %d are allowed", ErrManifest, m.Vocabulary.Size, MaxVocabulary)
	}
	if err := m.Weights.validate(); err != nil {
		return fmt.Errorf("%w: weights: %v", ErrManifest, err)
	}
	if err := m.Vocabulary.validate(); err != nil {
		return fmt.Errorf("%w: tokenizer: %v", ErrManifest, err)
	}
	return nil
}

// checkText refuses what would mislead in a terminal or a log.
func checkText(s string) error {
	switch {
	case s == "":
		return fmt.Errorf("is empty")
	case len(s) > maxText:
		return fmt.Errorf("has %d bytes, at most %d are allowed", len(s), maxText)
	case !utf8.ValidString(s):
		return fmt.Errorf("is not UTF-8")
	case strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsGraphic(r) }):
		return fmt.Errorf("%q has characters that cannot be seen", s)
	}
	return nil
}

func (b Blob) validate() error {
	if b.Size == 0 || b.Size > maxNumber {
		return fmt.Errorf("size is %d", b.Size)
	}
	root, err := b.root()
	if err != nil {
		return err
	}
	if root.Type() == cid.Raw && b.Size > chunkSize {
		return fmt.Errorf("one block of %d bytes, at most %d are allowed", b.Size, chunkSize)
	}
	return nil
}

// root parses the content address; no hash but SHA-256 is accepted, above all
// not the identity, which would smuggle content into the name.
func (b Blob) root() (cid.Cid, error) {
	if len(b.CID) > 64 {
		return cid.Undef, fmt.Errorf("cid has %d characters", len(b.CID))
	}
	c, err := cid.Decode(b.CID)
	if err != nil {
		return cid.Undef, fmt.Errorf("cid %q: %v", b.CID, err)
	}
	if err := checkCID(c); err != nil {
		return cid.Undef, err
	}
	if c.String() != b.CID {
		return cid.Undef, fmt.Errorf("cid %q is not in base32", b.CID)
	}
	return c, nil
}

func checkCID(c cid.Cid) error {
	p := c.Prefix()
	if p.Version != 1 || p.MhType != multihash.SHA2_256 || p.MhLength != 32 || (p.Codec != cid.Raw && p.Codec != cid.DagProtobuf) {
		return fmt.Errorf("cid %s is not a CIDv1 of SHA-256 over raw bytes or dag-pb", c)
	}
	return nil
}
