// Package referee says what an answer of the exact class consists of, Operator
// by Operator, and computes any one element of it again in integers alone, so
// that a ledger can judge a dispute. The arithmetic is that of spec/engine.md,
// bit for bit; which operators there are, and how they lie in the trace's Merkle
// trees, is written in spec/bisection.md.
package referee
