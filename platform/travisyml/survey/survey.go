// Package survey says what would become of many .travis.yml files here: which run as they are, which with warnings, which
// use what this installation does not act on, and which make no build. It is the first thing that a team which moves runs.
//
// It owns the walk through folders, the verdicts and how they are shown. It must not know rules of the language: those are
// in the package above.
package survey

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/travisyml"
)

// Verdict is what becomes of a file.
type Verdict string

// The verdicts, the best first.
const (
	// Runs: as it is.
	Runs Verdict = "runs"
	// Warns: it runs, and something in it does not do what its author may think.
	Warns Verdict = "warns"
	// Partly: it runs, without something that it asks for.
	Partly Verdict = "partly"
	// Stops: no build can be made of it.
	Stops Verdict = "stops"
)

// Verdicts are all of them, the best first.
func Verdicts() []Verdict { return []Verdict{Runs, Warns, Partly, Stops} }

// Text says the verdict in a few words.
func (v Verdict) Text() string {
	switch v {
	case Runs:
		return "runs as it is"
	case Warns:
		return "runs with warnings"
	case Partly:
		return "runs without what is not supported"
	case Stops:
		return "makes no build"
	}
	return string(v)
}

// File is what is found of one file.
type File struct {
	Path    string  `json:"path"`
	Verdict Verdict `json:"verdict"`
	Jobs    int     `json:"jobs"`
	// Reason says why there is no build: of a file that stops, or of one that a push to the main branch does not concern.
	Reason string `json:"reason,omitempty"`
	// Unsupported are the keys that nothing acts on.
	Unsupported []string `json:"unsupported,omitempty"`
	// Messages are those that are more than information.
	Messages []travisyml.Message `json:"messages"`
}

// Finding is one kind of message and how many files have it.
type Finding struct {
	Level travisyml.Level `json:"level"`
	Code  string          `json:"code"`
	// Subject is the key, value or template that is meant; empty where it differs from file to file.
	Subject string `json:"subject,omitempty"`
	Files   int    `json:"files"`
	// Example is one such message, and Path the file it stands in.
	Example string `json:"example"`
	Path    string `json:"path"`
}

// Report is what is found of all files.
type Report struct {
	Files    []File          `json:"files"`
	Counts   map[Verdict]int `json:"counts"`
	Findings []Finding       `json:"findings"` // the most frequent first
}

// Look reads every configuration of a folder and expands each for a push to the branch. name is what the folder is called
// in paths.
func Look(ctx context.Context, folder fs.FS, branch, name string) (Report, error) {
	r := Report{Files: []File{}, Counts: map[Verdict]int{}, Findings: []Finding{}}
	err := fs.WalkDir(folder, ".", func(at string, d fs.DirEntry, err error) error {
		switch {
		case err != nil && at == ".":
			return err
		case err != nil || ctx.Err() != nil:
			return ctx.Err() // a folder that may not be read is not looked into
		case d.IsDir() && skipped(d.Name()):
			return fs.SkipDir
		case d.Type().IsRegular() && configuration(d.Name()):
			f := assess(ctx, folder, at, branch)
			f.Path = path.Join(name, at)
			r.add(f)
		}
		return nil
	})
	if err != nil {
		return r, fmt.Errorf("look into %s: %w", name, err)
	}
	r.sort()
	return r, nil
}

// With returns both reports as one.
func (r Report) With(other Report) Report {
	all := Report{Files: []File{}, Counts: map[Verdict]int{}, Findings: []Finding{}}
	for _, f := range slices.Concat(r.Files, other.Files) {
		all.add(f)
	}
	all.sort()
	return all
}

func (r *Report) sort() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int { return b.Files - a.Files })
}

func skipped(folder string) bool {
	return folder == ".git" || folder == "node_modules" || folder == "vendor"
}

// configuration says whether a file has the name of a configuration; a prefix lets many lie in one folder.
func configuration(name string) bool {
	return strings.HasSuffix(name, ".travis.yml") || name == "travis.yml" || name == ".travis.yaml"
}

// assess reads one file as a build of it would.
func assess(ctx context.Context, fsys fs.FS, name, branch string) File {
	f := File{Path: name, Messages: []travisyml.Message{}}
	text, err := fs.ReadFile(fsys, name)
	if err != nil {
		f.Verdict, f.Reason = Stops, err.Error()
		return f
	}
	folder, base := path.Split(name)
	in := travisyml.Input{Source: base, Text: text, Imports: Folder{fsys, path.Clean(folder)}}
	_, plan, err := travisyml.Load(ctx, in, travisyml.Request{Type: "push", Branch: branch}, travisyml.Limits{})
	f.Jobs, f.Reason = len(plan.Jobs), plan.Skip
	for _, m := range plan.Messages {
		switch {
		case m.Code == "not_supported":
			if key := fmt.Sprint(m.Args["key"]); !slices.Contains(f.Unsupported, key) {
				f.Unsupported = append(f.Unsupported, key)
			}
			f.Messages = append(f.Messages, m)
		case m.Level != travisyml.Info:
			f.Messages = append(f.Messages, m)
		}
	}
	switch {
	case err != nil:
		f.Verdict, f.Reason = Stops, err.Error()
	case len(f.Unsupported) > 0:
		f.Verdict = Partly
	case len(f.Messages) > 0:
		f.Verdict = Warns
	default:
		f.Verdict = Runs
	}
	return f
}

// add counts a file and what is said about it, each kind of message once.
func (r *Report) add(f File) {
	r.Files = append(r.Files, f)
	r.Counts[f.Verdict]++
	type kind struct{ code, subject string }
	seen := map[kind]bool{}
	for _, m := range f.Messages {
		k := kind{m.Code, subject(m)}
		if seen[k] {
			continue
		}
		seen[k] = true
		i := slices.IndexFunc(r.Findings, func(x Finding) bool { return x.Code == k.code && x.Subject == k.subject })
		if i < 0 {
			i = len(r.Findings)
			r.Findings = append(r.Findings, Finding{Level: m.Level, Code: m.Code, Subject: k.subject, Example: m.Text, Path: f.Path})
		}
		r.Findings[i].Files++
	}
}

// subject is the word that a message is about, where equal words mean the same defect.
func subject(m travisyml.Message) string {
	switch m.Code {
	case "not_supported", "deprecated_key", "unknown_key", "edge":
		return fmt.Sprint(m.Args["key"])
	case "find_key", "underscore_key", "clean_key", "strip_key":
		return fmt.Sprint(m.Args["original"])
	case "not_read":
		return fmt.Sprint(m.Args["source"])
	}
	return ""
}

// Folder reads what a configuration imports from the folder that it lies in, as a checkout has it. Other repositories and
// other commits are out of reach.
type Folder struct {
	FS  fs.FS
	Dir string // within FS
}

// Import returns a file of the folder.
func (f Folder) Import(_ context.Context, at, _ travisyml.Place) ([]byte, error) {
	if at.Repo != "" || at.Ref != "" {
		return nil, travisyml.ErrOutOfReach
	}
	text, err := fs.ReadFile(f.FS, path.Join(f.Dir, at.Path))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fault.New(fault.NotFound, "There is no such file beside it.")
	}
	return text, err
}
