package route

import (
	"slices"
	"strings"

	"github.com/koinon/koinon/internal/region"
)

// Controls are what a request says about who may serve it. The zero value
// leaves everything to the router.
type Controls struct {
	// Order are providers, by account address, to try first and in this order.
	Order []string
	// Only are the providers that may serve; none for all. Ignore may not.
	Only, Ignore []string
	// MaxPrice bounds the price; nil for any.
	MaxPrice *MaxPrice
	// Quantizations and Verification bound the model version: as the ledger
	// names quantisations or by their class such as int8, and exact, statistical
	// or, if empty, any.
	Quantizations []string
	Verification  string
	// Sort asks for the best in one respect, in place of the balance of all.
	Sort Sort
	// NoFallbacks forbids providers other than those in Order or, without an
	// order, a second one.
	NoFallbacks bool
	// Region is where the provider must say that it is: a country (DE) with all
	// that lies in it, or a subdivision (US-CA).
	Region string
	// MinAudit is the least audit record, between 0 and 1. Above 0 it leaves out
	// those without one.
	MinAudit float64
}

// MaxPrice is in ucredit for 1,000,000 tokens.
type MaxPrice struct{ Prompt, Completion uint64 }

// Sort is the respect in which the best is wanted.
type Sort string

// The values of [Sort]: the balance of all, the lowest price, the soonest first
// token, and the most tokens a second.
const (
	Balanced   Sort = ""
	Price      Sort = "price"
	Latency    Sort = "latency"
	Throughput Sort = "throughput"
)

// permits says whether the controls let an offer serve.
func (c *Controls) permits(e *entry) bool {
	return c == nil ||
		c.permitsOnly(e) && c.permitsIgnore(e) && c.permitsPrice(e) && c.permitsRegion(e) && c.permitsAudit(e)
}

func (c *Controls) permitsOnly(e *entry) bool {
	return len(c.Only) == 0 || slices.Contains(c.Only, e.Lane.Provider.Address)
}

func (c *Controls) permitsIgnore(e *entry) bool {
	return len(c.Ignore) == 0 || !slices.Contains(c.Ignore, e.Lane.Provider.Address)
}

func (c *Controls) permitsPrice(e *entry) bool {
	return c.MaxPrice == nil || e.Price.Input <= c.MaxPrice.Prompt && e.Price.Output <= c.MaxPrice.Completion
}

func (c *Controls) permitsRegion(e *entry) bool {
	return c.Region == "" || region.Within(e.Region, c.Region)
}

func (c *Controls) permitsAudit(e *entry) bool {
	return c.MinAudit <= 0 || e.Audit >= c.MinAudit
}

// PermitsVersion names the control that a model version does not meet, or is
// empty: which version serves is settled before who does.
func (c *Controls) PermitsVersion(class, quantization string) (excluded string) {
	if c.Verification != "" && c.Verification != class {
		return "verification"
	}
	if len(c.Quantizations) > 0 && !slices.ContainsFunc(c.Quantizations, func(want string) bool {
		return strings.EqualFold(want, quantization) || strings.EqualFold(want, quantizationClass(quantization))
	}) {
		return "quantizations"
	}
	return ""
}

// quantizationClass is what other markets call a GGUF quantisation.
func quantizationClass(name string) string {
	name = strings.ToUpper(name)
	switch {
	case name == "F32":
		return "fp32"
	case name == "F16":
		return "fp16"
	case name == "BF16":
		return "bf16"
	case strings.HasPrefix(name, "F8"), strings.HasPrefix(name, "FP8"):
		return "fp8"
	case strings.HasPrefix(name, "MXFP4"):
		return "fp4"
	}
	for _, prefix := range []string{"Q", "IQ"} {
		if bits, ok := strings.CutPrefix(name, prefix); ok && bits != "" && '1' <= bits[0] && bits[0] <= '8' {
			return "int" + bits[:1]
		}
	}
	return "unknown"
}

// Excluded is a control and how many of an index's offers it permits, alone.
type Excluded struct {
	Control string
	Permits int
}

// Explain says which controls exclude anybody, for the error that names them:
// those that permit the fewest first. It looks at every offer.
func (x *Index) Explain(c *Controls) []Excluded {
	if c == nil {
		return nil
	}
	var all []Excluded
	for _, control := range []struct {
		name    string
		permits func(*entry) bool
	}{
		{"only", c.permitsOnly}, {"ignore", c.permitsIgnore}, {"max_price", c.permitsPrice},
		{"region", c.permitsRegion}, {"min_audit_score", c.permitsAudit}, {"order", c.permitsOrder},
	} {
		permitted := 0
		for i := range x.entries {
			if control.permits(&x.entries[i]) {
				permitted++
			}
		}
		if permitted < len(x.entries) {
			all = append(all, Excluded{control.name, permitted})
		}
	}
	slices.SortStableFunc(all, func(a, b Excluded) int { return a.Permits - b.Permits })
	return all
}

// permitsOrder applies only where nobody else may serve.
func (c *Controls) permitsOrder(e *entry) bool {
	return !c.NoFallbacks || len(c.Order) == 0 || slices.Contains(c.Order, e.Lane.Provider.Address)
}
