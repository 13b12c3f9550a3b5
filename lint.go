package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/travisyml"
	"github.com/headrace/headrace/platform/travisyml/survey"
)

type lintCommand struct {
	File   []string `arg:"" optional:"" help:"File to check, - for standard input; with --report the folders to look into. Default .travis.yml, or this folder."`
	Branch string   `help:"Branch that conditions see." default:"main"`
	Event  string   `help:"Event that conditions see: push, pull_request, api, cron." default:"push" enum:"push,pull_request,api,cron"`
	Report bool     `help:"Say of every .travis.yml in the folders whether it would run here as it is."`
	JSON   bool     `help:"Print JSON." name:"json" xor:"format"`
	HTML   bool     `help:"Print the report as a page." name:"html" xor:"format"`
}

// Help shows an example.
func (lintCommand) Help() string {
	return "Example: headrace lint .travis.yml\n\nOf many repositories at once: headrace lint --report --html ~/src > report.html"
}

// lintResult is what the command says in JSON.
type lintResult struct {
	File     string              `json:"file"`
	Messages []travisyml.Message `json:"messages"`
	Jobs     []lintJob           `json:"jobs"`
	Skip     string              `json:"skip,omitempty"`
}

type lintJob struct {
	Number       int    `json:"number"`
	Name         string `json:"name"`
	Stage        string `json:"stage,omitempty"`
	AllowFailure bool   `json:"allow_failure,omitempty"`
	Config       any    `json:"config"`
}

// Run checks the file. It fails when the file cannot be read as a configuration, and when a message is an error.
func (c lintCommand) Run(ctx context.Context, t terminal) error {
	switch {
	case c.Report:
		return c.survey(ctx, t)
	case c.HTML:
		return fault.New(fault.Invalid, "Only a report has a page: add --report.")
	case len(c.File) > 1:
		return fault.New(fault.Invalid, "One file is checked at a time. For many, name their folders: headrace lint --report FOLDER…")
	}
	file := append(c.File, ".travis.yml")[0]
	text, err := readLint(t, file)
	if err != nil {
		return err
	}
	folder, name := filepath.Split(file)
	if file == "-" {
		name = ".travis.yml"
	}
	request := travisyml.Request{Type: c.Event, Branch: c.Branch}
	in := travisyml.Input{Source: name, Text: text, Imports: survey.Folder{FS: os.DirFS(cmp.Or(folder, ".")), Dir: "."}}
	_, plan, err := travisyml.Load(ctx, in, request, travisyml.Limits{})
	if syntax, ok := errors.AsType[*travisyml.SyntaxError](err); ok {
		_, _ = fmt.Fprintf(t.err, "%s%s\n%s\n", folder, syntax.Error(), syntax.Snippet)
		return errQuiet
	}
	if imported, ok := errors.AsType[*travisyml.ImportError](err); ok {
		_, _ = fmt.Fprintf(t.err, "%s%s\n", folder, imported.Error())
		return errQuiet
	}
	if err != nil {
		return err
	}
	result := lintResult{File: file, Messages: plan.Messages, Skip: plan.Skip, Jobs: []lintJob{}}
	for i := range result.Messages {
		result.Messages[i].Source = folder + result.Messages[i].Source
	}
	for i, j := range plan.Jobs {
		if j.Name == "" {
			j.Name = distinction(j.Config, plan.Jobs)
		}
		result.Jobs = append(result.Jobs, lintJob{Number: i + 1, Name: j.Name, Stage: j.Stage, AllowFailure: j.AllowFailure, Config: j.Config})
	}
	if c.JSON {
		err = printJSON(t.out, result)
	} else {
		err = result.print(t.out)
	}
	if err != nil {
		return err
	}
	for _, m := range plan.Messages {
		if m.Level == "error" || m.Level == "alert" {
			return errQuiet
		}
	}
	return nil
}

// distinction names a job without a name by what it has and not every other job has: versions, systems, variables.
func distinction(config json.RawMessage, all []travisyml.Job) string {
	common := map[string]int{}
	for _, j := range all {
		for key, value := range fields(j.Config) {
			common[key+"="+value]++
		}
	}
	own := fields(config)
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(own)) {
		switch {
		case common[key+"="+own[key]] == len(all):
		case key == "env":
			parts = append(parts, own[key])
		default:
			parts = append(parts, key+" "+own[key])
		}
	}
	return strings.Join(parts, ", ")
}

// fields are the values of a job's configuration that fit into a name.
func fields(config json.RawMessage) map[string]string {
	var raw map[string]json.RawMessage
	if json.Unmarshal(config, &raw) != nil {
		return nil
	}
	short := map[string]string{}
	for key, value := range raw {
		var text string
		var variables []map[string]any
		switch {
		case key == "stage" || key == "name":
		case json.Unmarshal(value, &text) == nil:
			short[key] = text
		case key == "env" && json.Unmarshal(value, &variables) == nil:
			short[key] = pairs(variables)
		}
	}
	return short
}

func pairs(variables []map[string]any) string {
	var parts []string
	for _, v := range variables {
		for _, name := range slices.Sorted(maps.Keys(v)) {
			if name != "secure" {
				parts = append(parts, fmt.Sprintf("%s=%v", name, v[name]))
			}
		}
	}
	return strings.Join(parts, " ")
}

func readLint(t terminal, file string) ([]byte, error) {
	if file == "-" {
		return io.ReadAll(io.LimitReader(t.in, 2<<20))
	}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.Invalid, "There is no file %s here.", file)
	}
	return text, err
}

// survey reports on every configuration in some folders. It fails when one of them makes no build.
func (c lintCommand) survey(ctx context.Context, t terminal) error {
	if len(c.File) == 0 {
		c.File = []string{"."}
	}
	all := survey.Report{}
	for _, dir := range c.File {
		if info, err := os.Stat(dir); err != nil || !info.IsDir() {
			return fault.New(fault.Invalid, "%s is not a folder that can be read.", dir)
		}
		r, err := survey.Look(ctx, os.DirFS(dir), c.Branch, dir)
		if err != nil {
			return err
		}
		all = all.With(r)
	}
	var err error
	switch {
	case c.JSON:
		err = printJSON(t.out, all)
	case c.HTML:
		err = all.HTML(t.out)
	default:
		err = all.Table(t.out)
	}
	if err == nil && all.Counts[survey.Stops] > 0 {
		err = errQuiet
	}
	return err
}

func (r lintResult) print(w io.Writer) error {
	for _, m := range r.Messages {
		place := m.Source
		if m.Line > 0 {
			place = fmt.Sprintf("%s:%d:%d", m.Source, m.Line, m.Column)
		}
		if _, err := fmt.Fprintf(w, "%s: %s: %s\n", place, m.Level, m.Text); err != nil {
			return err
		}
	}
	if r.Skip != "" {
		_, err := fmt.Fprintf(w, "No build: %s\n", r.Skip)
		return err
	}
	for _, j := range r.Jobs {
		note := ""
		if j.AllowFailure {
			note = " (may fail)"
		}
		stage := ""
		if j.Stage != "" {
			stage = j.Stage + ": "
		}
		if _, err := fmt.Fprintf(w, "job %d: %s%s%s\n", j.Number, stage, j.Name, note); err != nil {
			return err
		}
	}
	return nil
}
