package script

import (
	"fmt"
	"strings"
)

// notices says, at the top of the log, which parts of the config this version does not act on.
func (g *generator) notices(lang language) {
	lines := unsupported(g.config)
	if lang.unknown {
		lines = append(lines, fmt.Sprintf("language: Headrace knows no %s. The defaults of ruby are used where a phase is not given.", g.config.text("language")))
	}
	if len(lines) == 0 {
		return
	}
	g.section("What this version does not do")
	for _, line := range lines {
		g.say("%s", line)
	}
}

// unsupported is the one place that knows what of a config has no effect yet.
func unsupported(c config) []string {
	var lines []string
	note := func(format string, things []string) {
		if len(things) > 0 {
			lines = append(lines, fmt.Sprintf(format, strings.Join(things, ", ")))
		}
	}
	note("workspaces: %s: files are not passed from job to job yet by this version of Headrace.", c.object("workspaces").names())
	note("android: the components %s are not installed yet by this version of Headrace.", c.object("android").list("components"))
	if c.object("git").text("strategy") == "tarball" {
		lines = append(lines, "git.strategy: this version of Headrace has no tarball; the repository is cloned.")
	}
	if os := c.text("os"); os != "" && os != "linux" {
		lines = append(lines, "os: "+os+" was asked for. The job runs on the system that this worker has.")
	}
	return lines
}
