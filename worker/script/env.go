package script

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/headrace/headrace/broker"
)

// A process cannot be started once a single variable is longer than 128 KiB on Linux.
const (
	maxVariable      = 128<<10 - 256
	maxCommitMessage = 32 << 10
)

// builtins exports what every job finds in its environment.
func (g *generator) builtins() {
	d := g.job.Job
	g.section("Built-in variables")
	for _, v := range []envVar{
		{name: "CI", value: "true"},
		{name: "TRAVIS", value: "true"},
		{name: "CONTINUOUS_INTEGRATION", value: "true"},
		{name: "HEADRACE", value: "true"},
		{name: "PAGER", value: "cat"},
		{name: "DEBIAN_FRONTEND", value: "noninteractive"},
		{name: "GIT_TERMINAL_PROMPT", value: "0"},
		{name: "TRAVIS_ALLOW_FAILURE", value: strconv.FormatBool(d.AllowFailure)},
		{name: "TRAVIS_BRANCH", value: d.Branch},
		{name: "TRAVIS_BUILD_ID", value: number(g.job.Source.ID)},
		{name: "TRAVIS_BUILD_NUMBER", value: g.job.Source.Number},
		{name: "TRAVIS_BUILD_STAGE_NAME", value: d.StageName},
		{name: "TRAVIS_COMMIT", value: d.Commit},
		{name: "TRAVIS_COMMIT_MESSAGE", value: cut(d.CommitMessage, maxCommitMessage)},
		{name: "TRAVIS_COMMIT_RANGE", value: d.CommitRange},
		{name: "TRAVIS_EVENT_TYPE", value: g.job.Source.EventType},
		{name: "TRAVIS_JOB_ID", value: number(d.ID)},
		{name: "TRAVIS_JOB_NAME", value: d.Name},
		{name: "TRAVIS_JOB_NUMBER", value: d.Number},
		{name: "TRAVIS_LANGUAGE", value: g.config.text("language")},
		{name: "TRAVIS_OS_NAME", value: g.config.or("os", "linux")},
		{name: "TRAVIS_DIST", value: g.config.text("dist")},
		{name: "TRAVIS_PULL_REQUEST", value: pullRequest(d.PullRequest)},
		{name: "TRAVIS_PULL_REQUEST_BRANCH", value: d.PullHeadBranch},
		{name: "TRAVIS_PULL_REQUEST_SHA", value: d.PullHeadSHA},
		{name: "TRAVIS_PULL_REQUEST_SLUG", value: d.PullHeadSlug},
		{name: "TRAVIS_PULL_REQUEST_IS_DRAFT", value: draft(d)},
		{name: "TRAVIS_REPO_PRIVATE", value: strconv.FormatBool(g.job.Repository.Private)},
		{name: "TRAVIS_REPO_SLUG", value: g.job.Repository.Slug},
		{name: "TRAVIS_SECURE_ENV_VARS", value: strconv.FormatBool(d.SecureEnvEnabled && g.hasSecrets())},
		{name: "TRAVIS_JOB_RESTARTED", value: strconv.FormatBool(d.RestartedBy != "")},
		{name: "TRAVIS_JOB_RESTARTED_BY", value: d.RestartedBy},
		{name: "TRAVIS_TAG", value: d.Tag},
		{name: "TRAVIS_TEST_RESULT", value: ""},
		{name: "TRAVIS_ROOT", value: "/"},
	} {
		g.linef("export %s=%s", v.name, word(v.value))
	}
	if x := g.job.Headrace; x != nil {
		g.linef("export TRAVIS_JOB_WEB_URL=%s TRAVIS_BUILD_WEB_URL=%s", word(x.WebURL), word(x.BuildURL))
	}
	g.linef(`export TRAVIS_HOME=$HOME TRAVIS_TMPDIR=$headrace_tmp`)
	g.linef(`export TRAVIS_BUILD_DIR=$HOME/%s`, word(g.options.Dir))
	g.arch()
}

