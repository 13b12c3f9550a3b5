package show_test

import (
	"testing"
	"time"

	"github.com/headrace/headrace/assets/show"
)

func TestWords(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct{ got, want string }{
		{show.Duration(21 * time.Second), "0m 21s"}, {show.Duration(252*time.Second + 999*time.Millisecond), "4m 12s"}, {show.Duration(64 * time.Minute), "1h 04m"},
		{show.Duration(51 * time.Hour), "2d 3h"}, {show.Duration(-time.Second), "0m 00s"},
		{show.Short(18400 * time.Millisecond), "18.4 s"}, {show.Short(106 * time.Second), "1m 46s"},
		{show.Clock(6600 * time.Millisecond), "0:06.6"}, {show.Clock(71*time.Minute + 2400*time.Millisecond), "71:02.4"},
		{show.About(5 * time.Second), "a few s"}, {show.About(100 * time.Second), "about 2 min"}, {show.About(3 * time.Hour), "about 3 h"},
		{show.Ago(now.Add(-3*time.Second), now), "just now"}, {show.Ago(now.Add(time.Minute), now), "just now"}, {show.Ago(now.Add(-59*time.Minute), now), "59 min ago"},
		{show.Ago(now.Add(-30*time.Hour), now), "yesterday"}, {show.Ago(now.Add(-60*24*time.Hour), now), "21 Sep 2026"}, {show.Ago(time.Time{}, now), ""},
		{show.In(now.Add(-time.Hour), now), "within a minute"}, {show.In(now.Add(119*time.Second), now), "in 1 min"}, {show.In(now.Add(47*time.Hour), now), "in 47 h"},
		{show.In(now.Add(30*24*time.Hour), now), "in 30 d"}, {show.In(time.Time{}, now), ""},
		{show.Bytes(512), "512 B"}, {show.Bytes(9400), "9 KB"}, {show.Bytes(8_400_000), "8.4 MB"}, {show.Number(1483), "1,483"}, {show.Number(-1234567), "-1,234,567"}, {show.Number(999), "999"},
		{show.Count(1, "job"), "1 job"}, {show.Count(1200, "job"), "1,200 jobs"}, {show.Cut("abcdef", 4), "abc…"}, {show.Cut("äöü", 3), "äöü"},
		{show.Exact(now), "2026-11-20 12:00:00 UTC"}, {show.Stamp(now), "2026-11-20T12:00:00Z"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}
