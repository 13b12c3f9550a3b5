package travisyml

import (
	"encoding/json"
	"fmt"
)

// Request is what conditions and filters see of the request for a build.
type Request struct {
	Type          string // push, pull_request, api or cron
	Repo          string // owner/name
	HeadRepo      string // the fork of a pull request
	Branch        string // the base branch of a pull request, the name of a tag
	HeadBranch    string // the head branch of a pull request
	Tag           string
	CommitMessage string
	Sender        string
	Fork          bool
	Draft         bool // the pull request is one
	// Env holds the variables of the repository's settings. A configuration's
	// own variables win over them.
	Env map[string]string
}

// Job is one job of a plan.
type Job struct {
	Name         string
	Stage        string // "" when the build has no stages
	AllowFailure bool
	// Config is the whole configuration of the job as a JSON object. Its env
	// is an ordered list of maps, one per item as written: {"NAME":"value",…}
	// or {"secure":"…"}.
	Config json.RawMessage
}

// Stage is one stage of a plan.
type Stage struct {
	Name string
}

// Plan is what a configuration becomes for one request.
type Plan struct {
	// Jobs are in run order, which is the order of their numbers.
	Jobs []Job
	// Stages are in run order; empty when the build has no stages.
	Stages     []Stage
	FastFinish bool
	Messages   []Message
	// Skip says in a sentence why there is no build; "" when there is one.
	Skip string
}

// Load reads a file and the overrides laid over it, and expands the result
// for a request. The plan's messages hold those of every step.
func Load(source string, text []byte, overrides []Fragment, r Request, l Limits) (*Config, Plan, error) {
	d, msgs, err := Parse(source, text, l)
	if err != nil {
		return nil, Plan{}, err
	}
	if len(overrides) > 0 {
		if d, err = Merge(d, overrides...); err != nil {
			return nil, Plan{}, fmt.Errorf("merge the configuration of the request: %w", err)
		}
	}
	c, more := Normalise(d)
	msgs = append(msgs, more...)
	plan, err := Expand(c, r, l)
	if err != nil {
		return c, Plan{Messages: msgs}, err
	}
	plan.Messages = append(msgs, plan.Messages...)
	return c, plan, nil
}
