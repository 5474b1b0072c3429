package engine

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/koinon/koinon/internal/engine/gguf"
	"github.com/koinon/koinon/internal/engine/tokenizer"
)

// moreHardTexts are hard for one pre-tokenizer or another.
var moreHardTexts = []string{
	"हिन्दी में लिखा हुआ पाठ, क्ष त्र ज्ञ", "שָׁלוֹם עולם", "العربية ١٢٣٤٥ ، نص", "ไทยไม่มีช่องว่าง", "Ελληνικά ΚΕΦΑΛΑΙΑ ς", "Привет, МИР и мир",
	"1 12 123 1234 12345 123456 1234567 ١٢٣٤ 12٣45 Ⅷ ½¾ 1²3", "v1.2.3-rc4+5 0x1F600 1e-9 3,141,592",
	"camelCase HTTPServer iPhoneX ÉCOLE écoleÉCOLE ÀBCd aÀÉb ÉABC ABCÉ ABCÉd ǅungla", "'S'T'RE'VE'M'LL'D 's't're've'm'll'd 'Ve'lL'X ' s", "I’ll don’t ’s 'ſ '\u212a",
	"func main() {\n\tfmt.Println(\"hi\")\n}\n\n\n// x/y\r\n/* z */\t\t\n  \n   \n    x", "a/b//c///\n/d\r\n\r\n!?!\n\n?!/\n", "  \n  \n  x", " \r\n \r\n", "\n \n", "x \n", "x  ", "x\t ", "\t\tx", " \u00a0x", "\u2003\n\u2003x",
	"\x00\x01\x02\x1b[0m\x1c\x1d\x1e\x1f\x7f\u0080\u0085\u009f", "~ ~a ~~ `x` $x ^x |x| <x> =x= +x+ $ 5$ €5 §§ ¶a ¬a ±a ×÷", "~é #é @é éa~b _é_ $é",
	"e\u0301 a\u0302\u0301b \u0301 \u0301x x\u20e3 1\u20e3 ☺\ufe0f", "👍🏽👩🏿‍🚀🏴󠁧󠁢󠁥󠁮󠁧󠁿🇩🇪🇫🇷", "漢字かなカナ交じり文。「はい」、〜！？ ㈱ ヿ゠", "한글과 漢字 混用 ㄱㄴㄷ", "一龥龦鿿ࠀ퟿", "　全角　空白，标点。！～",
	"<|im_start|>user\nHello<|im_end|>\n<|endoftext|>", "<s>[INST] hi [/INST]</s> <unk><pad>", "<name> <name><name>x <nam e> <|fim_pad|>", "</s></s> x</s>", "<0x41><0x0A> ▁▁ ▁",
	strings.Repeat("\n", 40) + strings.Repeat("\t", 40) + strings.Repeat(" ", 300) + "x", strings.Repeat("ab", 200), strings.Repeat("1", 100), strings.Repeat("!", 100), strings.Repeat("É", 40) + strings.Repeat("A", 40) + "é",
	"\U0002ebf0\u2ffc\u31ef \U0001fae8\U00031350 \u0378 \ue000 \ufffd \U0010ffff", "xxab abcdd aaaa bbab ababa",
}

// snippets are joined at random to texts.
var snippets = []string{
	" ", " ", "  ", "   ", "\n", "\r\n", "\r", "\t", "\u00a0", "\u2003", "\u3000", "\u0085", "\v", "\x00", "\x1c", "a", "the", "B", "XY", "é", "É", "ß", "ǅ", "ʰ", "ª", "я", "Я",
	"中", "文字", "か", "カ", "한", "ا", "ש", "ह", "ि", "\u0301", "\u200d", "👩", "🏽", "1", "12", "345", "6789", "٣", "Ⅷ", "²", "½", "'s", "'S", "'ll", "'LL", "'", "’s", "!", "?!", "/", "//", ".", ",", "。", "，", "~", "`", "$", "^", "+", "<", "|", "=",
	"_", "-", "\"", "€", "©", "\u00ad", "\ufeff", "\ufffd", "\u0378", "\ue000", "<|im_end|>", "<|endoftext|>", "<name>", "</s>", "<unk>", "aa", "aba", "bab", "▁", "\u2fff", "\U0002ec00",
}

