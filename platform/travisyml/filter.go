package travisyml

import (
	"fmt"
	"regexp"
	"strings"
)

var skipCommand = regexp.MustCompile(`(?i)\[(?:skip (?:ci|travis|travis ci|travis-ci|travisci)|(?:ci|travis|travis ci|travis-ci|travisci) skip)\]`)

// pagesBranch holds generated pages and is built only when it is listed.
const pagesBranch = "gh-pages"

// skip says why a request makes no build, "" when it does. Branch filters and
// commands in commit messages hold for pushes and pull requests; a build that
// was asked for by name, or by a schedule, runs.
func (e *expansion) skip() string {
	if e.request.Type != "api" && e.request.Type != "cron" {
		if command := SkipCommand(e.request.CommitMessage); command != "" {
			return fmt.Sprintf("The commit message asks for no build: it contains %s.", command)
		}
		if reason := e.branchFilter(); reason != "" {
			return reason
		}
	}
	if !e.eval.accepts(e.root, &e.request, e.root) {
		return fmt.Sprintf("The condition of the whole build is false: %s", e.root.get("if").str())
	}
	return ""
}

// SkipCommand returns the command of a commit message that asks for no build,
// like [skip ci], or "".
func SkipCommand(message string) string { return skipCommand.FindString(message) }

// branchFilter applies branches.only and branches.except. Tags count as
// branches.
func (e *expansion) branchFilter() string {
	name := e.request.Branch
	kind := "branch"
	if e.request.Tag != "" {
		name, kind = e.request.Tag, "tag"
	}
	if name == "" {
		return ""
	}
	only := e.root.get("branches").get("only").strings()
	except := e.root.get("branches").get("except").strings()
	switch {
	case len(only) > 0:
		if !e.listed(only, name) {
			return fmt.Sprintf("The %s %s is not listed under branches.only.", kind, name)
		}
	case e.listed(except, name):
		return fmt.Sprintf("The %s %s is listed under branches.except.", kind, name)
	case kind == "branch" && name == pagesBranch:
		return "The branch gh-pages is built only when branches.only lists it."
	}
	return ""
}

// listed says whether a name, or a regex between slashes, matches.
func (e *expansion) listed(patterns []string, name string) bool {
	for _, pattern := range patterns {
		pattern = strings.TrimSpace(pattern)
		if len(pattern) > 1 && strings.HasPrefix(pattern, "/") && strings.HasSuffix(pattern, "/") {
			if matched, err := e.eval.regexes.match(pattern[1:len(pattern)-1], name); err == nil && matched {
				return true
			}
			continue
		}
		if pattern == name {
			return true
		}
	}
	return false
}
