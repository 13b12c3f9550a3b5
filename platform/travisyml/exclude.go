package travisyml

import (
	"slices"
	"strings"
)

// withoutExcluded removes the jobs that match an entry of jobs.exclude. An
// entry matches when all its keys do; its condition is judged per job.
func (e *expansion) withoutExcluded(jobs []*node) []*node {
	entries := flatten(e.root.get("jobs").get("exclude").list())
	for i, entry := range entries {
		if entry.kind != mapKind || entry.missing() {
			continue
		}
		reported := false
		var gone []*node
		jobs = slices.DeleteFunc(jobs, func(job *node) bool {
			if e.spend(entry, job) {
				return false
			}
			if !e.eval.accepts(entry, &e.request, job) {
				if !reported {
					e.skipped("jobs.exclude", "skip_exclude", i, entry)
				}
				reported = true
				return false
			}
			if e.excludes(entry, job) {
				gone = append(gone, job)
				return true
			}
			return false
		})
		if len(gone) > 0 || !reported {
			e.excluded(i, entry, gone)
		}
	}
	return jobs
}

func (e *expansion) excludes(entry, job *node) bool {
	for _, p := range entry.pairs {
		var matches bool
		switch p.key {
		case "if":
			continue
		case "env":
			matches = job.has("env") && equal(newList(e.withoutGlobal(job.get("env")), job.at), envItems(p.value))
		case "stage":
			stage := job.get("stage")
			matches = stage.blank() && strings.EqualFold(p.value.str(), defaultStage) || stage != nil && equal(stage, p.value)
		default:
			matches = slices.EqualFunc(job.get(p.key).list(), p.value.list(), equal)
		}
		if !matches {
			return false
		}
	}
	return true
}

// withoutGlobal returns the variables of a job that are not global ones.
func (e *expansion) withoutGlobal(env *node) []*node {
	return slices.DeleteFunc(slices.Clone(env.list()), func(item *node) bool { return e.global[e.hashes.sum(item)] })
}

// spend counts the cost of comparing an entry with a job, and says whether
// too much was spent; the expansion then ends in an error.
func (e *expansion) spend(entry, job *node) bool {
	e.work += 1 + len(entry.pairs) + len(job.get("env").list()) + len(e.request.Env)
	return e.work > maxWork
}
