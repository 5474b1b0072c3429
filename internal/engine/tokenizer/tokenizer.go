// Package tokenizer turns text into the token ids of a model and back, id for id
// as llama.cpp (release b8390) does; spec/engine.md says where it differs.
package tokenizer

import (
	"errors"
	"fmt"
)

// Tokenizer turns text into the tokens of a model and back. It does not change
// and is safe for concurrent use.
type Tokenizer interface {
	// Encode turns text into token ids. With special set, the texts of control
	// tokens become those tokens, and beginning and end are marked where the
	// vocabulary says so; without, no control token comes of any text.
	// User-defined tokens are always found.
	Encode(text string, special bool) []int32
	// Decode joins the bytes of tokens, leaving control tokens out.
	Decode(ids []int32) []byte
	// Piece is the bytes that a token stands for, nil out of range. A character
	// may be spread over several tokens. The result must not be changed.
	Piece(id int32) []byte
	// Text is a token's text as its vocabulary has it, or "" out of range.
	Text(id int32) string
	// Size is the number of tokens.
	Size() int
	// BOS is the token that begins a text, or −1.
	BOS() int32
	// EOS is the token that ends a text, or −1.
	EOS() int32
	// AddsBOS says whether every prompt begins with BOS.
	AddsBOS() bool
	// AddsEOS says whether every prompt ends with EOS.
	AddsEOS() bool
	// IsControl says whether a token is no text but a mark, such as the end.
	IsControl(id int32) bool
	// EndsText says whether an answer is over when the model draws the token: EOS
	// and the others that llama.cpp takes for an end of generation.
	EndsText(id int32) bool
}

// Type says what a token stands for, as GGUF's tokenizer.ggml.token_type.
type Type int32

// The types of GGUF; numbers as in llama.cpp.
const (
	Normal      Type = 1
	Unknown     Type = 2
	Control     Type = 3
	UserDefined Type = 4
	Unused      Type = 5
	Byte        Type = 6
)

// Kind is the way in which a vocabulary cuts text.
type Kind int

// The kinds, with their names in GGUF's tokenizer.ggml.model.
const (
	ByteLevel     Kind = iota // "gpt2": byte-level byte-pair encoding
	SentencePiece             // "llama": characters joined by scores, with single bytes as a fallback
)

// Mark is a part that a token plays, named as in GGUF's keys
// tokenizer.ggml.*_token_id.
type Mark string

// The marks that say something about the end of an answer, or hide a token from text.
const (
	EndOfTurn      Mark = "eot"
	EndOfMessage   Mark = "eom"
	FillPrefix     Mark = "fim_pre"
	FillSuffix     Mark = "fim_suf"
	FillMiddle     Mark = "fim_mid"
	FillPad        Mark = "fim_pad"
	FillRepository Mark = "fim_rep"
	FillSeparator  Mark = "fim_sep"
)

// Marks lists all marks.
var Marks = []Mark{EndOfTurn, EndOfMessage, FillPrefix, FillSuffix, FillMiddle, FillPad, FillRepository, FillSeparator}

// Vocabulary is what defines a tokenizer.
type Vocabulary struct {
	Kind Kind
	// Pre names the pre-tokenizer of a byte-level vocabulary, as GGUF's
	// tokenizer.ggml.pre does; "" is "default".
	Pre string
	// Name is the model's. Models named after Phi-3 drop white space after their
	// special tokens, which GGUF says nowhere else.
	Name string
	// Tokens are the tokens' texts. Those of a byte-level vocabulary are in GPT-2's
	// alphabet of printable characters for bytes, those of a SentencePiece have
	// U+2581 for the space; control and user-defined tokens stand as they are.
	Tokens []string
	// Types has one type a token; nil means that all are Normal.
	Types []Type
	// Merges are a byte-level vocabulary's pairs of tokens separated by a space,
	// the most urgent first.
	Merges []string
	// Scores are a SentencePiece's: of the tokens that two neighbours make, that
	// with the highest comes first. nil means that all are 0.
	Scores []float32
	// BOS and EOS begin and end a text; −1 for none.
	BOS, EOS int32
	// Unknown stands for what has no token, not even bytes; −1 for none.
	Unknown int32
	// Marked are the tokens that metadata names for a mark; marks that are not
	// there are found by well-known texts.
	Marked map[Mark]int32
	// AddBOS and AddEOS put BOS and EOS around every text that is encoded with
	// special tokens. nil is as the kind and the pre-tokenizer have it.
	AddBOS, AddEOS *bool
	// SpacePrefix puts a space before a SentencePiece's text; nil means yes.
	SpacePrefix *bool
}

// Errors of vocabularies.
var (
	// ErrVocabulary is returned for a vocabulary that is not one.
	ErrVocabulary = errors.New("invalid vocabulary")
	// ErrPreTokenizer is returned for a pre-tokenizer that is not known here.
	ErrPreTokenizer = errors.New("unknown pre-tokenizer")
)

// New checks a vocabulary and makes its tokenizer.
func New(v Vocabulary) (Tokenizer, error) {
	switch v.Kind {
	case ByteLevel:
		return newByteLevel(v)
	case SentencePiece:
		return newSentencePiece(v)
	}
	return nil, fmt.Errorf("%w: kind %d", ErrVocabulary, v.Kind)
}

// chosen is a setting or its default.
func chosen(setting *bool, fallback bool) bool {
	if setting != nil {
		return *setting
	}
	return fallback
}
