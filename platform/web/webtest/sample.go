package webtest

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// Sample returns a demo with a few repositories, in the states that are hardest to draw. Build 1483 of millworks/turbine-api
// runs, its job 11 ([Sample] names it LiveJob) writes a log; build 1481 failed; build 1482 waits.
func Sample(now time.Time) *Demo {
	d := Empty(now)
	d.Why = ci.Wait{Kind: ci.WaitLimitOwner, Queue: "builds.linux", Name: "millworks", Most: 4, Now: 4}
	d.queues = []ci.QueueStatus{{Queue: "builds.linux", Created: 9, Queued: 2, Running: 9, Workers: 7, Slots: 16, FreeSlots: 7}, {Queue: "builds.arm", Workers: 1, Slots: 2, FreeSlots: 2, MaxJobs: 4},
		{Queue: "builds.mac", Running: 1, Workers: 1, Slots: 1, Paused: true, PausedBy: "ines", PausedAt: now.Add(-12 * time.Minute)}, {Queue: "builds.gpu"}}
	turbine := d.addRepo("millworks/turbine-api", "main", 252*time.Second, true)
	d.history(turbine, 1443, 37, 252*time.Second, map[int]ci.State{9: ci.Failed, 10: ci.Failed, 26: ci.Failed, 33: ci.Errored})
	d.bigBuild(turbine, 1481, ci.Failed, "sqlite-busy", "d40b7aa", "Retry SQLite writes on BUSY", 14*time.Minute)
	d.bigBuild(turbine, 1482, ci.Created, "cache-keys", "1f9ac30", "Cache: key by lock file", 3*time.Minute)
	d.bigBuild(turbine, 1483, ci.Started, "main", "8c1f0e2", "Retry SQLite writes on BUSY", 160*time.Second)
	weir := d.addRepo("millworks/weir-web", "main", 180*time.Second, false)
	d.history(weir, 881, 22, 180*time.Second, map[int]ci.State{4: ci.Errored, 12: ci.Failed, 21: ci.Failed})
	sluice := d.addRepo("millworks/sluice-cli", "main", 100*time.Second, false)
	d.history(sluice, 291, 21, 107*time.Second, map[int]ci.State{3: ci.Failed})
	ladder := d.addRepo("millworks/fish-ladder", "main", 20*time.Minute, false)
	d.history(ladder, 38, 21, 20*time.Minute, map[int]ci.State{19: ci.Errored, 20: ci.Errored})
	dot := d.addRepo("lena/dotfiles", "main", 21*time.Second, false)
	d.history(dot, 27, 14, 21*time.Second, nil)
	exporter := d.addRepo("millworks/tailrace-exporter", "main", 0, false)
	d.requests = append(d.requests,
		ci.Request{ID: 77, RepositoryID: exporter.ID, Event: ci.EventAPI, Branch: "main", State: ci.RequestFinished, Result: ci.RequestRejected, Tries: 1, Created: now.Add(-time.Hour), CreatedByLogin: "lena",
			Reason: "The configuration cannot be read.", Messages: []ci.ConfigMessage{{Level: "error", Key: "script", Text: "A list item is indented less than the one before it.", Line: 7, Column: 3}}},
		ci.Request{ID: 80, RepositoryID: turbine.ID, Event: ci.EventPush, Branch: "main", State: ci.RequestFinished, Result: ci.RequestApproved, BuildIDs: []int64{d.lastBuild().ID}, Created: now.Add(-170 * time.Second), CreatedByLogin: "lena"},
		ci.Request{ID: 79, RepositoryID: turbine.ID, Event: ci.EventAPI, Branch: "gone", State: ci.RequestPending, Tries: 2, NextTry: now.Add(time.Minute), Reason: "git.mill.example does not answer on port 443.", Created: now.Add(-9 * time.Minute), CreatedByLogin: "tomas"},
		ci.Request{ID: 78, RepositoryID: turbine.ID, Event: ci.EventPush, Branch: "docs", State: ci.RequestFinished, Result: ci.RequestRejected, Reason: "The branch docs is not among branches.only.", Created: now.Add(-2 * time.Hour), CreatedByLogin: "ines"})
	d.tokens = []ci.Token{{ID: 5, UserID: 1, Name: "release script on mill-a", CreatedAt: now.Add(-40 * 24 * time.Hour), UsedAt: now.Add(-3 * time.Hour)}, {ID: 6, UserID: 1, Name: "chat bot", CreatedAt: now.Add(-2 * time.Hour)}}
	d.vars = []ci.EnvVar{
		{ID: "var-1", RepositoryID: turbine.ID, Name: "GOPROXY", Value: "https://proxy.mill.example", Public: true, UpdatedAt: now.Add(-50 * 24 * time.Hour)},
		{ID: "var-2", RepositoryID: turbine.ID, Name: "REGISTRY_TOKEN", Branch: "main", UpdatedAt: now.Add(-3 * time.Hour)},
	}
	d.caches = []ci.Cache{
		{ID: 1, RepositoryID: turbine.ID, Branch: "PR.212", Name: "cache-linux-jammy-5feceb66--go-1.24", Size: 700 << 10, Stored: now.Add(-20 * time.Minute), Used: now.Add(-20 * time.Minute)},
		{ID: 2, RepositoryID: turbine.ID, Branch: "main", Name: "cache-linux-jammy-5feceb66--go-1.24", Size: 212 << 20, Stored: now.Add(-26 * time.Hour), Used: now.Add(-time.Hour)},
	}
	d.sampleCrons(turbine)
	d.sampleHooks(turbine.ID)
	d.samplePull(1479)
	d.sampleLogs()
	return d
}

