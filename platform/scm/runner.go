package scm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/headrace/headrace/internal/fault"
)

// gitConfig is all the configuration that our git has: the system's and the user's are not read. It reaches also the
// git that serves a file:// repository, which options on the command line do not.
const gitConfig = `[safe]
	directory = *
[core]
	hooksPath = /dev/null
	fsmonitor = false
	askPass =
[credential]
	helper =
[gc]
	auto = 0
	autoDetach = false
[maintenance]
	auto = false
[fetch]
	fsckObjects = false
[log]
	showSignature = false
[http]
	lowSpeedLimit = 500
	lowSpeedTime = 60
[advice]
	detachedHead = false
`

// answerCredential is a credential helper, run by git itself for one host only. The secret is in the environment.
const answerCredential = `!f() { test "$1" = get && printf 'username=%s\npassword=%s\n' "$HEADRACE_GIT_USER" "$HEADRACE_GIT_PASSWORD"; }; f`

var errTooMuch = errors.New("git wrote more than expected")

// runner runs git commands.
type runner struct {
	git, home string
	env       []string
	slots     chan struct{}
}

// call is one git command.
type call struct {
	args   []string
	gitDir string  // empty: none
	src    *source // whose credentials may be used; nil: no network
	stdin  string
	most   int           // bytes of output; default 1 MiB
	within time.Duration // default 30 s
}

// failure is a git command that went wrong.
type failure struct {
	command string
	stderr  string
	timeout time.Duration // not 0: it was ended after that long
	err     error
}

func (f *failure) Error() string {
	if f.timeout > 0 {
		return fmt.Sprintf("git %s: ended after %s", f.command, f.timeout)
	}
	return fmt.Sprintf("git %s: %v: %s", f.command, f.err, strings.TrimSpace(f.stderr))
}

func (f *failure) Unwrap() error { return f.err }

func newRunner(c Config) *runner {
	home := filepath.Join(c.Dir, "home")
	path := os.Getenv("PATH")
	return &runner{
		git: c.GitPath, home: home, slots: make(chan struct{}, c.Parallel),
		env: append([]string{
			"PATH=" + path, "HOME=" + home, "XDG_CONFIG_HOME=" + home, "LC_ALL=C", "LANGUAGE=", "TZ=UTC",
			"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=" + filepath.Join(home, "gitconfig"),
			"GIT_ALLOW_PROTOCOL=https:http:ssh:file", "GIT_PROTOCOL_FROM_USER=1",
			"GIT_TERMINAL_PROMPT=0", "GIT_ASKPASS=", "SSH_ASKPASS=", "GIT_OPTIONAL_LOCKS=0", "GIT_NO_REPLACE_OBJECTS=1",
			"GIT_NO_LAZY_FETCH=1", "GIT_CEILING_DIRECTORIES=" + c.Dir,
			"GIT_SSH_COMMAND=ssh -o BatchMode=yes -o StrictHostKeyChecking=accept-new -o ConnectTimeout=10 -o ServerAliveInterval=15",
		}, c.Env...),
	}
}

// run runs the command and returns what it wrote. The error is a [*failure], an error of the file system, or ctx's.
func (r *runner) run(ctx context.Context, c call) ([]byte, error) {
	select {
	case r.slots <- struct{}{}:
		defer func() { <-r.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if err := r.prepare(); err != nil {
		return nil, err
	}
	if c.most == 0 {
		c.most = 1 << 20
	}
	if c.within == 0 {
		c.within = 30 * time.Second
	}
	inner, cancel := context.WithTimeout(ctx, c.within)
	defer cancel()
	cmd := exec.CommandContext(inner, r.git, r.argv(c)...) //nolint:gosec // fixed arguments; what comes from people is checked and stands behind --end-of-options
	out, complaint := &bounded{most: c.most}, &tail{most: 16 << 10}
	cmd.Env, cmd.Dir = r.environ(c), r.home
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(c.stdin), out, complaint
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 2 * time.Second
	err := cmd.Run()
	switch {
	case err == nil:
		return out.buf.Bytes(), nil
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case inner.Err() != nil:
		return nil, &failure{command: c.args[0], timeout: c.within, err: inner.Err()}
	case out.over:
		return out.buf.Bytes(), errTooMuch
	}
	return nil, &failure{command: c.args[0], stderr: complaint.String(), err: err}
}

func (r *runner) argv(c call) []string {
	var args []string
	if c.gitDir != "" {
		args = append(args, "--git-dir="+c.gitDir)
	}
	if c.src != nil && (c.src.user != "" || c.src.password != "") {
		args = append(args, "-c", "credential."+c.src.scheme+"://"+c.src.host+".helper="+answerCredential)
	}
	return append(args, c.args...)
}

func (r *runner) environ(c call) []string {
	if c.src == nil || (c.src.user == "" && c.src.password == "") {
		return r.env
	}
	return append(r.env[:len(r.env):len(r.env)], "HEADRACE_GIT_USER="+c.src.user, "HEADRACE_GIT_PASSWORD="+c.src.password)
}

// prepare makes git's home with its configuration where it is missing.
func (r *runner) prepare() error {
	file := filepath.Join(r.home, "gitconfig")
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	if err := writeConfig(r.home, file); err != nil {
		return fault.Wrap(fault.Unavailable, err, "This node cannot write into its directory for git repositories. Is the disk full, or the directory not its own?")
	}
	return nil
}

func writeConfig(home, file string) error {
	if err := os.MkdirAll(home, 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(home, "gitconfig-")
	if err != nil {
		return err
	}
	_, err = io.WriteString(f, gitConfig)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// bounded keeps what is written and refuses more than a limit; git ends when nobody reads on.
type bounded struct {
	buf  bytes.Buffer
	most int
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	if n := b.most - b.buf.Len(); len(p) > n {
		b.over = true
		b.buf.Write(p[:n])
		return n, errTooMuch
	}
	return b.buf.Write(p)
}

// tail keeps the end of what is written.
type tail struct {
	buf  []byte
	most int
}

func (t *tail) Write(p []byte) (int, error) {
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - t.most; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.buf) }
