package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

var buildTests = map[string]func(*testing.T, *node){
	"a build holds all that was given":        testBuildStored,
	"the same request gives the same build":   testBuildOnce,
	"what makes no sense is refused":          testBuildRefused,
	"many jobs are stored at once":            testManyJobs,
	"lists are filtered and ordered":          testFilterBuilds,
	"jobs are listed":                         testListJobs,
	"the usual duration is a median":          testUsualDuration,
	"the state before is the branch's":        testPreviousState,
	"canceling and restarting need the state": testNotCancelable,
}

func testBuildStored(t *testing.T, n *node) {
	u, r := n.user("ines"), n.repository("acme/app")
	q := n.request(r.ID)
	now := n.clock.now()
	want := ci.Build{
		RepositoryID: r.ID, Slug: "acme/app", RequestID: q.ID, Number: 1, State: ci.Created, Event: ci.EventPush, Branch: "main",
		Commit: ci.Commit{
			SHA: "abc", Ref: "refs/heads/main", Message: "Fix \xc3\x28\n\nmore", CompareURL: "https://x/y", AuthorName: "Inês", AuthorEmail: "i@x",
			CommittedAt: now.Add(-time.Hour),
		},
		FastFinish: true, CreatedBy: u.ID, CreatedByLogin: "ines", CreatedAt: now, UpdatedAt: now, JobCounts: map[ci.State]int{ci.Created: 2},
		Stages: []ci.Stage{{Number: 1, Name: "test", State: ci.Created}, {Number: 2, Name: "deploy", State: ci.Created}},
		Jobs: []ci.Job{
			{Index: 1, StageNumber: 1, StageName: "test", Name: "unit", Config: ci.Config(`{"z":1, "a":"\u0000"}`)},
			{Index: 2, StageNumber: 2, StageName: "deploy", AllowFailure: true, Config: ci.Config(`{}`)},
		},
		Messages: []ci.ConfigMessage{{Level: "warn", Code: "x", Text: "Hm"}}, Config: ci.Config(`{"b":1,"a":2}`), ConfigText: "b: 1\na: 2\n",
		ConfigFiles: []ci.ConfigFile{{Source: "acme/ci:go.yml@v1", Mode: "merge", Text: "c: 3\n"}},
	}
	b, err := n.CreateBuild(n.ctx(), ci.NewBuild{
		RequestID: q.ID, RepositoryID: r.ID, Event: ci.EventPush, Branch: "main", Commit: want.Commit, FastFinish: true, CreatedBy: u.ID,
		Config: want.Config, ConfigText: want.ConfigText, ConfigFiles: want.ConfigFiles, Messages: want.Messages, Stages: []string{"test", "deploy"},
		Jobs: []ci.NewJob{{Name: "unit", Stage: 0, Queue: queue, Config: want.Jobs[0].Config}, {Stage: 1, Queue: queue, AllowFailure: true}},
	}, q.Tries)
	n.ok(err)
	want.ID, want.Commit.ID, want.Commit.Message = b.ID, b.Commit.ID, "Fix \uFFFD(\n\nmore"
	for i := range want.Stages {
		want.Stages[i].ID, want.Stages[i].BuildID = b.Stages[i].ID, b.ID
	}
	for i := range want.Jobs {
		j := &want.Jobs[i]
		j.ID, j.RepositoryID, j.Slug, j.BuildID, j.BuildNumber, j.StageID = b.Jobs[i].ID, r.ID, r.Slug, b.ID, 1, want.Stages[i].ID
		j.State, j.Queue, j.Attempt, j.Tries, j.CreatedAt, j.UpdatedAt = ci.Created, queue, 1, 1, now, now
	}
	for name, get := range map[string]func() (ci.Build, error){
		"created":   func() (ci.Build, error) { return b, nil },
		"by id":     func() (ci.Build, error) { return n.Build(n.ctx(), b.ID) },
		"by number": func() (ci.Build, error) { return n.BuildByNumber(n.ctx(), r.ID, 1) },
	} {
		got, err := get()
		n.ok(err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if diff := cmp.Diff(want.Jobs[0], n.job(b.Jobs[0].ID)); diff != "" {
		t.Error(diff)
	}
	_, err = n.BuildByNumber(n.ctx(), r.ID, 2)
	equal(t, "code", fault.NotFound, fault.CodeOf(err))
}

func testBuildOnce(t *testing.T, n *node) {
	r := n.repository("acme/app")
	q := n.request(r.ID)
	first, err := n.CreateBuild(n.ctx(), plan{}.of(q), q.Tries)
	n.ok(err)
	again, err := n.CreateBuild(n.ctx(), plan{stages: []string{"other"}, jobs: []ci.NewJob{job(0), job(0)}}.of(q), q.Tries+7)
	n.ok(err)
	if diff := cmp.Diff(first, again); diff != "" {
		t.Fatal(diff)
	}
	equal(t, "the next number", 2, n.build(r.ID, plan{}).Number)
}

func testBuildRefused(t *testing.T, n *node) {
	r := n.repository("acme/app")
	q := n.request(r.ID)
	none := plan{}.of(q)
	none.Jobs = nil
	for name, b := range map[string]ci.NewBuild{
		"no job": none, "a stage that is not there": plan{stages: []string{"one"}, jobs: []ci.NewJob{job(1)}}.of(q),
		"a job without a stage": plan{stages: []string{"one"}, jobs: []ci.NewJob{job(0), job(-1)}}.of(q),
	} {
		_, err := n.CreateBuild(n.ctx(), b, q.Tries)
		equal(t, name, fault.Invalid, fault.CodeOf(err))
	}
	elsewhere := plan{}.of(q)
	elsewhere.RepositoryID = n.repository("acme/other").ID
	_, err := n.CreateBuild(n.ctx(), elsewhere, q.Tries)
	equal(t, "another repository's request", fault.Conflict, fault.CodeOf(err))
	equal(t, "number after refusals", 1, n.build(r.ID, plan{}).Number)
}

func testManyJobs(t *testing.T, n *node) {
	var jobs []ci.NewJob
	for range 200 {
		jobs = append(jobs, job(-1))
	}
	b := n.build(n.repository("acme/app").ID, plan{jobs: jobs})
	equal(t, "jobs", 200, len(b.Jobs))
	equal(t, "number of the last", "1.200", b.Jobs[199].Number())
	_, total, err := n.Jobs(n.ctx(), ci.JobFilter{BuildID: b.ID})
	n.ok(err)
	equal(t, "total", 200, total)
}

func testFilterBuilds(t *testing.T, n *node) {
	u := n.user("Ines")
	r, other := n.repository("acme/app"), n.repository("acme/other")
	n.build(other.ID, plan{})
	one := n.build(r.ID, plan{})
	two := n.build(r.ID, plan{branch: "fix", event: ci.EventPullRequest})
	q := n.request(r.ID)
	by := plan{event: ci.EventAPI, stages: []string{"a", "b"}, jobs: []ci.NewJob{job(0), job(1), job(0)}}.of(q)
	by.CreatedBy = u.ID
	three, err := n.CreateBuild(n.ctx(), by, q.Tries)
	n.ok(err)
	_, _, err = n.CancelBuild(n.ctx(), one.ID, "ines")
	n.ok(err)
	for name, c := range map[string]struct {
		filter ci.BuildFilter
		want   []int64
		total  int
	}{
		"newest first": {ci.BuildFilter{RepositoryID: r.ID}, []int64{three.ID, two.ID, one.ID}, 3},
		"oldest first": {ci.BuildFilter{RepositoryID: r.ID, Ascending: true}, []int64{one.ID, two.ID, three.ID}, 3},
		"a page":       {ci.BuildFilter{RepositoryID: r.ID, Page: ci.Page{Limit: 1, Offset: 1}}, []int64{two.ID}, 3},
		"not counted":  {ci.BuildFilter{RepositoryID: r.ID, Page: ci.Page{Limit: 1}, SkipCount: true}, []int64{three.ID}, -1},
		"states":       {ci.BuildFilter{RepositoryID: r.ID, States: []ci.State{ci.Canceled, ci.Passed}}, []int64{one.ID}, 1},
		"events":       {ci.BuildFilter{RepositoryID: r.ID, Events: []ci.Event{ci.EventPullRequest, ci.EventAPI}}, []int64{three.ID, two.ID}, 2},
		"branch":       {ci.BuildFilter{RepositoryID: r.ID, Branch: "fix"}, []int64{two.ID}, 1},
		"creator":      {ci.BuildFilter{CreatedBy: []string{"omar", "INES"}}, []int64{three.ID}, 1},
		"all at once":  {ci.BuildFilter{RepositoryID: r.ID, States: []ci.State{ci.Created}, Events: []ci.Event{ci.EventAPI}, Branch: "main", CreatedBy: []string{"ines"}, WithJobs: true}, []int64{three.ID}, 1},
		"none":         {ci.BuildFilter{RepositoryID: 99, WithJobs: true}, nil, 0},
	} {
		page, total, err := n.Builds(n.ctx(), c.filter)
		n.ok(err)
		var got []int64
		for _, b := range page {
			got = append(got, b.ID)
			if c.filter.WithJobs && (len(b.Jobs) != 3 || len(b.Stages) != 2 || b.Jobs[2].StageName != "a") {
				t.Errorf("%s: stages %v, jobs %v", name, b.Stages, b.Jobs)
			}
		}
		if diff := cmp.Diff(c.want, got); diff != "" || total != c.total {
			t.Errorf("%s: total %d, want %d; %s", name, total, c.total, diff)
		}
	}
}

func testListJobs(t *testing.T, n *node) {
	r := n.repository("acme/app")
	a := n.build(r.ID, plan{jobs: []ci.NewJob{job(-1), job(-1)}})
	b := n.build(r.ID, plan{})
	n.build(n.repository("acme/other").ID, plan{})
	_, _, err := n.CancelJob(n.ctx(), a.Jobs[0].ID, "ines")
	n.ok(err)
	for name, c := range map[string]struct {
		filter ci.JobFilter
		want   []int64
	}{
		"of a build in order":           {ci.JobFilter{BuildID: a.ID}, []int64{a.Jobs[0].ID, a.Jobs[1].ID}},
		"of a repository, newest first": {ci.JobFilter{RepositoryID: r.ID}, []int64{b.Jobs[0].ID, a.Jobs[1].ID, a.Jobs[0].ID}},
		"in a state":                    {ci.JobFilter{RepositoryID: r.ID, States: []ci.State{ci.Canceled}}, []int64{a.Jobs[0].ID}},
	} {
		page, total, err := n.Jobs(n.ctx(), c.filter)
		n.ok(err)
		var got []int64
		for _, j := range page {
			got = append(got, j.ID)
			equal(t, name+": config", `{"os":"linux"}`, string(j.Config))
		}
		if diff := cmp.Diff(c.want, got); diff != "" || total != len(c.want) {
			t.Errorf("%s: total %d; %s", name, total, diff)
		}
	}
}

func testUsualDuration(t *testing.T, n *node) {
	r := n.repository("acme/app")
	usual := func() time.Duration {
		t.Helper()
		d, err := n.UsualDuration(n.ctx(), r.ID, "main")
		n.ok(err)
		return d
	}
	take := func(d time.Duration, end ci.State) {
		t.Helper()
		run := n.hand(n.build(r.ID, plan{}).Jobs[0].ID, "r")
		n.report(run, ci.Started)
		n.clock.pass(d)
		n.report(run, end)
	}
	equal(t, "without builds", 0, usual())
	take(time.Minute, ci.Passed)
	take(time.Hour, ci.Failed)
	equal(t, "of one", time.Minute, usual())
	take(3*time.Minute, ci.Passed)
	equal(t, "of two", 2*time.Minute, usual())
	for range 9 {
		take(10*time.Second, ci.Passed)
	}
	take(11*time.Second, ci.Passed)
	equal(t, "of the last ten", 10*time.Second, usual())
	other, err := n.UsualDuration(n.ctx(), r.ID, "other")
	n.ok(err)
	equal(t, "of another branch", 0, other)
}

func testPreviousState(t *testing.T, n *node) {
	r := n.repository("acme/app")
	previous := func(b ci.Build) ci.State {
		t.Helper()
		b, err := n.Build(n.ctx(), b.ID)
		n.ok(err)
		return b.PreviousState
	}
	one := n.build(r.ID, plan{})
	equal(t, "of the first", "", previous(one))
	two := n.build(r.ID, plan{})
	n.finish(one.Jobs[0].ID, ci.Failed)
	equal(t, "while the one before ran", "", previous(two))
	n.finish(two.Jobs[0].ID, ci.Passed)
	equal(t, "when it ended", ci.Failed, previous(two))
	equal(t, "of the next", ci.Passed, previous(n.build(r.ID, plan{})))
	equal(t, "of another branch", "", previous(n.build(r.ID, plan{branch: "fix"})))
	equal(t, "of a pull request", "", previous(n.build(r.ID, plan{event: ci.EventPullRequest})))
}

func testNotCancelable(t *testing.T, n *node) {
	b := n.build(n.repository("acme/app").ID, plan{})
	kind := func(err error) string {
		t.Helper()
		e, ok := errors.AsType[*fault.Error](err)
		if !ok {
			t.Fatalf("error %v", err)
		}
		equal(t, "code", fault.Conflict, e.Code)
		return e.Kind
	}
	_, err := n.RestartJob(n.ctx(), b.Jobs[0].ID, "ines")
	equal(t, "restart a job that runs", "job_already_running", kind(err))
	_, err = n.RestartBuild(n.ctx(), b.ID, "ines", false)
	equal(t, "restart a build that runs", "build_already_running", kind(err))
	n.finish(b.Jobs[0].ID, ci.Passed)
	_, _, err = n.CancelJob(n.ctx(), b.Jobs[0].ID, "ines")
	equal(t, "cancel a job that ended", "job_not_cancelable", kind(err))
	_, _, err = n.CancelBuild(n.ctx(), b.ID, "ines")
	equal(t, "cancel a build that ended", "build_not_cancelable", kind(err))
	_, err = n.RestartBuild(n.ctx(), b.ID, "ines", true)
	equal(t, "restart what did not pass of a build that passed", fault.Conflict, fault.CodeOf(err))
	for _, err := range []error{
		second(n.RestartJob(n.ctx(), 99, "ines")), second(n.RestartBuild(n.ctx(), 99, "ines", false)), third(n.CancelBuild(n.ctx(), 99, "ines")),
		third(n.CancelJob(n.ctx(), 99, "ines")), second(n.Build(n.ctx(), 99)), second(n.Attempts(n.ctx(), 99)),
	} {
		equal(t, "code", fault.NotFound, fault.CodeOf(err))
	}
}

func third[A, B any](_ A, _ B, err error) error { return err }
