// Package receipt holds what a buyer and a provider of inference sign for each
// other, and how anyone checks it without a network: grants, the hash-chain
// tickets that spend them, and receipts.
//
// Everything that is hashed or signed has one canonical form: the bytes
// "koinon/<kind>/v1" and a zero byte, then the fields in the order in which
// the type lists them. Integers take 8 bytes, big-endian; float32 its IEEE 754
// bits in 4; digests 32; strings and byte strings are preceded by their length
// in 4 bytes. Signatures are Ed25519 (RFC 8032) over those bytes. The text of
// the protocol is in spec/protocol.md, test vectors in spec/vectors/receipt.
package receipt
