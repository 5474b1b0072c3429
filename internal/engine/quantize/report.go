package quantize

import (
	"regexp"
	"slices"

	"github.com/koinon/koinon/internal/engine/gguf"
)

// Part is what became of the tensors of one kind: those that have the same name
// in every layer and are stored as the same type.
type Part struct {
	Kind       string  `json:"tensor"` // such as attn_q.weight
	Type       string  `json:"type"`
	Tensors    int     `json:"tensors"`
	Elements   uint64  `json:"elements"`
	MeanSquare float64 `json:"mean_squared_error"`
	// Relative is the squared error over the squared values.
	Relative float64 `json:"relative_error"`

	loss gguf.Loss
}

// Report lists what became of a model's tensors, kinds in the file's order.
type Report []Part

// layer is what tells tensors of one kind apart.
var layer = regexp.MustCompile(`^blk\.\d+\.`)

// Add counts a written tensor: a [gguf.Writer]'s Written.
func (r *Report) Add(name string, kind gguf.Type, loss gguf.Loss) {
	name = layer.ReplaceAllString(name, "")
	i := slices.IndexFunc(*r, func(p Part) bool { return p.Kind == name && p.Type == kind.String() })
	if i < 0 {
		i = len(*r)
		*r = append(*r, Part{Kind: name, Type: kind.String()})
	}
	p := &(*r)[i]
	p.Tensors++
	p.loss = p.loss.Add(loss)
	p.Elements, p.MeanSquare = p.loss.Elements, p.loss.MeanSquare()
	if p.loss.Signal > 0 {
		p.Relative = p.loss.Squares / p.loss.Signal
	}
}

// Elements counts all weights.
func (r Report) Elements() uint64 {
	var n uint64
	for _, p := range r {
		n += p.Elements
	}
	return n
}
