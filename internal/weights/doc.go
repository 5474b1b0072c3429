// Package weights names, keeps, moves and checks the files of model versions.
//
// A version is named by the SHA-256 of its [Manifest], which names its weights
// and its vocabulary the same way. A [Store] keeps files on disk and gives out
// their blocks by content address; a [Swarm] exchanges blocks with other nodes
// over bitswap, and reads whole files' ranges in plain HTTP where it can. Files are split as IPFS splits them (UnixFS, raw leaves of 1 MiB),
// so that any IPFS tool can carry them; there is one copy of a file, the whole
// one, and leaves are read from it in place. See docs/weights.md.
package weights

import "errors"

// Refusals.
var (
	// ErrManifest: the bytes are no manifest in canonical form, or describe
	// what cannot be.
	ErrManifest = errors.New("not a valid manifest")
	// ErrMismatch: bytes are not those that their name promises. They are not kept.
	ErrMismatch = errors.New("bytes do not match their digest")
	// ErrUnavailable: no peer that was asked sends a block.
	ErrUnavailable = errors.New("no peer has it")
	// ErrTooLarge: the file is larger than this node accepts.
	ErrTooLarge = errors.New("larger than this node accepts")
)
