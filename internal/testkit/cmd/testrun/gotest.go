package main

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// goTest runs the packages' tests and prints the report.
func goTest(ctx context.Context, packages, env []string, stdout, stderr io.Writer) (int, error) {
	if len(packages) == 0 {
		packages = []string{"./..."}
	}
	argv := append([]string{"go", "test", "-race", "-json", "-timeout=15m"}, packages...)
	cmd := prepare(ctx, argv, env)
	cmd.Stderr = stderr
	events, err := cmd.StdoutPipe()
	if err != nil {
		return codeFailed, fmt.Errorf("read the tests' output: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return codeFailed, fmt.Errorf("start go test: %w", err)
	}
	r := newReport(stdout)
	readErr := r.read(events)
	code, err := exitCode(cmd.Wait())
	if ctx.Err() != nil {
		return codeInterrupted, nil
	}
	total := r.print()
	if total.failed == 0 && code == 0 {
		return 0, errors.Join(readErr, err)
	}
	return codeFailed, errors.Join(readErr, err)
}
