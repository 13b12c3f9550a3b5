package storetest

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

var cronTests = map[string]func(*testing.T, *node){
	"a cron is added, found, replaced and deleted":               testCronLife,
	"what is no cron is refused":                                 testCronRefused,
	"a due cron makes one request and is due again":              testCronFires,
	"a due time is seen to by one of many nodes":                 testCronRace,
	"times that were missed count as one":                        testCronMissed,
	"a cron is passed over for a build of the last 24 hours":     testCronRecent,
	"a cron of a repository that does not build makes nothing":   testCronInactive,
	"a cron whose branch is gone is stopped":                     testCronStopped,
	"only the newest due times are remembered":                   testCronRunsKept,
	"a repository has a bounded number of crons":                 testCronMost,
	"a week of daily crons is seven requests, over both changes": testCronWeek,
}

func (n *node) cron(c ci.NewCron) ci.Cron {
	n.t.Helper()
	k, err := n.CreateCron(n.ctx(), c)
	n.ok(err)
	return k
}

// dueCrons fires all that is due and tells the outcomes.
func (n *node) dueCrons() string {
	n.t.Helper()
	var said []string
	for {
		ids, _, err := n.DueCrons(n.ctx(), 10)
		n.ok(err)
		if len(ids) == 0 {
			return strings.Join(said, " ")
		}
		for _, id := range ids {
			r, fired, err := n.FireCron(n.ctx(), id)
			n.ok(err)
			if fired {
				said = append(said, string(r.Outcome))
			}
		}
	}
}

func (n *node) cronNow(id int64) ci.Cron {
	n.t.Helper()
	k, err := n.Cron(n.ctx(), id)
	n.ok(err)
	return k
}

func (n *node) requests(repo int64) []ci.Request {
	n.t.Helper()
	page, _, err := n.Requests(n.ctx(), ci.RequestFilter{RepositoryID: repo, Page: ci.Page{Limit: 100}})
	n.ok(err)
	return page
}

func testCronLife(t *testing.T, n *node) {
	r, other := n.repository("acme/app"), n.repository("acme/other")
	now := n.clock.now()
	daily := n.cron(ci.NewCron{RepositoryID: r.ID, Branch: "main", Interval: "daily", CreatedBy: 3})
	first := now.Add(time.Minute).Truncate(time.Second)
	want := ci.Cron{
		ID: daily.ID, RepositoryID: r.ID, Slug: "acme/app", Branch: "main", Interval: "daily", TimeZone: "UTC", Active: true, CreatedBy: 3,
		CreatedAt: now, First: first, NextRun: first,
	}
	if diff := cmp.Diff(want, daily); diff != "" {
		t.Fatal(diff)
	}
	n.cron(ci.NewCron{RepositoryID: other.ID, Branch: "main", Interval: "daily"})
	nightly := n.cron(ci.NewCron{RepositoryID: r.ID, Branch: "main", Schedule: " 30  2 * * 1-5 ", TimeZone: "Europe/Berlin", SkipIfRecent: true})
	weekly := n.cron(ci.NewCron{RepositoryID: r.ID, Branch: "a/b", Interval: "weekly"})
	equal(t, "schedule", "30 2 * * 1-5", nightly.Schedule)
	equal(t, "next run", "2026-03-02T01:30:00Z", nightly.NextRun.Format(time.RFC3339))
	page, total, err := n.Crons(n.ctx(), r.ID, ci.Page{})
	n.ok(err)
	equal(t, "crons in all", 2, total)
	if diff := cmp.Diff([]ci.Cron{weekly, nightly}, page); diff != "" {
		t.Fatal(diff)
	}
	of, err := n.CronOfBranch(n.ctx(), r.ID, "a/b")
	n.ok(err)
	equal(t, "cron of the branch", weekly.ID, of.ID)
	n.ok(n.DeleteCron(n.ctx(), weekly.ID))
	_, err = n.CronOfBranch(n.ctx(), r.ID, "a/b")
	equal(t, "code after the deletion", fault.NotFound, fault.CodeOf(err))
	_, err = n.Cron(n.ctx(), daily.ID)
	equal(t, "code of what was replaced", fault.NotFound, fault.CodeOf(err))
	equal(t, "code of a second deletion", fault.NotFound, fault.CodeOf(n.DeleteCron(n.ctx(), weekly.ID)))
	_, next, err := n.DueCrons(n.ctx(), 10)
	n.ok(err)
	equal(t, "time until the next one", first.Sub(now), next)
	n.ok(n.DeleteRepository(n.ctx(), r.ID))
	n.ok(n.DeleteRepository(n.ctx(), other.ID))
	_, next, err = n.DueCrons(n.ctx(), 10)
	n.ok(err)
	equal(t, "time until the next of none", time.Duration(-1), next)
}

