package schedule_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/robfig/cron/v3"

	"github.com/headrace/headrace/platform/ci/schedule"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	z, err := schedule.Zone(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

func parse(t testing.TB, spec, zoneName string) schedule.Rule {
	t.Helper()
	r, err := schedule.Parse(spec, zone(t, zoneName))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// due lists the times from the first one on, as the clock on the wall shows them.
func due(r schedule.Rule, from time.Time, n int) (list []string) {
	for range n {
		if from = r.Next(from); from.IsZero() {
			return append(list, "never")
		}
		list = append(list, from.In(r.Zone()).Format("2006-01-02 15:04:05 -0700"))
	}
	return list
}

func TestNext(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		spec, zone, from string
		want             []string
	}{
		"spring: what the clock jumps over is due once, as much later": {
			"30 2 * * *", "Europe/Berlin", "2026-03-28T12:00:00+01:00",
			[]string{"2026-03-29 03:30:00 +0200", "2026-03-30 02:30:00 +0200"},
		},
		"autumn: what comes twice is due once": {
			"30 2 * * *", "Europe/Berlin", "2026-10-24T12:00:00+02:00",
			[]string{"2026-10-25 02:30:00 +0200", "2026-10-26 02:30:00 +0100"},
		},
		"autumn, seen from between the two": {
			"30 2 * * *", "Europe/Berlin", "2026-10-25T02:40:00+02:00", []string{"2026-10-26 02:30:00 +0100"},
		},
		"spring, in the order of real time": {
			"0,30 2,3 * * *", "Europe/Berlin", "2026-03-29T01:59:00+01:00",
			[]string{"2026-03-29 03:00:00 +0200", "2026-03-29 03:30:00 +0200", "2026-03-30 02:00:00 +0200"},
		},
		"spring, seen from after the jump": {
			"30 2 * * *", "Europe/Berlin", "2026-03-29T03:10:00+02:00", []string{"2026-03-29 03:30:00 +0200"},
		},
		"every hour follows real time in spring": {
			"0 * * * *", "Europe/Berlin", "2026-03-29T00:30:00+01:00",
			[]string{"2026-03-29 01:00:00 +0100", "2026-03-29 03:00:00 +0200", "2026-03-29 04:00:00 +0200"},
		},
		"every hour follows real time in autumn": {
			"0 * * * *", "Europe/Berlin", "2026-10-25T01:30:00+02:00",
			[]string{"2026-10-25 02:00:00 +0200", "2026-10-25 02:00:00 +0100", "2026-10-25 03:00:00 +0100"},
		},
		"a clock that is put back by half an hour": {
			"*/20 * * * *", "Australia/Lord_Howe", "2026-04-05T01:30:00+11:00",
			[]string{"2026-04-05 01:40:00 +1100", "2026-04-05 01:40:00 +1030", "2026-04-05 02:00:00 +1030"},
		},
		"midnight that is not there": {
			"0 0 * * *", "America/Sao_Paulo", "2018-11-03T12:00:00-03:00",
			[]string{"2018-11-04 01:00:00 -0200", "2018-11-05 00:00:00 -0200"},
		},
		"a day that is not there": {
			"0 12 * * *", "Pacific/Apia", "2011-12-29T13:00:00-10:00",
			[]string{"2011-12-31 12:00:00 +1400", "2012-01-01 12:00:00 +1400"},
		},
		"29 February":          {"0 0 29 2 *", "", "2026-01-01T00:00:00Z", []string{"2028-02-29 00:00:00 +0000"}},
		"names":                {"0 9 * JAN mon", "", "2026-01-01T00:00:00Z", []string{"2026-01-05 09:00:00 +0000", "2026-01-12 09:00:00 +0000"}},
		"a zone without hours": {"0 9 * * *", "Asia/Kathmandu", "2026-01-01T00:00:00Z", []string{"2026-01-01 09:00:00 +0545"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			from, err := time.Parse(time.RFC3339, tt.from)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, due(parse(t, tt.spec, tt.zone), from, len(tt.want))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEvery(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		interval, zone, first string
		want                  []string
		words                 string
	}{
		"daily": {
			schedule.Daily, "America/New_York", "2026-03-07T02:30:15-05:00",
			[]string{"2026-03-07 02:30:15 -0500", "2026-03-08 03:30:15 -0400", "2026-03-09 02:30:15 -0400"}, "every day at 02:30",
		},
		"weekly": {
			schedule.Weekly, "Europe/Berlin", "2026-10-18T02:00:00+02:00",
			[]string{"2026-10-18 02:00:00 +0200", "2026-10-25 02:00:00 +0200", "2026-11-01 02:00:00 +0100"}, "every Sunday at 02:00",
		},
		"monthly": {
			schedule.Monthly, "", "2027-12-31T10:00:00Z",
			[]string{"2027-12-31 10:00:00 +0000", "2028-01-31 10:00:00 +0000", "2028-02-29 10:00:00 +0000", "2028-03-31 10:00:00 +0000", "2028-04-30 10:00:00 +0000"},
			"on day 31 of every month, or its last one, at 10:00",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			first, err := time.Parse(time.RFC3339, tt.first)
			if err != nil {
				t.Fatal(err)
			}
			r, err := schedule.Every(tt.interval, first, zone(t, tt.zone))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, due(r, first.Add(-time.Minute), len(tt.want))); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff(tt.words, r.String()); diff != "" {
				t.Error(diff)
			}
		})
	}
	if _, err := schedule.Every("hourly", time.Now(), time.UTC); err == nil {
		t.Error("an interval that is not there is taken")
	}
}

func TestParse_refuses(t *testing.T) {
	t.Parallel()
	for _, spec := range []string{"", "* * * *", "* * * * * *", "60 * * * *", "@daily", "@every 1s", "TZ=0", "TZ=UTC * * * * *", "CRON_TZ=x", "a b c d e", "* * * * 7"} {
		if r, err := schedule.Parse(spec, time.UTC); err == nil {
			t.Errorf("%q is taken as %s", spec, r)
		}
	}
	if _, err := schedule.Parse("0 0 30 2 *", time.UTC); !errors.Is(err, schedule.ErrNever) {
		t.Errorf("30 February: %v", err)
	}
	for _, name := range []string{"Local", "Mars/Olympus", "../etc/passwd", " UTC"} {
		if _, err := schedule.Zone(name); err == nil {
			t.Errorf("the zone %q is taken", name)
		}
	}
}

// TestAYear walks through a year minute by minute, in zones that put their clocks forward and back by an hour, by half an
// hour, by two, at midnight, or the other way round, and says by itself when each time on the wall is due.
func TestAYear(t *testing.T) {
	t.Parallel()
	specs := []string{"30 2 * * *", "0,15,30,45 0-4 * * *", "*/7 1,2 * * *", "0 0 1 * *", "30 0-23 * * *"}
	for _, place := range []struct {
		zone string
		year int
	}{
		{"UTC", 2026}, {"Europe/Berlin", 2026}, {"America/New_York", 2026}, {"Australia/Lord_Howe", 2026}, {"America/Santiago", 2026}, {"Africa/Casablanca", 2026},
		{"Antarctica/Troll", 2026}, {"Europe/Dublin", 2026}, {"America/Sao_Paulo", 2018}, {"Pacific/Apia", 2011}, {"Asia/Pyongyang", 2015},
	} {
		t.Run(place.zone, func(t *testing.T) {
			t.Parallel()
			year := yearOf(place.year, zone(t, place.zone))
			for _, spec := range specs {
				r := parse(t, spec, place.zone)
				want := year.due(t, spec)
				var got []time.Time
				for at := r.Next(year.from.Add(-1)); at.Before(year.to); at = r.Next(at) {
					got = append(got, at)
				}
				if !slices.Equal(want, got) {
					t.Errorf("%q: %s", spec, cmp.Diff(want, got))
				}
			}
		})
	}
}

// aYear is what the clock shows in each minute of a year.
type aYear struct {
	from, to time.Time
	shown    []time.Time // by the minute
}

func yearOf(year int, zone *time.Location) aYear {
	y := aYear{from: time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC), to: time.Date(year+1, 1, 1, 0, 0, 0, 0, time.UTC)}
	for t := y.from; t.Before(y.to); t = t.Add(time.Minute) {
		l := t.In(zone)
		y.shown = append(y.shown, time.Date(l.Year(), l.Month(), l.Day(), l.Hour(), l.Minute(), 0, 0, time.UTC))
	}
	return y
}

// due are the instants at which a rule is due: the first minute that shows each time, and for times that no minute shows
// because the clock was put forward, as many minutes after the jump as they would have come after it.
func (y aYear) due(t *testing.T, spec string) (list []time.Time) {
	t.Helper()
	matches := matcher(t, spec)
	hourly := spec == "30 0-23 * * *"
	last := y.shown[0].Add(-time.Minute) // the latest time that was shown
	for i, shown := range y.shown {
		at := y.from.Add(time.Duration(i) * time.Minute)
		if matches(shown) && (hourly || shown.After(last)) {
			list = append(list, at)
		}
		for w := last.Add(time.Minute); !hourly && w.Before(shown); w = w.Add(time.Minute) {
			if matches(w) {
				list = append(list, at.Add(w.Sub(last.Add(time.Minute))))
			}
		}
		if shown.After(last) {
			last = shown
		}
	}
	slices.SortFunc(list, time.Time.Compare)
	return slices.Compact(list)
}

// matcher says whether a minute on the wall is one of the rule's.
func matcher(t *testing.T, spec string) func(time.Time) bool {
	t.Helper()
	parsed, err := cron.ParseStandard(spec)
	if err != nil {
		t.Fatal(err)
	}
	f, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		t.Fatalf("%q is a %T", spec, parsed)
	}
	const star = 1 << 63
	return func(w time.Time) bool {
		has := func(field uint64, n int) bool { return field&(1<<n) != 0 }
		dom, dow := has(f.Dom, w.Day()), has(f.Dow, int(w.Weekday()))
		day := dom || dow
		if f.Dom&star != 0 || f.Dow&star != 0 {
			day = dom && dow
		}
		return has(f.Minute, w.Minute()) && has(f.Hour, w.Hour()) && has(f.Month, int(w.Month())) && day
	}
}

func FuzzParse(f *testing.F) {
	for _, spec := range []string{"30 2 * * *", "*/5 1-3,7 ? JAN-MAR mon", "0 0 30 2 *", "TZ=0", "@every 1s", "1-0 * * * *"} {
		f.Add(spec, "Europe/Berlin", int64(1774659600))
	}
	f.Fuzz(func(t *testing.T, spec, name string, from int64) {
		z, err := schedule.Zone(name)
		if err != nil {
			return
		}
		r, err := schedule.Parse(spec, z)
		if err != nil {
			return
		}
		at := time.Unix(from%4e9, 0)
		if next := r.Next(at); !next.IsZero() && !next.After(at) {
			t.Errorf("%q after %s is %s", spec, at, next)
		}
	})
}