// LiveJob is a job of [Sample] that runs; FailedJob one that failed; both in their only attempt.
const (
	LiveJob   = 1483*100 + 11
	FailedJob = 1481*100 + 5
)

func (d *Demo) lastBuild() *ci.Build {
	for _, b := range d.builds {
		if b.Number == 1483 {
			return b
		}
	}
	return &ci.Build{}
}

func (d *Demo) addRepo(slug, branch string, usual time.Duration, private bool) *repo {
	d.nextID++
	r := &repo{Repository: ci.Repository{ID: d.nextID, Slug: slug, SourceURL: "https://git.mill.example/" + slug + ".git", DefaultBranch: branch, Private: private, Active: true, CreatedAt: d.now}, usual: usual}
	d.repos = append(d.repos, r)
	return r
}

// history makes builds with one job each.
func (d *Demo) history(r *repo, first int64, n int, usual time.Duration, special map[int]ci.State) {
	titles := []string{"Outbox relay: publish in batches of 100", "Bump golang.org/x/crypto", "Health page: say which check is slow", "Move the board to container queries", "Nightly: full migration test"}
	for i := range n {
		st := ci.Passed
		if s, ok := special[i]; ok {
			st = s
		}
		took := usual * time.Duration(70+(i*37)%50) / 100
		end := d.now.Add(-time.Duration(n-i) * 97 * time.Minute)
		number := first + int64(i)
		b := &ci.Build{ID: r.ID*100000 + number, RepositoryID: r.ID, Slug: r.Slug, Number: number, State: st, Event: ci.EventPush, Trusted: true, Branch: r.DefaultBranch, CreatedByLogin: "ines",
			Commit: ci.Commit{SHA: fmt.Sprintf("%07x3f2c91aa07e5d1", 0x77e0c15+i*7919), Message: titles[i%len(titles)]}, CreatedAt: end.Add(-took - 20*time.Second), StartedAt: end.Add(-took), FinishedAt: end,
			JobCounts: map[ci.State]int{st: 1}}
		j := d.job(b, r, 1, 0, "", st, map[string]any{"language": "go"})
		j.CreatedAt, j.ReceivedAt, j.StartedAt, j.FinishedAt = b.CreatedAt, b.StartedAt, b.StartedAt, end
		b.Jobs = []ci.Job{j}
		d.builds = append(d.builds, b)
	}
}

func (d *Demo) job(b *ci.Build, r *repo, index, stage int, stageName string, st ci.State, config map[string]any) ci.Job {
	raw, err := json.Marshal(config)
	if err != nil {
		raw = nil
	}
	return ci.Job{ID: b.Number*100 + int64(index), RepositoryID: r.ID, Slug: r.Slug, BuildID: b.ID, BuildNumber: b.Number, Index: index, StageNumber: stage, StageName: stageName, State: st, Config: raw,
		Queue: "builds.linux", Attempt: 1, Tries: 1, CreatedAt: b.CreatedAt}
}

