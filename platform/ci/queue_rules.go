package ci

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/headrace/headrace/internal/fault"
)

// QueueRule sends the jobs that match all its conditions to a queue.
type QueueRule struct {
	Queue string
	// Conditions are the values, in lower case, that each key may have.
	Conditions map[string][]string
}

// queueKeys are what a rule may ask about: the repository, and keys of the job's configuration.
func queueKeys() []string {
	return []string{"owner", "repo", "language", "os", "dist", "arch", "group"}
}

// ParseQueueRules reads rules with commas between. Each is a queue and then conditions: "builds.mac os=osx, builds.arm
// arch=arm64 language=go|rust".
func ParseQueueRules(text string) ([]QueueRule, error) {
	var rules []QueueRule
	for part := range strings.SplitSeq(text, ",") {
		words := strings.Fields(part)
		if len(words) == 0 {
			continue
		}
		r := QueueRule{Queue: words[0], Conditions: map[string][]string{}}
		if strings.Contains(r.Queue, "=") || len(words) == 1 {
			return nil, fault.New(fault.Invalid, "a rule names a queue and then what its jobs have, such as builds.mac os=osx; this is %q", strings.TrimSpace(part))
		}
		for _, word := range words[1:] {
			key, values, found := strings.Cut(strings.ToLower(word), "=")
			if !found || values == "" || !slices.Contains(queueKeys(), key) {
				return nil, fault.New(fault.Invalid, "%q is no condition; there are %s, as in os=osx or language=go|rust", word, strings.Join(queueKeys(), ", "))
			}
			r.Conditions[key] = append(r.Conditions[key], strings.Split(values, "|")...)
		}
		rules = append(rules, r)
	}
	return rules, nil
}

// QueueRules choose the queues of jobs.
type QueueRules struct {
	// Rules are asked in order; the first that matches counts.
	Rules []QueueRule
	// Default is the queue where none matches.
	Default string
	// Named are the queues that a configuration may name itself; "*" stands for all.
	Named []string
}

// Choose returns the queue of a job of a repository by the job's configuration. refused is a queue that the configuration
// names and may not.
func (r QueueRules) Choose(slug string, config Config) (queue, refused string) {
	var given map[string]json.RawMessage
	_ = json.Unmarshal(config, &given) // what is no object has no keys
	if named := firstWord(given["queue"]); named != "" {
		if slices.Contains(r.Named, named) || slices.Contains(r.Named, "*") {
			return named, ""
		}
		refused = named
	}
	owner, _ := SplitSlug(slug)
	has := map[string]string{"owner": strings.ToLower(owner), "repo": strings.ToLower(slug)}
	for _, key := range queueKeys() {
		if _, known := has[key]; !known {
			has[key] = strings.ToLower(firstWord(given[key]))
		}
	}
	for _, rule := range r.Rules {
		if rule.matches(has) {
			return rule.Queue, refused
		}
	}
	return r.Default, refused
}

func (r QueueRule) matches(has map[string]string) bool {
	for key, values := range r.Conditions {
		if !slices.Contains(values, has[key]) {
			return false
		}
	}
	return true
}

// firstWord is a JSON text, or the first of a list of them.
func firstWord(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil && len(list) > 0 {
		return firstWord(list[0])
	}
	return ""
}
