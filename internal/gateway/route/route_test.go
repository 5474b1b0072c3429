package route

import (
	"slices"
	"testing"
	"time"

	"github.com/koinon/koinon/receipt"
)

func price(in, out uint64) receipt.Price { return receipt.Price{Input: in, Output: out} }

func TestOrder(t *testing.T) {
	need := Need{Prompt: 1000, Completion: 1000}
	for _, test := range []struct {
		name       string
		candidates []Candidate
		want       []string
	}{
		{"none", nil, nil},
		{"the cheapest first", []Candidate{
			{Provider: "dear", Price: price(2e6, 2e6)}, {Provider: "cheap", Price: price(1e6, 1e6)}, {Provider: "middle", Price: price(1e6, 2e6)},
		}, []string{"cheap", "middle", "dear"}},
		{"what this request costs counts, not one price alone", []Candidate{
			{Provider: "dear prompt", Price: price(5e6, 1e6)}, {Provider: "dear answer", Price: price(1e6, 4e6)},
		}, []string{"dear answer", "dear prompt"}},
		{"equal prices: the least loaded", []Candidate{
			{Provider: "two of four", Slots: 4, InFlight: 2}, {Provider: "one of one and more", Slots: 8, InFlight: 1}, {Provider: "idle", Slots: 1},
		}, []string{"idle", "one of one and more", "two of four"}},
		{"equal load: the quickest", []Candidate{
			{Provider: "slow", Latency: time.Second}, {Provider: "quick", Latency: time.Millisecond},
		}, []string{"quick", "slow"}},
		{"all equal: by address, so that a choice can be explained", []Candidate{
			{Provider: "b"}, {Provider: "a"}, {Provider: "c"},
		}, []string{"a", "b", "c"}},
		{"full ones after those with a free slot", []Candidate{
			{Provider: "cheap", Slots: 1, InFlight: 1}, {Provider: "dear", Price: price(9e6, 9e6), Slots: 1},
		}, []string{"dear", "cheap"}},
		{"resting ones last", []Candidate{
			{Provider: "cheap", Resting: true}, {Provider: "dear", Price: price(9e6, 9e6), Slots: 1, InFlight: 1},
		}, []string{"dear", "cheap"}},
		{"a context that is too short is no choice", []Candidate{
			{Provider: "short", MaxContext: 1999}, {Provider: "just enough", MaxContext: 2000, Price: price(1e6, 1e6)},
		}, []string{"just enough"}},
		{"a price beyond all money is no choice", []Candidate{
			{Provider: "absurd", Price: price(1<<63, 1<<63)}, {Provider: "dear", Price: price(9e6, 9e6)},
		}, []string{"dear"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got []string
			n := need
			if test.name == "a price beyond all money is no choice" {
				n = Need{1 << 62, 1 << 62}
				test.candidates[1].Price = price(0, 0)
			}
			for _, i := range Order(test.candidates, n) {
				got = append(got, test.candidates[i].Provider)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
