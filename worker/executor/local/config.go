package local

import (
	"log/slog"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"time"

	"github.com/headrace/headrace/internal/fault"
)

// Config says where and how scripts run.
type Config struct {
	// Dir holds a directory for each run; it belongs to one worker. Required; made if it does not exist.
	Dir string
	// Grace is the time between the request to end and the force. Default 2 s.
	Grace time.Duration
	// Linger is how long processes that outlive the script, and hold its output open, may go on writing. Default 250 ms.
	Linger time.Duration
	// Path is the PATH of the scripts. Default: the worker's own.
	Path string
	// Env are variables ("NAME=value") for every script, such as a proxy's address.
	Env []string
	Log *slog.Logger
}

const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

func (c Config) withDefaults() (Config, error) {
	if c.Dir == "" {
		return c, fault.Field("dir", "The local executor needs a directory to run jobs in.")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return c, fault.Wrap(fault.Invalid, err, "The work directory %s has no absolute path.", c.Dir)
	}
	c.Dir = dir
	if c.Grace <= 0 {
		c.Grace = 2 * time.Second
	}
	if c.Linger <= 0 {
		c.Linger = 250 * time.Millisecond
	}
	if c.Path == "" {
		c.Path = os.Getenv("PATH")
	}
	if c.Path == "" {
		c.Path = defaultPath
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// environ is all that a script sees of the worker's environment, and the mark by which what it leaves behind is found.
func (c Config) environ(d runDir, extra []string) []string {
	lang := os.Getenv("LANG")
	if lang == "" {
		lang = "C.UTF-8"
	}
	name := userName()
	env := []string{
		"PATH=" + c.Path, "LANG=" + lang, "TERM=xterm-256color", "SHELL=/bin/bash",
		"HOME=" + d.home(), "TMPDIR=" + d.tmp(), "USER=" + name, "LOGNAME=" + name,
		"CI=true", "CONTINUOUS_INTEGRATION=true",
	}
	env = append(env, c.Env...)
	env = append(env, extra...)
	return append(env, markName+string(d))
}

func userName() string {
	if u, err := user.Current(); err == nil && u.Username != "" {
		return u.Username
	}
	return "headrace"
}

// findBash returns the path of bash, which every script needs.
func findBash() (string, error) {
	path, err := exec.LookPath("bash")
	if err != nil {
		return "", fault.Wrap(fault.Unavailable, err, "Jobs are bash scripts, and this machine has no bash. Install it, then start the worker again.")
	}
	return path, nil
}
