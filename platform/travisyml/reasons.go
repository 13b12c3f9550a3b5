package travisyml

import (
	"fmt"
	"slices"
	"strings"
)

// mostNamed is how many jobs one message names.
const mostNamed = 5

// onlyOurs are the codes of messages that the original service does not give: what is not supported here, and why a job is
// not there.
func onlyOurs() []string {
	return []string{"not_supported", "excluded", "duplicate_job", "single_row"}
}

// skipped says that the condition of something is false.
func (e *expansion) skipped(key, code string, index int, n *node) {
	e.msgs = append(e.msgs, newMessage(Info, key, code, n.at, args{"number": index + 1, "condition": n.get("if").str()}))
}

// skippedJob says that the condition of a job is false, its own or that of the file.
func (e *expansion) skippedJob(index int, job *node) {
	a := args{"number": index + 1, "condition": job.get("if").str(), "job": e.label(job)}
	e.msgs = append(e.msgs, newMessage(Info, "jobs.include", "skip_job", job.at, a))
}

// excluded says which jobs an entry of jobs.exclude took away, or that there are none such.
func (e *expansion) excluded(index int, entry *node, jobs []*node) {
	a := args{"number": index + 1, "jobs": e.labels(jobs), "count": len(jobs)}
	e.msgs = append(e.msgs, newMessage(Info, "jobs.exclude", "excluded", entry.at, a))
}

// collapsed says which jobs equal an earlier one.
func (e *expansion) collapsed(before, after []*node) {
	if len(before) == len(after) {
		return
	}
	kept := make(map[*node]bool, len(after))
	for _, job := range after {
		kept[job] = true
	}
	byPlace := map[position][]*node{}
	var places []position
	for _, job := range before {
		if kept[job] {
			continue
		}
		if byPlace[job.at] == nil {
			places = append(places, job.at)
		}
		byPlace[job.at] = append(byPlace[job.at], job)
	}
	for _, at := range places {
		jobs := byPlace[at]
		e.msgs = append(e.msgs, newMessage(Info, "jobs", "duplicate_job", at, args{"jobs": e.labels(jobs), "count": len(jobs)}))
	}
}

// givenWay says that a matrix of one row gave way to jobs.include, where the file has written values for it.
func (e *expansion) givenWay(row *node) {
	if slices.ContainsFunc(e.keys, func(key string) bool { return !e.root.get(key).fixed }) {
		e.msgs = append(e.msgs, newMessage(Info, "jobs.include", "single_row", e.root.get("jobs").at, args{"jobs": e.labels([]*node{row})}))
	}
}

// labels names the first of some jobs.
func (e *expansion) labels(jobs []*node) string {
	var names []string
	for _, job := range jobs[:min(len(jobs), mostNamed)] {
		if label := e.label(job); !slices.Contains(names, label) {
			names = append(names, label)
		}
	}
	text := strings.Join(names, "; ")
	if more := len(jobs) - mostNamed; more > 0 {
		text += fmt.Sprintf("; and %d more", more)
	}
	return text
}

// label names a job by its name, or by its values of the matrix.
func (e *expansion) label(job *node) string {
	if name := job.get("name").str(); name != "" {
		return show(name)
	}
	var parts []string
	for _, key := range e.keys {
		switch value := job.get(key); {
		case value.blank():
		case key == "env":
			parts = append(parts, e.variables(value)...)
		case value.scalar():
			parts = append(parts, key+" "+value.str())
		}
	}
	if len(parts) == 0 {
		return "a job without a name"
	}
	return show(strings.Join(parts, ", "))
}

// variables are those of the row of a job; secrets by their names only.
func (e *expansion) variables(env *node) []string {
	var parts []string
	for _, item := range e.withoutGlobal(env) {
		if item.kind != mapKind || item.secure() {
			continue
		}
		for _, p := range item.pairs {
			if p.value.secure() {
				parts = append(parts, p.key)
			} else if p.value.scalar() {
				parts = append(parts, p.key+"="+p.value.str())
			}
		}
	}
	return parts
}
