package script

import (
	_ "embed"
	"fmt"
	"path"
	"strings"

	"github.com/headrace/headrace/broker"
)

// The exit codes of a script, by what they say about the job. Any other code is a command's own, which ended the shell.
const (
	ExitPassed  = 0
	ExitFailed  = 1
	ExitErrored = 2
)

// runtimeText is the part that all scripts share.
//
//go:embed runtime.sh
var runtimeText string

// Options is what the worker decides.
type Options struct {
	// CloneURL is where git clones from; empty = the job's source URL. A password in it is not shown in the log.
	CloneURL string
	// Dir is the directory of the checkout below HOME; empty = "build/<slug>".
	Dir string
	// OwnMachine says that the job has its machine or container for itself: packages may be installed and services started.
	OwnMachine bool
}

func (o Options) withDefaults(j broker.Job) Options {
	if o.CloneURL == "" {
		o.CloneURL = j.Repository.SourceURL
	}
	if o.Dir == "" {
		o.Dir = path.Join("build", j.Repository.Slug)
	}
	return o
}

// generator holds what all parts of a script are made of, and the script as far as it is written.
type generator struct {
	job     broker.Job
	options Options
	config  config
	caching *caching // nil: the job keeps nothing
	body
}

// Generate returns the bash script that runs the job. It ends with one of the Exit codes. An error means that the message
// holds something that no script can be made of; its text says what.
func Generate(j broker.Job, o Options) ([]byte, error) {
	c, err := readConfig(j.Config)
	if err != nil {
		return nil, err
	}
	g := &generator{job: j, options: o.withDefaults(j), config: c, caching: cachingOf(c)}
	if err := g.check(); err != nil {
		return nil, err
	}
	vars, err := c.env()
	if err != nil {
		return nil, err
	}
	lang := languageOf(c)

	g.head()
	g.notices(lang)
	g.builtins()
	g.machine()
	g.addons()
	g.checkout()
	g.variables(vars)
	g.language(lang)
	g.cacheFetch()
	g.phases(lang)
	g.linef(`exit "$headrace_result"`)
	g.linef("}")
	return g.bytes(), nil
}

// check refuses what would be read as an option by git or would leave the directory of the builds.
func (g *generator) check() error {
	d := g.job.Job
	for _, name := range []struct{ what, value string }{
		{"branch", d.Branch}, {"tag", d.Tag}, {"ref", d.Ref}, {"commit", d.Commit}, {"source URL", g.options.CloneURL},
	} {
		if strings.HasPrefix(name.value, "-") || strings.ContainsAny(name.value, "\x00\n") {
			return fmt.Errorf("job %s: the %s %q cannot be given to git", d.Number, name.what, name.value)
		}
	}
	if dir := g.options.Dir; !localDir(dir) {
		return fmt.Errorf("job %s: the build directory %q is not below HOME", d.Number, dir)
	}
	return nil
}

// localDir reports whether dir is a relative path that stays below its root.
func localDir(dir string) bool {
	clean := path.Clean(dir)
	return !path.IsAbs(clean) && clean != "." && clean != ".." && !strings.HasPrefix(clean, "../") && !strings.ContainsAny(dir, "\x00\n")
}

// head writes everything above the job itself.
func (g *generator) head() {
	g.linef("#!/bin/bash")
	g.linef("# The script of job %s of %s, made by Headrace.", oneLine(g.job.Job.Number), oneLine(g.job.Repository.Slug))
	g.linef("# It ends with %d = passed, %d = failed, %d = errored: the job could not be set up.", ExitPassed, ExitFailed, ExitErrored)
	g.linef("# shellcheck disable=SC1090,SC1091,SC2016,SC2034,SC2088,SC2317,SC2319")
	g.linef("")
	g.text(runtimeText)
	g.library()
	g.linef("")
	g.linef("# ==== The job ====")
	g.linef("# In braces, so that bash reads all of it before it runs any of it.")
	g.linef("{")
}

// oneLine makes text fit into a comment.
func oneLine(text string) string {
	return strings.Join(strings.Fields(strings.ReplaceAll(text, "\x00", "")), " ")
}
