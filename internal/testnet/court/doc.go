// Package court plays whole disputes among providers that cheat, providers that
// do not, and auditors of whom a third lie: with the reference engine, the
// auditor's bench and the provider's defence as they are, the rules of the ledger
// as pure functions, and a clock that the test moves. It has no code of its own
// beside tests; testdata holds transcripts to read.
package court
