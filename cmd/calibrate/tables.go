package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/koinon/koinon/internal/proof/statistical"
)

// print writes the tables of docs/proof.md.
func (x *experiment) print(out io.Writer) {
	p := x.Profile
	fmt.Fprintf(out, "\n### %s, %.1f million parameters, %s at temperature %g\n\n", x.Model, float64(x.Parameters)/1e6, x.Method, x.Temperature)
	fmt.Fprintf(out, "Calibrated on %d honest answers of %d tokens, %d of them not the agreed draw: winsorised at %.4g, honest mean at most %d millionths, bet %.0f.\n\n",
		p.Answers, p.Tokens, p.Differing, p.Cap, p.Mean, float64(p.Bet)/statistical.Unit)
	fmt.Fprintf(out, "| honest, held out | tokens | differing | mean score | largest | evidence in %d years of %d audits |\n|---|---|---|---|---|---|\n", x.Honest[0].Lifetimes, x.Honest[0].Audits)
	for _, h := range x.Honest {
		fmt.Fprintf(out, "| %s | %d | %.3f %% | %.6f | %.3g | 2^%d at most; %d past 10³, %d past 10⁶ |\n",
			h.Name, h.Tokens, 100*h.Differing, h.Mean, h.Worst, h.Strongest, h.Withheld, h.Slashed)
	}
	fmt.Fprintf(out, "\n| cheat | differing | mean score | AUC of 16, 64, 256, 1024 tokens | one verdict | audits to 10³ | audits, tokens to 10⁶ | past 10⁶ by 1024, 2000, 4096 tokens |\n|---|---|---|---|---|---|---|---|\n")
	for _, c := range x.Cheats {
		fmt.Fprintf(out, "| %s | %.2f %% | %.4f | %.3f %.3f %.3f %.3f | %s | %s | %s, %s | %.0f %% %.0f %% %.0f %% |\n",
			c.Name, 100*c.Differing, c.Mean, c.AUC[16], c.AUC[64], c.AUC[256], c.AUC[1024],
			number(c.Threshold), number(c.WithholdAudits), number(c.SlashAudits), number(c.SlashTokens),
			100*c.Detected[1024], 100*c.Detected[2000], 100*c.Detected[4096])
	}
}

// number is a number that may not have been reached.
func number(n int) string {
	if n < 0 {
		return "never"
	}
	return fmt.Sprint(n)
}

// writeProfiles writes what auditors judge by.
func (r report) writeProfiles(path string) error {
	var profiles []statistical.Profile
	for _, x := range r.Experiments {
		profiles = append(profiles, x.Profile)
	}
	data, err := json.MarshalIndent(profiles, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o644)
}
