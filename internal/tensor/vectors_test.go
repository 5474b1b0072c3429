package tensor

import (
	"bytes"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/koinon/koinon/internal/tensor/block"
)

var update = flag.Bool("update", false, "write the published vectors anew")

const vectorsFile = "../../spec/vectors/engine/products.json"

// productVector is one matrix and its products: bytes are base64, float32 four
// bytes each, little-endian.
type productVector struct {
	Format  string `json:"format"`
	Out     int    `json:"out"`
	In      int    `json:"in"`
	Weights []byte `json:"weights"` // rows as in GGUF
	Rows    int    `json:"rows"`
	Input   []byte `json:"input"`
	Output  []byte `json:"output"`
}

// The published products hold, with every kernel, on every platform.
func TestPublishedProducts(t *testing.T) {
	var published []productVector
	if *update {
		published = newProductVectors(t)
	} else {
		data, err := os.ReadFile(vectorsFile)
		if err == nil {
			err = json.Unmarshal(data, &published)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	eachKernel(t, func(t *testing.T) {
		for i := range published {
			v := &published[i]
			format, err := block.Parse(v.Format)
			if err != nil {
				t.Fatal(err)
			}
			m, err := NewMatrix(format, v.Weights, v.Out, v.In)
			if err != nil {
				t.Fatal(err)
			}
			x, y := make([]float32, v.Rows*v.In), make([]float32, v.Rows*v.Out)
			block.F32.Decode(x, v.Input)
			var input Input
			input.Set(x, v.Rows, v.In)
			m.Mul(y, &input, 1)
			output := block.F32.Append(nil, y)
			if *update && v.Output == nil {
				v.Output = output
			}
			if !bytes.Equal(v.Output, output) {
				t.Errorf("%s: other bits than published", v.Format)
			}
		}
	})
	if *update {
		data, err := json.MarshalIndent(published, "", "\t")
		if err == nil {
			err = os.WriteFile(vectorsFile, append(data, '\n'), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func newProductVectors(t *testing.T) []productVector {
	r := rand.New(rand.NewPCG(11, 12))
	var list []productVector
	for _, f := range block.Formats() {
		v := productVector{Format: f.String(), Out: 3, In: 256, Rows: 5}
		_, values := randomMatrix(t, f, v.Out, v.In, r)
		v.Weights = f.Append(nil, values)
		v.Input = block.F32.Append(nil, inputs(r, v.Rows*v.In))
		list = append(list, v)
	}
	return list
}
