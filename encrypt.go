package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/seal"
)

// apiKeyPair is what commands read of a repository's key pair.
type apiKeyPair struct {
	Public      string `json:"public_key"`
	Fingerprint string `json:"fingerprint"`
}

func keyPairPath(slug string) string { return "/repo/" + url.PathEscape(slug) + "/key_pair/generated" }

type encryptCommand struct {
	access
	Repository string `arg:"" help:"owner/name, or the id. Only builds of this repository can read the value."`
	Value      string `help:"What to encrypt, such as TOKEN=s3cret; better on standard input or in --value-file." env:"HEADRACE_VALUE" placeholder:"TEXT"`
	ValueFile  string `help:"File that holds it, - for standard input." default:"-" placeholder:"FILE"`
	JSON       bool   `help:"Print JSON." name:"json"`
}

// Help shows an example.
func (encryptCommand) Help() string {
	return "Example: headrace encrypt acme/app < value.txt\n\nThe line that it prints goes into .travis.yml, below env: global: for variables, or as the value of any option that is secret."
}

// Run encrypts a value for a repository.
func (c encryptCommand) Run(ctx context.Context, t terminal) error {
	if c.Value == "" {
		text, err := readSecret(t, c.ValueFile)
		if err != nil {
			return err
		}
		c.Value = text
	}
	if c.Value == "" {
		return fault.New(fault.Invalid, "There is nothing to encrypt. Give the value on standard input.")
	}
	api, err := c.client(t)
	if err != nil {
		return err
	}
	var key apiKeyPair
	if err := api.call(ctx, http.MethodGet, keyPairPath(c.Repository), nil, &key); err != nil {
		return err
	}
	closed, err := seal.Encrypt(key.Public, c.Value)
	if err != nil {
		return err
	}
	if c.JSON {
		return printJSON(t.out, map[string]string{"secure": closed})
	}
	_, err = fmt.Fprintf(t.out, "secure: \"%s\"\n", closed)
	return err
}

type repoKeyCommand struct {
	access
	Repository string `arg:"" help:"owner/name, or the id."`
	Import     string `help:"Take over a private RSA key from a file (- for standard input), such as the one that the repository had elsewhere: values encrypted for it go on to work." placeholder:"FILE"`
	JSON       bool   `help:"Print JSON." name:"json"`
}

// Help shows an example.
func (repoKeyCommand) Help() string {
	return "Example: headrace repo key acme/app\n\nWith a key that is taken over, what was encrypted for the key before can be read no more."
}

// Run shows the public key of a repository.
func (c repoKeyCommand) Run(ctx context.Context, t terminal) error {
	api, err := c.client(t)
	if err != nil {
		return err
	}
	method, in := http.MethodGet, any(nil)
	if c.Import != "" {
		text, err := readSecret(t, c.Import)
		if err != nil {
			return err
		}
		method, in = http.MethodPut, map[string]any{"key_pair": map[string]string{"value": text}}
	}
	var key apiKeyPair
	if err := api.call(ctx, method, keyPairPath(c.Repository), in, &key); err != nil {
		return err
	}
	if c.JSON {
		return printJSON(t.out, key)
	}
	_, err = fmt.Fprintf(t.out, "%sSHA-256 %s\n", key.Public, key.Fingerprint)
	return err
}
