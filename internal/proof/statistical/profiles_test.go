package statistical

import (
	"errors"
	"testing"
)

// What was measured can judge, and nothing is judged by a profile
// of something else.
func TestMeasuredProfiles(t *testing.T) {
	list, err := Measured()
	if err != nil {
		t.Fatal(err)
	}
	p, err := Find(list, "large", "F16", Margin, 0.8)
	if err != nil || p.Method != Margin || p.Tokens < 1000 {
		t.Fatalf("%+v, %v", p, err)
	}
	worse := p
	worse.Engine, worse.Mean, worse.Bet = "another", p.Mean+1, 1
	if p, err = Find(append(list, worse), "large", "F16", Margin, 0.8); err != nil || p != worse {
		t.Errorf("of two engines %+v is chosen, %v", p, err)
	}
	for _, c := range []struct {
		model, quantisation string
		method              Method
		temperature         float32
	}{{"other", "F16", Margin, 0.8}, {"large", "Q4_0", Margin, 0.8}, {"small", "F16", Distance, 0.8}, {"large", "F16", Margin, 1.9}} {
		var why *Inconclusive
		if _, err := Find(list, c.model, c.quantisation, c.method, c.temperature); !errors.As(err, &why) || why.Reason != UnknownModel {
			t.Errorf("%+v: %v", c, err)
		}
	}
	for _, bad := range []string{"", "{}", "[{}]", `[{"method":"margin","cap":1,"mean":0,"bet":1}]`} {
		if _, err := ReadProfiles([]byte(bad)); !errors.Is(err, ErrProfile) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// Whatever the bytes, what is read can judge.
func FuzzReadProfiles(f *testing.F) {
	f.Add(measured)
	f.Add([]byte(`[{"method":"margin","cap":1e-3,"mean":1,"bet":1}]`))
	f.Add([]byte(`[{"method":"likelihood","least_temperature":1,"most_temperature":1,"cap":8,"mean":500000,"bet":1999999}]`))
	f.Fuzz(func(t *testing.T, data []byte) {
		list, err := ReadProfiles(data)
		for _, p := range list {
			if s := p.Score([]float32{0, 1}); err != nil || s.Millionth > Unit || p.Bet*p.Mean >= Unit*Unit {
				t.Fatalf("%+v: %+v, %v", p, s, err)
			}
		}
	})
}
