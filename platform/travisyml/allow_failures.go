package travisyml

import (
	"cmp"
	"slices"
	"strings"
)

// allowFailures marks the jobs that match an entry of jobs.allow_failures and
// whose failure therefore does not fail the build.
func (e *expansion) allowFailures(jobs []*node) []*node {
	for i, entry := range flatten(e.root.get("jobs").get("allow_failures").list()) {
		if entry.kind != mapKind || entry.missing() {
			continue
		}
		reported := false
		for j, job := range jobs {
			if e.spend(entry, job) || !e.allows(entry, job) {
				continue
			}
			if e.eval.accepts(entry, &e.request, job) {
				jobs[j] = job.with("allow_failure", newBool(true, entry.at))
			} else if !reported {
				e.skipped("jobs.allow_failures", "skip_allow_failure", i, entry)
				reported = true
			}
		}
	}
	return jobs
}

func (e *expansion) allows(entry, job *node) bool {
	for _, p := range entry.pairs {
		var matches bool
		switch p.key {
		case "if":
			continue
		case "branch":
			matches = p.value.scalar() && p.value.str() == e.request.Branch
		case "env":
			matches = e.allowsEnv(p.value, job.get("env"))
		default:
			matches = equal(job.get(p.key), p.value)
		}
		if !matches {
			return false
		}
	}
	return true
}

// allowsEnv compares variables: those of the job without the global ones
// equal the entry's, or all that the entry has beyond them are global.
func (e *expansion) allowsEnv(entry, env *node) bool {
	if env == nil {
		return false
	}
	own := e.withoutGlobal(env)
	want := envItems(entry).items
	if slices.EqualFunc(own, want, equal) {
		return true
	}
	beyond := slices.DeleteFunc(slices.Clone(want), func(item *node) bool {
		return slices.ContainsFunc(own, func(o *node) bool { return equal(o, item) })
	})
	return len(beyond) > 0 && len(e.withoutGlobal(newList(beyond, entry.at))) == 0
}

// ordered sorts jobs by stage, then required ones before those allowed to
// fail, then as they were.
func ordered(jobs, stages []*node) []*node {
	place := map[string]int{}
	for i, stage := range stages {
		place[strings.ToLower(stage.get("name").str())] = i
	}
	allowed := func(job *node) int {
		if v := job.get("allow_failure"); v != nil && v.kind == boolKind && v.truth {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(jobs, func(a, b *node) int {
		return cmp.Or(
			cmp.Compare(place[strings.ToLower(a.get("stage").str())], place[strings.ToLower(b.get("stage").str())]),
			cmp.Compare(allowed(a), allowed(b)),
		)
	})
	return jobs
}
