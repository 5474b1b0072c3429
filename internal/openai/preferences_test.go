package openai

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/koinon/koinon/internal/route"
)

func withProvider(object string) []byte {
	return []byte(`{"model":"m","messages":[{"role":"user","content":"x"}],"provider":` + object + `}`)
}

func TestPreferences(t *testing.T) {
	c, err := ParseChat(withProvider(`{"order":["a"],"only":["a","b"],"ignore":["c"],"max_price":{"prompt":0.5,"completion":"2"},
		"quantizations":["int8"],"sort":"price","allow_fallbacks":false,"region":"us-ca","verification":"exact",
		"min_audit_score":0.5,"require_parameters":true}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &route.Controls{
		Order: []string{"a"}, Only: []string{"a", "b"}, Ignore: []string{"c"},
		MaxPrice: &route.MaxPrice{Prompt: 500_000, Completion: 2_000_000}, Quantizations: []string{"int8"},
		Sort: route.Price, NoFallbacks: true, Region: "US-CA", Verification: "exact", MinAudit: 0.5,
	}
	if !reflect.DeepEqual(c.Controls, want) {
		t.Errorf("read %+v, want %+v", c.Controls, want)
	}
	half, err := ParseChat(withProvider(`{"max_price":{"prompt":1},"verification":"any","sort":null}`))
	if err != nil || half.Controls.MaxPrice.Completion != math.MaxUint64 || half.Controls.Verification != "" {
		t.Errorf("read %+v, %v", half.Controls, err)
	}
}

func TestWrongPreferencesAreNamed(t *testing.T) {
	for object, param := range map[string]string{
		`7`: "provider", `{"order":"a"}`: "provider.order", `{"only":[""]}`: "provider.only",
		`{"ignore":["` + strings.Repeat("x", 200) + `"]}`:  "provider.ignore",
		`{"only":[` + strings.Repeat(`"a",`, 64) + `"a"]}`: "provider.only",
		`{"max_price":3}`:             "provider.max_price",
		`{"max_price":{"prompt":-1}}`: "provider.max_price.prompt",
		`{"max_price":{"image":1}}`:   "provider.max_price.image",
		`{"sort":"fame"}`:             "provider.sort",
		`{"allow_fallbacks":"no"}`:    "provider.allow_fallbacks",
		`{"region":"Germany"}`:        "provider.region",
		`{"verification":"true"}`:     "provider.verification",
		`{"min_audit_score":2}`:       "provider.min_audit_score",
		`{"data_collection":"deny"}`:  "provider.data_collection",
	} {
		_, err := ParseChat(withProvider(object))
		var e *Error
		if !errors.As(err, &e) || e.Status != 400 || e.Param != param {
			t.Errorf("%.60s: %v; the field at fault is %s", object, err, param)
		}
	}
}

func FuzzPreferences(f *testing.F) {
	f.Add(`{"order":["a"],"max_price":{"prompt":"1e3"},"region":"DE"}`)
	f.Fuzz(func(t *testing.T, object string) {
		if c, err := Preferences([]byte(object)); err == nil && c != nil && (c.MinAudit < 0 || c.MinAudit > 1) {
			t.Errorf("%q gives %+v", object, c)
		}
	})
}
