package travisyml

import (
	"context"
	"encoding/json"
	"testing"
	"time"
)

func FuzzLoad(f *testing.F) {
	for _, seed := range []string{
		"", "language: go", "a: &a [*a]", "<<: {a: 1}\n<<: [{b: 2}]", "env: {global: [A=1], matrix: ['B=\"x y\"']}",
		"jobs:\n  include:\n    - {name: a, if: branch =~ /^m(?=a)/ AND NOT (tag IS present)}\n  exclude: [{env: A=1}]\n  allow_failures: [{os: osx}]",
		"os: [linux, osx]\nosx_image: [a, b]\nstages: [Test, {name: x, if: env(A) = 1}]",
		"deploy: {provider: s3, on: {tags: true}}\ncache: [pip, x, {directories: [y]}]", "notifications: {email: false, irc: x}",
		"branches: {only: ['/(/', master]}", "script:\n\t- a", "a: *nope", "? [x]\n: y", "\xff\xfe", "matrix: {}\njobs: []",
		"import: [a.yml, {source: x/y:b.yml@c, mode: merge, if: type = push}, a.yml]\nscript: a", "addons: {apt: {packages: [[a], b]}, sauce_connect: true}\nservices: 'docker, redis'\nbefore-script: x\n scirpt: y",
	} {
		f.Add([]byte(seed), "push", "master", "message")
	}
	limits := Limits{Bytes: 16 << 10, Aliases: 5000, Jobs: 50}
	f.Fuzz(func(t *testing.T, text []byte, kind, branch, message string) {
		r := Request{Type: kind, Branch: branch, CommitMessage: message, Env: map[string]string{branch: message}}
		start := time.Now()
		c, plan, err := Load(t.Context(), Input{Source: "f", Text: text, Imports: everything(text)}, r, limits)
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("took %s", took)
		}
		if err != nil {
			return
		}
		if _, err := c.JSON(); err != nil {
			t.Errorf("config: %v", err)
		}
		for _, job := range plan.Jobs {
			if !json.Valid(job.Config) {
				t.Errorf("job is not JSON: %s", job.Config)
			}
		}
		if (plan.Skip == "") != (len(plan.Jobs) > 0) {
			t.Errorf("%d jobs with skip %q", len(plan.Jobs), plan.Skip)
		}
		for _, m := range plan.Messages {
			if m.Text == "" || m.Level == "" || m.Code == "" {
				t.Errorf("message without text: %+v", m)
			}
		}
	})
}

// everything gives the same text for every import.
type everything []byte

func (e everything) Import(context.Context, Place, Place) ([]byte, error) { return e, nil }
