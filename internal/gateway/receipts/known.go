package receipts

import (
	"sync"

	"github.com/koinon/koinon/receipt"
)

// remembered is how many receipts of a grant are kept in memory.
const remembered = 512

// Stored is where receipts are that are not in memory.
type Stored interface {
	// Last is the highest sequence of a grant's sound receipts, 0 if there is none.
	Last(grant receipt.Digest) (uint64, error)
	// Neighbours are the sound receipts right before and after a place.
	Neighbours(grant receipt.Digest, sequence uint64) ([]receipt.Receipt, error)
}

// Known are the receipts that arrived a moment ago, so that a new one is checked
// against its neighbours without a look into the database.
type Known struct {
	stored Stored
	mu     sync.Mutex
	grants map[receipt.Digest]*recent
}

// recent is one grant's.
type recent struct {
	mu      sync.Mutex
	upTo    uint64 // receipts of higher sequences are all in memory
	begun   bool   // upTo has been read
	places  map[uint64]receipt.Receipt
	arrived []uint64 // sequences in their order of arrival, the oldest first
}

// NewKnown starts with nothing in memory.
func NewKnown(s Stored) *Known { return &Known{stored: s, grants: map[receipt.Digest]*recent{}} }

// Check compares a receipt with its neighbours as [Chain] does, and remembers it
// if it is sound. Errors that are not [ErrFalse] are the database's.
func (k *Known) Check(r receipt.Receipt) error {
	k.mu.Lock()
	of := k.grants[r.Grant]
	if of == nil {
		of = &recent{places: map[uint64]receipt.Receipt{}}
		k.grants[r.Grant] = of
	}
	k.mu.Unlock()
	of.mu.Lock()
	defer of.mu.Unlock()
	if !of.begun {
		last, err := k.stored.Last(r.Grant)
		if err != nil {
			return err
		}
		of.upTo, of.begun = last, true
	}
	var around []receipt.Receipt
	for _, place := range []uint64{r.Sequence - 1, r.Sequence, r.Sequence + 1} {
		if other, ok := of.places[place]; ok {
			around = append(around, other)
		}
	}
	if r.Sequence <= of.upTo+1 {
		older, err := k.stored.Neighbours(r.Grant, r.Sequence)
		if err != nil {
			return err
		}
		around = append(around, older...)
	}
	if err := Chain(r, around); err != nil {
		return err
	}
	of.keep(r)
	return nil
}

// keep remembers a receipt, and forgets the oldest for it.
func (of *recent) keep(r receipt.Receipt) {
	if _, ok := of.places[r.Sequence]; ok {
		return
	}
	of.places[r.Sequence] = r
	of.arrived = append(of.arrived, r.Sequence)
	if len(of.arrived) > remembered {
		of.upTo = max(of.upTo, of.arrived[0])
		delete(of.places, of.arrived[0])
		of.arrived = of.arrived[1:]
	}
}

// Forget frees what is in memory of a grant that is over.
func (k *Known) Forget(grant receipt.Digest) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.grants, grant)
}
