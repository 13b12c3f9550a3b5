package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/headrace/headrace/internal/fault"
)

type repoHookCommand struct {
	access
	Slug       string `arg:"" help:"Repository as owner/name."`
	Rotate     bool   `help:"Make a new secret. The present one stays valid until it is removed."`
	RemoveOld  bool   `help:"End the validity of the secret before the newest."`
	Deliveries bool   `help:"List the last hooks that came, and what became of them."`
	JSON       bool   `help:"Print JSON." name:"json"`
}

// Help shows an example.
func (repoHookCommand) Help() string { return "Example: headrace repo hook acme/app" }

// apiHook is what commands read of the API's webhook.
type apiHook struct {
	URLs    map[string]string `json:"urls"`
	Secrets []struct {
		ID        string    `json:"id"`
		Secret    string    `json:"secret"`
		Newest    bool      `json:"newest"`
		CreatedAt time.Time `json:"created_at"`
	} `json:"secrets"`
}

// apiDelivery is what commands read of a delivery.
type apiDelivery struct {
	Forge     string    `json:"forge"`
	Event     string    `json:"event"`
	Delivery  string    `json:"delivery"`
	Outcome   string    `json:"outcome"`
	Reason    string    `json:"reason"`
	CreatedAt time.Time `json:"created_at"`
	Request   *struct {
		ID int64 `json:"id"`
	} `json:"request"`
}

// Run shows the webhook, after it was changed as asked.
func (c repoHookCommand) Run(ctx context.Context, t terminal) error {
	api, err := c.client(t)
	if err != nil {
		return err
	}
	if c.Deliveries {
		return c.list(ctx, t, api)
	}
	var hook apiHook
	path := repoPath(c.Slug) + "/hook"
	if c.Rotate {
		err = api.call(ctx, http.MethodPost, path+"/rotate", nil, &hook)
	} else {
		err = api.call(ctx, http.MethodGet, path, nil, &hook)
	}
	if err == nil && c.RemoveOld {
		if len(hook.Secrets) < 2 {
			return fault.New(fault.NotFound, "There is no secret before the newest.")
		}
		if err = api.call(ctx, http.MethodDelete, path+"/secret/"+hook.Secrets[1].ID, nil, nil); err == nil {
			err = api.call(ctx, http.MethodGet, path, nil, &hook)
		}
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(t.out, hook)
	}
	return c.show(t, hook)
}

func (c repoHookCommand) show(t terminal, hook apiHook) error {
	_, _ = fmt.Fprintf(t.out, "GitHub   %s\nGitea    %s\n", hook.URLs["github"], hook.URLs["gitea"])
	if len(hook.Secrets) == 0 {
		_, err := fmt.Fprintf(t.out, "There is no secret yet. Make one: headrace repo hook %s --rotate\n", c.Slug)
		return err
	}
	_, err := fmt.Fprintf(t.out, "secret   %s\nContent type application/json; events: pushes and pull requests.\n", hook.Secrets[0].Secret)
	if len(hook.Secrets) > 1 && err == nil {
		_, err = fmt.Fprintf(t.out, "The secret of %s is valid too. When the forge has the new one: headrace repo hook %s --remove-old\n",
			hook.Secrets[1].CreatedAt.Format(time.DateOnly), c.Slug)
	}
	return err
}

func (c repoHookCommand) list(ctx context.Context, t terminal, api *client) error {
	var page struct {
		Deliveries []apiDelivery `json:"hook_deliveries"`
	}
	if err := api.call(ctx, http.MethodGet, repoPath(c.Slug)+"/hook/deliveries", nil, &page); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(t.out, page.Deliveries)
	}
	if len(page.Deliveries) == 0 {
		_, err := fmt.Fprintln(t.out, "No hook came yet.")
		return err
	}
	for _, d := range page.Deliveries {
		what := d.Reason
		if d.Request != nil {
			what = fmt.Sprintf("request %d", d.Request.ID)
		}
		if _, err := fmt.Fprintf(t.out, "%s  %-8s  %-12s  %s\n", d.CreatedAt.Local().Format(time.DateTime), d.Outcome, d.Event, what); err != nil {
			return err
		}
	}
	return nil
}
