// Package region names where a machine is: ISO 3166-1 alpha-2, perhaps with a
// subdivision of ISO 3166-2, as in DE, US-CA or FR-75.
package region

import "strings"

// MaxBytes is the length of the longest name.
const MaxBytes = 6

// Valid says whether a name has the form of a region. Which of them exist is
// not checked: the list changes, and a ledger must not disagree about it.
func Valid(name string) bool {
	country, part, divided := strings.Cut(name, "-")
	if len(country) != 2 || !letters(country) {
		return false
	}
	return !divided || len(part) >= 1 && len(part) <= 3 && lettersAndDigits(part)
}

// Within says whether a region is the other or a part of it.
func Within(name, whole string) bool {
	rest, ok := strings.CutPrefix(name, whole)
	return ok && (rest == "" || rest[0] == '-')
}

func letters(s string) bool {
	for _, c := range []byte(s) {
		if c < 'A' || c > 'Z' {
			return false
		}
	}
	return true
}

func lettersAndDigits(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'A' || c > 'Z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}
