package scm

import (
	"bytes"
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

func (g *Git) file(ctx context.Context, m *mirror, sha, path string, most int) (text []byte, found bool, err error) {
	if err := ci.CheckSHA(sha); err != nil {
		return nil, false, err
	}
	if path == "" || strings.ContainsAny(path, "\n\r\x00") {
		return nil, false, fault.New(fault.Invalid, "The path %q cannot be read from a commit.", path)
	}
	kind, text, err := g.object(ctx, m, sha+":"+path, path, most)
	if err != nil || kind == "blob" {
		return text, err == nil, err
	}
	_, err = g.commit(ctx, m, sha)
	if err == nil {
		return nil, false, g.reallyMissing(ctx, m, sha, path)
	}
	if !absent(err) {
		return nil, false, err
	}
	if _, err := g.resolveCommit(ctx, m, want{kind: "commit", name: sha}); err != nil {
		return nil, false, err
	}
	kind, text, err = g.object(ctx, m, sha+":"+path, path, most)
	return text, err == nil && kind == "blob", err
}

// reallyMissing tells a commit without the file from a mirror that has lost it.
func (g *Git) reallyMissing(ctx context.Context, m *mirror, sha, path string) error {
	out, err := g.runner.run(ctx, call{args: []string{"--literal-pathspecs", "ls-tree", "--end-of-options", sha, path}, gitDir: m.path})
	if err == nil && strings.Contains(string(out), " blob ") && !strings.HasPrefix(string(out), "120000") {
		return &failure{command: "cat-file", stderr: "fatal: the file is in the commit but cannot be read", err: errUnexplained}
	}
	return err
}

// object reads an object by a revision; links inside the tree are followed. kind is empty where there is none.
func (g *Git) object(ctx context.Context, m *mirror, revision, path string, most int) (kind string, text []byte, err error) {
	const header = 200 // an id, a word, a number
	out, err := g.runner.run(ctx, call{
		args: []string{"cat-file", "--batch", "--follow-symlinks"}, gitDir: m.path, stdin: revision + "\n", most: most + header,
	})
	tooMuch := errors.Is(err, errTooMuch)
	if err != nil && !tooMuch {
		return "", nil, err
	}
	line, rest, _ := bytes.Cut(out, []byte{'\n'})
	words := strings.Fields(string(line))
	if len(words) != 3 || words[1] != "blob" {
		return "", nil, nil
	}
	size, err := strconv.Atoi(words[2])
	if err != nil || (len(rest) < size && !tooMuch) {
		return "", nil, &failure{command: "cat-file", stderr: "fatal: the file was cut short", err: errUnexplained}
	}
	if size > most {
		return "", nil, fault.New(fault.Invalid, "%s has %d bytes at this commit; at most %d are read. Make it shorter.", path, size, most).Named("file_too_big")
	}
	return "blob", rest[:size:size], nil
}
