package model

import (
	"fmt"
	"regexp"

	"github.com/github/go-spdx/v2/spdxexp"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	"github.com/koinon/koinon/internal/ledger/account"
	"github.com/koinon/koinon/internal/mechanism/lineage"
	"github.com/koinon/koinon/internal/mechanism/registry"
	"github.com/koinon/koinon/receipt"
)

var (
	versionPattern  = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._+-]{0,30}[A-Za-z0-9])?$`)
	shortPattern    = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+ -]{0,63}$`)
	languagePattern = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,3}$`)
	basePattern     = regexp.MustCompile(`^[A-Za-z0-9@][A-Za-z0-9._/@:-]{0,127}$`)
)

func bad(field, rule string) error { return fmt.Errorf("%w: %s must be %s", ErrField, field, rule) }

// validate checks a version's fields. Recipients of shares are checked as
// addresses, as money would otherwise go nowhere.
func (k *Keeper) validate(v modelv1.Version) error {
	if _, err := account.Parse(k.addresses, v.Owner); err != nil {
		return err
	}
	if _, err := receipt.ParseDigest(v.Digest); err != nil {
		return fmt.Errorf("%w: digest: %w", ErrField, err)
	}
	if _, _, err := registry.ParseName(v.Name); err != nil {
		return fmt.Errorf("%w: name: %w", ErrField, err)
	}
	switch {
	case !versionPattern.MatchString(v.Version):
		return bad("version", "1 to 32 letters, digits, dots, hyphens and pluses")
	case v.Class != modelv1.VerificationClass_VERIFICATION_CLASS_EXACT && v.Class != modelv1.VerificationClass_VERIFICATION_CLASS_STATISTICAL:
		return bad("class", "exact or statistical")
	case !spdx(v.License):
		return bad("license", "an SPDX expression, such as Apache-2.0, or LicenseRef-NAME for another licence")
	case !shortPattern.MatchString(v.Architecture):
		return bad("architecture", "1 to 64 letters, digits and punctuation")
	case !shortPattern.MatchString(v.Quantization):
		return bad("quantization", "1 to 64 letters, digits and punctuation")
	case v.Parameters == 0 || v.SizeBytes == 0 || v.ContextLength == 0:
		return bad("parameters, size_bytes and context_length", "more than zero")
	case v.DerivativeBps > lineage.Whole:
		return bad("derivative_bps", "at most 10,000")
	}
	if v.Class == modelv1.VerificationClass_VERIFICATION_CLASS_EXACT {
		if _, err := receipt.ParseDigest(v.WeightsRoot); err != nil {
			return fmt.Errorf("%w: weights_root, which an exact version's disputes need: %w", ErrField, err)
		}
	} else if v.WeightsRoot != "" {
		return bad("weights_root", "empty for the statistical class")
	}
	if v.Conduct != "" {
		if _, err := receipt.ParseDigest(v.Conduct); err != nil {
			return fmt.Errorf("%w: conduct: %w", ErrField, err)
		}
	}
	if err := validateCard(v.Card); err != nil {
		return err
	}
	return k.validatePolicy(v)
}

// validatePolicy checks that the policy and what the version owes divide the
// whole, with shares issued and without.
func (k *Keeper) validatePolicy(v modelv1.Version) error {
	for _, shared := range []bool{false, true} {
		if err := PolicyOf(v, shared).Validate(); err != nil {
			if owed := lineage.Sum(debtsOf(v.Owes)); owed > 0 {
				return fmt.Errorf("%w: %w; %d of them are the parents'", ErrPolicy, err, owed)
			}
			return fmt.Errorf("%w: %w", ErrPolicy, err)
		}
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

// spdx says whether a licence is an SPDX expression. Names of Hugging Face that
// SPDX does not know go behind LicenseRef-.
func spdx(license string) bool {
	if !shortPattern.MatchString(license) { // bounds the parser's work
		return false
	}
	valid, _ := spdxexp.ValidateLicenses([]string{license})
	return valid
}

// Bounds of a card.
const (
	maxLanguages   = 64
	maxEvaluations = 64
)

func validateCard(c modelv1.Card) error {
	if c.Digest != "" {
		if _, err := receipt.ParseDigest(c.Digest); err != nil {
			return fmt.Errorf("%w: card.digest: %w", ErrField, err)
		}
	}
	switch {
	case c.BaseModel != "" && !basePattern.MatchString(c.BaseModel):
		return bad("card.base_model", "a model's name, of at most 128 letters, digits and punctuation")
	case c.PipelineTag != "" && !shortPattern.MatchString(c.PipelineTag):
		return bad("card.pipeline_tag", "a task, such as text-generation")
	case len(c.Languages) > maxLanguages || len(c.Evaluations) > maxEvaluations:
		return bad("card.languages and card.evaluations", fmt.Sprintf("at most %d and %d", maxLanguages, maxEvaluations))
	}
	for _, l := range c.Languages {
		if !languagePattern.MatchString(l) {
			return bad("card.languages", "BCP 47 tags, such as en or pt-BR")
		}
	}
	for _, e := range c.Evaluations {
		if !basePattern.MatchString(e.Dataset) || !shortPattern.MatchString(e.Metric) {
			return bad("card.evaluations", "of a data set and a metric")
		}
	}
	return nil
}
