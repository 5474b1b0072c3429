package p2p

import (
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/libp2p/go-libp2p/core/crypto"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// maxAddrs bounds how many addresses of one peer are tried: they come from the
// ledger, where their owner may list anything.
const maxAddrs = 16

// ErrPeer: a key or an address does not describe a peer.
var ErrPeer = errors.New("not a peer")

// Peer is who to reach, and where.
type Peer struct {
	Key   ed25519.PublicKey
	Addrs []string // multiaddrs without the /p2p part
}

// ParsePeer reads a peer as people hand them around: multiaddrs that end in
// /p2p/ID, all of one peer. Refusal: [ErrPeer].
func ParsePeer(addrs ...string) (Peer, error) {
	var p Peer
	for _, text := range addrs {
		info, err := peer.AddrInfoFromString(text)
		if err != nil {
			return Peer{}, fmt.Errorf("%w: address %q: %v; give it as /ip4/…/p2p/ID", ErrPeer, text, err)
		}
		key, err := KeyOf(info.ID)
		if err != nil {
			return Peer{}, err
		}
		if p.Key != nil && !p.Key.Equal(key) {
			return Peer{}, fmt.Errorf("%w: addresses of two peers, %q among them", ErrPeer, text)
		}
		p.Key = key
		for _, a := range info.Addrs {
			p.Addrs = append(p.Addrs, a.String())
		}
	}
	return p, nil
}

// Multiaddrs are a peer's addresses as [ParsePeer] reads them. Refusal: [ErrPeer].
func (p Peer) Multiaddrs() ([]string, error) {
	id, err := PeerID(p.Key)
	if err != nil {
		return nil, err
	}
	list := make([]string, len(p.Addrs))
	for i, a := range p.Addrs {
		list[i] = a + "/p2p/" + id.String()
	}
	return list, nil
}

// PeerID is the libp2p name of a key. Refusal: [ErrPeer].
func PeerID(key ed25519.PublicKey) (peer.ID, error) {
	if len(key) != ed25519.PublicKeySize {
		return "", fmt.Errorf("%w: a public key of %d bytes, not %d", ErrPeer, len(key), ed25519.PublicKeySize)
	}
	pub, err := crypto.UnmarshalEd25519PublicKey(key)
	if err != nil {
		return "", fmt.Errorf("%w: %v", ErrPeer, err)
	}
	return peer.IDFromPublicKey(pub)
}

// KeyOf is the key behind a libp2p name. Refusal: [ErrPeer], if it is not an
// Ed25519 key.
func KeyOf(id peer.ID) (ed25519.PublicKey, error) {
	pub, err := id.ExtractPublicKey()
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %v", ErrPeer, id, err)
	}
	if pub.Type() != crypto.Ed25519 {
		return nil, fmt.Errorf("%w: %s has a key of type %s; koinon speaks to Ed25519 keys only", ErrPeer, id, pub.Type())
	}
	return pub.Raw()
}

// info is what libp2p dials. Addresses that cannot be read are left out as long
// as one remains: a newer peer may list kinds that this build does not know.
func (p Peer) info() (peer.AddrInfo, error) {
	id, err := PeerID(p.Key)
	if err != nil {
		return peer.AddrInfo{}, err
	}
	info := peer.AddrInfo{ID: id}
	var unread error
	for _, s := range p.Addrs[:min(len(p.Addrs), maxAddrs)] {
		addr, err := multiaddr.NewMultiaddr(s)
		if err != nil {
			unread = err
			continue
		}
		info.Addrs = append(info.Addrs, addr)
	}
	if len(info.Addrs) == 0 && unread != nil {
		return info, fmt.Errorf("%w: %s has no readable address: %v", ErrPeer, id, unread)
	}
	return info, nil
}
