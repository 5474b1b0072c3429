package web

import (
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/koinon/koinon/internal/credit"
	"github.com/koinon/koinon/internal/indexer"
)

// Price is what a million tokens cost somewhere, in ucredit.
type Price struct {
	Name   string `json:"name"`
	Link   string `json:"link,omitempty"` // of a version of this ledger
	Input  uint64 `json:"input"`
	Output uint64 `json:"output"`
}

// compared are the prices of versions that are served here beside those of hosted
// APIs, the cheapest answers first.
func compared(versions []indexer.VersionRow, hosted []Price) []Price {
	list := slices.Clone(hosted)
	for _, v := range versions {
		if v.Providers > 0 {
			list = append(list, Price{v.Name + "@" + v.Version, "/models/" + v.Digest, v.Input, v.Output})
		}
	}
	slices.SortStableFunc(list, func(a, b Price) int { return cmp.Compare(a.Output, b.Output) })
	return list
}

// Bounds of a table of prices.
const (
	maxHosted     = 200
	maxHostedSize = 64 << 10 // bytes
)

// readHosted reads the operator's table of hosted APIs: lines of a name and what a
// million tokens of prompts and of answers cost in dollars, separated by commas. A
// file that is not there is an empty table.
func readHosted(path string) ([]Price, error) {
	file, err := os.Open(path)
	if path == "" || errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close()
	r := csv.NewReader(io.LimitReader(file, maxHostedSize))
	r.FieldsPerRecord, r.Comment, r.TrimLeadingSpace = 3, '#', true
	var list []Price
	for len(list) < maxHosted {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		p := Price{Name: record[0]}
		if p.Input, err = credit.Parse(record[1]); err == nil {
			p.Output, err = credit.Parse(record[2])
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", path, p.Name, err)
		}
		list = append(list, p)
	}
	return list, nil
}
