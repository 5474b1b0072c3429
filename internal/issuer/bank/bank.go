// Package bank issues credit for bank transfers: it reads an account's journal
// as CSV, mints for each incoming transfer once, and settles cash-outs that the
// journal shows as paid. It never talks to a bank.
//
// The journal's first line names its columns, in any order; others are ignored:
//
//	id         the bank's own name of the transfer; never used twice
//	date       as the bank writes it; not read
//	amount     dollars, 25.00; with a minus if they went out
//	currency   USD
//	reference  of an incoming transfer, text with the recipient's address in it;
//	           of an outgoing one, text with koinon-cash-out-N
package bank

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/koinon/koinon/internal/credit"
)

// Errors of journals.
var (
	ErrJournal   = errors.New("not a journal of bank transfers")
	ErrID        = errors.New("id must have 1 to 100 characters of printable ASCII without spaces")
	ErrTwice     = errors.New("the journal has another transfer of this id")
	ErrCurrency  = errors.New("currency must be USD: credit is issued for dollars alone")
	ErrRecipient = errors.New("reference must name one koinon1… address")
	ErrNoCashOut = errors.New("reference of an outgoing transfer must name one koinon-cash-out-N")
)

// transfer is one line of a journal.
type transfer struct {
	line      int
	id        string
	ucredit   uint64
	out       bool
	reference string
	err       error // what is wrong with it, so that the others can go on
}

// Bounds of a journal, which comes from outside.
const (
	maxLines = 1_000_000
	maxField = 4096 // bytes
)

var columns = []string{"id", "amount", "currency", "reference"}

// read reads a journal. A line that makes no sense carries its error; a file
// that is no journal is refused.
func read(r io.Reader) ([]transfer, error) {
	reader := csv.NewReader(r)
	reader.FieldsPerRecord = -1
	reader.TrimLeadingSpace = true
	head, err := reader.Read()
	if err != nil {
		return nil, fmt.Errorf("%w: its first line: %w", ErrJournal, err)
	}
	at := map[string]int{}
	for i, name := range head {
		name = strings.ToLower(strings.TrimSpace(strings.TrimPrefix(name, "\ufeff")))
		if _, twice := at[name]; twice {
			return nil, fmt.Errorf("%w: two columns are called %q", ErrJournal, name)
		}
		at[name] = i
	}
	for _, name := range columns {
		if _, ok := at[name]; !ok {
			return nil, fmt.Errorf("%w: no column is called %q", ErrJournal, name)
		}
	}
	var list []transfer
	known := map[string]bool{}
	for {
		record, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return list, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrJournal, err)
		}
		if len(list) == maxLines {
			return nil, fmt.Errorf("%w: more than %d lines", ErrJournal, maxLines)
		}
		field := func(name string) string {
			if i := at[name]; i < len(record) && len(record[i]) <= maxField {
				return strings.TrimSpace(record[i])
			}
			return ""
		}
		line, _ := reader.FieldPos(0)
		t := parse(field)
		t.line = line
		if t.err == nil && known[t.id] {
			t.err = ErrTwice
		}
		known[t.id] = true
		list = append(list, t)
	}
}

func parse(field func(string) string) transfer {
	t := transfer{id: field("id"), reference: field("reference")}
	amount, out := strings.CutPrefix(field("amount"), "-")
	t.out = out
	for _, b := range []byte(t.id) {
		if b <= ' ' || b > '~' {
			t.err = ErrID
		}
	}
	if t.err != nil || t.id == "" || len(t.id) > 100 {
		t.err = ErrID
		return t
	}
	if field("currency") != "USD" {
		t.err = ErrCurrency
		return t
	}
	if t.ucredit, t.err = credit.Parse(strings.TrimPrefix(amount, "+")); t.err != nil {
		t.err = fmt.Errorf("amount: %w", t.err)
	}
	return t
}

var (
	addressIn = regexp.MustCompile(`koinon1[02-9ac-hj-np-z]{38,58}`)
	cashOutIn = regexp.MustCompile(`(?i)\bkoinon-cash-out-([0-9]{1,20})\b`)
)

// recipient is the one address in an incoming transfer's reference. People,
// and banks, write it between other words.
func (t transfer) recipient(check func(string) error) (string, error) {
	found := addressIn.FindAllString(strings.ToLower(t.reference), -1)
	if len(found) != 1 {
		return "", fmt.Errorf("%w; it has %d", ErrRecipient, len(found))
	}
	if err := check(found[0]); err != nil {
		return "", fmt.Errorf("%w: %w", ErrRecipient, err)
	}
	return found[0], nil
}

// cashOut is the number in an outgoing transfer's reference.
func (t transfer) cashOut() (uint64, error) {
	found := cashOutIn.FindAllStringSubmatch(t.reference, -1)
	if len(found) != 1 {
		return 0, ErrNoCashOut
	}
	id, err := strconv.ParseUint(found[0][1], 10, 64)
	if err != nil {
		return 0, ErrNoCashOut
	}
	return id, nil
}

// reference is the transfer's name on the ledger.
func (t transfer) name() string { return "bank:" + t.id }
