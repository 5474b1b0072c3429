package openai

import (
	"encoding/json"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/koinon/koinon/internal/region"
	"github.com/koinon/koinon/internal/route"
)

// Bounds of the provider object.
const (
	maxNamed    = 64  // entries of one list
	maxNameSize = 128 // bytes of an entry
)

// Preferences reads the provider object, which says who may serve: OpenRouter's
// fields, and verification, min_audit_score and region. A field that is not
// known is refused, since ignoring it could send a prompt where it must not go.
// No object is nil. Errors are [*Error].
func Preferences(raw json.RawMessage) (*route.Controls, error) {
	if !Given(raw) {
		return nil, nil
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return nil, Invalid("provider", "'provider' must be an object.")
	}
	c := &route.Controls{}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		read := preferenceFields[name]
		if read == nil {
			return nil, Unsupported("provider."+name, "'provider.%.64s' is not supported by this gateway.", name)
		}
		if !Given(fields[name]) {
			continue
		}
		if err := read(c, "provider."+name, fields[name]); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// preferenceFields reads each field. Params name the field in errors.
var preferenceFields = map[string]func(c *route.Controls, param string, raw json.RawMessage) error{
	"order":  func(c *route.Controls, p string, raw json.RawMessage) error { return names(&c.Order, p, raw) },
	"only":   func(c *route.Controls, p string, raw json.RawMessage) error { return names(&c.Only, p, raw) },
	"ignore": func(c *route.Controls, p string, raw json.RawMessage) error { return names(&c.Ignore, p, raw) },
	"quantizations": func(c *route.Controls, p string, raw json.RawMessage) error {
		return names(&c.Quantizations, p, raw)
	},
	"max_price": func(c *route.Controls, p string, raw json.RawMessage) error { return maxPrice(c, p, raw) },
	"sort": func(c *route.Controls, p string, raw json.RawMessage) error {
		text, err := oneOf(p, raw, string(route.Price), string(route.Latency), string(route.Throughput))
		c.Sort = route.Sort(text)
		return err
	},
	"allow_fallbacks": func(c *route.Controls, p string, raw json.RawMessage) error {
		var allow bool
		if json.Unmarshal(raw, &allow) != nil {
			return Invalid(p, "'%s' must be true or false.", p)
		}
		c.NoFallbacks = !allow
		return nil
	},
	// Whatever a request asks of a model is met or refused here anyway.
	"require_parameters": func(_ *route.Controls, p string, raw json.RawMessage) error {
		if json.Unmarshal(raw, new(bool)) != nil {
			return Invalid(p, "'%s' must be true or false.", p)
		}
		return nil
	},
	"region": func(c *route.Controls, p string, raw json.RawMessage) error {
		var name string
		if json.Unmarshal(raw, &name) != nil || !region.Valid(strings.ToUpper(name)) {
			return Invalid(p, "'%s' must be a country such as 'DE', or a part of one such as 'US-CA' (ISO 3166).", p)
		}
		c.Region = strings.ToUpper(name)
		return nil
	},
	"verification": func(c *route.Controls, p string, raw json.RawMessage) error {
		text, err := oneOf(p, raw, "exact", "statistical", "any")
		if text != "any" {
			c.Verification = text
		}
		return err
	},
	"min_audit_score": func(c *route.Controls, p string, raw json.RawMessage) error {
		if json.Unmarshal(raw, &c.MinAudit) != nil || c.MinAudit < 0 || c.MinAudit > 1 {
			return Invalid(p, "'%s' must be a number between 0 and 1.", p)
		}
		return nil
	},
}

// names reads a list of strings; of providers they are account addresses,
// since anybody may take another's moniker.
func names(into *[]string, param string, raw json.RawMessage) error {
	if json.Unmarshal(raw, into) != nil {
		return Invalid(param, "'%s' must be an array of strings.", param)
	}
	if len(*into) > maxNamed {
		return Invalid(param, "'%s' must hold at most %d strings.", param, maxNamed)
	}
	for _, name := range *into {
		if name == "" || len(name) > maxNameSize {
			return Invalid(param, "Each string of '%s' must have 1 to %d bytes.", param, maxNameSize)
		}
	}
	return nil
}

func oneOf(param string, raw json.RawMessage, values ...string) (string, error) {
	var text string
	if json.Unmarshal(raw, &text) != nil || !slices.Contains(values, text) {
		return "", Invalid(param, "'%s' must be one of '%s'.", param, strings.Join(values, "', '"))
	}
	return text, nil
}

// maxPrice reads dollars for 1,000,000 tokens, as numbers or strings.
func maxPrice(c *route.Controls, param string, raw json.RawMessage) error {
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return Invalid(param, "'%s' must be an object with 'prompt' and 'completion', in dollars for 1,000,000 tokens.", param)
	}
	c.MaxPrice = &route.MaxPrice{Prompt: math.MaxUint64, Completion: math.MaxUint64}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		into := map[string]*uint64{"prompt": &c.MaxPrice.Prompt, "completion": &c.MaxPrice.Completion}[name]
		if into == nil {
			return Unsupported(param+"."+name, "'%s.%.64s' is not supported: prices are for the tokens of the 'prompt' and the 'completion'.", param, name)
		}
		if !Given(fields[name]) {
			continue
		}
		text := strings.Trim(string(fields[name]), `"`)
		var dollars float64
		if json.Unmarshal([]byte(text), &dollars) != nil || dollars < 0 || dollars > 1e9 {
			return Invalid(param+"."+name, "'%s.%s' must be a number of dollars for 1,000,000 tokens.", param, name)
		}
		*into = uint64(math.Round(dollars * 1e6))
	}
	return nil
}
