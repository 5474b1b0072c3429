package huggingface

import (
	"bytes"
	"strings"

	"go.yaml.in/yaml/v3"
)

// licenses are the SPDX identifiers of names that model cards write otherwise.
var licenses = map[string]string{
	"apache-2.0": "Apache-2.0", "mit": "MIT", "bsd-2-clause": "BSD-2-Clause", "bsd-3-clause": "BSD-3-Clause",
	"cc0-1.0": "CC0-1.0", "cc-by-4.0": "CC-BY-4.0", "cc-by-sa-4.0": "CC-BY-SA-4.0", "cc-by-nc-4.0": "CC-BY-NC-4.0",
	"cc-by-nc-sa-4.0": "CC-BY-NC-SA-4.0", "gpl-3.0": "GPL-3.0-only", "lgpl-3.0": "LGPL-3.0-only", "agpl-3.0": "AGPL-3.0-only",
	"openrail": "LicenseRef-openrail",
}

// cardLicense is the licence that the front matter of a folder's README.md names,
// as an SPDX identifier; empty if there is none. Licences that SPDX does not list
// become LicenseRef-NAME.
func cardLicense(dir string) string {
	data, err := readFile(dir, "README.md", maxText)
	if err != nil {
		return "" // a card is no part of the model
	}
	rest, found := bytes.CutPrefix(data, []byte("---\n"))
	front, _, closed := bytes.Cut(rest, []byte("\n---"))
	if !found || !closed {
		return ""
	}
	var card struct {
		License string `yaml:"license"`
		Name    string `yaml:"license_name"`
	}
	if yaml.Unmarshal(front, &card) != nil {
		return ""
	}
	name := strings.ToLower(card.License)
	if name == "other" {
		name = card.Name
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
