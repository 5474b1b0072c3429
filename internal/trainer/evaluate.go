package trainer

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math"
	"time"
)

// summarise measures the finished model on the held-out texts.
func (r *run) summarise(elapsed time.Duration) Summary {
	s := Summary{
		Parameters: len(r.w.all),
		Steps:      r.step,
		Tokens:     r.step * r.Batch * r.Architecture.Context,
		Elapsed:    elapsed,
		HeldOut:    map[string]HeldOut{},
		Digest:     digest(r.w.all),
	}
	for _, w := range r.works {
		s.HeldOut[w.name] = r.evaluate(w)
	}
	s.Samples = r.samples()
	return s
}

// evaluate measures the loss on a work's held-out tokens in consecutive
// windows, each token given those before it in its window; so the first of
// each window are harder than in use.
func (r *run) evaluate(w work) HeldOut {
	tokens, window := w.heldOutTokens, r.Architecture.Context
	inputs, targets := make([]int32, window*r.Batch), make([]int32, window*r.Batch)
	var nats float64
	for at := 0; at+1 < len(tokens); at += len(inputs) {
		n := copy(targets, tokens[at+1:])
		copy(inputs, tokens[at:at+n])
		clear(inputs[n:])
		clear(targets[n:])
		for _, loss := range r.decoder.forward(inputs, targets)[:n] {
			nats += float64(loss)
		}
	}
	return HeldOut{
		NatsPerToken: nats / float64(len(tokens)-1),
		BitsPerByte:  nats / math.Ln2 / float64(len(w.held)),
		Bytes:        len(w.held),
	}
}

func digest(weights []float32) string {
	sum := sha256.New()
	buffer := make([]byte, 0, 4<<10)
	for i, v := range weights {
		buffer = binary.LittleEndian.AppendUint32(buffer, math.Float32bits(v))
		if len(buffer) == cap(buffer) || i == len(weights)-1 {
			sum.Write(buffer)
			buffer = buffer[:0]
		}
	}
	return hex.EncodeToString(sum.Sum(nil))
}
