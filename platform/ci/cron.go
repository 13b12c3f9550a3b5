package ci

import (
	"errors"
	"strings"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci/schedule"
)

// MaxCrons is how many branches of a repository may have a cron.
const MaxCrons = 100

// recentBuild is how new a build is that a cron may be passed over for.
const recentBuild = 24 * time.Hour

// Cron builds a branch at set times.
type Cron struct {
	ID           int64
	RepositoryID int64
	Slug         string
	Branch       string
	// Interval is daily, weekly or monthly; empty: Schedule says when.
	Interval string
	// Schedule is the five fields of cron syntax, empty with an interval.
	Schedule string
	// TimeZone is the name of the zone whose clock counts, never empty.
	TimeZone string
	// SkipIfRecent: no build where the branch was built for another reason in the last 24 hours.
	SkipIfRecent bool
	// Active: it runs. Otherwise Reason says, for people, why it was stopped.
	Active    bool
	Reason    string
	CreatedBy int64
	CreatedAt time.Time
	// First is from when an interval counts.
	First time.Time
	// NextRun is when it is due next; zero where it was stopped.
	NextRun time.Time
	// Last is what came of it when it was due last, nil when it never was.
	Last *CronRun
}

// CronOutcome is what came of a cron that was due.
type CronOutcome string

// The outcomes of a cron that was due.
const (
	// CronRequested: a build was asked for.
	CronRequested CronOutcome = "requested"
	// CronRecent: the branch was built for another reason in the last 24 hours.
	CronRecent CronOutcome = "recent"
	// CronInactive: building was switched off for the repository.
	CronInactive CronOutcome = "inactive"
)

// CronRun is one time at which a cron was due.
type CronRun struct {
	CronID       int64
	RepositoryID int64
	// DueAt is when it was due, At when it was seen to.
	DueAt, At time.Time
	Outcome   CronOutcome
	// RequestID is the request, 0 without one; its result and reason, and the build that it made, come along in lists.
	RequestID   int64
	Result      RequestResult
	Reason      string
	BuildID     int64
	BuildNumber int64
	BuildState  State
}

// NewCron is what adding a cron needs. It takes the place of the one that the branch has.
type NewCron struct {
	RepositoryID       int64
	Branch             string
	Interval, Schedule string
	TimeZone           string // empty: UTC
	SkipIfRecent       bool
	CreatedBy          int64
}

// Begin checks what was given, and returns the cron as it is from now on. An interval is due first in a minute.
func (n NewCron) Begin(now time.Time) (Cron, error) {
	c := Cron{
		RepositoryID: n.RepositoryID, Branch: n.Branch, Interval: n.Interval, Schedule: strings.Join(strings.Fields(n.Schedule), " "), TimeZone: n.TimeZone,
		SkipIfRecent: n.SkipIfRecent, Active: true, CreatedBy: n.CreatedBy, CreatedAt: now, First: now.Add(time.Minute).Truncate(time.Second),
	}
	if c.TimeZone == "" {
		c.TimeZone = "UTC"
	}
	if err := CheckRef("branch", c.Branch); err != nil {
		return c, err
	}
	if (c.Interval == "") == (c.Schedule == "") {
		return c, fault.Field("interval", "Give either an interval (daily, weekly or monthly) or a schedule in cron syntax.")
	}
	rule, err := c.Rule()
	if err != nil {
		return c, err
	}
	c.NextRun = rule.Next(now)
	return c, nil
}

// Rule is when the cron is due.
func (c Cron) Rule() (schedule.Rule, error) {
	zone, err := schedule.Zone(c.TimeZone)
	if err != nil {
		return schedule.Rule{}, fault.Field("time_zone", "There is no time zone %q. Its name is one of the IANA database, such as Europe/Berlin or UTC.", short(c.TimeZone))
	}
	if c.Interval != "" {
		rule, err := schedule.Every(c.Interval, c.First, zone)
		if err != nil {
			return rule, fault.Field("interval", "There is no interval %q; there are daily, weekly and monthly.", short(c.Interval))
		}
		return rule, nil
	}
	rule, err := schedule.Parse(c.Schedule, zone)
	switch {
	case errors.Is(err, schedule.ErrNever):
		return rule, fault.Field("schedule", "%q is never due: there is no such day.", short(c.Schedule))
	case err != nil:
		f := fault.Field("schedule", "%q is no schedule. It has five fields: minute, hour, day of the month, month, day of the week (0 to 6); for example 30 2 * * 1-5.", short(c.Schedule))
		f.Err = err
		return rule, f
	}
	return rule, nil
}

// PassedOver reports whether the cron, due now, makes no build because of one that was made at the given time for another reason.
func (c Cron) PassedOver(now, built time.Time) bool {
	return c.SkipIfRecent && !built.IsZero() && now.Sub(built) < recentBuild
}

// Trouble says, for people, why the cron was stopped, or why it made no build when it was due last; empty: all is well.
func (c Cron) Trouble() string {
	switch {
	case !c.Active:
		return c.Reason
	case c.Last == nil:
		return ""
	case c.Last.Outcome == CronInactive:
		return "Building was switched off for this repository."
	case c.Last.Outcome == CronRecent:
		return "The branch had been built in the 24 hours before."
	}
	return c.Last.Reason
}
