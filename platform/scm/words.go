package scm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"github.com/headrace/headrace/internal/fault"
)

// rule explains a complaint of git, or of what git ran, to people.
type rule struct {
	any  []string // one of these is in the complaint, in lower case
	code fault.Code
	kind string
	text func(s source) string
}

// rules are tried in order. Unavailable means that a later try may help.
func rules() []rule {
	return []rule{
		{
			[]string{"no space left on device", "disk quota exceeded"}, fault.Unavailable, "disk_full",
			func(source) string { return "The disk of this node is full, so the repository cannot be fetched." },
		},
		{
			[]string{"could not resolve host", "name or service not known", "temporary failure in name resolution"}, fault.Unavailable, "git_host_unknown",
			func(s source) string {
				return fmt.Sprintf("The host %s is not known here. Is the name right?", s.hostname())
			},
		},
		{
			[]string{"host key verification failed"}, fault.Invalid, "git_host_key",
			func(s source) string {
				return fmt.Sprintf("The ssh key of %s is not the one that this node has seen before. If the server was moved, remove the old key from known_hosts.", s.hostname())
			},
		},
		{
			[]string{
				"permission denied (", "authentication failed", "could not read username", "could not read password", "terminal prompts disabled",
				"returned error: 401", "returned error: 403", "http basic: access denied",
			}, fault.Invalid, "git_authentication", authentication,
		},
		{
			[]string{"certificate", "ssl_connect", "ssl:", "gnutls"}, fault.Unavailable, "git_tls",
			func(s source) string {
				return fmt.Sprintf("%s answers, but its TLS certificate is not trusted here, or there is no TLS on port %s.", s.hostname(), s.port())
			},
		},
		{
			[]string{"timed out", "timeout", "operation too slow"}, fault.Unavailable, "git_timeout",
			func(s source) string { return fmt.Sprintf("%s did not answer in time.", where(s)) },
		},
		{
			[]string{"connection refused", "couldn't connect to server", "failed to connect", "network is unreachable", "no route to host", "connection reset"}, fault.Unavailable, "git_refused",
			func(s source) string {
				return fmt.Sprintf("Nothing answers on port %s of %s. Is the server running, and is the address right?", s.port(), s.hostname())
			},
		},
		{
			[]string{"returned error: 429", "returned error: 5"}, fault.Unavailable, "git_server",
			func(s source) string {
				return fmt.Sprintf("%s answers, but not now: it is overloaded or has an error.", where(s))
			},
		},
		{
			[]string{"does not appear to be a git repository", "is this a git repository", "repository not found", "/' not found", "could not be found", "unable to update url base from redirection"},
			fault.NotFound, "git_not_a_repository",
			func(s source) string {
				return fmt.Sprintf("There is no git repository at %s, or it may not be seen without signing in.", s.shown)
			},
		},
		{
			[]string{"not allowed"}, fault.Invalid, "git_protocol",
			func(s source) string {
				return fmt.Sprintf("%s leads to another protocol than https, ssh or file.", s.shown)
			},
		},
		{
			[]string{"cannot run ssh", "ssh: not found", "unable to fork"}, fault.Unavailable, "git_no_ssh",
			func(source) string { return "ssh cannot be run on this node. Install the OpenSSH client." },
		},
	}
}

func authentication(s source) string {
	switch {
	case s.scheme == "ssh":
		return fmt.Sprintf("%s does not accept this node's ssh key. Add the public key of the node there.", s.hostname())
	case s.user == "" && s.password == "":
		return fmt.Sprintf("%s asks for a user name and a password. Put them, or a token, into the address: https://user:token@%s/…", s.hostname(), s.host)
	}
	return fmt.Sprintf("%s does not accept the user name and the password that stand in the address.", s.hostname())
}

func where(s source) string {
	if s.scheme == "file" {
		return s.shown
	}
	return s.hostname()
}

// errUnexplained marks failures that no rule knows; a damaged mirror is among their causes.
var errUnexplained = errors.New("unexplained")

// explain turns an error of the runner into one for people.
func explain(s source, err error) error {
	var f *failure
	switch {
	case err == nil, errors.Is(err, context.Canceled), isFault(err):
		return err
	case errors.Is(err, exec.ErrNotFound):
		return fault.Wrap(fault.Unavailable, err, "git is not installed on this node, or not on its PATH.").Named("git_missing")
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, os.ErrPermission):
		return fault.Wrap(fault.Unavailable, err, "This node cannot write into its directory for git repositories. Is the disk full, or the directory not its own?").Named("disk_full")
	case errors.Is(err, errTooMuch):
		return fault.Wrap(fault.Invalid, err, "%s has more branches and tags than can be listed here.", s.shown)
	case !errors.As(err, &f):
		return err
	case f.timeout > 0:
		return fault.Wrap(fault.Unavailable, err, "%s did not answer in time (%s).", where(s), f.timeout).Named("git_timeout")
	}
	low := strings.ToLower(f.stderr)
	f.stderr = s.scrub(f.stderr)
	for _, r := range rules() {
		for _, sign := range r.any {
			if strings.Contains(low, sign) {
				return fault.Wrap(r.code, f, "%s", r.text(s)).Named(r.kind)
			}
		}
	}
	return fault.Wrap(fault.Unavailable, errors.Join(errUnexplained, f), "git could not read %s: %s", s.shown, lastWords(f.stderr)).Named("git_failed")
}

func isFault(err error) bool {
	_, ok := errors.AsType[*fault.Error](err)
	return ok
}

// lastWords is the line of git's complaint that says the most.
func lastWords(stderr string) string {
	chosen := "it gave no reason."
	for line := range strings.Lines(stderr) {
		line = strings.TrimSpace(line)
		rest, fatal := strings.CutPrefix(line, "fatal: ")
		if fatal {
			chosen = rest
			break
		}
		if line != "" {
			chosen = line
		}
	}
	if r := []rune(chosen); len(r) > 200 {
		chosen = string(r[:200]) + "…"
	}
	return chosen
}
