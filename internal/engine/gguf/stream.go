package gguf

import (
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"sync"

	"github.com/koinon/koinon/internal/engine/mapping"
)

// ErrNumber is returned for a weight that is not a finite number, or that the
// format it is to be stored in cannot hold.
var ErrNumber = errors.New("weight is not a finite number")

// Rows fills dst with whole rows of a tensor, row after row, beginning with the
// row of the given number. A row is the innermost dimension.
type Rows func(dst []float32, first uint64) error

// Rows gives the tensor's elements row by row, and forgets the file's pages that
// it has read.
func (t Tensor) Rows(dst []float32, first uint64) error {
	stored, err := t.stored(first, uint64(len(dst)))
	if err != nil {
		return err
	}
	t.Type.Decode(dst, stored)
	if t.mapped {
		mapping.Forget(stored)
	}
	return nil
}

// stored is n elements as they are stored, beginning with a row.
func (t Tensor) stored(first, n uint64) ([]byte, error) {
	row, err := t.Type.Bytes(t.Shape[0])
	if err != nil {
		return nil, err
	}
	size, err := t.Type.Bytes(n)
	if err != nil {
		return nil, err
	}
	return t.data[first*row:][:size], nil
}

// Loss is what storing a tensor changed of its values.
type Loss struct {
	Elements uint64  // in all
	Squares  float64 // sum of the squares of the differences
	Signal   float64 // sum of the squares of the values
}

// Add joins the losses of two tensors.
func (l Loss) Add(other Loss) Loss {
	return Loss{l.Elements + other.Elements, l.Squares + other.Squares, l.Signal + other.Signal}
}

// MeanSquare is the mean of the squared differences.
func (l Loss) MeanSquare() float64 { return l.Squares / float64(max(1, l.Elements)) }

// copyTo writes the stored elements, whose values must be finite.
func (t Tensor) copyTo(out io.Writer) (Loss, error) {
	width := t.Shape[0]
	loss := Loss{Elements: t.Elements()}
	values := make([]float32, min(loss.Elements, max(1, chunk/width)*width))
	for first := uint64(0); first < loss.Elements/width; first += uint64(len(values)) / width {
		values = values[:min(uint64(len(values)), loss.Elements-first*width)]
		stored, err := t.stored(first, uint64(len(values)))
		if err != nil {
			return loss, err
		}
		t.Type.Decode(values, stored)
		for i, v := range values {
			if err := checkNumber(v, i, first, width); err != nil {
				return loss, err
			}
			loss.Signal += float64(float64(v) * float64(v))
		}
		if _, err := out.Write(stored); err != nil {
			return loss, err
		}
		if t.mapped {
			mapping.Forget(stored)
		}
	}
	return loss, nil
}

// checkNumber refuses a value that is not finite, the i-th after the start of a row.
func checkNumber(v float32, i int, row, width uint64) error {
	if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
		return fmt.Errorf("%w: element %d of row %d is %g", ErrNumber, uint64(i)%width, row+uint64(i)/width, v)
	}
	return nil
}

// chunk is about how many elements are encoded at a time by each thread.
const chunk = 1 << 18

// encode writes rows in a type, several threads encoding what comes next. The
// loss is summed by chunks, so it does not depend on how many they are.
func encode(out io.Writer, kind Type, shape []uint64, rows Rows) (Loss, error) {
	width := shape[0]
	count := Tensor{Shape: shape}.Elements() / width
	perChunk := max(1, chunk/width)
	parts := make([]part, runtime.GOMAXPROCS(0))
	var total Loss
	for first := uint64(0); first < count; {
		var all sync.WaitGroup
		used := 0
		for ; used < len(parts) && first < count; used++ {
			p, from, n := &parts[used], first, min(perChunk, count-first)
			all.Go(func() { p.encode(kind, rows, from, n, width) })
			first += n
		}
		all.Wait()
		for i := range parts[:used] {
			if parts[i].err != nil {
				return total, parts[i].err
			}
			total = total.Add(parts[i].loss)
			if _, err := out.Write(parts[i].data); err != nil {
				return total, err
			}
		}
	}
	return total, nil
}

// part is one thread's rows.
type part struct {
	values, kept []float32
	data         []byte
	loss         Loss
	err          error
}

func (p *part) encode(kind Type, rows Rows, first, count, width uint64) {
	p.loss = Loss{Elements: count * width}
	if n := int(count * width); cap(p.values) < n {
		p.values, p.kept = make([]float32, n), make([]float32, n)
	} else {
		p.values, p.kept = p.values[:n], p.kept[:n]
	}
	if p.err = rows(p.values, first); p.err != nil {
		return
	}
	// Checked before encoding: scales that are no numbers spoil whole blocks.
	for i, v := range p.values {
		if p.err = checkNumber(v, i, first, width); p.err != nil {
			return
		}
	}
	p.data = kind.Append(p.data[:0], p.values)
	kind.Decode(p.kept, p.data)
	for i, v := range p.values {
		if err := checkNumber(p.kept[i], i, first, width); err != nil {
			p.err = fmt.Errorf("%w once %g is stored as %s: choose a type with a wider range, such as BF16", err, v, kind)
			return
		}
		d := float64(v) - float64(p.kept[i])
		p.loss.Squares += float64(d * d)
		p.loss.Signal += float64(float64(v) * float64(v))
	}
}
