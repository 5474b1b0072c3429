package block

import (
	"math"
	"testing"
)

// FuzzDecode: any bytes decode to as many elements as there are, the same ones
// however they are cut into blocks, and what is decoded can be encoded again.
func FuzzDecode(f *testing.F) {
	values := make([]float32, 512)
	for i := range values {
		values[i] = float32(i%7-3) / 4
	}
	for _, format := range Formats() {
		whole := format.Append(nil, values)
		f.Add(uint32(format), whole)
		f.Add(uint32(format), whole[:len(whole)-1])
		for _, b := range []byte{0xff, 0x7c, 0x80} {
			hostile := make([]byte, len(whole))
			for i := range hostile {
				hostile[i] = b
			}
			f.Add(uint32(format), hostile)
		}
	}
	f.Add(uint32(99), []byte{1})
	f.Fuzz(func(t *testing.T, number uint32, data []byte) {
		format := Format(number)
		n := uint64(format.Elements())
		size, err := format.Bytes(n)
		if n == 0 {
			if err == nil {
				t.Errorf("%s has a size and no elements", format)
			}
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		count := int(min(uint64(len(data))/size, 64))
		decoded, block := make([]float32, count*int(n)), make([]float32, n)
		format.Decode(decoded, data[:count*int(size)])
		sound := true
		for i := range count {
			format.Decode(block, data[i*int(size):][:size])
			for j, v := range block {
				if all := decoded[i*int(n)+j]; math.Float32bits(v) != math.Float32bits(all) {
					t.Fatalf("%s: element %d is %g in its block, %g among others", format, i*int(n)+j, v, all)
				}
				sound = sound && v-v == 0
			}
		}
		if sound {
			if again := format.Append(nil, decoded); uint64(len(again)) != uint64(count)*size {
				t.Errorf("%s: %d blocks are encoded in %d bytes", format, count, len(again))
			}
		}
	})
}