func randomTexts(n int, parts []string) []string {
	rng := rand.New(rand.NewPCG(3, 1))
	texts := make([]string, n)
	for i := range texts {
		for range 1 + rng.IntN(16) {
			texts[i] += parts[rng.IntN(len(parts))]
		}
	}
	return texts
}

// tokenTexts are valid UTF-8, every character up to U+00FF among it.
func tokenTexts() []string {
	texts := slices.Concat(hardTexts, moreHardTexts)
	for r := rune(0); r < 0x100; r++ {
		texts = append(texts, string(r), "a"+string(r)+" "+string(r)+"1")
	}
	return append(texts, randomTexts(600, snippets)...)
}

// learn joins the most frequent neighbours in texts, whatever is between them,
// so that the merges cross all boundaries that pre-tokenizers draw.
func learn(texts []string, merges int, cut func(string) []string) (symbols []string, pairs [][2]string) {
	var words [][]string
	for _, text := range texts {
		words = append(words, cut(text))
	}
	known := map[string]bool{}
	for range merges {
		counts := map[[2]string]int{}
		best := [2]string{}
		for _, w := range words {
			for i := range len(w) - 1 {
				p := [2]string{w[i], w[i+1]}
				counts[p]++
				if n := counts[p] - counts[best]; n > 0 || n == 0 && p[0]+"\xff"+p[1] < best[0]+"\xff"+best[1] {
					best = p
				}
			}
		}
		joined := best[0] + best[1]
		if !known[joined] {
			symbols = append(symbols, joined)
		}
		known[joined] = true
		pairs = append(pairs, best)
		for i, w := range words {
			merged := w[:0]
			for j := 0; j < len(w); j++ {
				if j+1 < len(w) && w[j] == best[0] && w[j+1] == best[1] {
					merged, j = append(merged, joined), j+1
				} else {
					merged = append(merged, w[j])
				}
			}
			words[i] = merged
		}
	}
	return symbols, pairs
}

// specials are added to every vocabulary for tests. Some overlap.
var specials = map[string]tokenizer.Type{
	"<|im_start|>": tokenizer.Control, "<|im_end|>": tokenizer.Control, "<|endoftext|>": tokenizer.Control, "[INST]": tokenizer.Control,
	"<name>": tokenizer.UserDefined, "xxab": tokenizer.UserDefined, "abc": tokenizer.UserDefined, "bcdd": tokenizer.UserDefined,
	"\n\n\n\n": tokenizer.UserDefined, "\n\n\n\n\n": tokenizer.UserDefined, "      ": tokenizer.UserDefined,
	"<|fim_pad|>": tokenizer.UserDefined, "<|eot_id|>": tokenizer.Normal, "<pad>": tokenizer.Unused,
}

func addSpecials(v *tokenizer.Vocabulary) {
	names := make([]string, 0, len(specials))
	for name := range specials {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		if !slices.Contains(v.Tokens, name) {
			v.Tokens, v.Types = append(v.Tokens, name), append(v.Types, specials[name])
		}
	}
}

// byteLevelVocabulary has all bytes, merges over all boundaries, and specials.
func byteLevelVocabulary() tokenizer.Vocabulary {
	v := tokenizer.Vocabulary{BOS: -1, EOS: -1, Unknown: -1}
	for b := range 256 {
		v.Tokens, v.Types = append(v.Tokens, tokenizer.ToAlphabet(string([]byte{byte(b)}))), append(v.Types, tokenizer.Normal)
	}
	_, pairs := learn(append(slices.Concat(hardTexts, moreHardTexts), randomTexts(150, snippets)...), 900, func(text string) []string {
		text = strings.NewReplacer("<", "\n", "[", "\n").Replace(text)
		return strings.Split(text, "")
	})
	alphabet := tokenizer.ToAlphabet
	add := func(token string) bool {
		if slices.Contains(v.Tokens, token) {
			return false
		}
		v.Tokens, v.Types = append(v.Tokens, token), append(v.Types, tokenizer.Normal)
		return true
	}
	for _, pair := range pairs {
		for _, side := range pair {
			if utf8.RuneCountInString(side) == 1 { // the bytes of a character are joined from the left
				for i := 2; i <= len(side); i++ {
					if add(alphabet(side[:i])) {
						v.Merges = append(v.Merges, alphabet(side[:i-1])+" "+alphabet(side[i-1:i]))
					}
				}
			}
		}
		add(alphabet(pair[0] + pair[1]))
		v.Merges = append(v.Merges, alphabet(pair[0])+" "+alphabet(pair[1]))
	}
	// Whole pieces that no merges make.
	add(alphabet(" singing"))
	add(alphabet("Hello"))
	addSpecials(&v)
	v.BOS, v.EOS = int32(slices.Index(v.Tokens, "<|im_start|>")), int32(slices.Index(v.Tokens, "<|im_end|>"))
	return v
}

