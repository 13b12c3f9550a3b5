package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/headrace/headrace/internal/fault"
)

type repoSSHKeyCommand struct {
	access
	Repository  string `arg:"" help:"owner/name, or the id."`
	Import      string `help:"Give the repository the private key in a file (- for standard input), as ssh-keygen makes it, without a passphrase." placeholder:"FILE" xor:"what"`
	Description string `help:"What the key is, for people."`
	Delete      bool   `help:"Forget the key." xor:"what"`
	JSON        bool   `help:"Print JSON." name:"json"`
}

// Help shows an example.
func (repoSSHKeyCommand) Help() string {
	return "Example: headrace repo ssh-key acme/app --import deploy_key\n\nJobs of trusted builds fetch with it, the repository itself and what else they get by SSH."
}

// apiSSHKey is what commands read of a repository's SSH key.
type apiSSHKey struct {
	Description string `json:"description"`
	Public      string `json:"public_key"`
	Fingerprint string `json:"fingerprint"`
}

// Run shows the SSH key of a repository, or changes it.
func (c repoSSHKeyCommand) Run(ctx context.Context, t terminal) error {
	api, err := c.client(t)
	if err != nil {
		return err
	}
	path := "/repo/" + url.PathEscape(c.Repository) + "/key_pair"
	if c.Delete {
		return api.call(ctx, http.MethodDelete, path, nil, nil)
	}
	var key apiSSHKey
	if c.Import == "" {
		err = api.call(ctx, http.MethodGet, path, nil, &key)
	} else {
		key, err = c.give(ctx, t, api, path)
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(t.out, key)
	}
	_, err = fmt.Fprintf(t.out, "%s %s\n%s\n", key.Public, key.Description, key.Fingerprint)
	return err
}

// give puts the key in the place of the one that the repository has, if it has one.
func (c repoSSHKeyCommand) give(ctx context.Context, t terminal, api *client, path string) (key apiSSHKey, err error) {
	text, err := readSecret(t, c.Import)
	if err != nil {
		return key, err
	}
	fields := map[string]string{"value": text}
	if c.Description != "" {
		fields["description"] = c.Description
	}
	in := map[string]any{"key_pair": fields}
	switch err = api.call(ctx, http.MethodGet, path, nil, &key); {
	case err == nil:
		err = api.call(ctx, http.MethodPatch, path, in, &key)
	case fault.Is(err, fault.NotFound):
		err = api.call(ctx, http.MethodPost, path, in, &key)
	}
	return key, err
}
