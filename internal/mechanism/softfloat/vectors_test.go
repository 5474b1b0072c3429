package softfloat

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"testing"
)

var update = flag.Bool("update", false, "write spec/vectors/bisection/arithmetic.json")

const vectorsPath = "../../../spec/vectors/bisection/arithmetic.json"

// vector has the bits of two numbers and of what comes of them, in hexadecimal; the
// root is the first's.
type vector struct {
	A    string `json:"a"`
	B    string `json:"b"`
	Sum  string `json:"sum"`
	Diff string `json:"difference"`
	Mul  string `json:"product"`
	Div  string `json:"quotient"`
	Sqrt string `json:"root"`
}

func vectorOf(a, b Float) vector {
	text := func(v Float) string { return fmt.Sprintf("%08x", uint32(v)) }
	return vector{text(a), text(b), text(Add(a, b)), text(Sub(a, b)), text(Mul(a, b)), text(Div(a, b)), text(Sqrt(a))}
}

// The published vectors are every 911th pair of hard patterns.
func TestVectors(t *testing.T) {
	var want []vector
	list := hard()
	for i := 0; i < len(list)*len(list); i += 911 {
		want = append(want, vectorOf(list[i/len(list)], list[i%len(list)]))
	}
	data, err := json.MarshalIndent(want, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	data = append(data, '\n')
	if *update {
		if err := os.WriteFile(vectorsPath, data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if published, err := os.ReadFile(vectorsPath); err != nil || string(published) != string(data) {
		t.Errorf("%s has others: %v", vectorsPath, err)
	}
}
