// Package show owns how times, durations, sizes and numbers are written for people, on every page alike. It must not
// know what they are of.
package show

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration writes "0m 21s", "4m 12s", "1h 04m", "2d 3h": one width per range, so that columns line up.
func Duration(d time.Duration) string {
	s := int64(max(d, 0) / time.Second)
	switch {
	case s < 3600:
		return fmt.Sprintf("%dm %02ds", s/60, s%60)
	case s < 86400:
		return fmt.Sprintf("%dh %02dm", s/3600, s/60%60)
	}
	return fmt.Sprintf("%dd %dh", s/86400, s/3600%24)
}

// Short writes a duration that is often below a minute: "0.3 s", "18.4 s", then like [Duration].
func Short(d time.Duration) string {
	if d < time.Minute {
		return strconv.FormatFloat(max(d, 0).Seconds(), 'f', 1, 64) + " s"
	}
	return Duration(d)
}

// Clock writes the time since the start of a log: "0:06.6", "71:02.4".
func Clock(d time.Duration) string {
	tenths := int64(max(d, 0) / (100 * time.Millisecond))
	return fmt.Sprintf("%d:%02d.%d", tenths/600, tenths/10%60, tenths%10)
}

// About writes a duration that is only a guess: "a few s", "about 2 min", "about 3 h".
func About(d time.Duration) string {
	switch {
	case d < 20*time.Second:
		return "a few s"
	case d < 90*time.Second:
		return "about 1 min"
	case d < 90*time.Minute:
		return "about " + strconv.Itoa(int((d+30*time.Second)/time.Minute)) + " min"
	}
	return "about " + strconv.Itoa(int((d+30*time.Minute)/time.Hour)) + " h"
}

// Ago writes how long before now a time was.
func Ago(t, now time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return ""
	case d < 10*time.Second:
		return "just now"
	case d < time.Minute:
		return strconv.Itoa(int(d/time.Second)) + " s ago"
	case d < time.Hour:
		return strconv.Itoa(int(d/time.Minute)) + " min ago"
	case d < 24*time.Hour:
		return strconv.Itoa(int(d/time.Hour)) + " h ago"
	case d < 48*time.Hour:
		return "yesterday"
	case d < 31*24*time.Hour:
		return strconv.Itoa(int(d/(24*time.Hour))) + " d ago"
	}
	return t.UTC().Format("2 Jan 2006")
}

// In writes how long after now a time is.
func In(t, now time.Time) string {
	d := t.Sub(now)
	switch {
	case t.IsZero():
		return ""
	case d < time.Minute:
		return "within a minute"
	case d < time.Hour:
		return "in " + strconv.Itoa(int(d/time.Minute)) + " min"
	case d < 48*time.Hour:
		return "in " + strconv.Itoa(int(d/time.Hour)) + " h"
	}
	return "in " + strconv.Itoa(int(d/(24*time.Hour))) + " d"
}

// Exact is the full time, for the title beside a relative one.
func Exact(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04:05 UTC")
}

// Stamp is the time as HTML's datetime attribute wants it.
func Stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

// Bytes writes a size: "512 B", "9 KB", "8.4 MB".
func Bytes(n int64) string {
	switch {
	case n < 1000:
		return strconv.FormatInt(n, 10) + " B"
	case n < 1000*1000:
		return strconv.FormatInt((n+500)/1000, 10) + " KB"
	case n < 1000*1000*1000:
		return strconv.FormatFloat(float64(n)/1e6, 'f', 1, 64) + " MB"
	}
	return strconv.FormatFloat(float64(n)/1e9, 'f', 1, 64) + " GB"
}

// Number writes a count with commas: "1,483".
func Number[T ~int | ~int64](n T) string {
	s := strconv.FormatInt(int64(n), 10)
	sign := ""
	if strings.HasPrefix(s, "-") {
		sign, s = "-", s[1:]
	}
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return sign + s
}

// Count writes a number with its noun: "1 job", "3 jobs". The plural adds an s.
func Count[T ~int | ~int64](n T, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return Number(n) + " " + noun + "s"
}

// Cut shortens text to at most n characters, marking the cut.
func Cut(s string, n int) string {
	r := []rune(s)
	if len(r) <= n {
		return s
	}
	return strings.TrimRight(string(r[:n-1]), " ") + "…"
}
