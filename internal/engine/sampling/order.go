package sampling

import (
	"math"
	"slices"
)

// key orders candidates: the larger logit first, among equals the lower token
// id. It has the logit's bits, turned so that they ascend where logits descend,
// above the id.
func key(logit float32, id int32) uint64 {
	if logit == 0 {
		logit = 0 // −0 is equal to 0
	}
	b := math.Float32bits(logit)
	if b>>31 == 0 {
		b = ^(b | 1<<31)
	}
	return uint64(b)<<32 | uint64(uint32(id))
}

func keyID(k uint64) int32 { return int32(uint32(k)) }

func keyLogit(k uint64) float32 {
	b := uint32(k >> 32)
	if b>>31 == 0 {
		b = ^b &^ (1 << 31)
	}
	return math.Float32frombits(b)
}

// buckets divide the range of scaled logits that count, for selection in parts.
const buckets = 1024

// first cuts keys to the n that come first, in order. Counting in buckets leaves
// few besides them to sort. Scale maps a key to its scaled logit, 0 for the
// first and floor at least.
func (s *Sampler) first(keys []uint64, n int, scale func(uint64) float32) []uint64 {
	if n >= len(keys) {
		s.sort(keys)
		return keys
	}
	clear(s.counts[:])
	for _, k := range keys {
		s.counts[bucket(scale(k))]++
	}
	last, sum := 0, int(s.counts[0])
	for sum < n {
		last++
		sum += int(s.counts[last])
	}
	kept := keys[:0]
	for _, k := range keys {
		if bucket(scale(k)) <= last {
			kept = append(kept, k)
		}
	}
	s.sort(kept)
	return kept[:n]
}

// bucket does not descend as x does, so that what precedes in order never has a
// later bucket; equal values share one.
func bucket(x float32) int {
	return min(buckets-1, int(x*(buckets/floor)))
}

// radixFrom is how many keys are sorted faster by their digits.
const radixFrom = 512

// sort puts keys that are in the order of their ids into order. It takes linear
// time, whatever the logits.
func (s *Sampler) sort(keys []uint64) {
	if len(keys) < radixFrom {
		slices.Sort(keys)
		return
	}
	const digits, width = 3, 11
	from, to := keys, s.spare[:len(keys)]
	for d := range digits {
		shift := 32 + d*width
		var starts [1 << width]int32
		for _, k := range from {
			starts[k>>shift&(1<<width-1)]++
		}
		sum := int32(0)
		for i, n := range starts {
			starts[i] = sum
			sum += n
		}
		for _, k := range from {
			digit := k >> shift & (1<<width - 1)
			to[starts[digit]] = k
			starts[digit]++
		}
		from, to = to, from
	}
	copy(keys, from) // an odd number of passes ends in the spare
}

// Largest returns the n tokens with the largest logits, in the order of
// candidates. It is meant for small n.
func Largest(logits []float32, n int) []int32 {
	n = min(n, len(logits))
	best := make([]uint64, 0, n+1)
	for i, l := range logits {
		k := key(finite(l), int32(i))
		if len(best) == n && (n == 0 || k > best[n-1]) {
			continue
		}
		at, _ := slices.BinarySearch(best, k)
		best = slices.Insert(best, at, k)
		best = best[:min(n, len(best))]
	}
	ids := make([]int32, len(best))
	for i, k := range best {
		ids[i] = keyID(k)
	}
	return ids
}
