// Package schedule owns when something is due: every day, week or month, or by cron syntax, in a time zone, over both changes
// of the clock. It computes and nothing else; it must not know what is due.
//
// A rule names times of the clock on the wall, and each of them is due exactly once. A time that the clock jumps over in
// spring is due as much later as the clock jumps; of a time that comes twice in autumn the first one counts. A rule for every
// hour names no hours: it follows real time, through the doubled hour and over the missing one.
package schedule

import (
	"errors"
	"fmt"
	"strings"
	"time"
	_ "time/tzdata" // machines without a database of time zones

	"github.com/robfig/cron/v3"
)

// wall is a sequence of times of the clock on the wall, which are written as times in UTC.
type wall interface {
	// Next is the first one after t, the zero time where there is none.
	Next(t time.Time) time.Time
}

// Rule says when something is due. The zero value is not usable; see [Every] and [Parse].
type Rule struct {
	wall   wall
	zone   *time.Location
	hourly bool // names no hour
	words  string
}

// The intervals of [Every].
const (
	Daily   = "daily"
	Weekly  = "weekly"
	Monthly = "monthly"
)

// ErrNever is the error of a rule that is never due, such as one for 30 February.
var ErrNever = errors.New("it never comes")

// Zone finds a time zone by its name in the IANA database; empty is UTC.
func Zone(name string) (*time.Location, error) {
	if name == "" {
		return time.UTC, nil
	}
	if name == "Local" || strings.TrimSpace(name) != name {
		return nil, fmt.Errorf("there is no time zone %q", name)
	}
	return time.LoadLocation(name)
}

// Every is due at the first time, and from then on each day, week or month at that time of the day in that zone: a week on
// its weekday, a month on its day, or on the month's last day where it has none of that number.
func Every(interval string, first time.Time, zone *time.Location) (Rule, error) {
	local := first.In(zone)
	at := civil(local)
	clock := local.Format("15:04")
	switch interval {
	case Daily:
		return Rule{wall: steps{at, func(n int) time.Time { return at.AddDate(0, 0, n) }}, zone: zone, words: "every day at " + clock}, nil
	case Weekly:
		words := fmt.Sprintf("every %s at %s", at.Weekday(), clock)
		return Rule{wall: steps{at, func(n int) time.Time { return at.AddDate(0, 0, 7*n) }}, zone: zone, words: words}, nil
	case Monthly:
		words := fmt.Sprintf("on day %d of every month at %s", at.Day(), clock)
		if at.Day() > 28 {
			words = fmt.Sprintf("on day %d of every month, or its last one, at %s", at.Day(), clock)
		}
		return Rule{wall: steps{at, func(n int) time.Time { return monthsAfter(at, n) }}, zone: zone, words: words}, nil
	}
	return Rule{}, fmt.Errorf("there is no interval %q", interval)
}

// Parse reads the five fields of cron syntax: minute, hour, day of the month, month, day of the week.
func Parse(spec string, zone *time.Location) (Rule, error) {
	if strings.Contains(spec, "=") { // the parser would read a zone of its own out of it
		return Rule{}, errors.New("the time zone is given apart from the five fields")
	}
	parsed, err := cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow).Parse(spec)
	if err != nil {
		return Rule{}, err
	}
	fields, ok := parsed.(*cron.SpecSchedule)
	if !ok {
		return Rule{}, errors.New("it has not the five fields")
	}
	const allHours = 1<<24 - 1
	r := Rule{wall: fields, zone: zone, hourly: fields.Hour&allHours == allHours, words: strings.Join(strings.Fields(spec), " ")}
	if r.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		return Rule{}, ErrNever
	}
	return r, nil
}

// String is the rule in words, without the zone; for cron syntax the five fields.
func (r Rule) String() string { return r.words }

// Zone is the time zone of the rule.
func (r Rule) Zone() *time.Location { return r.zone }

// Next is the first time after t at which the rule is due, in UTC; the zero time where there is none within years.
func (r Rule) Next(t time.Time) time.Time {
	if r.hourly {
		return r.nextReal(t)
	}
	return r.nextOnWall(t)
}

