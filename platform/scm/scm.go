// Package scm reads source code repositories: which branch is the default one, which commit a branch, a tag or an id names,
// and what a file holds there. It knows plain git, over https, http, ssh and file.
//
// Everything is done by the git command through one runner: fixed arguments, no shell around it, an own home and
// configuration, a clean environment, no questions, limits on time and output. Of each repository it keeps a bare mirror
// that holds the commits which were asked for and nothing else; a mirror that is damaged or lost is made again.
//
// Errors are [fault.Error]s: Unavailable where a later try may help, any other code where it will not. They never hold a
// password. The package must not know what its answers are used for.
package scm

import (
	"context"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// Remote is what [Git.Probe] finds.
type Remote = ci.Remote

// Config configures a [Git].
type Config struct {
	// Dir is where mirrors and git's own home live; it is made when it is missing. Required.
	Dir string
	// GitPath is the git command. Default: "git", sought on the PATH.
	GitPath string
	// Env is added to git's environment, for example proxies (HTTPS_PROXY=…) or SSH_AUTH_SOCK. The environment of this
	// process is not handed on.
	Env []string
	// Parallel bounds the git commands that run at a time. Default 8.
	Parallel int
	// ProbeTime bounds a question to a server. Default 20 s.
	ProbeTime time.Duration
	// FetchTime bounds one fetch. Default 10 min.
	FetchTime time.Duration
	// Log takes what an operator may want to know. Default: nothing is logged.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.GitPath == "" {
		c.GitPath = "git"
	}
	if c.Parallel <= 0 {
		c.Parallel = 8
	}
	if c.ProbeTime <= 0 {
		c.ProbeTime = 20 * time.Second
	}
	if c.FetchTime <= 0 {
		c.FetchTime = 10 * time.Minute
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Git reads git repositories. It is safe for concurrent use.
type Git struct {
	config  Config
	runner  *runner
	mirrors mirrors
}

// New returns a Git. Nothing is written or run before the first question.
func New(c Config) *Git {
	c = c.withDefaults()
	return &Git{
		config:  c,
		runner:  newRunner(c),
		mirrors: mirrors{dir: filepath.Join(c.Dir, "mirrors"), known: map[string]*mirror{}},
	}
}

// Resolve finds the commit that a request names: its SHA (any commit, also by its first 7 digits), else its tag, else its
// branch, else what the repository checks out by itself. The error is NotFound where there is no such thing.
func (g *Git) Resolve(ctx context.Context, r ci.Repository, q ci.Request) (ci.Commit, error) {
	src, err := parseSource(r.SourceURL)
	if err != nil {
		return ci.Commit{}, err
	}
	want, err := wanted(r, q)
	if err != nil {
		return ci.Commit{}, err
	}
	var commit ci.Commit
	err = g.onMirror(ctx, r.ID, src, func(m *mirror) error {
		commit, err = g.resolve(ctx, m, want)
		return err
	})
	commit.Ref = want.ref
	return commit, err
}

// File returns what the file at path holds in the commit; found is false where there is none. The error is Invalid where
// it is longer than maxBytes.
func (g *Git) File(ctx context.Context, r ci.Repository, sha, path string, maxBytes int) (text []byte, found bool, err error) {
	src, err := parseSource(r.SourceURL)
	if err != nil {
		return nil, false, err
	}
	err = g.onMirror(ctx, r.ID, src, func(m *mirror) error {
		text, found, err = g.file(ctx, m, sha, path, maxBytes)
		return err
	})
	return text, found, err
}
