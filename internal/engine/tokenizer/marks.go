package tokenizer

import (
	"slices"
	"strings"
)

// The texts by which llama.cpp (llama_vocab::impl::load) knows a token for a
// mark that metadata does not give. Where several are in a vocabulary, it takes
// whichever its hash table has first; here that with the lowest id is taken.
var markTexts = map[Mark][]string{
	EndOfTurn: {"<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>", "<|endoftext|>", "<|end_of_text|>",
		"<EOT>", "_<EOT>", "[EOT]", "<｜end▁of▁sentence｜>", "<end_of_utterance>"},
	EndOfMessage: {"<|eom_id|>"},
	FillPrefix: {"<|fim_prefix|>", "<fim-prefix>", "<fim_prefix>", "<｜fim▁begin｜>", "<PRE>", "▁<PRE>",
		"<|code_prefix|>", "<|prefix|>"},
	FillSuffix: {"<|fim_suffix|>", "<fim-suffix>", "<fim_suffix>", "<｜fim▁hole｜>", "<SUF>", "▁<SUF>",
		"<|code_suffix|>", "<|suffix|>"},
	FillMiddle: {"<|fim_middle|>", "<fim-middle>", "<fim_middle>", "<｜fim▁end｜>", "<MID>", "▁<MID>",
		"<|code_middle|>", "<|middle|>"},
	FillPad:        {"<|fim_pad|>", "<fim-pad>", "<fim_pad>", "<PAD>", "[PAD]"},
	FillRepository: {"<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<REPO>", "<reponame>"},
	FillSeparator:  {"<|file_sep|>"},
}

// ending are the marks that end an answer.
var ending = []Mark{EndOfTurn, EndOfMessage, FillPad, FillRepository, FillSeparator}

// endTexts are the tokens that end an answer whatever metadata says.
var endTexts = []string{
	"<|eot_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>", "<end_of_turn>",
	"<|endoftext|>", "</s>", "<|eom_id|>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "<|end_of_text|>", "<end_of_utterance>",
}

// findMarks sets which tokens end an answer, and corrects types that files often
// have wrong, in the order of llama.cpp.
func (t *tokens) findMarks() {
	for _, mark := range Marks {
		id, given := t.vocabulary.Marked[mark]
		if !given {
			id = t.lowest(markTexts[mark])
			if id >= 0 {
				t.attributes[id] |= isControl
			}
		}
		if id >= 0 && slices.Contains(ending, mark) {
			t.attributes[id] |= isEnd
		}
	}
	for _, text := range endTexts {
		if id, ok := t.ids[text]; ok {
			t.attributes[id] |= isEnd | isControl
		}
	}
	// What these of gpt-oss enclose is part of the answer.
	for _, text := range []string{"<|channel|>", "<|message|>", "<|start|>", "<|constrain|>"} {
		if id, ok := t.ids[text]; ok {
			t.attributes[id] = t.attributes[id]&isEnd | isUserDefined
		}
	}
	if t.vocabulary.EOS >= 0 {
		t.attributes[t.vocabulary.EOS] |= isEnd
	}
	// Models with these end a part of an answer with <|end|>.
	ends := func(text string) bool { id, ok := t.ids[text]; return ok && t.attributes[id]&isEnd != 0 }
	call := ends("<|call|>") || ends("<|calls|>")
	if call && (ends("<|return|>") || ends("<|flush|>")) && ends("<|end|>") {
		t.attributes[t.ids["<|end|>"]] = isUserDefined
	}
}

// lowest is the lowest id of a token that has one of the texts, or −1.
func (t *tokens) lowest(texts []string) int32 {
	lowest := int32(-1)
	for _, text := range texts {
		if id, ok := t.ids[text]; ok && (lowest < 0 || id < lowest) {
			lowest = id
		}
	}
	return lowest
}

// findStripping sets which special tokens take white space beside them with
// them. GGUF has no field for it; llama.cpp goes by names.
func (t *tokens) findStripping() {
	name := strings.ToLower(t.vocabulary.Name)
	switch {
	case strings.Contains(t.vocabulary.Pre, "jina-v2-de"), strings.Contains(t.vocabulary.Pre, "jina-v2-es"),
		strings.Contains(t.vocabulary.Pre, "jina-v2-code"):
		t.strip("<mask>", stripsLeft)
	case strings.Contains(name, "phi-3"), strings.Contains(name, "phi3"):
		for i, a := range t.attributes {
			if a&(isHidden|isUserDefined) != 0 {
				t.attributes[i] |= stripsRight
			}
		}
		for _, text := range []string{"<unk>", "<s>", "<|endoftext|>"} {
			if id, ok := t.ids[text]; ok {
				t.attributes[id] &^= stripsRight
			}
		}
	case strings.Contains(name, "modern-bert"):
		t.strip("[MASK]", stripsLeft)
	}
}

func (t *tokens) strip(text string, side attributes) {
	if id, ok := t.ids[text]; ok {
		t.attributes[id] |= side
	}
}
