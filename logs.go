package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/run"
)

type logsCommand struct {
	access
	Repository string `arg:"" help:"Repository as owner/name."`
	Job        string `arg:"" help:"Number of the job, such as 12.3; 12 is the first job of build 12."`
	Follow     bool   `help:"Follow the log until the job ends: exit code 0 if it passed, 1 otherwise." short:"f"`
}

// Help shows an example.
func (logsCommand) Help() string { return "Example: headrace logs acme/app 12.3 -f" }

// Run prints the log.
func (c logsCommand) Run(ctx context.Context, t terminal) error {
	api, err := c.client(t)
	if err != nil {
		return err
	}
	job, err := c.find(ctx, api)
	if err != nil {
		return err
	}
	if !c.Follow {
		return api.copyText(ctx, fmt.Sprintf("/job/%d/log.txt", job), t.out)
	}
	if err := sayWaiting(ctx, api, job, t.err); err != nil {
		return err
	}
	if err := followLog(ctx, api, job, t.out); err != nil {
		return err
	}
	return c.result(ctx, api, job)
}

// find turns the job's number into its id. Build numbers have no gaps, so the distance to the newest one is an offset.
func (c logsCommand) find(ctx context.Context, api *client) (int64, error) {
	number, index, ok := parseJobNumber(c.Job)
	if !ok {
		return 0, fault.New(fault.Invalid, "%q is not the number of a job; it looks like 12.3.", c.Job)
	}
	newest, err := c.build(ctx, api, 0)
	if err != nil {
		return 0, err
	}
	last, err := strconv.ParseInt(newest.Number, 10, 64)
	if err != nil || number > last {
		return 0, fault.New(fault.NotFound, "There is no build #%d in %s; the newest is #%s.", number, c.Repository, newest.Number)
	}
	found, err := c.build(ctx, api, last-number)
	if err != nil {
		return 0, err
	}
	if index > len(found.Jobs) {
		return 0, fault.New(fault.NotFound, "Build #%d of %s has %d jobs; there is no job %s.", number, c.Repository, len(found.Jobs), c.Job)
	}
	return found.Jobs[index-1].ID, nil
}

func parseJobNumber(s string) (build int64, index int, ok bool) {
	left, right, dotted := strings.Cut(strings.TrimPrefix(s, "#"), ".")
	build, err := strconv.ParseInt(left, 10, 64)
	if err != nil || build < 1 {
		return 0, 0, false
	}
	if !dotted {
		return build, 1, true
	}
	index, err = strconv.Atoi(right)
	return build, index, err == nil && index > 0
}

func (c logsCommand) build(ctx context.Context, api *client, offset int64) (apiBuild, error) {
	var page struct {
		Builds []apiBuild `json:"builds"`
	}
	path := fmt.Sprintf("%s/builds?limit=1&sort_by=number:desc&offset=%d", repoPath(c.Repository), offset)
	if err := api.call(ctx, http.MethodGet, path, nil, &page); err != nil {
		return apiBuild{}, err
	}
	if len(page.Builds) == 0 {
		return apiBuild{}, fault.New(fault.NotFound, "%s has no build yet.", c.Repository)
	}
	return page.Builds[0], nil
}

// sayWaiting says why the job has not begun, if something holds it.
func sayWaiting(ctx context.Context, api *client, id int64, w io.Writer) error {
	var job apiJob
	if err := api.call(ctx, http.MethodGet, fmt.Sprintf("/job/%d", id), nil, &job); err != nil {
		return err
	}
	if job.Waiting == nil || job.Waiting.For == "next" {
		return nil
	}
	_, err := fmt.Fprintf(w, "Waiting: %s\n", job.Waiting.Text)
	return err
}

func (c logsCommand) result(ctx context.Context, api *client, id int64) error {
	for {
		var job apiJob
		if err := api.call(ctx, http.MethodGet, fmt.Sprintf("/job/%d", id), nil, &job); err != nil {
			return err
		}
		switch job.State {
		case "passed":
			return nil
		case "failed", "errored", "canceled":
			return errQuiet
		}
		if err := run.Pause(ctx, poll); err != nil {
			return err
		}
	}
}

func (c *client) copyText(ctx context.Context, path string, w io.Writer) error {
	resp, err := c.do(ctx, http.MethodGet, path, nil, nil)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(w, resp.Body); err != nil {
		return fault.Wrap(fault.Unavailable, err, "The platform stopped answering in the middle of the log.")
	}
	return nil
}

// followLog writes the log as it arrives. A stream that breaks off is taken up again where it ended.
func followLog(ctx context.Context, api *client, job int64, w io.Writer) error {
	last, failures := "", 0
	for {
		header := http.Header{"Accept": {"text/event-stream"}}
		if last != "" {
			header.Set("Last-Event-ID", last)
		}
		resp, err := api.do(ctx, http.MethodGet, fmt.Sprintf("/job/%d/log/stream", job), nil, header)
		if err == nil {
			var ended bool
			ended, last, err = copyEvents(resp.Body, last, w)
			_ = resp.Body.Close()
			if ended {
				return nil
			}
			failures = 0
		}
		if err != nil && !fault.Is(err, fault.Unavailable) {
			return err
		}
		failures++
		if failures > 30 {
			return fault.Wrap(fault.Unavailable, err, "The platform at %s does not answer any more.", api.base)
		}
		if err := run.Pause(ctx, run.Backoff{}.After(failures)); err != nil {
			return err
		}
	}
}

// copyEvents writes the parts of one event stream; ended says that the log is complete.
func copyEvents(r io.Reader, last string, w io.Writer) (ended bool, lastID string, err error) {
	lines := bufio.NewReader(r)
	event, id, data := "", last, ""
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			return false, last, fault.Wrap(fault.Unavailable, err, "The stream of the log broke off.")
		}
		line = strings.TrimRight(line, "\r\n")
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case name == "event":
			event = value
		case name == "id":
			id = value
		case name == "data":
			data = value
		case line == "" && event == "end":
			return true, last, nil
		case line == "":
			if data != "" {
				var part struct {
					Content string `json:"content"`
				}
				if err := json.Unmarshal([]byte(data), &part); err != nil {
					return false, last, fmt.Errorf("read log stream: %w", err)
				}
				if _, err := io.WriteString(w, part.Content); err != nil {
					return false, last, fmt.Errorf("print log: %w", err)
				}
			}
			last, event, data = id, "", ""
		}
	}
}