// arch exports the processor in Travis' words: the one asked for, else the machine's.
func (g *generator) arch() {
	if arch := g.config.text("arch"); arch != "" {
		g.linef("export TRAVIS_CPU_ARCH=%[1]s TRAVIS_ARCH=%[1]s", word(arch))
		return
	}
	g.linef(`case $(uname -m) in`)
	g.linef(`  x86_64) TRAVIS_CPU_ARCH=amd64 ;;`)
	g.linef(`  aarch64) TRAVIS_CPU_ARCH=arm64 ;;`)
	g.linef(`  *) TRAVIS_CPU_ARCH=$(uname -m) ;;`)
	g.linef(`esac`)
	g.linef(`export TRAVIS_CPU_ARCH TRAVIS_ARCH=$TRAVIS_CPU_ARCH`)
}

// variables exports the settings' variables, then the config's, which win.
func (g *generator) variables(vars []envVar) {
	settings := slices.DeleteFunc(slices.Clone(g.job.EnvVars), func(v broker.EnvVar) bool { return v.Secure != "" || v.SSHKey })
	if len(settings)+len(vars) > 0 {
		g.section("Environment variables")
	}
	if len(settings) > 0 {
		g.heading("Setting environment variables from the settings of the repository")
		for _, v := range settings {
			g.setting(v)
		}
	}
	if len(vars) > 0 {
		g.heading("Setting environment variables from .travis.yml")
		for _, v := range vars {
			g.configVariable(v)
		}
	}
}

func (g *generator) heading(text string) {
	g.linef(`printf '\n%%s\n' %s`, quote(text))
}

// setting exports a variable of the repository's settings, whose value is nobody's code.
func (g *generator) setting(v broker.EnvVar) {
	secret := ""
	switch {
	case !g.nameAndSize(v.Name, v.Value):
		return
	case !v.Public && !g.job.Job.SecureEnvEnabled:
		g.say("%s is secret; this job may not see secrets.", v.Name)
		return
	case !v.Public:
		secret = " secret"
	}
	if strings.Contains(v.Value, "\x00") {
		g.say("%s holds NUL bytes, which no variable can; they are left out.", v.Name)
	}
	g.linef("headrace_setting %s %s%s", v.Name, quote(v.Value), secret)
}

// configVariable exports a variable of .travis.yml. A secure entry without a name holds NAME=value pairs.
func (g *generator) configVariable(v envVar) {
	if plain, ok := g.opened(v.sealed); ok && v.secure {
		if v.name != "secure" {
			g.secret(v.name, plain)
			return
		}
		for _, assignment := range splitWords(plain) {
			name, value, _ := strings.Cut(assignment, "=")
			g.secret(name, value)
		}
		return
	}
	switch {
	case v.name == "secure":
		g.say("A secure variable of .travis.yml is left out: its value could not be decrypted for this job.")
	case !g.nameAndSize(v.name, v.value):
	case v.secure:
		g.say("%s is left out: its secure value could not be decrypted for this job.", v.name)
	default:
		g.linef("headrace_env %s", quote(v.name+"="+envWord(v.value)))
	}
}

// secret exports a variable that was encrypted in .travis.yml.
func (g *generator) secret(name, value string) {
	if g.nameAndSize(name, value) {
		g.linef("headrace_env %s secret", quote(name+"="+envWord(value)))
	}
}

// nameAndSize reports whether a shell can hold the variable; if not, the log says so.
func (g *generator) nameAndSize(name, value string) bool {
	if !isName(name) {
		g.say("%q cannot be the name of an environment variable; it is left out.", name)
		return false
	}
	if len(name)+len(value) > maxVariable {
		g.say("%s is %d bytes long, more than a process can be given in one variable; it is left out.", name, len(value))
		return false
	}
	return true
}

// hasSecrets reports whether the job is given a secret.
func (g *generator) hasSecrets() bool {
	for _, v := range g.job.EnvVars {
		if !v.Public && !v.SSHKey {
			return true
		}
	}
	return false
}

// pullRequest returns the number of the pull request or "false". JSON numbers are float64 after decoding.
func pullRequest(v any) string {
	switch n := v.(type) {
	case float64:
		if n > 0 {
			return number(int64(n))
		}
	case int64:
		if n > 0 {
			return number(n)
		}
	case int:
		if n > 0 {
			return number(int64(n))
		}
	}
	return "false"
}

// draft says of a pull request whether it is one, and of anything else nothing.
func draft(d broker.JobDetails) string {
	if pullRequest(d.PullRequest) == "false" {
		return ""
	}
	return strconv.FormatBool(d.PullDraft)
}

// number returns n, or nothing for an unknown one.
func number(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

// cut returns at most limit bytes of text, not ending within a character.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}
