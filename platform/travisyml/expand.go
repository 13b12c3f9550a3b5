package travisyml

import (
	"encoding/json"
	"slices"
	"strconv"
)

// expansion holds what the steps of one expansion share.
type expansion struct {
	root    *node
	request Request
	limits  Limits
	eval    *evaluator
	hashes  hasher
	keys    []string        // the matrix keys that count, slowest first
	global  map[digest]bool // the items of env.global
	work    int             // what comparisons have cost so far
	msgs    []Message
}

// Expand turns a configuration into the jobs and stages of a build. More jobs
// than allowed are a *[LimitError].
func Expand(c *Config, r Request, l Limits) (Plan, error) {
	e := newExpansion(c, r, l)
	if reason := e.skip(); reason != "" {
		return Plan{Skip: reason}, nil
	}
	jobs, stages, err := e.run()
	if err != nil {
		return Plan{}, err
	}
	return e.plan(jobs, stages)
}

func newExpansion(c *Config, r Request, l Limits) *expansion {
	e := &expansion{root: c.root, request: r, limits: l.withDefaults(), eval: newEvaluator(), hashes: hasher{}}
	_, e.global = e.unique(e.globalEnv(), nil)
	language, systems := c.root.get("language").str(), c.root.get("os").strings()
	for _, key := range expansionKeys() {
		switch {
		case key == "env":
			if len(e.rows(key)) > 0 {
				e.keys = append(e.keys, key)
			}
		case len(e.rows(key)) > 0 && supported(key, "", language, systems):
			e.keys = append(e.keys, key)
		}
	}
	return e
}

// globalEnv returns the variables of every job.
func (e *expansion) globalEnv() []*node { return e.root.get("env").get("global").list() }

// rows returns the values of a matrix key.
func (e *expansion) rows(key string) []*node {
	v := e.root.get(key)
	if key == "env" {
		v = v.get("jobs")
	}
	if v.blank() {
		return nil
	}
	return v.list()
}

// run does the steps in the order that their results depend on.
func (e *expansion) run() (jobs, stages []*node, err error) {
	if jobs, err = e.product(); err != nil {
		return nil, nil, err
	}
	jobs = e.withIncluded(jobs)
	if most := rowsPerJob * e.limits.Jobs; len(jobs) > most {
		return nil, nil, tooManyJobs(e.limits.Jobs, strconv.Itoa(len(jobs)))
	}
	if size := len(e.root.pairs) + len(e.globalEnv()); len(jobs)*size > planPairs {
		return nil, nil, tooLarge()
	}
	jobs = e.inherit(jobs)
	jobs = e.withEnv(jobs)
	jobs = e.withoutExcluded(jobs)
	jobs = withoutUnsupported(jobs)
	jobs = e.distinct(jobs)
	jobs = e.accepted(jobs)
	jobs, stages = e.staged(jobs)
	jobs = e.allowFailures(jobs)
	if e.work > maxWork {
		return nil, nil, tooLarge()
	}
	jobs = ordered(jobs, stages)
	jobs = e.distinct(jobs)
	if len(jobs) > e.limits.Jobs {
		return nil, nil, tooManyJobs(e.limits.Jobs, strconv.Itoa(len(jobs)))
	}
	return jobs, stages, nil
}

// product returns the rows of the matrix: every combination of the values of
// its keys, the last key changing fastest.
func (e *expansion) product() ([]*node, error) {
	if len(e.keys) == 0 {
		return nil, nil
	}
	most := rowsPerJob * e.limits.Jobs
	total := 1
	for _, key := range e.keys {
		if total *= len(e.rows(key)); total > most {
			return nil, tooManyJobs(e.limits.Jobs, "more than "+strconv.Itoa(most))
		}
	}
	rows := []*node{newMap(nil, e.root.at)}
	for _, key := range e.keys {
		next := make([]*node, 0, len(rows)*len(e.rows(key)))
		for _, row := range rows {
			for _, value := range e.rows(key) {
				next = append(next, row.with(key, value))
			}
		}
		rows = next
	}
	for i, row := range rows {
		if env := row.get("env"); env != nil {
			rows[i] = row.with("env", envItems(env))
		}
	}
	return rows, nil
}

// envItems returns the variables of a job as a list without empty items.
func envItems(v *node) *node {
	items := slices.DeleteFunc(slices.Clone(v.list()), func(item *node) bool { return item.blank() })
	return newList(items, v.at)
}