func testCronRefused(t *testing.T, n *node) {
	r := n.repository("acme/app")
	for name, tt := range map[string]struct {
		cron  ci.NewCron
		field string
	}{
		"nothing given":   {ci.NewCron{Branch: "main"}, "interval"},
		"both given":      {ci.NewCron{Branch: "main", Interval: "daily", Schedule: "0 0 * * *"}, "interval"},
		"no interval":     {ci.NewCron{Branch: "main", Interval: "hourly"}, "interval"},
		"no schedule":     {ci.NewCron{Branch: "main", Schedule: "every day"}, "schedule"},
		"a zone in it":    {ci.NewCron{Branch: "main", Schedule: "TZ=UTC 0 0 * * *"}, "schedule"},
		"never":           {ci.NewCron{Branch: "main", Schedule: "0 0 31 4 *"}, "schedule"},
		"no time zone":    {ci.NewCron{Branch: "main", Interval: "daily", TimeZone: "Mars/Olympus"}, "time_zone"},
		"no branch":       {ci.NewCron{Interval: "daily"}, "branch"},
		"no such branch ": {ci.NewCron{Branch: "a..b", Interval: "daily"}, "branch"},
	} {
		tt.cron.RepositoryID = r.ID
		_, err := n.CreateCron(n.ctx(), tt.cron)
		f, ok := err.(interface{ Unwrap() error })
		if !ok || fault.CodeOf(err) != fault.Invalid {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if said, ok := f.Unwrap().(*fault.Error); !ok || said.Fields[tt.field] == "" {
			t.Errorf("%s: %v has no field %s", name, err, tt.field)
		}
	}
	_, err := n.CreateCron(n.ctx(), ci.NewCron{RepositoryID: 99, Branch: "main", Interval: "daily"})
	equal(t, "code without a repository", fault.NotFound, fault.CodeOf(err))
}

func testCronFires(t *testing.T, n *node) {
	r := n.repository("acme/app")
	k := n.cron(ci.NewCron{RepositoryID: r.ID, Branch: "main", Interval: "daily"})
	equal(t, "fired at once", "", n.dueCrons())
	n.clock.pass(time.Minute)
	equal(t, "fired after a minute", "requested", n.dueCrons())
	_, fired, err := n.FireCron(n.ctx(), k.ID)
	n.ok(err)
	equal(t, "fired before it is due", false, fired)
	got := n.cronNow(k.ID)
	equal(t, "next run", k.First.Add(24*time.Hour), got.NextRun)
	equal(t, "last due", k.First, got.Last.DueAt)
	q := n.requests(r.ID)
	equal(t, "requests", 1, len(q))
	equal(t, "event", ci.EventCron, q[0].Event)
	equal(t, "branch", "main", q[0].Branch)
	equal(t, "request of the run", q[0].ID, got.Last.RequestID)
	claimed, ok, err := n.ClaimRequest(n.ctx(), "test", time.Minute)
	n.ok(err)
	equal(t, "claimed", true, ok)
	b, err := n.CreateBuild(n.ctx(), plan{event: ci.EventCron}.of(claimed), claimed.Tries)
	n.ok(err)
	last := n.cronNow(k.ID).Last
	equal(t, "build of the run", b.ID, last.BuildID)
	equal(t, "its number", b.Number, last.BuildNumber)
	equal(t, "its state", ci.Created, last.BuildState)
	equal(t, "result", ci.RequestApproved, last.Result)
}

func testCronRace(t *testing.T, n *node) {
	r := n.repository("acme/app")
	const crons, nodes = 5, 4
	for i := range crons {
		n.cron(ci.NewCron{RepositoryID: r.ID, Branch: fmt.Sprintf("b%d", i), Interval: "daily"})
	}
	stores := make([]*node, nodes)
	for i := range stores {
		stores[i] = n.another()
	}
	for day := range 3 {
		n.clock.pass(24 * time.Hour)
		var group sync.WaitGroup
		for _, other := range stores {
			group.Go(func() {
				for {
					ids, _, err := other.DueCrons(t.Context(), 2)
					if err != nil {
						t.Error(err)
					}
					if len(ids) == 0 {
						return
					}
					for _, id := range ids {
						if _, _, err := other.FireCron(t.Context(), id); err != nil {
							t.Error(err)
						}
					}
				}
			})
		}
		group.Wait()
		equal(t, "requests", crons*(day+1), len(n.requests(r.ID)))
	}
}

func testCronMissed(t *testing.T, n *node) {
	r := n.repository("acme/app")
	k := n.cron(ci.NewCron{RepositoryID: r.ID, Branch: "main", Schedule: "0 3 * * *", TimeZone: "Asia/Tokyo"})
	n.clock.pass(10 * 24 * time.Hour)
	equal(t, "fired after ten days", "requested", n.dueCrons())
	equal(t, "fired again", "", n.dueCrons())
	got := n.cronNow(k.ID)
	equal(t, "due at", k.NextRun, got.Last.DueAt)
	equal(t, "next run", "2026-03-11T18:00:00Z", got.NextRun.Format(time.RFC3339))
}

func testCronRecent(t *testing.T, n *node) {
	r := n.repository("acme/app")
	k := n.cron(ci.NewCron{RepositoryID: r.ID, Branch: "main", Interval: "daily", SkipIfRecent: true})
	always := n.cron(ci.NewCron{RepositoryID: r.ID, Branch: "dev", Interval: "daily"})
	step := func(what, want string) {
		t.Helper()
		n.clock.pass(24 * time.Hour)
		equal(t, what, want, n.dueCrons())
		for { // its request makes a build
			q, ok, err := n.ClaimRequest(n.ctx(), "test", time.Minute)
			n.ok(err)
			if !ok {
				return
			}
			_, err = n.CreateBuild(n.ctx(), plan{event: q.Event, branch: q.Branch}.of(q), q.Tries)
			n.ok(err)
		}
	}
	step("without a build", "requested requested")
	step("after builds of crons", "requested requested")
	n.clock.pass(time.Hour)
	n.build(r.ID, plan{branch: "main", event: ci.EventPullRequest})
	n.build(r.ID, plan{branch: "main", tag: "v1"})
	n.build(r.ID, plan{branch: "other"})
	n.clock.pass(-time.Hour)
	step("after builds of something else", "requested requested")
	n.clock.pass(time.Hour)
	n.build(r.ID, plan{branch: "main"})
	n.build(r.ID, plan{branch: "dev"})
	n.clock.pass(-time.Hour)
	step("after a push", "recent requested")
	got := n.cronNow(k.ID)
	equal(t, "outcome", ci.CronRecent, got.Last.Outcome)
	equal(t, "request", int64(0), got.Last.RequestID)
	equal(t, "outcome of the other", ci.CronRequested, n.cronNow(always.ID).Last.Outcome)
	step("a day later", "requested requested")
}

func testCronInactive(t *testing.T, n *node) {
	r := n.repository("acme/app")
	k := n.cron(ci.NewCron{RepositoryID: r.ID, Branch: "main", Interval: "daily"})
	n.ok(n.SetActive(n.ctx(), r.ID, false))
	n.clock.pass(time.Hour)
	equal(t, "switched off", "inactive", n.dueCrons())
	equal(t, "requests", 0, len(n.requests(r.ID)))
	got := n.cronNow(k.ID)
	equal(t, "still active", true, got.Active)
	equal(t, "next run", k.First.Add(24*time.Hour), got.NextRun)
	n.ok(n.SetActive(n.ctx(), r.ID, true))
	equal(t, "switched on", "", n.dueCrons())
	n.clock.pass(24 * time.Hour)
	equal(t, "a day later", "requested", n.dueCrons())
}

func testCronStopped(t *testing.T, n *node) {
	r := n.repository("acme/app")
	k := n.cron(ci.NewCron{RepositoryID: r.ID, Branch: "main", Interval: "daily"})
	n.clock.pass(time.Hour)
	equal(t, "fired", "requested", n.dueCrons())
	const reason = "There is no branch \"main\"."
	push := n.request(r.ID) // the cron's, which is older, is claimed
	n.ok(n.RejectRequest(n.ctx(), push.ID, push.Tries, reason, nil))
	n.ok(n.StopCron(n.ctx(), push.ID+1, reason)) // of a push
	equal(t, "active after what is not its own", true, n.cronNow(k.ID).Active)
	n.ok(n.StopCron(n.ctx(), push.ID, reason))
	got := n.cronNow(k.ID)
	equal(t, "active", false, got.Active)
	equal(t, "reason", reason, got.Reason)
	equal(t, "next run", true, got.NextRun.IsZero())
	equal(t, "reason of the run", reason, got.Last.Reason)
	n.clock.pass(48 * time.Hour)
	equal(t, "fired again", "", n.dueCrons())
	again := n.cron(ci.NewCron{RepositoryID: r.ID, Branch: "main", Interval: "daily"})
	equal(t, "active again", true, again.Active)
}

func testCronRunsKept(t *testing.T, n *node) {
	r := n.repository("acme/app")
	k := n.cron(ci.NewCron{RepositoryID: r.ID, Branch: "main", Schedule: "* * * * *"})
	for range 105 {
		n.clock.pass(time.Minute)
		equal(t, "fired", "requested", n.dueCrons())
	}
	equal(t, "last due", n.clock.now().Truncate(time.Minute), n.cronNow(k.ID).Last.DueAt)
	_, total, err := n.Requests(n.ctx(), ci.RequestFilter{RepositoryID: r.ID})
	n.ok(err)
	equal(t, "requests", 105, total)
}

func testCronMost(t *testing.T, n *node) {
	r := n.repository("acme/app")
	for i := range ci.MaxCrons {
		n.cron(ci.NewCron{RepositoryID: r.ID, Branch: fmt.Sprintf("b%d", i), Interval: "monthly"})
	}
	_, err := n.CreateCron(n.ctx(), ci.NewCron{RepositoryID: r.ID, Branch: "one-more", Interval: "monthly"})
	equal(t, "code", fault.Invalid, fault.CodeOf(err))
	n.cron(ci.NewCron{RepositoryID: r.ID, Branch: "b7", Interval: "daily"})
}

// testCronWeek lets a node look every ten minutes through the weeks in which New York puts its clocks forward and back.
func testCronWeek(t *testing.T, n *node) {
	r := n.repository("acme/app")
	n.cron(ci.NewCron{RepositoryID: r.ID, Branch: "spring", Schedule: "30 2 * * *", TimeZone: "America/New_York"})
	n.clock.pass(time.Date(2026, 3, 5, 12, 0, 0, 0, time.UTC).Sub(n.clock.now()))
	equal(t, "missed", "requested", n.dueCrons())
	week := func() (days []string) {
		for end := n.clock.now().Add(7 * 24 * time.Hour); n.clock.now().Before(end); n.clock.pass(10 * time.Minute) {
			ids, next, err := n.DueCrons(n.ctx(), 10)
			n.ok(err)
			if len(ids) == 0 && next > 20*time.Minute {
				n.clock.pass(next.Truncate(10*time.Minute) - 10*time.Minute)
			}
			if said := n.dueCrons(); said != "" {
				days = append(days, n.clock.now().Format("02 ")+said)
			}
		}
		return days
	}
	if diff := cmp.Diff([]string{"06 requested", "07 requested", "08 requested", "09 requested", "10 requested", "11 requested", "12 requested"}, week()); diff != "" {
		t.Error(diff)
	}
	n.clock.pass(time.Date(2026, 10, 29, 12, 0, 0, 0, time.UTC).Sub(n.clock.now()))
	equal(t, "missed", "requested", n.dueCrons())
	if diff := cmp.Diff([]string{"30 requested", "31 requested", "01 requested", "02 requested", "03 requested", "04 requested", "05 requested"}, week()); diff != "" {
		t.Error(diff)
	}
}
