package travisyml

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Config is a configuration in its normal form: known keys under their own
// names, every value in the type its key asks for, defaults set.
type Config struct {
	root *node
}

// JSON returns the configuration as a JSON object, keys in the order of the
// file.
func (c *Config) JSON() ([]byte, error) {
	out := c.root.json()
	if !json.Valid(out) {
		return nil, fmt.Errorf("configuration does not encode as JSON")
	}
	return out, nil
}

// normaliser brings values into their normal form and gathers messages.
type normaliser struct {
	msgs     []Message
	merged   bool   // the document is made of several files
	provider string // of the deploy entry that is being read
	searches int    // how many misspelled words were looked up
}

// Normalise brings a document into its normal form. What it does not
// understand it keeps and reports.
func Normalise(d *Document) (*Config, []Message) {
	n := &normaliser{merged: d.merged}
	root := d.root.without(
		"configured", "result", "fetching_failed", "parsing_failed",
		".configured", ".result", ".fetching_failed", ".parsing_failed")
	root = n.mapping(theSchema().maps["root"], root, "")
	root = n.defaults(root)
	root = shareFrequencies(root)
	n.notYet(root)
	n.version(root)
	n.templates(root)
	n.names(root)
	return &Config{root: root}, distinctMessages(n.msgs)
}

// message adds a message; the place is the value's or the key's.
func (n *normaliser) message(level Level, key, code string, at position, a args) {
	n.msgs = append(n.msgs, newMessage(level, key, code, at, a))
}

// maxSearches bounds the misspelled words that are looked up in one file.
const maxSearches = 1000

// closest finds the known word nearest to a misspelled one.
func (n *normaliser) closest(known []string, word string) string {
	if n.searches++; n.searches > maxSearches {
		return ""
	}
	return closest(known, word)
}

// keyMessage adds a message about a key; inside a deploy entry it says of
// which provider.
func (n *normaliser) keyMessage(level Level, key, code string, at position, a args) {
	if n.provider != "" {
		a["provider"] = n.provider
	}
	n.message(level, key, code, at, a)
}

// defaults sets language, os and dist where the file does not.
func (n *normaliser) defaults(root *node) *node {
	language, systems := root.get("language"), root.get("os")
	if language.blank() {
		value := "ruby"
		if len(systems.list()) > 0 && !slices.ContainsFunc(systems.strings(), func(os string) bool { return os != "osx" }) {
			value = "objective-c"
		}
		root = n.fallback(root, "language", value, false)
	}
	if systems.missing() {
		value := "linux"
		if root.get("language").str() == "objective-c" {
			value = "osx"
		}
		root = n.fallback(root, "os", value, true)
	}
	if root.get("dist").blank() && supported("dist", "focal", "", root.get("os").strings()) {
		root = n.fallback(root, "dist", "focal", false)
	}
	return root
}

func (n *normaliser) fallback(root *node, key, value string, list bool) *node {
	v := newString(value, root.at)
	v.fixed = true
	if list {
		v = newList([]*node{v}, root.at)
		v.fixed = true
	}
	n.message(Info, "root", "default", root.at, args{"key": key, "default": value})
	return root.with(key, v)
}

// DeployProviders are those that scripts of Headrace deploy with.
func DeployProviders() []string {
	return []string{"git_push", "heroku", "npm", "pages", "pypi", "releases", "rubygems", "s3", "script"}
}

// notYet reports what this installation reads but does not act on.
func (n *normaliser) notYet(root *node) {
	dormant := []string{
		"notifications", "workspaces", "vault", "vm", "keys",
	}
	report := func(m *node, key string) {
		for _, p := range m.pairs {
			if slices.Contains(dormant, p.key) && !p.value.missing() {
				n.message(Warn, key, "not_supported", p.at, args{"key": p.key})
			}
		}
		for _, d := range m.get("deploy").list() {
			provider := d.get("provider")
			if name := provider.str(); name != "" && !slices.Contains(DeployProviders(), name) {
				n.message(Warn, join(key, "deploy"), "not_supported", provider.at, args{"key": "deploy: " + name})
			}
		}
	}
	report(root, "root")
	if v := root.get("conditions"); v.str() == "v0" {
		n.message(Warn, "conditions", "not_supported", v.at, args{"key": "conditions: v0"})
	}
	for _, job := range root.get("jobs").get("include").list() {
		if job.kind == mapKind {
			report(job, "jobs.include")
		}
	}
}

// version checks the form of the version key.
func (n *normaliser) version(root *node) {
	v := root.get("version")
	if v == nil || !v.scalar() {
		return
	}
	if !versionForm.MatchString(v.str()) {
		n.message(Error, "version", "invalid_format", v.at, args{"value": v.str()})
	}
}
