package model

import (
	"fmt"
	"regexp"

	errorsmod "cosmossdk.io/errors"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/receipt"
)

// Refusals, by which clients tell them apart.
var (
	ErrNotFound     = errorsmod.Register(ModuleName, 2, "model version not found")
	ErrDigestTaken  = errorsmod.Register(ModuleName, 3, "this digest is registered already")
	ErrVersionTaken = errorsmod.Register(ModuleName, 4, "this version of the model is registered already")
	ErrNameTaken    = errorsmod.Register(ModuleName, 5, "the model's name belongs to another account")
	ErrField        = errorsmod.Register(ModuleName, 6, "field missing or out of range")
	ErrPolicy       = errorsmod.Register(ModuleName, 7, "invalid revenue policy")
)

var (
	namePattern    = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$`)
	versionPattern = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._+-]{0,30}[A-Za-z0-9])?$`)
	shortPattern   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+ -]{0,63}$`)
)

// validate checks a version's fields. Recipients of shares are checked as
// addresses, as money would otherwise go nowhere.
func (k *Keeper) validate(v modelv1.Version) error {
	if _, err := account.Parse(k.addresses, v.Owner); err != nil {
		return err
	}
	bad := func(field, rule string) error { return fmt.Errorf("%w: %s must be %s", ErrField, field, rule) }
	if _, err := receipt.ParseDigest(v.Digest); err != nil {
		return fmt.Errorf("%w: digest: %w", ErrField, err)
	}
	switch {
	case !namePattern.MatchString(v.Name):
		return bad("name", "1 to 64 lower-case letters, digits, dots, underscores and hyphens")
	case !versionPattern.MatchString(v.Version):
		return bad("version", "1 to 32 letters, digits, dots, hyphens and pluses")
	case v.Class != modelv1.VerificationClass_VERIFICATION_CLASS_EXACT && v.Class != modelv1.VerificationClass_VERIFICATION_CLASS_STATISTICAL:
		return bad("class", "exact or statistical")
	case !shortPattern.MatchString(v.License):
		return bad("license", "an SPDX identifier")
	case !shortPattern.MatchString(v.Architecture):
		return bad("architecture", "1 to 64 letters, digits and punctuation")
	case !shortPattern.MatchString(v.Quantization):
		return bad("quantization", "1 to 64 letters, digits and punctuation")
	case v.Parameters == 0 || v.SizeBytes == 0 || v.ContextLength == 0:
		return bad("parameters, size_bytes and context_length", "more than zero")
	}
	if v.Class == modelv1.VerificationClass_VERIFICATION_CLASS_EXACT {
		if _, err := receipt.ParseDigest(v.WeightsRoot); err != nil {
			return fmt.Errorf("%w: weights_root, which an exact version's disputes need: %w", ErrField, err)
		}
	} else if v.WeightsRoot != "" {
		return bad("weights_root", "empty for the statistical class")
	}
	policy := PolicyOf(v.Policy)
	if err := policy.Validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrPolicy, err)
	}
	for _, shares := range [][]modelv1.Share{v.Policy.Owners, v.Policy.Data} {
		for _, s := range shares {
			if _, err := account.Parse(k.addresses, s.Address); err != nil {
				return fmt.Errorf("%w: share: %w", ErrPolicy, err)
			}
		}
	}
	return nil
}
