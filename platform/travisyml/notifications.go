package travisyml

import (
	"regexp"
	"slices"
	"strings"
)

// shareFrequencies hands the on_success and on_failure of notifications down
// to every target given as a map that does not set them.
func shareFrequencies(root *node) *node {
	all := root.get("notifications")
	if all == nil || all.kind != mapKind {
		return root
	}
	var shared []pair
	for _, p := range all.pairs {
		if p.key == "on_success" || p.key == "on_failure" {
			shared = append(shared, p)
		}
	}
	if len(shared) == 0 {
		return root
	}
	out := all.without("on_success", "on_failure")
	for i, p := range out.pairs {
		if p.value.kind == listKind {
			out.pairs[i].value = shareWith(p.value, shared)
		}
	}
	return root.with("notifications", out)
}

func shareWith(targets *node, shared []pair) *node {
	items := slices.Clone(targets.items)
	for i, target := range items {
		if target.kind != mapKind || target.secure() {
			continue
		}
		for _, s := range shared {
			if !items[i].has(s.key) {
				items[i] = items[i].with(s.key, s.value)
			}
		}
	}
	return newList(items, targets.at)
}

var templateVar = regexp.MustCompile(`%\{(\w+)\}`)

// templates reports the variables of notification templates that do not exist.
func (n *normaliser) templates(root *node) {
	known := strings.Fields(`repository repository_slug repository_name build_number build_id build_url branch commit
		commit_subject commit_message author pull_request pull_request_number pull_request_url compare_url result
		duration elapsed_time message`)
	notifications := root.get("notifications")
	if notifications == nil {
		return
	}
	for _, kind := range notifications.pairs {
		for _, target := range kind.value.list() {
			for _, line := range target.get("template").list() {
				for _, m := range templateVar.FindAllStringSubmatch(line.str(), -1) {
					if !slices.Contains(known, m[1]) {
						n.message(Warn, "notifications."+kind.key+".template", "unknown_var", line.at, args{"var": m[1]})
					}
				}
			}
		}
	}
}

// names reports jobs which share a name.
func (n *normaliser) names(root *node) {
	count := map[string]int{}
	var repeated []string
	include := root.get("jobs").get("include")
	for _, job := range include.list() {
		name := job.get("name").str()
		if count[name]++; name != "" && count[name] == 2 {
			repeated = append(repeated, name)
		}
	}
	if len(repeated) > 0 {
		n.message(Info, "jobs.include", "duplicate", include.at, args{"values": "name: " + strings.Join(repeated, ", ")})
	}
}
