package script

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// deployText are the functions for deployments; only scripts of jobs that have some have them.
//
//go:embed deploy.sh
var deployText string

// deployment is one entry of deploy.
type deployment struct {
	config
	provider string
	number   int // from 1
}

// deployments returns the entries of deploy in order.
func (c config) deployments() []deployment {
	var all []deployment
	for i, raw := range elements(c["deploy"]) {
		d := deployment{number: i + 1}
		if name, ok := scalar(raw); ok {
			d.config, d.provider = config{}, name
		} else if o, err := readConfig(raw); err == nil {
			d.config, d.provider = o, o.text("provider")
		} else {
			continue
		}
		all = append(all, d)
	}
	return all
}

// deploys writes the deployments, which follow a script that has passed. Source: travis-yml-rules 10.
func (g *generator) deploys() {
	all := g.config.deployments()
	if len(all) == 0 {
		return
	}
	g.section("deploy")
	if pullRequest(g.job.Job.PullRequest) != "false" {
		g.skipDeploy(all[0], "the build is of a pull request")
		return
	}
	g.choose([]choice{{test: "[[ $headrace_result == 0 ]]"}}, func(choice) {
		for _, d := range all {
			g.deploy(d)
		}
		g.linef(":")
	})
}

func (g *generator) skipDeploy(d deployment, why string) {
	g.say("Skipping a deployment with the %s provider because %s.", d.provider, why)
}

// deploy writes one deployment with the phases around it, if all its conditions hold.
func (g *generator) deploy(d deployment) {
	on := d.on()
	if why := g.unwanted(on); why != "" {
		g.skipDeploy(d, why)
		return
	}
	if conditions := on.list("condition"); len(conditions) > 0 {
		var tests []string
		for _, c := range conditions {
			tests = append(tests, "("+c+")")
		}
		test := strings.Join(tests, " && ")
		g.choose([]choice{{test: "headrace_condition " + quote(test)}, {}}, func(c choice) {
			if c.test == "" {
				g.skipDeploy(d, "its condition does not hold: "+strings.Join(conditions, ", "))
				return
			}
			g.deployNow(d)
		})
		return
	}
	g.deployNow(d)
}

// on returns the conditions of the deployment; a list is one of branches.
func (d deployment) on() config {
	if len(d.list("on")) > 0 {
		return config{"branch": d.config["on"]}
	}
	return d.object("on")
}

// unwanted says why the conditions that are known now do not hold; empty where they do.
func (g *generator) unwanted(on config) string {
	j := g.job.Job
	tags, tagsSet := on.flag("tags")
	all, _ := on.flag("all_branches")
	branches := on.list("branch")
	if len(branches) == 0 {
		branches = on.object("branch").names() // deprecated: a map of branches to options
	}
	switch repo := on.text("repo"); {
	case repo != "" && !strings.EqualFold(repo, g.job.Repository.Slug):
		return "this repository is not " + repo
	case tagsSet && tags && j.Tag == "":
		return "this is not a build of a tag"
	case tagsSet && !tags && j.Tag != "":
		return "this is a build of a tag"
	case all || tags:
	case len(branches) > 0 && !slices.Contains(branches, j.Branch):
		return fmt.Sprintf("the branch %s is not %s", j.Branch, strings.Join(branches, " or "))
	case len(branches) == 0 && j.Branch != "master" && j.Branch != g.job.Repository.DefaultBranch:
		return fmt.Sprintf("the branch %s is not the default one; name others with on: branch", j.Branch)
	}
	for _, key := range on.names() {
		if slices.Contains([]string{"repo", "tags", "all_branches", "branch", "condition"}, key) {
			continue
		}
		if want, got := on.list(key), g.config.text(key); len(want) > 0 && !slices.Contains(want, got) {
			return fmt.Sprintf("%s is %q, not %s", key, got, strings.Join(want, " or "))
		}
	}
	return ""
}

// deployNow writes before_deploy, the deployment and after_deploy.
func (g *generator) deployNow(d deployment) {
	fold := fmt.Sprintf("deploy.%d", d.number)
	before, _ := g.config.commands("before_deploy")
	if len(before) > 0 && !skipped(before) {
		g.linef("headrace_phase=before_deploy")
		for i, c := range before {
			g.run(step{fold: fmt.Sprintf("before_%s.%d", fold, i+1), command: c})
		}
	}
	g.linef("headrace_phase=deploy")
	if cleanup, _ := d.flag("cleanup"); cleanup {
		g.run(step{fold: fold + ".cleanup", command: "git stash --all"})
	}
	if kept, given := d.flag("skip_cleanup"); given && !kept && !d.has("cleanup") {
		g.run(step{fold: fold + ".cleanup", command: "git stash --all"})
	}
	g.provider(d, fold)
	after, _ := g.config.commands("after_deploy")
	if len(after) > 0 && !skipped(after) {
		g.linef("headrace_phase=after_deploy")
		for i, c := range after {
			g.run(step{fold: fmt.Sprintf("after_%s.%d", fold, i+1), command: c})
		}
	}
}

