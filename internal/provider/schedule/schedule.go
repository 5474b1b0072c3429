// Package schedule reads the hours at which a provider serves, such as
// "22:00-07:00" or "mon-fri 22:00-07:00, sat-sun 00:00-24:00".
package schedule

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ErrSchedule is the refusal of [Parse].
var ErrSchedule = errors.New(`a schedule is written like "22:00-07:00" or "mon-fri 22:00-07:00, sat-sun 00:00-24:00"`)

// Schedule is a set of hours of the week, in the time zone of the times it is
// asked about. The zero value is all of them.
type Schedule struct{ windows []window }

// window is open on its days from one minute of the day to another; what ends
// before it begins ends on the next day.
type window struct {
	days     [7]bool // from Sunday
	from, to int     // minutes after midnight
}

var days = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// Parse reads a schedule; an empty text is the zero value. Refusal: [ErrSchedule].
func Parse(text string) (Schedule, error) {
	var s Schedule
	if strings.TrimSpace(text) == "" {
		return s, nil
	}
	for part := range strings.SplitSeq(text, ",") {
		fields := strings.Fields(strings.ToLower(part))
		if len(fields) == 1 {
			fields = append([]string{"sun-sat"}, fields...)
		}
		if len(fields) != 2 {
			return Schedule{}, fmt.Errorf("%w, not %q", ErrSchedule, part)
		}
		w, err := parseWindow(fields[0], fields[1])
		if err != nil {
			return Schedule{}, err
		}
		s.windows = append(s.windows, w)
	}
	return s, nil
}

func parseWindow(on, hours string) (window, error) {
	var w window
	first, last, ranged := strings.Cut(on, "-")
	if !ranged {
		last = first
	}
	begin, end := slices.Index(days, first), slices.Index(days, last)
	if begin < 0 || end < 0 {
		return w, fmt.Errorf("%w, and days are %v, not %q", ErrSchedule, days, on)
	}
	for d := begin; ; d = (d + 1) % 7 {
		w.days[d] = true
		if d == end {
			break
		}
	}
	from, to, _ := strings.Cut(hours, "-")
	var ok [2]bool
	w.from, ok[0] = minutes(from)
	w.to, ok[1] = minutes(to)
	if !ok[0] || !ok[1] || w.from == w.to || w.from == 24*60 {
		return w, fmt.Errorf("%w, not the hours %q", ErrSchedule, hours)
	}
	return w, nil
}

// minutes reads "22:00", up to "24:00".
func minutes(text string) (int, bool) {
	hour, minute, ok := strings.Cut(text, ":")
	h, err := strconv.ParseUint(hour, 10, 8)
	m, err2 := strconv.ParseUint(minute, 10, 8)
	if !ok || err != nil || err2 != nil || len(minute) != 2 || m > 59 || h > 24 || h == 24 && m > 0 {
		return 0, false
	}
	return int(60*h + m), true
}

// Open says whether a time is within the schedule.
func (s Schedule) Open(t time.Time) bool {
	if len(s.windows) == 0 {
		return true
	}
	now, today := 60*t.Hour()+t.Minute(), int(t.Weekday())
	yesterday := (today + 6) % 7
	for _, w := range s.windows {
		switch {
		case w.from < w.to && w.days[today] && now >= w.from && now < w.to,
			w.from > w.to && w.days[today] && now >= w.from,
			w.from > w.to && w.days[yesterday] && now < w.to:
			return true
		}
	}
	return false
}

// Next is the next time at which the schedule opens or closes; false if it never
// does.
func (s Schedule) Next(t time.Time) (time.Time, bool) {
	open := s.Open(t)
	at := t.Truncate(time.Minute)
	for range 8 * 24 * 60 {
		if at = at.Add(time.Minute); s.Open(at) != open {
			return at, true
		}
	}
	return time.Time{}, false
}
