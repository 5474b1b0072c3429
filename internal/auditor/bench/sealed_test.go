package bench

import (
	"bytes"
	"errors"
	"testing"

	"github.com/koinon/koinon/receipt"
)

// Every member of a committee reads what was sealed to it, and nobody else does.
func TestSealedToTheCommittee(t *testing.T) {
	var members []Identity
	var to []string
	for range 3 {
		key, err := NewIdentity()
		if err != nil {
			t.Fatal(err)
		}
		members, to = append(members, key), append(to, key.Recipient())
	}
	want := receipt.Transcript{Request: `{"prompt":"a secret"}`, Output: []int32{1, 2, 3}}
	sealed, err := Seal(want, to)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(sealed, []byte("secret")) {
		t.Error("the prompt is in clear")
	}
	for _, key := range members {
		again, err := ParseIdentity(key.Secret())
		if err != nil {
			t.Fatal(err)
		}
		got, err := again.Open(sealed)
		if err != nil || got.Request != want.Request || len(got.Output) != 3 {
			t.Errorf("%+v, %v", got, err)
		}
	}
	other, err := NewIdentity()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Open(sealed); !errors.Is(err, ErrSealed) {
		t.Errorf("a stranger: %v", err)
	}
	if _, err := Seal(want, []string{"age1nobody"}); err == nil {
		t.Error("a recipient that is none is accepted")
	}
}

// Whatever an accuser seals is read or refused.
func FuzzOpen(f *testing.F) {
	key, err := NewIdentity()
	if err != nil {
		f.Fatal(err)
	}
	sealed, err := Seal(receipt.Transcript{Request: "{}"}, []string{key.Recipient()})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(sealed)
	f.Add([]byte("age-encryption.org/v1\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if _, err := key.Open(data); err != nil && !errors.Is(err, ErrSealed) {
			t.Fatal(err)
		}
	})
}