// DeployProviders are those that a script deploys with, sorted.
func DeployProviders() []string {
	return []string{"git_push", "heroku", "npm", "pages", "pypi", "releases", "rubygems", "s3", "script"}
}

// deployOptions are what a provider reads beside its files; ok is false for one that Headrace does not deploy with.
func deployOptions(provider string) (options []string, ok bool) {
	options, ok = map[string][]string{
		"releases": {"token", "repo", "file_glob", "overwrite", "draft", "name", "prerelease", "release_notes", "release_notes_file", "tag_name", "target_commitish"},
		"s3":       {"access_key_id", "secret_access_key", "bucket", "region", "endpoint", "upload_dir", "local_dir", "acl", "cache_control", "storage_class", "server_side_encryption"},
		"pages":    {"token", "repo", "target_branch", "local_dir", "fqdn", "email", "name", "url", "keep_history", "allow_empty_commit", "commit_message"},
		"npm":      {"api_token", "access", "registry", "src", "tag"},
		"pypi":     {"username", "password", "server", "distributions", "skip_existing"},
		"rubygems": {"api_key", "gemspec", "host"},
		"heroku":   {"api_key", "app", "git"},
		"git_push": {"token", "repo", "branch", "name", "email", "commit_message", "local_dir", "force"},
	}[provider]
	return options, ok
}

// provider writes the deployment itself.
func (g *generator) provider(d deployment, fold string) {
	allowed, _ := d.flag("allow_failure")
	end := func(command string) string {
		if allowed {
			return "{ " + command + "\n} || headrace_deploy_allowed $?"
		}
		return command
	}
	if d.provider == "script" {
		// A shell of its own, as it has elsewhere: exit ends the deployment, not the job.
		for i, c := range d.list("script") {
			g.run(step{fold: fmt.Sprintf("%s.%d", fold, i+1), command: end("(" + c + "\n)"), shown: c})
		}
		return
	}
	options, ok := deployOptions(d.provider)
	if !ok {
		g.run(step{fold: fold, command: end("headrace_deploy_unknown " + quote(d.provider)), shown: "deploy with " + d.provider})
		return
	}
	g.linef("headrace_deploy=()")
	for _, name := range options {
		g.deployOption(d, name)
	}
	g.linef("headrace_deploy_files=()")
	for _, f := range d.list("file") {
		g.linef("headrace_file %s", quote(envWord(f)))
	}
	g.run(step{fold: fold, command: end("headrace_deploy_" + d.provider), shown: "deploy with " + d.provider})
	for i, c := range d.list("run") {
		g.run(step{fold: fmt.Sprintf("%s.run.%d", fold, i+1), command: c})
	}
}

// deployOption writes one option. Its value is bash, as that of a variable is: $TOKEN means the variable. A secret is nobody's
// code.
func (g *generator) deployOption(d deployment, name string) {
	if value, ok := d.branchText(name, g.job.Job.Branch); ok {
		g.linef("headrace_option %s %s", name, quote(envWord(value)))
		return
	}
	sealed := d.object(name).text("secure")
	if sealed == "" {
		return
	}
	if value, ok := g.opened(sealed); ok {
		g.linef("headrace_deploy[%s]=%s", name, quote(value))
		return
	}
	g.say("deploy: the secure value of %s could not be decrypted for this job.", name)
}

// branchText returns an option as text; where it is a map, the text of the branch.
func (d deployment) branchText(name, branch string) (string, bool) {
	if raw, ok := d.config[name]; ok {
		if text, ok := scalar(raw); ok && string(raw) != "null" {
			return text, true
		}
		var byBranch map[string]json.RawMessage
		if json.Unmarshal(raw, &byBranch) == nil {
			if text, ok := scalar(byBranch[branch]); ok {
				return text, true
			}
		}
	}
	return "", false
}

// opened is what a secure value of the config holds, where the job was given it.
func (g *generator) opened(sealed string) (string, bool) {
	for _, v := range g.job.EnvVars {
		if v.Secure == sealed && !v.SSHKey {
			return v.Value, true
		}
	}
	return "", false
}
