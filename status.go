package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/headrace/headrace/internal/fault"
)

type statusCommand struct {
	URL     string `help:"Address of the platform; default: what a trial on this machine uses." env:"HEADRACE_URL" placeholder:"URL"`
	DataDir string `help:"Data directory of a trial on this machine." default:"./.headrace" placeholder:"DIR"`
	JSON    bool   `help:"Print JSON." name:"json"`
}

// Help shows an example.
func (statusCommand) Help() string { return "Example: headrace status --url https://ci.example.com" }

// readiness is what /readyz says.
type readiness struct {
	Status   string             `json:"status"` // "ready", or why not
	Reason   string             `json:"reason,omitempty"`
	Services map[string]service `json:"services"`
}

type service struct {
	Up     bool   `json:"up"`
	Detail string `json:"detail,omitempty"`
}

// Run asks the node how it is: exit code 0 when it takes traffic and every service is up.
func (c statusCommand) Run(ctx context.Context, t terminal) error {
	base := c.URL
	if base == "" {
		found, err := readLocal(t.dir+"/"+c.DataDir, c.DataDir)
		if err != nil {
			return err
		}
		base = found.URL
	}
	if base == "" {
		return fault.New(fault.Invalid, "Which platform? Set HEADRACE_URL or --url, or run this where headrace up runs.")
	}
	state, err := askReady(ctx, base)
	if err != nil {
		return err
	}
	if c.JSON {
		err = printJSON(t.out, state)
	} else {
		err = state.print(t.out, base)
	}
	if err != nil {
		return err
	}
	for _, s := range state.Services {
		if !s.Up {
			return errQuiet
		}
	}
	if state.Status != "ready" {
		return errQuiet
	}
	return nil
}

func askReady(ctx context.Context, base string) (readiness, error) {
	var state readiness
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/readyz", nil)
	if err != nil {
		return state, fault.Wrap(fault.Invalid, err, "%s is not an address of a platform.", base)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return state, fault.Wrap(fault.Unavailable, err, "The platform at %s does not answer. Is it running?", base)
	}
	defer func() { _ = resp.Body.Close() }()
	if err := json.NewDecoder(io.LimitReader(resp.Body, 1<<20)).Decode(&state); err != nil {
		return state, fault.Wrap(fault.Unavailable, err, "What answers at %s is not a platform.", base)
	}
	return state, nil
}

func (r readiness) print(w io.Writer, base string) error {
	verdict := base + " takes traffic."
	if r.Status != "ready" {
		verdict = base + " does not take traffic. " + r.Reason
	}
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, verdict)
	for _, name := range slices.Sorted(maps.Keys(r.Services)) {
		word := "up"
		if !r.Services[name].Up {
			word = "down"
		}
		_, _ = fmt.Fprintf(table, "  %s\t%s\t%s\n", name, word, r.Services[name].Detail)
	}
	return table.Flush()
}
