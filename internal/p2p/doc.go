// Package p2p joins gateways and providers: a libp2p host whose identity is an
// Ed25519 key, reached over QUIC or TCP, with streams by protocol name.
//
// Who is at the other end is proved by the handshake, so a peer is always named
// by its public key and found by its addresses, which may lie. A host does only
// what koinon needs: no relay, no hole punching, no probing of addresses; when
// nobody talks to it, it costs next to nothing, and many fit in one process.
package p2p
