// Package registry is the rule of models' names and of what may become of their
// versions.
//
// A model is called @ada/bard, in a namespace that an account owns, or plainly
// bard, which is a namespace of its own. A version of it is bard@1.0, and what a
// tag points to is bard:latest. A version's bytes never change; tags and the
// status do.
package registry

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Latest is the tag that moves to every version that is listed.
const Latest = "latest"

var (
	plain     = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$`)
	namespace = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,30}[a-z0-9])?$`)
	tag       = regexp.MustCompile(`^[a-z][a-z0-9._-]{0,31}$`)
)

// Errors of names.
var (
	ErrName      = errors.New("a model's name is 1 to 64 lower-case letters, digits, dots, underscores and hyphens, after @NAMESPACE/ if it is in one")
	ErrNamespace = errors.New("a namespace is @ and 1 to 32 lower-case letters, digits and hyphens")
	ErrTag       = errors.New("a tag is 1 to 32 lower-case letters, digits, dots, underscores and hyphens, and begins with a letter")
	ErrDenom     = errors.New("no denomination of shares")
)

// ParseName returns the namespace, with its @, and the last part of a model's
// name; the namespace of a plain name is empty.
func ParseName(name string) (space, last string, err error) {
	space, last, spaced := strings.Cut(name, "/")
	if !spaced {
		space, last = "", name
	} else if err := CheckNamespace(space); err != nil {
		return "", "", err
	}
	if !plain.MatchString(last) {
		return "", "", fmt.Errorf("%w: %q", ErrName, name)
	}
	return space, last, nil
}

// CheckNamespace refuses what is no namespace.
func CheckNamespace(space string) error {
	if rest, ok := strings.CutPrefix(space, "@"); !ok || !namespace.MatchString(rest) {
		return fmt.Errorf("%w: %q", ErrNamespace, space)
	}
	return nil
}

// CheckTag refuses what is no tag.
func CheckTag(name string) error {
	if !tag.MatchString(name) {
		return fmt.Errorf("%w: %q", ErrTag, name)
	}
	return nil
}

const (
	shares = "share/"
	root   = "_" // stands for no namespace; none is called so
)

// Denom is the bank denomination of a model's shares: share/ada/bard for
// @ada/bard, share/_/bard for bard.
func Denom(model string) string {
	if space, last, ok := strings.Cut(strings.TrimPrefix(model, "@"), "/"); ok {
		return shares + space + "/" + last
	}
	return shares + root + "/" + model
}

// ModelOf is the model whose shares a denomination counts, or ErrDenom.
func ModelOf(denom string) (string, error) {
	rest, ok := strings.CutPrefix(denom, shares)
	space, model, both := strings.Cut(rest, "/")
	if ok && both && space != root {
		model = "@" + space + "/" + model
	}
	if _, _, err := ParseName(model); !ok || !both || err != nil || Denom(model) != denom {
		return "", fmt.Errorf("%w: %q", ErrDenom, denom)
	}
	return model, nil
}

// Reference is a model as people write it: NAME, NAME@VERSION, NAME@sha256:… or
// NAME:TAG.
type Reference struct {
	Name string
	// Pin is a version's number or digest, Tag a tag; one of them at most.
	Pin, Tag string
}

// ParseReference splits a reference; the parts may not be names.
func ParseReference(s string) Reference {
	from := 0
	if strings.HasPrefix(s, "@") { // the namespace's
		from = 1
	}
	if at := strings.Index(s[from:], "@"); at >= 0 {
		return Reference{Name: s[:from+at], Pin: s[from+at+1:]}
	}
	name, tag, _ := strings.Cut(s, ":")
	return Reference{Name: name, Tag: tag}
}
