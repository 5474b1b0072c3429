package huggingface

import (
	"bytes"
	"fmt"
	"math"
	"path/filepath"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/koinon/koinon/receipt"
)

// licenses are the SPDX identifiers of names that model cards write otherwise.
var licenses = map[string]string{
	"apache-2.0": "Apache-2.0", "mit": "MIT", "bsd-2-clause": "BSD-2-Clause", "bsd-3-clause": "BSD-3-Clause",
	"cc0-1.0": "CC0-1.0", "cc-by-4.0": "CC-BY-4.0", "cc-by-sa-4.0": "CC-BY-SA-4.0", "cc-by-nc-4.0": "CC-BY-NC-4.0",
	"cc-by-nc-sa-4.0": "CC-BY-NC-SA-4.0", "gpl-3.0": "GPL-3.0-only", "lgpl-3.0": "LGPL-3.0-only", "agpl-3.0": "AGPL-3.0-only",
	"openrail": "LicenseRef-openrail",
}

// Card is what the front matter of a model card says, and the digest of the
// whole card.
type Card struct {
	License     string // SPDX identifier; empty if the card names none
	BaseModel   string // the first, if there are several
	Languages   []string
	PipelineTag string
	Evaluations []Evaluation
	Digest      receipt.Digest
}

// Evaluation is one result that a card claims.
type Evaluation struct {
	Dataset, Metric string
	Value           float64
}

// texts are one or several strings in YAML.
type texts []string

// UnmarshalYAML implements yaml.Unmarshaler.
func (t *texts) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*t = texts{n.Value}
		return nil
	}
	return n.Decode((*[]string)(t))
}

// front is a card's front matter, as Hugging Face documents it.
type front struct {
	License     string `yaml:"license"`
	LicenseName string `yaml:"license_name"`
	BaseModel   texts  `yaml:"base_model"`
	Language    texts  `yaml:"language"`
	PipelineTag string `yaml:"pipeline_tag"`
	Index       []struct {
		Results []struct {
			Dataset struct {
				Name string `yaml:"name"`
				Type string `yaml:"type"`
			} `yaml:"dataset"`
			Metrics []struct {
				Type  string    `yaml:"type"`
				Value yaml.Node `yaml:"value"`
			} `yaml:"metrics"`
		} `yaml:"results"`
	} `yaml:"model-index"`
}

// ReadCard reads the README.md of a folder. Results that are no numbers are left
// out.
func ReadCard(dir string) (Card, error) {
	data, err := readFile(dir, "README.md", maxText)
	if err != nil {
		return Card{}, err
	}
	c := Card{Digest: receipt.Sum(data)}
	rest, found := bytes.CutPrefix(data, []byte("---\n"))
	head, _, closed := bytes.Cut(rest, []byte("\n---"))
	if !found || !closed {
		return c, nil
	}
	var f front
	if err := yaml.Unmarshal(head, &f); err != nil {
		return Card{}, fmt.Errorf("%s: the front matter is no YAML of a model card: %w", filepath.Join(dir, "README.md"), err)
	}
	c.License, c.Languages, c.PipelineTag = spdx(f.License, f.LicenseName), f.Language, f.PipelineTag
	if len(f.BaseModel) > 0 {
		c.BaseModel = f.BaseModel[0]
	}
	for _, entry := range f.Index {
		for _, r := range entry.Results {
			name := r.Dataset.Type
			if name == "" {
				name = r.Dataset.Name
			}
			for _, m := range r.Metrics {
				if value, err := strconv.ParseFloat(m.Value.Value, 64); err == nil && !math.IsInf(value, 0) && !math.IsNaN(value) {
					c.Evaluations = append(c.Evaluations, Evaluation{name, m.Type, value})
				}
			}
		}
	}
	return c, nil
}

// cardLicense is the licence that the front matter of a folder's README.md names,
// as an SPDX identifier; empty if there is none.
func cardLicense(dir string) string {
	card, err := ReadCard(dir)
	if err != nil {
		return "" // a card is no part of the model
	}
	return card.License
}

// spdx is the SPDX identifier of a licence that a card names. Licences that SPDX
// does not list become LicenseRef-NAME.
func spdx(license, other string) string {
	name := strings.ToLower(license)
	if name == "other" {
		name = other
	}
	if id, ok := licenses[name]; ok || name == "" {
		return id
	}
	if strings.ContainsFunc(name, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.')
	}) {
		return ""
	}
	return "LicenseRef-" + name
}