// sentencePieceVocabulary has the bytes, characters but for some, and what joins them.
func sentencePieceVocabulary() tokenizer.Vocabulary {
	v := tokenizer.Vocabulary{Kind: tokenizer.SentencePiece, BOS: 1, EOS: 2, Unknown: 0}
	add := func(token string, kind tokenizer.Type, score float32) {
		if !slices.Contains(v.Tokens, token) {
			v.Tokens, v.Types, v.Scores = append(v.Tokens, token), append(v.Types, kind), append(v.Scores, score)
		}
	}
	add("<unk>", tokenizer.Unknown, 0)
	add("<s>", tokenizer.Control, 0)
	add("</s>", tokenizer.Control, 0)
	for b := range 256 {
		add(fmt.Sprintf("<0x%02X>", b), tokenizer.Byte, 0)
	}
	symbols, pairs := learn(append(slices.Concat(hardTexts, moreHardTexts), randomTexts(150, snippets)...), 900, func(text string) []string {
		// A token's text ends at its first NUL for llama.cpp.
		text = strings.NewReplacer(" ", "▁", "<", "\n", "[", "\n", "\x00", "\n").Replace(text)
		return strings.Split(text, "")
	})
	for i, symbol := range symbols {
		add(symbol, tokenizer.Normal, -float32(i/3)) // equal scores, too
	}
	for _, pair := range pairs {
		for _, side := range pair {
			if side != "é" && side != "中" { // joined to others, but no tokens themselves
				add(side, tokenizer.Normal, -2000)
			}
		}
	}
	addSpecials(&v)
	for len(v.Scores) < len(v.Tokens) {
		v.Scores = append(v.Scores, -1000)
	}
	return v
}

// writeVocabulary writes a vocabulary as a GGUF file without weights.
func writeVocabulary(t testing.TB, v tokenizer.Vocabulary) string {
	t.Helper()
	w := new(gguf.Writer)
	w.Text("general.architecture", "llama")
	w.Text("general.name", v.Name)
	w.Text("tokenizer.ggml.model", map[tokenizer.Kind]string{tokenizer.ByteLevel: "gpt2", tokenizer.SentencePiece: "llama"}[v.Kind])
	if v.Pre != "" {
		w.Text("tokenizer.ggml.pre", v.Pre)
	}
	w.Texts("tokenizer.ggml.tokens", v.Tokens)
	types := make([]int32, len(v.Types))
	for i, kind := range v.Types {
		types[i] = int32(kind)
	}
	w.Int32s("tokenizer.ggml.token_type", types)
	if v.Kind == tokenizer.SentencePiece {
		w.Float32s("tokenizer.ggml.scores", v.Scores)
	} else {
		w.Texts("tokenizer.ggml.merges", v.Merges)
	}
	ids := map[string]int32{"bos": v.BOS, "eos": v.EOS, "unknown": v.Unknown}
	for mark, id := range v.Marked {
		ids[string(mark)] = id
	}
	for name, id := range ids {
		if id >= 0 {
			w.Uint32("tokenizer.ggml."+name+"_token_id", uint32(id))
		}
	}
	for name, setting := range map[string]*bool{"add_bos_token": v.AddBOS, "add_eos_token": v.AddEOS, "add_space_prefix": v.SpacePrefix} {
		if setting != nil {
			w.Bool("tokenizer.ggml."+name, *setting)
		}
	}
	var file bytes.Buffer
	if _, err := w.WriteTo(&file); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "vocabulary.gguf")
	if err := os.WriteFile(path, file.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
