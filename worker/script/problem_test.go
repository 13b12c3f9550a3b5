package script

import (
	"errors"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestProblem_SaysWhyAndEndsAsErrored(t *testing.T) {
	t.Parallel()
	cause := errors.New("it's %s $(touch /tmp/x) `id` \\n\x00\x1b\nline two")
	cmd := exec.CommandContext(t.Context(), "bash", "-c", string(Problem(cause)))
	out, err := cmd.Output()
	if cmd.ProcessState.ExitCode() != ExitErrored {
		t.Fatalf("ended with %v", err)
	}
	if diff := cmp.Diff("This job cannot be run: it's %s $(touch /tmp/x) `id` \\n\nline two\n", string(out)); diff != "" {
		t.Error(diff)
	}
}
