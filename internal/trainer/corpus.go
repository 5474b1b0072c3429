package trainer

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/koinon/koinon/internal/engine/tokenizer"
)

// heldOut is the part of each text, at its end, that is never trained on.
const heldOut = 0.1

// work is one text.
type work struct {
	name          string
	train, held   string
	tokens        []int32 // of train
	heldOutTokens []int32
}

// readWorks reads texts and sets the end of each apart.
func readWorks(files []string) ([]work, error) {
	var works []work
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("cannot read a text: %w", err)
		}
		if !utf8.Valid(data) {
			return nil, fmt.Errorf("%s is not UTF-8 text: convert it first", file)
		}
		text := string(data)
		cut := len(text) - int(float64(len(text))*heldOut)
		for cut < len(text) && !utf8.RuneStart(text[cut]) {
			cut++
		}
		name := strings.TrimSuffix(filepath.Base(file), filepath.Ext(file))
		works = append(works, work{name: name, train: text[:cut], held: text[cut:]})
	}
	return works, nil
}

// encode fills in the works' tokens; each needs more than one window of them.
func encode(works []work, encoder tokenizer.Tokenizer, window int) error {
	for i := range works {
		w := &works[i]
		w.tokens, w.heldOutTokens = encoder.Encode(w.train, false), encoder.Encode(w.held, false)
		if len(w.tokens) <= window || len(w.heldOutTokens) < 2 {
			return fmt.Errorf("%w: %s has %d tokens to train on, a window is %d", ErrTooLittleText, w.name, len(w.tokens), window)
		}
	}
	return nil
}

// batch draws windows at random: every token of every work is as likely as any
// other to begin one.
func batch(works []work, rng *rand.Rand, inputs, targets []int32, window int) {
	total := 0
	for _, w := range works {
		total += len(w.tokens) - window
	}
	for at := 0; at < len(inputs); at += window {
		start := rng.IntN(total)
		for _, w := range works {
			places := len(w.tokens) - window
			if start < places {
				copy(inputs[at:at+window], w.tokens[start:])
				copy(targets[at:at+window], w.tokens[start+1:])
				break
			}
			start -= places
		}
	}
}
