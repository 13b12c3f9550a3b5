package script

import (
	"net/url"
	"path"
	"strings"
)

// golang uses make where there is a makefile, else the go command.
func golang(c config) language {
	args := c.or("gobuild_args", "-v")
	makefile := anyFile("GNUmakefile", "makefile", "Makefile", "BSDmakefile")
	return language{
		key: "go", variable: "TRAVIS_GO_VERSION",
		manager: manager{name: "gimme", use: `eval "$(gimme %s)"`},
		setup: []string{
			`export GO111MODULE="${GO111MODULE:-auto}"`,
			`export GOPATH=$HOME/gopath`,
			`export PATH=$GOPATH/bin:$PATH`,
			`mkdir -p -- "$GOPATH/bin"`,
		},
		gopath:   true,
		announce: []string{"go version"},
		install: []choice{
			{test: makefile},
			do("[[ -f Godeps/Godeps.json ]]", "go get github.com/tools/godep", "godep restore"),
			do("", spaced("go get", args, "-t ./...")),
		},
		script: []choice{
			do(makefile, "make"),
			do("", spaced("go test", args, "./...")),
		},
	}
}

// moveIntoGopath moves the checkout to where Go before modules looks for it, and leaves a link. Without a host in the
// source URL and without go_import_path there is no such place; it stays.
func (g *generator) moveIntoGopath() {
	importPath := g.config.text("go_import_path")
	if importPath == "" {
		if host := hostOf(g.job.Repository.SourceURL); host != "" {
			importPath = path.Join(host, g.job.Repository.Slug)
		}
	}
	if importPath == "" {
		return
	}
	if !localDir(importPath) || strings.HasPrefix(importPath, "-") {
		g.say("go_import_path: %s is not a path below GOPATH/src; the checkout stays where it is.", importPath)
		return
	}
	g.linef(`headrace_gopath %s`, word(path.Clean(importPath)))
}

// hostOf returns the host of a URL, or of git's short form user@host:path.
func hostOf(source string) string {
	if u, err := url.Parse(source); err == nil && u.Scheme != "" {
		return u.Hostname()
	}
	host, _, short := strings.Cut(source, ":")
	if _, after, ok := strings.Cut(host, "@"); ok {
		host = after
	}
	if !short || strings.Contains(host, "/") {
		return ""
	}
	return host
}
