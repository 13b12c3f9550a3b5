package script

import (
	"fmt"
	"net/url"
	"path"
	"strings"
)

const defaultDepth = "50"

// checkout clones the repository and checks out exactly the job's commit.
func (g *generator) checkout() {
	git := g.config.object("git")
	g.phase("checkout")
	if clone, ok := git.flag("clone"); ok && !clone {
		g.noCheckout("git.clone is false: nothing is cloned.")
		return
	}
	if g.options.CloneURL == "" {
		g.noCheckout("This job names no repository: nothing is cloned.")
		return
	}
	if skip, _ := git.flag("lfs_skip_smudge"); skip {
		g.linef("export GIT_LFS_SKIP_SMUDGE=1")
	}
	g.sshKey()
	c := newCloning(g, git)
	g.linef(`headrace_enter "$HOME"/%s`, word(c.parent))
	g.run(c.clone())
	g.run(c.step("cd " + word(c.name)))
	if pattern := git.list("sparse_checkout"); len(pattern) > 0 {
		g.run(c.step("git config core.sparseCheckout true"))
		g.run(c.step(`printf '%s\n' ` + words(pattern) + " >> .git/info/sparse-checkout"))
	}
	c.commit()
	g.submodules(c, git)
}

// sshKey lets git fetch with the key of the repository, also later in the job.
func (g *generator) sshKey() {
	for _, v := range g.job.EnvVars {
		if v.SSHKey && g.job.Job.SecureEnvEnabled {
			g.linef("headrace_ssh_key %s", quote(v.Value))
		}
	}
}

func (g *generator) noCheckout(why string) {
	g.say("%s", why)
	g.linef(`headrace_enter "$TRAVIS_BUILD_DIR"`)
}

// cloning is one checkout: where to, how deep, and how many steps it has so far.
type cloning struct {
	*generator
	parent, name string
	depth, quiet string // options of git, empty = none
	extra        []string
	steps        int
}

func newCloning(g *generator, git config) *cloning {
	c := &cloning{generator: g, parent: path.Dir(path.Clean(g.options.Dir)), name: path.Base(path.Clean(g.options.Dir))}
	if depth := depthOf(git); depth != "" {
		c.depth = "--depth=" + depth
	}
	if quiet, _ := git.flag("quiet"); quiet {
		c.quiet = "--quiet"
	}
	for _, setting := range []string{"autocrlf", "symlinks"} {
		if v := git.text(setting); v != "" {
			c.extra = append(c.extra, "--config=core."+setting+"="+v)
		}
	}
	if len(git.list("sparse_checkout")) > 0 {
		c.extra = append(c.extra, "--no-checkout")
	}
	return c
}

// depthOf returns how many commits to clone; empty = all.
func depthOf(git config) string {
	depth := git.or("depth", defaultDepth)
	switch {
	case depth == "false":
		return ""
	case strings.Trim(depth, "0123456789") != "":
		return defaultDepth
	case strings.Trim(depth, "0") == "":
		return ""
	}
	return depth
}

// step returns the next command of the checkout.
func (c *cloning) step(command string) step {
	c.steps++
	return step{fold: fmt.Sprintf("git.checkout.%d", c.steps), command: command}
}

// clone returns the command that clones: the branch that is built, of a pull request the one it goes to.
func (c *cloning) clone() step {
	branch := c.job.Job.Branch
	if c.job.Job.Tag != "" {
		branch = c.job.Job.Tag
	}
	options := nonEmpty(append([]string{c.depth, c.quiet}, c.extra...))
	s := c.step("headrace_clone " + words(append([]string{c.options.CloneURL, c.name, branch}, options...)))
	if branch != "" {
		options = append(options, "--branch="+branch)
	}
	s.shown = "git clone " + words(append(options, withoutPassword(c.options.CloneURL), c.name))
	s.retry = true
	return s
}

// commit checks the commit out.
func (c *cloning) commit() {
	d := c.job.Job
	target := d.Commit
	if d.Ref != "" && d.Tag == "" && pullRequest(d.PullRequest) != "false" {
		fetch := c.step("git fetch " + words(append(nonEmpty([]string{c.depth, c.quiet}), "origin", "+"+d.Ref+":")))
		fetch.retry = true
		c.run(fetch)
		if target == "" {
			target = "FETCH_HEAD"
		}
	}
	switch {
	case target == "" && d.Tag != "":
		target = "refs/tags/" + d.Tag
	case target == "":
		target = "HEAD"
	case target == d.Commit:
		need := c.step("headrace_need_commit " + words(nonEmpty([]string{target, c.depth})))
		need.shown, need.retry = "git fetch origin "+word(target), true
		missing := "! git cat-file -e " + word(target+"^{commit}") + " 2>/dev/null"
		c.choose([]choice{{test: missing}}, func(choice) { c.run(need) })
	}
	c.run(c.step("git checkout -qf " + word(target)))
	if d.Commit == "" {
		c.linef("TRAVIS_COMMIT=$(git rev-parse HEAD)")
	}
}

// submodules fetches them where there are any.
func (g *generator) submodules(c *cloning, git config) {
	if wanted, ok := git.flag("submodules"); ok && !wanted {
		return
	}
	options := []string{"--init", "--recursive"}
	if depth := git.text("submodules_depth"); depth != "" && strings.Trim(depth, "0123456789") == "" {
		options = append(options, "--depth="+depth)
	}
	update := c.step("git submodule update " + words(nonEmpty(append(options, c.quiet))))
	update.retry = true
	g.choose([]choice{{test: "[[ -f .gitmodules ]]"}}, func(choice) { g.run(update) })
}

// words returns texts as bash words.
func words(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = word(t)
	}
	return strings.Join(quoted, " ")
}

func nonEmpty(texts []string) []string {
	var kept []string
	for _, t := range texts {
		if t != "" {
			kept = append(kept, t)
		}
	}
	return kept
}

// withoutPassword returns a URL as it may be shown: a user name alone can be a token, but with ssh.
func withoutPassword(source string) string {
	u, err := url.Parse(source)
	if err != nil || u.User == nil {
		return source
	}
	if _, has := u.User.Password(); !has && (u.Scheme == "ssh" || u.Scheme == "git+ssh") {
		return source
	}
	u.User = nil
	return u.String()
}
