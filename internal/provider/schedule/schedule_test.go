package schedule

import (
	"errors"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestSchedules(t *testing.T) {
	for _, c := range []struct {
		text, at string
		open     bool
		next     string
	}{
		{"", "Mon 12:00", true, ""},
		{"22:00-07:00", "Mon 21:59", false, "Mon 22:00"},
		{"22:00-07:00", "Mon 22:00", true, "Tue 07:00"},
		{"22:00-07:00", "Tue 06:59", true, "Tue 07:00"},
		{"22:00-07:00", "Tue 07:00", false, "Tue 22:00"},
		{"mon-fri 22:00-07:00", "Sat 06:00", true, "Sat 07:00"}, // Friday's night
		{"mon-fri 22:00-07:00", "Sat 23:00", false, "Mon 22:00"},
		{"fri-mon 09:00-17:00", "Sun 12:00", true, "Sun 17:00"},
		{"mon-fri 22:00-07:00, sat-sun 00:00-24:00", "Sun 12:00", true, "Mon 00:00"},
		{"Wed 08:30-09:00", "Wed 08:31", true, "Wed 09:00"},
		{"00:00-24:00", "Wed 08:31", true, ""},
	} {
		s, err := Parse(c.text)
		if err != nil {
			t.Fatalf("%q: %v", c.text, err)
		}
		at := moment(t, c.at)
		next, ever := s.Next(at)
		if s.Open(at) != c.open || ever != (c.next != "") || ever && next.Format("Mon 15:04") != c.next {
			t.Errorf("%q at %s: open %v, next %s %v", c.text, c.at, s.Open(at), next.Format("Mon 15:04"), ever)
		}
	}
}

// moment is a day and hour of the week that begins on Monday, 3 March 2025.
func moment(t *testing.T, text string) time.Time {
	t.Helper()
	at, err := time.Parse("Mon 15:04", text)
	if err != nil {
		t.Fatal(err)
	}
	for d := range 7 {
		day := time.Date(2025, 3, 3+d, at.Hour(), at.Minute(), 0, 0, time.UTC)
		if day.Format("Mon") == text[:3] {
			return day
		}
	}
	t.Fatalf("no day in %q", text)
	return at
}

func TestRefusals(t *testing.T) {
	for _, text := range []string{"night", "22:00", "22:00-22:00", "25:00-01:00", "24:00-07:00", "22:0-07:00", "foo 22:00-07:00", "mon- 22:00-07:00", "mon fri 22:00-07:00", ",", "22:00-07:00,"} {
		if _, err := Parse(text); !errors.Is(err, ErrSchedule) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Until the next change nothing changes, and then it does.
func TestNextIsTheNextChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Schedule{[]window{{from: rapid.IntRange(0, 1439).Draw(t, "from"), to: rapid.IntRange(0, 1440).Draw(t, "to")}}}
		s.windows[0].days[rapid.IntRange(0, 6).Draw(t, "day")] = true
		at := time.Date(2025, 3, 3, 0, rapid.IntRange(0, 7*1440).Draw(t, "minute"), 0, 0, time.UTC)
		next, ever := s.Next(at)
		if !ever {
			next = at.AddDate(0, 0, 7)
		}
		for step := at; step.Before(next); step = step.Add(time.Minute) {
			if s.Open(step) != s.Open(at) {
				t.Fatalf("changed at %s, before %s", step, next)
			}
		}
		if ever && s.Open(next) == s.Open(at) {
			t.Fatalf("%s changes nothing", next)
		}
	})
}

func FuzzParse(f *testing.F) {
	f.Add("mon-fri 22:00-07:00, sat-sun 00:00-24:00")
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := Parse(text); err == nil {
			s.Next(time.Unix(0, 0))
		}
	})
}
