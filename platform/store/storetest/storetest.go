// Package storetest holds the contract of package store: one suite that runs on every kind of database. It knows the store
// by its exported methods only.
package storetest

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store"
)

// Database opens one more handle, as one more node would, on a database that belongs to one test. Of the config only what
// does not say where the database is counts. The test's end closes the handle.
type Database func(config store.Config) *store.Store

// Run runs the suite; create makes an empty database.
func Run(t *testing.T, create func(t *testing.T) Database) {
	t.Helper()
	for name, group := range map[string]map[string]func(*testing.T, *node){
		"crons": cronTests, "keys": keyTests, "caches": cacheTests,
		"users": userTests, "repositories": repositoryTests, "requests": requestTests, "builds": buildTests, "results": resultTests,
		"dispatch": dispatchTests, "hub": hubTests, "hearing": hearingTests, "logs": logTests, "keeping logs": logKeepingTests, "nodes": nodeTests, "life": lifeTests, "foreign": foreignTests,
		"model": modelTests(), "dead letters": deadLetterTests, "hooks": hookTests, "variables": envVarTests, "settings": settingsTests, "limits": limitTests, "pause": pauseTests, "superseding": supersedeTests,
	} {
		for sentence, test := range group {
			t.Run(name+"/"+strings.ReplaceAll(sentence, " ", "_"), func(t *testing.T) {
				t.Parallel()
				test(t, newNode(t, create(t)))
			})
		}
	}
}

// queue is where the jobs of the tests go.
const queue = "builds.linux"

// clock is a clock that only the test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// node is a handle on the test's database, with a clock that the test moves.
type node struct {
	*store.Store
	t     *testing.T
	clock *clock
	open  Database
	keys  *seal.Keys // of the cluster
	hears bool       // it has heard
}

func newNode(t *testing.T, open Database) *node {
	t.Helper()
	n := &node{t: t, open: open, clock: &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 123456000, time.UTC)}, keys: newKeys(t)}
	n.Store = open(n.config())
	return n
}

func (n *node) config() store.Config { return store.Config{Now: n.clock.now, Keys: n.keys} }

// another is another node on the same database.
func (n *node) another() *node {
	n.t.Helper()
	return &node{Store: n.open(n.config()), t: n.t, clock: n.clock, open: n.open, keys: n.keys}
}

func (n *node) ctx() context.Context { return n.t.Context() }

// ok ends the test when there is an error.
func (n *node) ok(err error) {
	n.t.Helper()
	if err != nil {
		n.t.Fatalf("%v", err)
	}
}

func (n *node) user(login string) ci.User {
	n.t.Helper()
	u, err := n.CreateUser(n.ctx(), ci.NewUser{Login: login, Name: strings.ToUpper(login)})
	n.ok(err)
	return u
}

func (n *node) repository(slug string) ci.Repository {
	n.t.Helper()
	r, err := n.AddRepository(n.ctx(), ci.NewRepository{Slug: slug, SourceURL: "https://git.example/" + slug, DefaultBranch: "main"})
	n.ok(err)
	return r
}

// request stores a request and claims it.
func (n *node) request(repo int64) ci.Request {
	n.t.Helper()
	_, _, err := n.CreateRequest(n.ctx(), ci.NewRequest{RepositoryID: repo, Event: ci.EventPush, Branch: "main"})
	n.ok(err)
	q, ok, err := n.ClaimRequest(n.ctx(), "test", time.Minute)
	n.ok(err)
	if !ok {
		n.t.Fatal("no request is due")
	}
	return q
}

// plan is a build to be made.
type plan struct {
	branch     string // main if empty
	event      ci.Event
	tag        string
	pull       int64
	fastFinish bool
	stages     []string
	jobs       []ci.NewJob // one if empty
}

// job is a job of a stage, counted from 0, or of none for -1.
func job(stage int) ci.NewJob {
	return ci.NewJob{Stage: stage, Queue: queue, Config: ci.Config(`{"os":"linux"}`)}
}

func allowed(j ci.NewJob) ci.NewJob {
	j.AllowFailure = true
	return j
}