// withIncluded appends the entries of jobs.include. A matrix of one row with
// single values gives way to them.
func (e *expansion) withIncluded(rows []*node) []*node {
	var included []*node
	stage := (*node)(nil)
	for _, entry := range flatten(e.root.get("jobs").get("include").list()) {
		if entry.kind != mapKind || entry.missing() {
			continue
		}
		if own := entry.get("stage"); !own.blank() {
			stage = own
		} else if stage != nil {
			entry = entry.with("stage", stage)
		}
		if env := entry.get("env"); env != nil {
			entry = entry.with("env", envItems(env))
		}
		included = append(included, entry)
	}
	if len(rows) == 1 && len(included) > 0 {
		e.givenWay(rows[0])
		return included
	}
	return append(rows, included...)
}

// inherit gives every job the keys of the root that it does not set itself:
// all plain ones, and the first value of each matrix key.
func (e *expansion) inherit(jobs []*node) []*node {
	var shared []pair
	drop := append(expansionKeys(), "jobs", "import", "stages", "notifications", "version", "allow_failure", "global_env", "merge_mode")
	for _, p := range e.root.pairs {
		if !slices.Contains(drop, p.key) && !p.value.blank() {
			shared = append(shared, p)
		}
	}
	for _, key := range e.keys {
		if key != "env" {
			shared = append(shared, pair{key: key, value: e.rows(key)[0]})
		}
	}
	if len(jobs) == 0 {
		jobs = []*node{newMap(nil, e.root.at)}
	}
	for i, job := range jobs {
		b := &mapBuilder{index: make(map[string]int, len(shared))}
		for _, p := range shared {
			b.set(p)
		}
		for _, p := range job.pairs {
			b.set(p)
		}
		jobs[i] = newMap(b.pairs, job.at)
	}
	return jobs
}

// withEnv gives jobs without env the first row, and puts the global variables
// in front of everyone's.
func (e *expansion) withEnv(jobs []*node) []*node {
	rows := e.rows("env")
	global, seen := e.unique(e.globalEnv(), nil)
	for i, job := range jobs {
		env := job.get("env")
		if env == nil && len(rows) > 0 {
			env = envItems(rows[0])
		}
		if env == nil && len(global) == 0 {
			continue
		}
		own, _ := e.unique(env.list(), seen)
		jobs[i] = job.with("env", newList(slices.Concat(global, own), job.at))
	}
	return jobs
}

// unique drops items that were seen before.
func (e *expansion) unique(items []*node, before map[digest]bool) ([]*node, map[digest]bool) {
	seen := map[digest]bool{}
	var out []*node
	for _, item := range items {
		if h := e.hashes.sum(item); !seen[h] && !before[h] {
			seen[h] = true
			out = append(out, item)
		}
	}
	return out, seen
}

// distinct drops jobs that equal an earlier one.
func (e *expansion) distinct(jobs []*node) []*node {
	out, _ := e.unique(jobs, nil)
	e.collapsed(jobs, out)
	return out
}

// accepted drops the jobs whose condition is false.
func (e *expansion) accepted(jobs []*node) []*node {
	var out []*node
	for i, job := range jobs {
		if e.eval.accepts(job, &e.request, job) {
			out = append(out, job)
			continue
		}
		e.skippedJob(i, job)
	}
	return out
}

// withoutUnsupported drops the keys that mean nothing for a job's language,
// operating system and architecture.
func withoutUnsupported(jobs []*node) []*node {
	for i, job := range jobs {
		language, systems := job.get("language").str(), job.get("os").strings()
		out := *job
		out.pairs = slices.DeleteFunc(slices.Clone(job.pairs), func(p pair) bool {
			return !supported(p.key, p.value.str(), language, systems)
		})
		jobs[i] = &out
	}
	return jobs
}

func (e *expansion) plan(jobs, stages []*node) (Plan, error) {
	p := Plan{Messages: distinctMessages(e.msgs), Jobs: make([]Job, 0, len(jobs))}
	size := 0
	for _, job := range jobs {
		config := job.json()
		if size += len(config); size > planBytes {
			return Plan{}, tooLarge()
		}
		allow := job.get("allow_failure")
		p.Jobs = append(p.Jobs, Job{
			Name: job.get("name").str(), Stage: job.get("stage").str(),
			AllowFailure: allow != nil && allow.kind == boolKind && allow.truth,
			Config:       json.RawMessage(config),
		})
	}
	for _, stage := range stages {
		p.Stages = append(p.Stages, Stage{Name: stage.get("name").str()})
	}
	fast := e.root.get("jobs").get("fast_finish")
	p.FastFinish = fast != nil && fast.kind == boolKind && fast.truth
	if len(jobs) == 0 {
		p.Skip = "The configuration leads to no jobs for this request: all of them are excluded or have a condition that is false."
	}
	return p, nil
}
