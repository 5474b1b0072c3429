package trainer

import (
	"fmt"

	"github.com/koinon/koinon/internal/engine/tokenizer"
)

// endOfText is the token that ends a text.
const endOfText = "<|endoftext|>"

// preTokenizer is the name in GGUF of what learnBPE cuts words with, tokenizer.Split.
const preTokenizer = "gpt-2"

// learnVocabulary learns a vocabulary of the given size from the training
// parts of works; its last token ends a text.
func learnVocabulary(works []work, size int) (tokenizer.Vocabulary, error) {
	texts := make([]string, len(works))
	for i, w := range works {
		texts[i] = w.train
	}
	pieces, merges, err := learnBPE(texts, size-1)
	if err != nil {
		return tokenizer.Vocabulary{}, fmt.Errorf("cannot learn a vocabulary: %w", err)
	}
	v := tokenizer.Vocabulary{Pre: preTokenizer, BOS: int32(size - 1), EOS: int32(size - 1), Unknown: -1}
	for _, piece := range pieces {
		v.Tokens, v.Types = append(v.Tokens, tokenizer.ToAlphabet(piece)), append(v.Types, tokenizer.Normal)
	}
	v.Tokens, v.Types = append(v.Tokens, endOfText), append(v.Types, tokenizer.Control)
	for _, m := range merges {
		v.Merges = append(v.Merges, v.Tokens[m.left]+" "+v.Tokens[m.right])
	}
	return v, nil
}
