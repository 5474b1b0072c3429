// Package sampling draws tokens: from a step's logits, the parameters, a seed
// and the tokens so far to the next token, every bit of it fixed, so that
// whoever has the same logits can draw again. The steps and their order are
// specified in spec/engine.md, "Sampling"; spec/vectors/sampling has examples.
//
// Products are rounded before they are added to anything, exponentials and
// logarithms are those of package tensor, sums run in one stated order, and
// ties go to the lower token id. Selection is done in parts where that is less
// work than sorting a vocabulary; it never changes what is drawn.
package sampling
