package web

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// lintModel is the page that checks a configuration while it is typed.
type lintModel struct {
	Text, Event, Branch string
	Checked             bool
	Verdict             string // one sentence
	Class, Icon         string // of the verdict
	Problem             string // why it cannot be read
	Messages            []message
	Infos               []message
	Groups              []lintGroup
}

// lintGroup is a stage with its jobs, or all jobs where there are no stages.
type lintGroup struct {
	Name string
	Jobs []lintJob
}

type lintJob struct {
	Number  int
	Name    string
	MayFail bool
	Queue   string
}

// events that a configuration can be checked for.
var lintEvents = []ci.Event{ci.EventPush, ci.EventPullRequest, ci.EventAPI, ci.EventCron}

const lintExample = `language: go
go: ["1.25", "1.26"]
env:
  - DB=sqlite
  - DB=postgres
services: postgresql
script: make test
jobs:
  include:
    - stage: package
      script: make package
`

// lintPage shows the editor, with an example to begin with.
func (s *server) lintPage(c *gin.Context, u ci.User) error {
	return s.renderLint(c, u, lintModel{Text: lintExample, Event: string(ci.EventPush), Branch: "main"}, http.StatusOK)
}

// lintText checks what was typed.
func (s *server) lintText(c *gin.Context, u ci.User) error {
	m := lintModel{Text: c.PostForm("config"), Event: c.PostForm("event"), Branch: strings.TrimSpace(c.PostForm("branch"))}
	if m.Branch == "" {
		m.Branch = "main"
	}
	known := false
	for _, e := range lintEvents {
		known = known || string(e) == m.Event
	}
	if !known {
		return fault.New(fault.Invalid, "There is no event %q.", m.Event)
	}
	return s.renderLint(c, u, m, http.StatusOK)
}

func (s *server) renderLint(c *gin.Context, u ci.User, m lintModel, status int) error {
	x := s.Expand(c.Request.Context(), []byte(m.Text), ci.ExpandAs{Event: ci.Event(m.Event), Branch: m.Branch})
	m.Checked = true
	m.Problem = x.Problem
	for _, msg := range messagesOf(x.Messages) {
		if msg.Level == "info" {
			m.Infos = append(m.Infos, msg)
		} else {
			m.Messages = append(m.Messages, msg)
		}
	}
	m.Groups = lintGroups(x)
	m.Verdict, m.Class, m.Icon = lintVerdict(x, len(m.Messages))
	return s.render(c, u, "lint", view{Title: "Check a .travis.yml", Crumbs: []crumb{{Name: "Check a .travis.yml"}}, Script: "lint.js", Page: m, Status: status})
}

// lintVerdict says what would become of the configuration.
func lintVerdict(x ci.Expansion, concerns int) (sentence, class, icon string) {
	jobs := fmt.Sprintf("%d jobs", len(x.Jobs))
	if len(x.Jobs) == 1 {
		jobs = "one job"
	}
	switch {
	case x.Problem != "":
		return "No build can be made of this.", "failed", "failed"
	case x.Skip != "":
		return "This makes no build: " + x.Skip, "warn", "warn"
	case concerns == 1:
		return "This makes " + jobs + ". One thing may not be meant so.", "warn", "warn"
	case concerns > 1:
		return fmt.Sprintf("This makes %s. %d things may not be meant so.", jobs, concerns), "warn", "warn"
	}
	return "This makes " + jobs + ".", "passed", "passed"
}

func lintGroups(x ci.Expansion) []lintGroup {
	jobs := make([]ci.Job, len(x.Jobs))
	for i, j := range x.Jobs {
		jobs[i] = ci.Job{ID: int64(i + 1), Name: j.Name, Config: j.Config, StageNumber: j.Stage + 1}
	}
	groups := make([]lintGroup, max(1, len(x.Stages)))
	for i, name := range x.Stages {
		groups[i].Name = name
	}
	for i, j := range x.Jobs {
		g := &groups[max(0, j.Stage)]
		g.Jobs = append(g.Jobs, lintJob{Number: i + 1, Name: jobName(jobs[i], jobs), MayFail: j.AllowFailure, Queue: j.Queue})
	}
	if len(x.Jobs) == 0 {
		return nil
	}
	return groups
}