func (n *node) build(repo int64, p plan) ci.Build {
	n.t.Helper()
	q := n.request(repo)
	b, err := n.CreateBuild(n.ctx(), p.of(q), q.Tries)
	n.ok(err)
	return b
}

func (p plan) of(q ci.Request) ci.NewBuild {
	b := ci.NewBuild{
		RequestID: q.ID, RepositoryID: q.RepositoryID, Event: p.event, Branch: p.branch, Tag: p.tag, FastFinish: p.fastFinish,
		Commit: ci.Commit{SHA: "0123456789abcdef", Ref: "refs/heads/main", Message: "A change"}, Stages: p.stages, Jobs: p.jobs,
		Config: ci.Config(`{"language":"go"}`), ConfigText: "language: go\n",
	}
	if b.Branch == "" {
		b.Branch = "main"
	}
	if b.Event == "" {
		b.Event = ci.EventPush
	}
	b.Trusted = b.Event != ci.EventPullRequest
	if p.pull != 0 {
		b.PullRequest = pull()
		b.PullRequest.Number = p.pull
	}
	if len(b.Jobs) == 0 {
		b.Jobs = []ci.NewJob{job(-1)}
	}
	return b
}

// worker says that a worker lives.
func (n *node) worker(id string, slots int, runs ...ci.RunRef) []ci.RunStatus {
	n.t.Helper()
	return n.beat(ci.Heartbeat{WorkerID: id, Name: "name of " + id, Queue: queue, Slots: slots, Runs: runs})
}

func (n *node) beat(b ci.Heartbeat) []ci.RunStatus {
	n.t.Helper()
	answers, err := n.Beat(n.ctx(), b)
	n.ok(err)
	return answers
}

// queueAll queues what can be queued.
func (n *node) queueAll() []ci.Job {
	n.t.Helper()
	queued, _, err := n.QueueJobs(n.ctx(), 1000, encode)
	n.ok(err)
	return queued
}

func encode(q ci.QueuedJob) ([]byte, error) {
	return []byte(q.Repository.Slug + " " + q.Job.Number() + " " + q.Build.Commit.SHA + " " + string(q.Job.Config)), nil
}

// hand queues the job and lets a run of worker w claim it.
func (n *node) hand(jobID int64, run string) ci.RunRef {
	n.t.Helper()
	n.worker("w", 100)
	n.queueAll()
	return n.claim(jobID, "w", run)
}

func (n *node) claim(jobID int64, worker, run string) ci.RunRef {
	n.t.Helper()
	j := n.job(jobID)
	granted, _, err := n.ClaimAttempt(n.ctx(), ci.Claim{JobID: jobID, Attempt: j.Attempt, Run: run, WorkerID: worker, Worker: "name of " + worker})
	n.ok(err)
	return ci.RunRef{JobID: jobID, Attempt: granted.Job.Attempt, Run: run}
}

func (n *node) report(r ci.RunRef, state ci.State) ci.Moved {
	n.t.Helper()
	m, err := n.Report(n.ctx(), ci.StateReport{RunRef: r, State: state}, 3)
	n.ok(err)
	return m
}

// finish hands the job to a run that ends it.
func (n *node) finish(jobID int64, state ci.State) ci.Moved {
	n.t.Helper()
	run := n.hand(jobID, fmt.Sprintf("run %d of %d", n.job(jobID).Attempt, jobID))
	n.report(run, ci.Started)
	return n.report(run, state)
}

func (n *node) job(id int64) ci.Job {
	n.t.Helper()
	j, err := n.Job(n.ctx(), id)
	n.ok(err)
	return j
}

func (n *node) state(buildID int64) ci.State {
	n.t.Helper()
	b, err := n.Build(n.ctx(), buildID)
	n.ok(err)
	return b.State
}

// states are the states of the jobs of a build, in order.
func (n *node) states(buildID int64) string {
	n.t.Helper()
	b, err := n.Build(n.ctx(), buildID)
	n.ok(err)
	var all []string
	for _, j := range b.Jobs {
		all = append(all, string(j.State))
	}
	return strings.Join(all, " ")
}

// equal ends the test when the two differ.
func equal[T comparable](t *testing.T, what string, want, got T) {
	t.Helper()
	if want != got {
		t.Fatalf("%s: want %v, got %v", what, want, got)
	}
}
