package travisyml

import (
	"slices"
	"strings"
)

// defaultStage is the stage of jobs that name none.
const defaultStage = "test"

// staged gives every job a stage, in a build that has any, and returns the
// stages in run order. Stages whose condition is false go with their jobs.
func (e *expansion) staged(jobs []*node) (kept, stages []*node) {
	written := flatten(e.root.get("stages").list())
	if len(written) == 0 && !slices.ContainsFunc(jobs, func(job *node) bool { return !job.get("stage").blank() }) {
		return jobs, nil
	}
	var named []*node
	for _, stage := range written {
		if stage.kind == mapKind && !stage.get("name").blank() {
			named = append(named, stage)
		}
	}
	jobs = withStages(jobs, named)
	for _, job := range jobs {
		stage := job.get("stage")
		named = append(named, newMap([]pair{{key: "name", value: newString(stage.str(), stage.at)}}, stage.at))
	}
	dropped := map[string]bool{}
	seen := map[string]bool{}
	for i, stage := range named {
		name := strings.ToLower(stage.get("name").str())
		if seen[name] {
			continue
		}
		seen[name] = true
		if e.work += len(e.globalEnv()) + len(e.rows("env")); e.work > maxWork {
			break
		}
		if !e.eval.accepts(stage, &e.request, e.root) {
			e.skipped("stages", "skip_stage", i, stage)
			dropped[name] = true
			continue
		}
		if slices.ContainsFunc(jobs, func(job *node) bool { return strings.ToLower(job.get("stage").str()) == name }) {
			stages = append(stages, stage)
		}
	}
	kept = slices.DeleteFunc(jobs, func(job *node) bool { return dropped[strings.ToLower(job.get("stage").str())] })
	return kept, stages
}

// withStages gives jobs without a stage the default one, spelled as the file
// spells it.
func withStages(jobs, named []*node) []*node {
	name := defaultStage
	var spellings []string
	for _, stage := range named {
		spellings = append(spellings, stage.get("name").str())
	}
	for _, job := range jobs {
		spellings = append(spellings, job.get("stage").str())
	}
	if i := slices.IndexFunc(spellings, func(s string) bool { return strings.EqualFold(s, defaultStage) }); i >= 0 {
		name = spellings[i]
	}
	for i, job := range jobs {
		if job.get("stage").blank() {
			jobs[i] = job.with("stage", newString(name, job.at))
		}
	}
	return jobs
}
