// Package testnet holds tests of a whole market: a gateway and many providers,
// each with its books on disk, over loopback, and a ledger that keeps the rules of
// money of internal/mechanism in memory, so that it can be stalled at will. What
// needs the real ledger is tested in internal/devnet.
package testnet
