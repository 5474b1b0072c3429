package tokenizer

import (
	"encoding/json"
	"flag"
	"os"
	"slices"
	"testing"
)

var update = flag.Bool("update", false, "write the published vectors anew")

const piecesFile = "../../../spec/vectors/tokenizer/pieces.json"

// pieces are what one of each kind of pre-tokenizer makes of texts.
type pieces struct {
	Comment string        `json:"comment"`
	Texts   []string      `json:"texts"`
	Cuts    []piecesByOne `json:"cuts"`
}

type piecesByOne struct {
	Pre    string     `json:"pre"`
	Pieces [][]string `json:"pieces"` // of each text
}

// TestPieceVectors proves spec/engine.md, "Pre-tokenizers".
func TestPieceVectors(t *testing.T) {
	if *update {
		writePieces(t)
	}
	data, err := os.ReadFile(piecesFile)
	if err != nil {
		t.Fatal(err)
	}
	var published pieces
	if err := json.Unmarshal(data, &published); err != nil {
		t.Fatal(err)
	}
	for _, one := range published.Cuts {
		pre, err := preTokenizerOf(one.Pre)
		if err != nil {
			t.Fatal(err)
		}
		for i, text := range published.Texts {
			if got := pre.split(text); !slices.Equal(got, one.Pieces[i]) {
				t.Errorf("%s: %q is cut to %q, published is %q", one.Pre, text, got, one.Pieces[i])
			}
		}
	}
}

func writePieces(t *testing.T) {
	t.Helper()
	published := pieces{Comment: "How pre-tokenizers cut texts: see spec/engine.md. Made and checked by TestPieceVectors.", Texts: []string{
		"I'll don't THEY'VE it's 'S", "a  b   \n c\t\t\nd  ", "x=1;if(x>=10){y[0]='\\n';}//comment\n\n", "0123456789 10,000.00 ²³ ٣٤ Ⅷ",
		"camelCase HTTPServer ÉCOLEé ǅungla", "naïve café e\u0301\u0301 \u0301x — “quotes” №5½", "北京大学 日本語カナ。、 한국어　全角！", "हिन्दी مرحبا ไทย",
		"🙂👩‍👩‍👧 \u00a0\u2003x\u200by", "$^~`a #b _c_ <|d|> +e=f", "!?/\r\n/.\n\n", "\x00\x1f\u0085\u1680z",
	}}
	for _, name := range []string{"default", "falcon", "gpt-2", "smollm", "llama-bpe", "qwen2", "qwen35", "seed-coder", "tekken", "gpt-4o",
		"deepseek-llm", "deepseek-coder", "deepseek-v3"} {
		pre, err := preTokenizerOf(name)
		if err != nil {
			t.Fatal(err)
		}
		one := piecesByOne{Pre: name}
		for _, text := range published.Texts {
			one.Pieces = append(one.Pieces, pre.split(text))
		}
		published.Cuts = append(published.Cuts, one)
	}
	data, err := json.MarshalIndent(published, "", "\t")
	if err == nil {
		err = os.WriteFile(piecesFile, append(data, '\n'), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
