package engine

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/tensor"
)

// Bounds of shapes, so that a hostile file cannot ask for absurd memory.
const (
	maxContext = 1 << 18
	maxLayers  = 1 << 10
	maxHead    = 512
	maxHeads   = 1 << 10
	maxWidth   = 1 << 24
)

// shapeReader reads metadata of an architecture; the first failure stays.
type shapeReader struct {
	file         *gguf.File
	architecture string
	failed       error
}

func (r *shapeReader) fail(err error) {
	if r.failed == nil {
		r.failed = err
	}
}

// refuse fails with a value of metadata and what is wrong with it.
func (r *shapeReader) refuse(key string, value any, why string) {
	r.fail(fmt.Errorf("%w: %s.%s is %v; %s", ErrModel, r.architecture, key, value, why))
}

// number reads a number from 1 to most; it is fallback if the file has none and
// that is not 0.
func (r *shapeReader) number(key string, fallback, most int) int {
	n, err := r.file.Uint(r.architecture + "." + key)
	if errors.Is(err, gguf.ErrMissing) && fallback > 0 {
		n, err = uint64(fallback), nil
	}
	switch {
	case err != nil:
		r.fail(err)
	case n < 1 || n > uint64(most):
		r.refuse(key, n, fmt.Sprintf("1 to %d are supported", most))
	default:
		return int(n)
	}
	return 1 // so that what follows may divide by it
}

// only reads a number that may only have one value.
func (r *shapeReader) only(key string, value int, why string) {
	if n := r.number(key, value, maxWidth); n != value {
		r.refuse(key, n, fmt.Sprintf("%s, here %d", why, value))
	}
}

// float reads a number that must satisfy a condition.
func (r *shapeReader) float(key string, sound func(float64) bool, why string) float64 {
	v, err := r.file.Float(r.architecture + "." + key)
	if err != nil {
		r.fail(err)
	} else if !sound(v) {
		r.refuse(key, v, why)
	}
	return v
}

func (m *Model) readShape(f *gguf.File) error {
	var err error
	if m.Architecture, err = f.Text("general.architecture"); err != nil {
		return err
	}
	if _, known := families[m.Architecture]; !known {
		return fmt.Errorf("%w: general.architecture is %q; known are %v", ErrModel, m.Architecture, slices.Sorted(maps.Keys(families)))
	}
	r := &shapeReader{file: f, architecture: m.Architecture}
	m.dim, m.hidden = r.number("embedding_length", 0, maxWidth), r.number("feed_forward_length", 0, maxWidth)
	m.ContextLength = r.number("context_length", 0, maxContext)
	m.layers = make([]layer, r.number("block_count", 0, maxLayers))
	m.heads = r.number("attention.head_count", 0, maxHeads)
	m.kvHeads = r.number("attention.head_count_kv", m.heads, m.heads)
	if m.heads%m.kvHeads != 0 {
		r.refuse("attention.head_count_kv", m.kvHeads, fmt.Sprintf("it must divide the %d heads", m.heads))
	}
	m.headDim = r.number("attention.key_length", max(1, m.dim/m.heads), maxHead)
	if m.headDim%2 != 0 {
		r.refuse("attention.key_length", m.headDim, "the elements of a head are rotated in pairs, so it must be even")
	}
	r.only("attention.value_length", m.headDim, "it must be as long as keys")
	r.only("rope.dimension_count", m.headDim, "only rotation of all elements of a head is supported")
	m.eps = float32(r.float("attention.layer_norm_rms_epsilon", func(v float64) bool { return v >= 0 && v <= 1 }, "0 to 1 are supported"))
	if r.failed != nil {
		return r.failed
	}
	m.Name, _ = f.Text("general.name") // may be absent
	m.License, _ = f.Text("general.license")
	return errors.Join(m.readRotation(r), m.readPooling(f))
}

// readRotation prepares the rotary embedding; scaling that is not written here
// is refused rather than ignored.
func (m *Model) readRotation(r *shapeReader) error {
	if key := m.Architecture + ".rope.scaling.type"; r.file.Has(key) {
		if kind, err := r.file.Text(key); err != nil {
			return err
		} else if kind != "none" {
			r.refuse("rope.scaling.type", fmt.Sprintf("%q", kind), "none is supported")
		}
	}
	base := 10000.0
	if r.file.Has(m.Architecture + ".rope.freq_base") {
		base = r.float("rope.freq_base", func(v float64) bool { return v > 1 && v <= math.MaxFloat32 }, "it must be above 1, and finite")
	}
	if r.failed != nil {
		return r.failed
	}
	var factors []float32
	const name = "rope_freqs.weight" // of Llama 3.1 and later
	if r.file.HasTensor(name) {
		var err error
		if factors, err = readFloats(r.file, name, uint64(m.headDim/2)); err != nil {
			return err
		}
		if i := slices.IndexFunc(factors, func(v float32) bool { return !(v >= 1e-3) }); i >= 0 {
			return fmt.Errorf("%w: tensor %s: factor %d is %g; factors are 0.001 or more", ErrModel, name, i, factors[i])
		}
	}
	m.rope = tensor.NewRoPE(m.headDim, base, families[m.Architecture].halves, factors)
	return nil
}
