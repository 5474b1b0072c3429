package engine

import (
	"errors"
	"fmt"

	"github.com/koinon/koinon/internal/tensor"
	"github.com/koinon/koinon/receipt"
)

// ErrBits says that a machine does not compute the same bits each time: answers
// of verification class exact that it sold would be found false.
var ErrBits = errors.New("this machine does not reproduce its own bits")

// SelfCheck computes the logits after a text with every kernel that the
// processor has and with each number of threads, and returns their digest, which
// must be one. Nothing else may compute meanwhile. Refusal: [ErrBits].
func (m *Model) SelfCheck(tokens []int32, threads []int) (receipt.Digest, error) {
	var first receipt.Digest
	var by string
	for _, kernel := range tensor.Kernels() {
		for _, n := range threads {
			digest, err := m.digestWith(kernel, n, tokens)
			if err != nil {
				return first, err
			}
			now := fmt.Sprintf("%s kernels and %d threads", kernel, n)
			if by == "" {
				first, by = digest, now
			} else if digest != first {
				return first, fmt.Errorf("%w: %s give %s, %s %s; its processor, memory or power may be faulty", ErrBits, by, first, now, digest)
			}
		}
	}
	return first, nil
}

func (m *Model) digestWith(kernel string, threads int, tokens []int32) (receipt.Digest, error) {
	restore, err := tensor.Use(kernel)
	if err != nil {
		return receipt.Digest{}, err
	}
	defer restore()
	digests, err := m.DigestLogits(tokens, threads)
	if err != nil {
		return receipt.Digest{}, err
	}
	return digests[len(digests)-1], nil
}
