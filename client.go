package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/headrace/headrace/internal/fault"
)

// client speaks the API v3 of a platform.
type client struct {
	base  string // without a slash at the end
	token string
	http  *http.Client
}

// access is how commands find the platform and sign in to it.
type access struct {
	URL       string `help:"Address of the platform." env:"HEADRACE_URL" placeholder:"URL"`
	Token     string `help:"API token; better in HEADRACE_TOKEN or --token-file." env:"HEADRACE_TOKEN" placeholder:"TOKEN"`
	TokenFile string `help:"File that holds the API token, - for standard input." env:"HEADRACE_TOKEN_FILE" placeholder:"FILE"`
	DataDir   string `help:"Data directory of a trial on this machine, to take address and token from." default:"./.headrace" placeholder:"DIR"`
}

// trialAccess is what a trial leaves in its data directory for the commands of the same user.
type trialAccess struct {
	URL     string `json:"url"`
	TokenID int64  `json:"token_id"`
	Token   string `json:"token"`
}

func localPath(dataDir string) string { return filepath.Join(dataDir, "cli.json") }

// client returns a client from flags, the environment, or what a trial left in its data directory.
func (a access) client(t terminal) (*client, error) {
	c := &client{base: a.URL, token: a.Token, http: &http.Client{}}
	if a.TokenFile != "" {
		body, err := readSecret(t, a.TokenFile)
		if err != nil {
			return nil, err
		}
		c.token = body
	}
	if c.base == "" || c.token == "" {
		found, err := readLocal(filepath.Join(t.dir, a.DataDir), a.DataDir)
		if err != nil {
			return nil, err
		}
		if c.base == "" {
			c.base = found.URL
		}
		if c.token == "" {
			c.token = found.Token
		}
	}
	if c.base == "" || c.token == "" {
		return nil, fault.New(fault.Invalid, "Which platform? Set HEADRACE_URL and HEADRACE_TOKEN (headrace admin create-token makes a token), or run this where headrace up runs.")
	}
	c.base = strings.TrimRight(c.base, "/")
	return c, nil
}

func readLocal(path, given string) (trialAccess, error) {
	var found trialAccess
	if filepath.IsAbs(given) {
		path = given
	}
	body, err := os.ReadFile(localPath(path))
	if errors.Is(err, fs.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return found, fmt.Errorf("read %s: %w", localPath(path), err)
	}
	if err := json.Unmarshal(body, &found); err != nil {
		return found, fmt.Errorf("read %s: %w", localPath(path), err)
	}
	return found, nil
}

// readSecret reads a secret from a file, or from standard input for "-".
func readSecret(t terminal, path string) (string, error) {
	var body []byte
	var err error
	if path == "-" {
		body, err = io.ReadAll(io.LimitReader(t.in, 1<<16))
	} else {
		body, err = os.ReadFile(path) //nolint:gosec // the person at the terminal names the file
	}
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "The secret cannot be read from %s.", path)
	}
	return strings.TrimRight(string(body), "\r\n"), nil
}

// call does one request and reads the answer into out, which may be nil.
func (c *client) call(ctx context.Context, method, path string, in, out any) error {
	return c.callWith(ctx, method, path, in, nil, out)
}

func (c *client) callWith(ctx context.Context, method, path string, in any, header http.Header, out any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	resp, err := c.do(ctx, method, path, in, header)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fault.Wrap(fault.Unavailable, err, "What answers at %s does not speak Headrace's API.", c.base)
	}
	return nil
}

func (c *client) do(ctx context.Context, method, path string, in any, header http.Header) (*http.Response, error) {
	var body io.Reader
	if in != nil {
		encoded, err := json.Marshal(in)
		if err != nil {
			return nil, fmt.Errorf("encode request: %w", err)
		}
		body = bytes.NewReader(encoded)
	}
	req, err := http.NewRequestWithContext(ctx, method, c.base+"/api"+path, body)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "%s is not an address of a platform.", c.base)
	}
	req.Header.Set("Authorization", "token "+c.token)
	req.Header.Set("Content-Type", "application/json")
	for name, values := range header {
		req.Header[name] = values
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fault.Wrap(fault.Unavailable, err, "The platform at %s does not answer.", c.base)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer func() { _ = resp.Body.Close() }()
	return nil, refusal(c.base, resp)
}

// refusal turns an error of the API v3 into a fault.
func refusal(base string, resp *http.Response) error {
	var e struct {
		Type    string `json:"error_type"`
		Message string `json:"error_message"`
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil || json.Unmarshal(body, &e) != nil || e.Message == "" {
		return fault.New(fault.Unavailable, "The platform at %s answered %s.", base, resp.Status)
	}
	code := map[int]fault.Code{
		http.StatusBadRequest: fault.Invalid, http.StatusUnprocessableEntity: fault.Invalid, http.StatusForbidden: fault.Forbidden,
		http.StatusNotFound: fault.NotFound, http.StatusConflict: fault.Conflict, http.StatusTooManyRequests: fault.Limited,
	}[resp.StatusCode]
	if code == "" {
		code = fault.Unavailable
	}
	return fault.New(code, "%s", e.Message).Named(e.Type)
}

// repoPath is the path of a repository, its slug escaped.
func repoPath(slug string) string { return "/repo/" + url.PathEscape(slug) }

func printJSON(w io.Writer, v any) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(v)
}
