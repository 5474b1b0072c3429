package registry_test

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/koinon/koinon/internal/mechanism/registry"
)

// Every name has a denomination of its own that the bank takes, and it leads back.
func TestDenominationsLeadBack(t *testing.T) {
	bank := regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9/:._-]{2,127}$`)
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.StringMatching(`(@[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?/)?[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?`).Draw(t, "name")
		if _, _, err := registry.ParseName(name); err != nil {
			t.Fatal(err)
		}
		denom := registry.Denom(name)
		if back, err := registry.ModelOf(denom); err != nil || back != name || !bank.MatchString(denom) {
			t.Fatalf("%s is %s is %q, %v", name, denom, back, err)
		}
		for _, c := range []struct{ add, pin, tag string }{{"", "", ""}, {"@1.0", "1.0", ""}, {"@sha256:ab", "sha256:ab", ""}, {":latest", "", "latest"}} {
			if got := registry.ParseReference(name + c.add); got != (registry.Reference{Name: name, Pin: c.pin, Tag: c.tag}) {
				t.Fatalf("%s%s is %+v", name, c.add, got)
			}
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		denom := rapid.OneOf(rapid.String(), rapid.StringMatching(`share/[a-z_@-]{0,3}(/[a-z@._]{0,3}){0,3}`)).Draw(t, "denom")
		if model, err := registry.ModelOf(denom); err == nil && registry.Denom(model) != denom {
			t.Fatalf("%q is %q's", denom, model)
		}
		registry.ParseReference(denom)
	})
}

func TestNames(t *testing.T) {
	for name, good := range map[string]bool{
		"trivium": true, "@ada/bard": true, "@ada/b.1_x-y": true, "a": true, "": false, "@ada": false, "ada/bard": false,
		"@/bard": false, "@_/bard": false, "@ada/": false, "@ada/a/b": false, "Bard": false, "@Ada/bard": false, "bard@1": false, "bard:x": false, "-x": false,
	} {
		if _, _, err := registry.ParseName(name); (err == nil) != good {
			t.Errorf("%q: %v", name, err)
		}
	}
	for tag, good := range map[string]bool{"latest": true, "q4_k.m": true, "": false, "1.0": false, "La": false, strings.Repeat("a", 33): false} {
		if err := registry.CheckTag(tag); (err == nil) != good {
			t.Errorf("%q: %v", tag, err)
		}
	}
}

// Nothing leads out of being withdrawn, and only governance skips a step.
func TestStatusMoves(t *testing.T) {
	var got []string
	for from := registry.Status(0); from < 6; from++ {
		for to := registry.Status(0); to < 6; to++ {
			for _, by := range []registry.Actor{registry.Owner, registry.Governance} {
				if registry.Move(from, to, by) == nil {
					got = append(got, map[registry.Actor]string{registry.Owner: "owner ", registry.Governance: "gov "}[by]+from.String()+">"+to.String())
				}
			}
		}
	}
	want := "owner draft>listed,owner draft>withdrawn,gov draft>withdrawn,owner listed>deprecated,gov listed>deprecated," +
		"gov listed>withdrawn,owner deprecated>listed,owner deprecated>withdrawn,gov deprecated>withdrawn"
	if strings.Join(got, ",") != want {
		t.Errorf("%s\nwant %s", strings.Join(got, ","), want)
	}
}
