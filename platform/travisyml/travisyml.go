package travisyml

import (
	"context"
	"encoding/json"
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
	// Files are what the configuration was made of, in the order in which they were read.
	Files []File
	// Skip says in a sentence why there is no build; "" when there is one.
	Skip string
}

// Load reads a configuration with all that it imports and lays over it, and expands the result for a request. The plan's
// messages hold those of every step; they come with an error, too.
func Load(ctx context.Context, in Input, r Request, l Limits) (*Config, Plan, error) {
	d, files, msgs, err := Gather(ctx, in, r, l)
	if err != nil {
		return nil, Plan{Files: files, Messages: msgs}, err
	}
	c, more := Normalise(d)
	msgs = append(msgs, more...)
	plan, err := Expand(c, r, l)
	plan.Files, plan.Messages = files, append(msgs, plan.Messages...)
	return c, plan, err
}
