package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/headrace/headrace/assets"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// demoSlug names the sample repository.
const demoSlug = "demo/hello"

// demoIntake is what the demo needs of the platform.
type demoIntake interface {
	AddRepository(ctx context.Context, r ci.NewRepository) (ci.Repository, error)
	Submit(ctx context.Context, r ci.NewRequest) (ci.Request, bool, error)
}

// demo makes the sample repository on the first start, adds it, and asks for its first build. Later starts change nothing.
func demo(ctx context.Context, in demoIntake, folder string) error {
	if err := makeDemo(ctx, folder); err != nil {
		return err
	}
	repo, err := in.AddRepository(ctx, ci.NewRepository{Slug: demoSlug, SourceURL: "file://" + folder, Private: true})
	if fault.Is(err, fault.Conflict) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("add the sample repository: %w", err)
	}
	_, _, err = in.Submit(ctx, ci.NewRequest{RepositoryID: repo.ID, Key: "demo", Event: ci.EventAPI})
	return err
}

// makeDemo writes the sample's files and commits them, unless that was done before.
func makeDemo(ctx context.Context, folder string) error {
	_, err := os.Stat(filepath.Join(folder, ".git", "refs", "heads", "main"))
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	sample, err := fs.Sub(assets.Demo, "demo/hello")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return fmt.Errorf("make the sample repository: %w", err)
	}
	err = fs.WalkDir(sample, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(sample, name)
		if err != nil {
			return err
		}
		mode := os.FileMode(0o644)
		if strings.HasSuffix(name, ".sh") {
			mode = 0o755
		}
		return os.WriteFile(filepath.Join(folder, name), body, mode)
	})
	if err != nil {
		return fmt.Errorf("write the sample repository: %w", err)
	}
	for _, args := range [][]string{
		{"init", "--quiet", "--initial-branch=main"},
		{"add", "--all"},
		{"commit", "--quiet", "--no-gpg-sign", "-m", "Dig the channel\n\nThe sample repository of headrace up --demo."},
	} {
		if err := demoGit(ctx, folder, args...); err != nil {
			return err
		}
	}
	return nil
}

func demoGit(ctx context.Context, folder string, args ...string) error {
	cmd := exec.CommandContext(ctx, "git", append([]string{"-C", folder}, args...)...) //nolint:gosec // fixed arguments
	cmd.Env = append(os.Environ(),
		"GIT_AUTHOR_NAME=Headrace", "GIT_AUTHOR_EMAIL=headrace@localhost", "GIT_COMMITTER_NAME=Headrace", "GIT_COMMITTER_EMAIL=headrace@localhost",
		"GIT_CONFIG_NOSYSTEM=1", "GIT_CONFIG_GLOBAL=/dev/null")
	out, err := cmd.CombinedOutput()
	if errors.Is(err, exec.ErrNotFound) {
		return fault.New(fault.Invalid, "The program git is not installed. Headrace reads repositories with it: install the package git.")
	}
	if err != nil {
		return fmt.Errorf("git %s in %s: %w: %s", args[0], folder, err, strings.TrimSpace(string(out)))
	}
	return nil
}
