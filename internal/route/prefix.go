package route

import (
	"crypto/sha256"
	"encoding/binary"
	"sync/atomic"
)

// firstPrefix is the shortest prefix that is worth a detour, in tokens; each
// further one is twice as long.
const firstPrefix = 64

// maxPrefixes bounds the prefixes of one prompt: the longest is 131,072 tokens.
const maxPrefixes = 12

// PrefixTokens is the length of the i-th prefix of a prompt.
func PrefixTokens(i int) uint64 { return firstPrefix << i }

// Prefixes name the beginnings of a prompt of 64, 128, 256 … tokens: the first
// eight bytes of the SHA-256 over the scope, a zero byte and the token ids, 4
// bytes each, little-endian. Only who knows the scope, which is a secret of the
// gateway and the provider that serves it, can tell what a name stands for.
func Prefixes(scope string, prompt []int32) []uint64 {
	if len(prompt) < firstPrefix {
		return nil
	}
	prefixes := make([]uint64, 0, maxPrefixes)
	h := sha256.New()
	h.Write(append([]byte(scope), 0))
	buffer := make([]byte, 0, 4*firstPrefix)
	var sum [sha256.Size]byte
	from := 0
	for i := 0; i < maxPrefixes && len(prompt) >= int(PrefixTokens(i)); i++ {
		for to := int(PrefixTokens(i)); from < to; from += firstPrefix {
			buffer = buffer[:0]
			for _, id := range prompt[from : from+firstPrefix] {
				buffer = binary.LittleEndian.AppendUint32(buffer, uint32(id))
			}
			h.Write(buffer)
		}
		prefixes = append(prefixes, binary.LittleEndian.Uint64(h.Sum(sum[:0])))
	}
	return prefixes
}

// Affinity remembers which provider has lately worked through which prefix. It
// holds so many and forgets the others: two prefixes that fall on one place push
// each other out. It is safe for concurrent use, and reading takes no lock.
type Affinity struct {
	places [1 << 14]atomic.Pointer[memory]
}

type memory struct {
	prefix uint64
	lane   *Lane
	proved bool
}

// Remember notes that a provider has the prefixes in its cache. Proved says that
// this gateway has had them answered there; a provider's own word makes it worth
// a look, but no cheaper, and replaces nothing that is proved.
func (a *Affinity) Remember(prefixes []uint64, lane *Lane, proved bool) {
	for _, p := range prefixes {
		place := a.place(p)
		if old := place.Load(); old != nil && !proved && old.proved {
			continue
		}
		place.Store(&memory{p, lane, proved})
	}
}

// Forget notes that a provider did not have the prefixes after all.
func (a *Affinity) Forget(prefixes []uint64, lane *Lane) {
	for _, p := range prefixes {
		place := a.place(p)
		if old := place.Load(); old != nil && old.prefix == p && old.lane == lane {
			place.CompareAndSwap(old, nil)
		}
	}
}

func (a *Affinity) find(prefix uint64) (lane *Lane, proved bool) {
	m := a.place(prefix).Load()
	if m == nil || m.prefix != prefix {
		return nil, false
	}
	return m.lane, m.proved
}

func (a *Affinity) place(prefix uint64) *atomic.Pointer[memory] {
	return &a.places[prefix%uint64(len(a.places))]
}
