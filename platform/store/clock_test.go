package store

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestClock_followsTheDatabaseAndNeverStepsBack(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := &clock{}
		if !c.due() {
			t.Error("a clock that was never set is not due")
		}
		base := time.Now().Add(time.Hour)
		c.set(base, time.Now(), 0)
		pass := func(d time.Duration) {
			timer := time.NewTimer(d)
			<-timer.C
		}
		expect := func(what string, want time.Time) {
			t.Helper()
			if got := c.now(); !got.Equal(want) {
				t.Errorf("%s: %v, want %v", what, got, want)
			}
		}
		expect("at once", base)
		pass(10 * time.Second)
		expect("10 s later", base.Add(10*time.Second))
		if c.due() {
			t.Error("due after 10 s")
		}
		pass(time.Microsecond)
		if !c.due() {
			t.Error("not due after more than 10 s")
		}
		last := c.now()
		c.set(base.Add(5*time.Second), time.Now(), 0)
		expect("when the database's clock went back", last)
		pass(2 * time.Second)
		expect("until it comes by", last)
		pass(4 * time.Second)
		expect("when it came by", base.Add(11*time.Second))
		c.set(base.Add(time.Minute), time.Now(), 2*time.Second)
		expect("after an answer that took too long", base.Add(11*time.Second))
		c.set(base.Add(time.Minute), time.Now(), 100*time.Millisecond)
		expect("after an answer that took a while", base.Add(time.Minute-50*time.Millisecond).Truncate(time.Microsecond))
	})
}

func TestClock_isUTCInMicroseconds(t *testing.T) {
	t.Parallel()
	c := &clock{source: func() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.FixedZone("x", 3600)) }}
	want := time.Date(2026, 3, 1, 11, 0, 0, 123456000, time.UTC)
	if got := c.now(); got != want {
		t.Errorf("%v, want %v", got, want)
	}
}
