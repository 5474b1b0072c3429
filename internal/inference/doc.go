// Package inference is the vocabulary that gateways and providers share on the
// wire: the frames of /koinon/inference/1, the request's JSON, the error codes,
// and the books that both keep of one grant.
//
// One stream is one request. The gateway sends Open, then Reveal as tokens
// arrive, or Cancel; the provider sends Accepted, Tokens, then Done or Error,
// and closes. Everything that is read here comes from a stranger.
package inference

// Protocol is the libp2p protocol of one request.
const Protocol = "/koinon/inference/1"

// Limits of one frame, in bytes. They are part of the protocol.
const (
	// MaxRequest bounds a request's JSON.
	MaxRequest = 1 << 20
	// MaxClientFrame bounds a frame from the gateway: a request, its grant and a ticket.
	MaxClientFrame = MaxRequest + 8<<10
	// MaxServerFrame bounds a frame from the provider: tokens with their
	// alternatives, or a receipt.
	MaxServerFrame = 256 << 10
)
