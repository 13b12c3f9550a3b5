package api

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// lint answers POST /lint: what the build language thinks of a configuration and which jobs it makes; it is sent as {"content": "…"} or as it is.
func (a *API) lint(ctx context.Context, c *call) (answer, error) {
	text := c.body.text
	if c.body.fields != nil {
		s, err := c.text("lint.content")
		if err != nil {
			return answer{}, err
		}
		text = []byte(s)
	}
	if len(strings.TrimSpace(string(text))) == 0 {
		return answer{}, fault.Field("content", "Send the configuration to check, as content in a JSON object or as YAML with the content type text/yaml.")
	}
	as := ci.ExpandAs{Event: ci.EventPush, Branch: "main"}
	x := a.Lint(ctx, text, as)
	if x.Problem != "" {
		x.Messages = append(x.Messages, ci.ConfigMessage{Level: "error", Text: x.Problem})
	}
	warnings := []*object{}
	for _, m := range x.Messages {
		if m.Level == "info" {
			continue
		}
		key, path := []string{}, "root"
		if m.Key != "" && m.Key != "root" {
			key, path = strings.Split(m.Key, "."), m.Key
		}
		w := new(object).set("key", key).set("message", fmt.Sprintf("[%s] on %s: %s", m.Level, path, m.Text))
		warnings = append(warnings, w.set("line", orNull(m.Line)).set("column", orNull(m.Column)))
	}
	return ok(newObject("lint").set("warnings", warnings).set("jobs", lintJobs(x)).set("skip", orNull(x.Skip)), nil)
}

// lintJobs are the jobs that a push to main would make, in the order in which they run.
func lintJobs(x ci.Expansion) []*object {
	jobs := make([]*object, len(x.Jobs))
	for i, j := range x.Jobs {
		var stage any
		if j.Stage >= 0 {
			stage = x.Stages[j.Stage]
		}
		jobs[i] = new(object).set("name", orNull(j.Name)).set("stage", stage).set("allow_failure", j.AllowFailure).
			set("queue", j.Queue).set("config", json.RawMessage(j.Config))
	}
	return jobs
}
