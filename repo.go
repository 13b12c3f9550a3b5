package main

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"strings"
	"text/tabwriter"

	"github.com/headrace/headrace/internal/fault"
)

type repoCommands struct {
	Add    repoAddCommand    `cmd:"" help:"Add a repository by its git URL."`
	List   repoListCommand   `cmd:"" help:"List the repositories."`
	Hook   repoHookCommand   `cmd:"" help:"Show the webhook of a repository: where its forge sends to, and the secret that it signs with."`
	Key    repoKeyCommand    `cmd:"" help:"Show the public key that values for a repository are encrypted with, or take over a private one."`
	SSHKey repoSSHKeyCommand `cmd:"" name:"ssh-key" help:"Show the SSH key that jobs of a repository fetch with, give it one, or delete it."`
}

// apiRepository is what commands read of the API's repository.
type apiRepository struct {
	ID            int64  `json:"id"`
	Slug          string `json:"slug"`
	DefaultBranch *struct {
		Name string `json:"name"`
	} `json:"default_branch"`
}

type repoAddCommand struct {
	access
	SourceURL string `arg:"" help:"https://, ssh:// or file:// URL that git can fetch from."`
	Slug      string `help:"Name as owner/name; default: the last two parts of the URL." placeholder:"OWNER/NAME"`
	JSON      bool   `help:"Print JSON." name:"json"`
}

// Help shows an example.
func (repoAddCommand) Help() string {
	return "Example: headrace repo add https://git.example.com/acme/app.git"
}

// Run adds the repository.
func (c repoAddCommand) Run(ctx context.Context, t terminal) error {
	api, err := c.client(t)
	if err != nil {
		return err
	}
	slug := c.Slug
	if slug == "" {
		slug = slugOf(c.SourceURL)
	}
	if slug == "" {
		return fault.New(fault.Invalid, "What shall the repository be called? Add --slug owner/name.")
	}
	var added apiRepository
	in := map[string]any{"repository": map[string]string{"slug": slug, "source_url": c.SourceURL}}
	if err := api.call(ctx, http.MethodPost, "/repos", in, &added); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(t.out, added)
	}
	branch := ""
	if added.DefaultBranch != nil {
		branch = ", default branch " + added.DefaultBranch.Name
	}
	_, err = fmt.Fprintf(t.out, "Added %s%s. Build it: headrace trigger %s\n", added.Slug, branch, added.Slug)
	return err
}

// slugOf proposes owner/name from the last two parts of a URL.
func slugOf(source string) string {
	trimmed := strings.TrimSuffix(strings.TrimRight(source, "/"), ".git")
	if _, rest, ok := strings.Cut(trimmed, "://"); ok {
		trimmed = rest
	} else {
		trimmed = strings.Replace(trimmed, ":", "/", 1) // user@host:owner/name
	}
	owner, name := path.Base(path.Dir(trimmed)), path.Base(trimmed)
	if owner == "." || owner == "/" || name == "." || name == "/" {
		return ""
	}
	return owner + "/" + name
}

type repoListCommand struct {
	access
	JSON bool `help:"Print JSON." name:"json"`
}

// Help shows an example.
func (repoListCommand) Help() string { return "Example: headrace repo list" }

// Run lists the repositories.
func (c repoListCommand) Run(ctx context.Context, t terminal) error {
	api, err := c.client(t)
	if err != nil {
		return err
	}
	var all []apiRepository
	for {
		var page struct {
			Repositories []apiRepository `json:"repositories"`
			Pagination   struct {
				Last bool `json:"is_last"`
			} `json:"@pagination"`
		}
		if err := api.call(ctx, http.MethodGet, fmt.Sprintf("/repos?limit=100&offset=%d", len(all)), nil, &page); err != nil {
			return err
		}
		all = append(all, page.Repositories...)
		if page.Pagination.Last || len(page.Repositories) == 0 {
			break
		}
	}
	if c.JSON {
		return printJSON(t.out, all)
	}
	if len(all) == 0 {
		_, err := fmt.Fprintln(t.out, "No repository yet. Add one: headrace repo add https://git.example.com/acme/app.git")
		return err
	}
	table := tabwriter.NewWriter(t.out, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ID\tREPOSITORY\tDEFAULT BRANCH")
	for _, r := range all {
		branch := ""
		if r.DefaultBranch != nil {
			branch = r.DefaultBranch.Name
		}
		_, _ = fmt.Fprintf(table, "%d\t%s\t%s\n", r.ID, r.Slug, branch)
	}
	return table.Flush()
}
