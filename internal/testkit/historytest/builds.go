package historytest

import (
	"maps"
	"slices"

	"github.com/headrace/headrace/platform/ci"
)

// requests: each has one build, or a reason why there is none.
func (c *checker) requests() {
	builds := map[int64][]int64{}
	known := map[int64]bool{}
	for _, b := range c.Builds {
		builds[b.RequestID] = append(builds[b.RequestID], b.ID)
	}
	for _, q := range c.Requests {
		known[q.ID] = true
		made := builds[q.ID]
		switch {
		case q.State != ci.RequestFinished:
			c.open(Requests, "request %d is %s after %d tries: %s", q.ID, q.State, q.Tries, q.Reason)
		case q.Result == ci.RequestApproved && (len(made) != 1 || !slices.Equal(q.BuildIDs, made)):
			c.wrong(Requests, "request %d was approved; it names builds %v and has %v", q.ID, q.BuildIDs, made)
		case q.Result == ci.RequestRejected && (len(made) != 0 || q.Reason == ""):
			c.wrong(Requests, "request %d was rejected with the reason %q; it has builds %v", q.ID, q.Reason, made)
		case q.Result == ci.RequestOpen:
			c.wrong(Requests, "request %d is finished without a result", q.ID)
		}
	}
	for _, b := range c.Builds {
		if !known[b.RequestID] {
			c.wrong(Requests, "build %d has no request", b.ID)
		}
	}
}

// builds: their numbers have no gaps and their states follow from their jobs.
func (c *checker) builds() {
	numbers := map[string][]int64{}
	for _, b := range c.Builds {
		numbers[b.Slug] = append(numbers[b.Slug], b.Number)
		c.progress(b)
		c.numbering(b)
		c.gates(b)
	}
	for slug, of := range numbers {
		slices.Sort(of)
		for i, n := range of {
			if n != int64(i+1) {
				c.wrong(Builds, "%s: its builds have the numbers %v", slug, of)
				break
			}
		}
	}
}

func (c *checker) progress(b ci.Build) {
	want := ci.BuildProgress(b.Jobs, b.FastFinish)
	if got := (ci.Progress{State: b.State, StartedAt: b.StartedAt, FinishedAt: b.FinishedAt}); !same(got, want) {
		c.wrong(Builds, "build %d is %v; of its jobs follows %v", b.ID, got, want)
	}
	counts := map[ci.State]int{}
	for _, j := range b.Jobs {
		counts[j.State]++
	}
	if !maps.Equal(counts, b.JobCounts) {
		c.wrong(Builds, "build %d counts its jobs as %v; they are %v", b.ID, b.JobCounts, counts)
	}
	for _, s := range b.Stages {
		own := slices.DeleteFunc(slices.Clone(b.Jobs), func(j ci.Job) bool { return j.StageNumber != s.Number })
		want := ci.StageProgress(own)
		if got := (ci.Progress{State: s.State, StartedAt: s.StartedAt, FinishedAt: s.FinishedAt}); !same(got, want) {
			c.wrong(Builds, "stage %d of build %d is %v; of its jobs follows %v", s.Number, b.ID, got, want)
		}
	}
}

func same(a, b ci.Progress) bool {
	return a.State == b.State && a.StartedAt.Equal(b.StartedAt) && a.FinishedAt.Equal(b.FinishedAt)
}

func (c *checker) numbering(b ci.Build) {
	if len(b.Jobs) == 0 {
		c.wrong(Builds, "build %d has no jobs", b.ID)
	}
	for i, j := range b.Jobs {
		if j.Index != i+1 || j.BuildID != b.ID || j.BuildNumber != b.Number {
			c.wrong(Builds, "job %d of build %d, number %d, is number %s of build %d", i+1, b.ID, b.Number, j.Number(), j.BuildID)
		}
	}
}

// gates: no job began before the stages before its own had passed. Restarts may have changed those since.
func (c *checker) gates(b ci.Build) {
	if slices.ContainsFunc(b.Jobs, func(j ci.Job) bool { return !j.RestartedAt.IsZero() }) {
		return
	}
	for _, j := range b.Jobs {
		for _, before := range b.Jobs {
			if before.StageNumber < j.StageNumber && !j.ReceivedAt.IsZero() && !before.AllowFailure && before.State != ci.Passed {
				c.wrong(Builds, "job %s of build %d began, and job %s of an earlier stage is %s", j.Number(), b.ID, before.Number(), before.State)
			}
		}
	}
}
