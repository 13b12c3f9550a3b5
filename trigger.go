package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/run"
)

type triggerCommand struct {
	access
	Repository string `arg:"" help:"Repository as owner/name."`
	Branch     string `help:"Branch to build; default: the repository's default branch."`
	Tag        string `help:"Tag to build." xor:"commit"`
	SHA        string `help:"Commit to build." name:"sha" xor:"commit"`
	Message    string `help:"Message to show in place of the commit's."`
	Config     string `help:"File with YAML or JSON that is merged over .travis.yml." placeholder:"FILE"`
	MergeMode  string `help:"How it is merged: replace, merge, deep_merge, deep_merge_append, deep_merge_prepend." default:"deep_merge_append"`
	Key        string `help:"Idempotency key: the same key asks for the same build." placeholder:"KEY"`
	Wait       bool   `help:"Wait for the end: exit code 0 if the build passed, 1 otherwise."`
	JSON       bool   `help:"Print JSON." name:"json"`
}

// Help shows an example.
func (triggerCommand) Help() string { return "Example: headrace trigger acme/app --branch main --wait" }

// apiRequest and apiBuild are what commands read of the API.
type apiRequest struct {
	ID      int64      `json:"id"`
	State   string     `json:"state"`
	Result  string     `json:"result"`
	Message string     `json:"message"`
	Builds  []apiBuild `json:"builds"`
}

type apiBuild struct {
	ID       int64    `json:"id"`
	Number   string   `json:"number"`
	State    string   `json:"state"`
	Duration *int64   `json:"duration"`
	Jobs     []apiJob `json:"jobs"`
}

type apiJob struct {
	ID           int64  `json:"id"`
	Number       string `json:"number"`
	State        string `json:"state"`
	AllowFailure bool   `json:"allow_failure"`
	Waiting      *struct {
		For  string `json:"for"`
		Text string `json:"text"`
	} `json:"waiting"`
}

// Run asks for the build.
func (c triggerCommand) Run(ctx context.Context, t terminal) error {
	api, err := c.client(t)
	if err != nil {
		return err
	}
	asked, err := c.ask(ctx, api)
	if err != nil {
		return err
	}
	if !c.Wait {
		if c.JSON {
			return printJSON(t.out, asked)
		}
		_, err := fmt.Fprintf(t.out, "Request %d is stored. What became of it: headrace trigger --wait, or the page Requests of %s.\n", asked.ID, c.Repository)
		return err
	}
	built, err := c.await(ctx, api, asked.ID)
	if err != nil {
		return err
	}
	return c.follow(ctx, t, api, built)
}

func (c triggerCommand) ask(ctx context.Context, api *client) (apiRequest, error) {
	body := map[string]any{"branch": c.Branch, "tag_name": c.Tag, "sha": c.SHA, "message": c.Message}
	for name, value := range body {
		if value == "" {
			delete(body, name)
		}
	}
	if c.Config != "" {
		text, err := os.ReadFile(c.Config)
		if err != nil {
			return apiRequest{}, fault.Wrap(fault.Invalid, err, "The configuration cannot be read from %s.", c.Config)
		}
		body["config"], body["merge_mode"] = string(text), c.MergeMode
	}
	header := http.Header{}
	if c.Key != "" {
		header.Set("Idempotency-Key", c.Key)
	}
	var answer struct {
		Request apiRequest `json:"request"`
	}
	return answer.Request, api.callWith(ctx, http.MethodPost, repoPath(c.Repository)+"/requests", map[string]any{"request": body}, header, &answer)
}

// poll is how often commands look again while they wait.
const poll = 300 * time.Millisecond

// await waits until the request has become a build, and says why if it does not.
func (c triggerCommand) await(ctx context.Context, api *client, id int64) (apiBuild, error) {
	for {
		var r apiRequest
		if err := api.call(ctx, http.MethodGet, fmt.Sprintf("%s/request/%d", repoPath(c.Repository), id), nil, &r); err != nil {
			return apiBuild{}, err
		}
		if len(r.Builds) > 0 {
			return r.Builds[0], nil
		}
		if r.Result == "rejected" {
			return apiBuild{}, fault.New(fault.Conflict, "Request %d made no build: %s", id, r.Message)
		}
		if err := run.Pause(ctx, poll); err != nil {
			return apiBuild{}, err
		}
	}
}

func (c triggerCommand) follow(ctx context.Context, t terminal, api *client, built apiBuild) error {
	shown := ""
	for {
		var b apiBuild
		if err := api.call(ctx, http.MethodGet, fmt.Sprintf("/build/%d", built.ID), nil, &b); err != nil {
			return err
		}
		if b.State != shown && !c.JSON {
			_, _ = fmt.Fprintf(t.out, "Build %s #%s: %s\n", c.Repository, b.Number, b.State)
			shown = b.State
		}
		switch b.State {
		case "passed", "failed", "errored", "canceled":
			return c.finish(t, b)
		}
		if err := run.Pause(ctx, poll); err != nil {
			return err
		}
	}
}

func (c triggerCommand) finish(t terminal, b apiBuild) error {
	if c.JSON {
		if err := printJSON(t.out, b); err != nil {
			return err
		}
	}
	if b.State != "passed" {
		return errQuiet
	}
	return nil
}
