package engine

import (
	"sync"

	"github.com/koinon/koinon/internal/engine/grammar"
	"github.com/koinon/koinon/internal/engine/sampling"
)

// trie is a vocabulary's tokens in the form that grammars need, made when the
// first answer needs it.
type trie struct {
	once   sync.Once
	tokens *grammar.Vocabulary
}

func (t *trie) of(v *Vocabulary) *grammar.Vocabulary {
	t.once.Do(func() { t.tokens = grammar.NewVocabulary(v) })
	return t.tokens
}

// constraint is the state of one answer's grammar; nil is none.
type constraint struct {
	matcher *grammar.Matcher
	mask    sampling.Mask
}

func newConstraint(g *grammar.Grammar, v *Vocabulary) *constraint {
	if g == nil {
		return nil
	}
	return &constraint{grammar.NewMatcher(g, v.trie.of(v)), sampling.NewMask(v.Size())}
}

// allowed are the tokens that may come next; nil allows all.
func (c *constraint) allowed() sampling.Mask {
	if c == nil {
		return nil
	}
	c.matcher.Mask(c.mask)
	return c.mask
}

// accept appends a token to the answer, and says whether it may follow.
func (c *constraint) accept(id int32) bool { return c == nil || c.matcher.Accept(id) }

// end says why an answer ends after which no token is allowed: it is complete
// though the model has no token that says so, or the vocabulary lacks the tokens
// to complete it.
func (c *constraint) end() string {
	if c != nil && c.matcher.Complete() {
		return FinishStop
	}
	return FinishLength
}
