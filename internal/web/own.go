package web

import (
	"net/http"
	"time"

	"github.com/koinon/koinon/internal/indexer"
)

// Own is how a provider does, as whoever runs it sees it. Amounts are in ucredit.
type Own struct {
	Address, Model, Digest string
	State, Reason          string // serving, paused, …, and why
	Running, Slots         int
	// Requests have ended, Failed of them with an error of this provider's.
	Requests, Failed uint64
	TokensPerSecond  float64 // of answers, lately
	// Exposed was served and no ticket covers it; Pending has tickets that were not
	// redeemed; Redeemed was, since the start; Maturing waits for the challenge
	// window; Locked backs the grants that it may serve on.
	Exposed, Pending, Redeemed, Maturing, Locked uint64
	Grants                                       int
	LastError                                    string
}

// own shows a provider's owner what others do not see: the page is for this
// machine alone.
func (s *Site) own(r *http.Request) (page, error) {
	if s.config.Own == nil || !local(r) {
		return page{}, errGone
	}
	ctx := r.Context()
	o, err := s.config.Own(ctx)
	if err != nil {
		return page{}, err
	}
	days, err := s.config.Index.Earned(ctx, o.Address, s.now().Add(-month).Unix())
	if err != nil {
		return page{}, err
	}
	return page{Title: "Yours", Section: "own", Template: "own", Data: struct {
		Own      Own
		Days     []indexer.DayRow
		Forecast uint64
		Now      time.Time
	}{o, days, forecast(days, s.now()), s.now()}}, nil
}

// forecast is what thirty days bring at the pace of the last seven, or of as many
// as there are since the first that brought something.
func forecast(days []indexer.DayRow, now time.Time) uint64 {
	const day, week = 86400, 7 * 86400
	var sum uint64
	first := now.Unix()
	for _, d := range days {
		if d.Day+day > now.Unix()-week {
			sum += d.Amount
			first = min(first, d.Day)
		}
	}
	return sum / uint64(max(1, (now.Unix()-first+day-1)/day)) * 30
}
