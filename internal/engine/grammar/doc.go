// Package grammar constrains answers: a grammar in GBNF, the format of
// llama.cpp, says which texts are allowed, and a [Matcher] says after each
// token which may come next.
//
// [Parse] turns the source into rules over sets of code points. A [Matcher] is
// a pushdown automaton whose states are sets of stacks; it reads bytes, so that
// a token may end within a character, and remembers its transitions. A
// [Vocabulary] keeps a model's tokens as a trie of their bytes: the tokens
// allowed in a state are those that a walk of the trie reaches.
//
// Sources are hostile. Their size, the rules that repetitions become, the
// stacks of a state, their depth and the work for one step are bounded; what
// exceeds a bound is refused when parsed, or else not allowed in the answer. All
// of it depends on the grammar and the text alone, so that an answer can be
// drawn again.
//
// What is allowed can always be completed, provided the vocabulary has the
// tokens: rules that no text can end are left out.
package grammar