// nextReal follows real time: between two changes of the clock the zone is as good as one without any.
func (r Rule) nextReal(t time.Time) time.Time {
	const mostChanges = 100 // in five years, beyond which the parser does not look either
	for range mostChanges {
		local := t.In(r.zone)
		name, offset := local.Zone()
		next := r.wall.Next(local.In(time.FixedZone(name, offset)))
		if next.IsZero() {
			return time.Time{}
		}
		_, change := local.ZoneBounds()
		if change.IsZero() || next.Before(change) {
			return next.UTC()
		}
		if next = r.firstAfterChange(change); !next.IsZero() {
			return next
		}
		t = change
	}
	return time.Time{}
}

// firstAfterChange is the change itself where the clock after it shows a time that is due.
func (r Rule) firstAfterChange(change time.Time) time.Time {
	local := civil(change.In(r.zone))
	if r.wall.Next(local.Add(-time.Second)).Equal(local) {
		return change.UTC()
	}
	return time.Time{}
}

// lookBack is longer than any clock was ever put forward at once: by a day, in Samoa.
const lookBack = 25 * time.Hour

// nextOnWall goes through the times on the wall. They are due in their order, but for those that the clock jumps over: they
// are due later, so soon after a change it looks back for some that are still to come, and on for some that come before.
func (r Rule) nextOnWall(t time.Time) time.Time {
	var best, limit time.Time
	from := civil(t.In(r.zone))
	if changed, _ := t.In(r.zone).ZoneBounds(); t.Sub(changed) < lookBack {
		from = from.Add(-lookBack)
	}
	for w := r.wall.Next(from); !w.IsZero(); w = r.wall.Next(w) {
		if !best.IsZero() && w.After(limit) {
			break
		}
		at, jumped := Instant(w, r.zone)
		if !at.After(t) {
			continue
		}
		if best.IsZero() || at.Before(best) {
			best, limit = at, w.Add(lookBack)
		}
		if !jumped {
			break // all later ones are due later
		}
	}
	return best
}

// Instant is when a time on the wall, written as a time in UTC, is due; jumped says that the clock jumps over it.
func Instant(w time.Time, zone *time.Location) (at time.Time, jumped bool) {
	t := time.Date(w.Year(), w.Month(), w.Day(), w.Hour(), w.Minute(), w.Second(), 0, zone)
	start, _ := t.ZoneBounds()
	if shown := civil(t); !shown.Equal(w) {
		// Which side of the jump t is on is not said. By the clock before the jump it is the later one.
		if shown.Before(w) {
			t = t.Add(w.Sub(shown))
		}
		return t.UTC(), true
	}
	if start.IsZero() {
		return t.UTC(), false
	}
	_, before := start.Add(-1).Zone()
	_, now := t.Zone()
	if earlier := t.Add(time.Duration(now-before) * time.Second); earlier.Before(start) && civil(earlier).Equal(w) {
		return earlier.UTC(), false
	}
	return t.UTC(), false
}

// civil is what the clock on the wall shows, written as a time in UTC.
func civil(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
}

// steps is a sequence that begins at first; nth counts from 0 and grows.
type steps struct {
	first time.Time
	nth   func(n int) time.Time
}

// Next implements wall.
func (s steps) Next(t time.Time) time.Time {
	if t.Before(s.first) {
		return s.first
	}
	low, high := 0, 1 // nth(low) is not after t
	for !s.nth(high).After(t) {
		low, high = high, 2*high
	}
	for high-low > 1 {
		if middle := (low + high) / 2; s.nth(middle).After(t) {
			high = middle
		} else {
			low = middle
		}
	}
	return s.nth(high)
}

// monthsAfter is the same day n months later, or the last one of that month.
func monthsAfter(t time.Time, n int) time.Time {
	first := time.Date(t.Year(), t.Month()+time.Month(n), 1, t.Hour(), t.Minute(), t.Second(), 0, time.UTC)
	last := first.AddDate(0, 1, -1).Day()
	return first.AddDate(0, 0, min(t.Day(), last)-1)
}