// bigBuild has three stages: lint with two named jobs, test with a matrix of twelve, package with one.
func (d *Demo) bigBuild(r *repo, number int64, st ci.State, branch, sha, title string, ago time.Duration) {
	b := &ci.Build{ID: r.ID*100000 + number, RepositoryID: r.ID, Slug: r.Slug, Number: number, State: st, Event: ci.EventPush, Trusted: true, Branch: branch, CreatedByLogin: "lena", CreatedAt: d.now.Add(-ago - 12*time.Second),
		Commit:    ci.Commit{SHA: sha + "93bd1f00e1c2d3", Message: title + "\n\nLonger words.", CompareURL: "https://git.mill.example/compare/" + sha, AuthorName: "Lena Ortiz"},
		JobCounts: map[ci.State]int{}, ConfigText: sampleConfig,
		Messages: []ci.ConfigMessage{{Level: "warn", Key: "cahce", Text: "“cahce” is not a key we know, so it was ignored. Did you mean “cache”?", Source: ".travis.yml", Line: 15}}}
	b.ConfigFiles = []ci.ConfigFile{{Source: "acme/ci:go/lint.yml@v2", Mode: "deep_merge_append", Text: sampleImport}}
	begin := d.now.Add(-ago)
	if st != ci.Created {
		b.StartedAt = begin
	}
	b.Stages = []ci.Stage{{ID: number * 10, Number: 1, Name: "lint"}, {ID: number*10 + 1, Number: 2, Name: "test"}, {ID: number*10 + 2, Number: 3, Name: "package"}}
	for i, name := range []string{"golangci-lint", "gofumpt, gci, misspell"} {
		j := d.job(b, r, i+1, 1, "lint", ci.Passed, map[string]any{"language": "go", "go": "1.26"})
		j.Name = name
		d.run(&j, st, begin, time.Duration(38-24*i)*time.Second)
		b.Jobs = append(b.Jobs, j)
	}
	d.matrix(b, r, st, begin.Add(41*time.Second))
	last := d.job(b, r, 15, 3, "package", ci.Created, map[string]any{"language": "minimal"})
	last.Name = "Container image, linux/amd64 and arm64"
	if st == ci.Failed {
		last.State, last.Reason, last.FinishedAt = ci.Canceled, ci.ReasonStage, d.now.Add(-ago+362*time.Second)
		b.FinishedAt = last.FinishedAt
	}
	b.Jobs = append(b.Jobs, last)
	for i := range b.Stages {
		p := ci.StageProgress(jobsOf(b, b.Stages[i].Number))
		b.Stages[i].State, b.Stages[i].StartedAt, b.Stages[i].FinishedAt = p.State, p.StartedAt, p.FinishedAt
	}
	for _, j := range b.Jobs {
		b.JobCounts[j.State]++
	}
	d.builds = append(d.builds, b)
}

func (d *Demo) matrix(b *ci.Build, r *repo, st ci.State, begin time.Time) {
	i := 3
	for _, g := range []string{"1.26", "1.25", "1.24", "tip"} {
		for _, db := range []string{"postgresql-17", "postgresql-15", "sqlite"} {
			j := d.job(b, r, i, 2, "test", ci.Passed, map[string]any{"language": "go", "go": g, "env": []any{map[string]any{"CGO_ENABLED": "0"}, map[string]any{"DB": db}}})
			j.AllowFailure = g == "tip"
			took := time.Duration(120+(i*53)%140) * time.Second
			d.run(&j, st, begin, took)
			if st == ci.Failed && i == 5 {
				code := 1
				j.State, j.ExitCode = ci.Failed, &code
			}
			if st == ci.Started && i >= 11 {
				j.State, j.FinishedAt = ci.Started, time.Time{}
			}
			b.Jobs = append(b.Jobs, j)
			i++
		}
	}
}

// run gives a job its times, unless the build has not begun.
func (d *Demo) run(j *ci.Job, build ci.State, begin time.Time, took time.Duration) {
	if build == ci.Created {
		j.State = ci.Created
		return
	}
	j.WorkerName, j.ReceivedAt, j.StartedAt, j.FinishedAt = "mill-03", begin, begin, begin.Add(took)
	if j.FinishedAt.After(d.now) {
		j.FinishedAt = d.now
	}
}

func jobsOf(b *ci.Build, stage int) []ci.Job {
	var found []ci.Job
	for _, j := range b.Jobs {
		if j.StageNumber == stage {
			found = append(found, j)
		}
	}
	return found
}

const sampleImport = `stages: [lint]
jobs:
  include:
    - {stage: lint, name: golangci-lint, script: golangci-lint run}
`

const sampleConfig = `import: acme/ci:go/lint.yml@v2
language: go
go: ["1.26", "1.25", "1.24", tip]

env:
  global: CGO_ENABLED=0
  jobs:
    - DB=postgresql-17
    - DB=postgresql-15
    - DB=sqlite

install: go mod download
script: make test

cahce:
  directories: [$HOME/.cache/go-build]

jobs:
  allow_failures:
    - go: tip
`
