package api

import (
	"context"
	"fmt"
	"strings"

	"github.com/headrace/headrace/internal/fault"
)

// lint answers POST /lint: what the build language thinks of a configuration, sent as {"content": "…"} or as it is.
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
	warnings := []*object{}
	for _, m := range a.Lint(ctx, text) {
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
	return ok(newObject("lint").set("warnings", warnings), nil)
}
