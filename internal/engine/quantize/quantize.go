// Package quantize stores a model's weights in another type.
//
// Rules, simpler than llama.cpp's, whose mixtures give some layers more bits
// than others:
//   - tensors of one dimension (norms, biases, rope_freqs) are F32;
//   - where the type has less than six bits, the matrix that gives logits
//     (output, or token_embd where there is none) is Q6_K, and with the ternary
//     types token_embd is Q4_K;
//   - every other matrix has the type that was asked for;
//   - a matrix whose rows are no whole blocks of its type is Q8_0 instead, or F16
//     if its rows are no multiple of 32 either.
package quantize

import (
	"slices"

	"github.com/koinon/koinon/internal/engine/gguf"
)

// Type is how a tensor is stored in a model quantised to want. Shape has the
// innermost dimension first; tied says that the model has no output matrix of
// its own.
func Type(name string, shape []uint64, want gguf.Type, tied bool) gguf.Type {
	if len(shape) < 2 {
		return gguf.F32
	}
	logits := name == "output.weight" || name == "token_embd.weight" && tied
	ternary := want == gguf.TQ1_0 || want == gguf.TQ2_0
	kind := want
	switch {
	case logits && (ternary || want == gguf.Q4_0 || want == gguf.Q4_K || want == gguf.Q5_K):
		kind = gguf.Q6_K
	case name == "token_embd.weight" && ternary:
		kind = gguf.Q4_K
	}
	for _, fallback := range []gguf.Type{gguf.Q8_0, gguf.F16} {
		if _, err := kind.Bytes(shape[0]); err != nil {
			kind = fallback
		}
	}
	return kind
}

// File is a copy of f, split or not, as one file with its matrices stored as
// want. It is written by WriteTo, which takes the memory of some rows, and
// refuses weights that are not finite: [gguf.ErrNumber]. f must stay open.
func File(f *gguf.File, want gguf.Type) *gguf.Writer {
	w := gguf.Rewrite(f, "general.file_type", "general.quantization_version")
	Describe(w, want)
	tied := !f.HasTensor("output.weight")
	for _, t := range f.Tensors() {
		kind := Type(t.Name, t.Shape, want, tied)
		if kind == t.Type {
			w.Copy(t)
			continue
		}
		w.Stream(t.Name, kind, t.Rows, t.Shape...)
	}
	return w
}

// Merge is a copy of f, whose tensors stay as they are, as one file.
func Merge(f *gguf.File) *gguf.Writer {
	w := gguf.Rewrite(f)
	for _, t := range f.Tensors() {
		w.Copy(t)
	}
	return w
}

// Describe writes the metadata that say how matrices are stored.
func Describe(w *gguf.Writer, kind gguf.Type) {
	w.Uint32("general.file_type", gguf.FileType(kind))
	if plain := []gguf.Type{gguf.F32, gguf.F16, gguf.BF16}; !slices.Contains(plain, kind) {
		w.Uint32("general.quantization_version", blockVersion)
	}
}

// blockVersion is the version of the block formats (GGML_QNT_VERSION).
const blockVersion = 2
