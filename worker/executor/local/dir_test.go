package local

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestRemoveTree_withoutTheRightToWrite(t *testing.T) {
	t.Parallel()
	root := filepath.Join(t.TempDir(), "run-1")
	deep := filepath.Join(root, "a", "b")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(deep, "f"), []byte("x"), 0o444); err != nil {
		t.Fatal(err)
	}
	const nobody = 65534
	for _, p := range []string{filepath.Join(deep, "f"), deep, filepath.Dir(deep), root} {
		if os.Getuid() == 0 {
			if err := os.Chown(p, nobody, nobody); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chmod(p, 0o555); err != nil {
			t.Fatal(err)
		}
	}
	for p := filepath.Dir(root); p != "/" && p != os.TempDir(); p = filepath.Dir(p) {
		if err := os.Chmod(p, 0o777); err != nil { //nolint:gosec // a directory of this test
			t.Fatal(err)
		}
	}
	if os.Getuid() == 0 { // root may write everywhere: this thread is somebody else as far as files go
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if _, err := unix.SetfsuidRetUid(nobody); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = unix.Setfsuid(0) }()
	}
	if err := removeTree(root); err != nil {
		t.Errorf("removeTree = %v", err)
	}
}

func TestParseStat(t *testing.T) {
	t.Parallel()
	const line = "42 (odd ) name) S 7 40 41 34816 42 4194304 1 2 3 4 5 6 7 8 20 0 1 0 987654 1000 2"
	got, ok := parseStat(line)
	want := stat{parent: 7, group: 40, session: 41, terminal: 34816, started: 987654}
	if !ok || got != want {
		t.Errorf("parseStat = %+v, %v; want %+v", got, ok, want)
	}
	for _, bad := range []string{"", "42 (x", "42 (x) S 1", "42 (x) S a b c d e f g h i j k l m n o p q r s t"} {
		if _, ok := parseStat(bad); ok {
			t.Errorf("parseStat(%q) took it", bad)
		}
	}
}

// TestMatcher_dates: what is older than a run is passed over by its date alone.
func TestMatcher_dates(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, tt := range map[string]struct {
		began time.Time
		want  bool
	}{
		"a moment ago": {now.Add(-time.Second), true},
		"not known":    {time.Time{}, false},
	} {
		if got := (matcher{began: tt.began}).dated(now); got != tt.want {
			t.Errorf("%s: %t, want %t", name, got, tt.want)
		}
	}
	cmd := exec.CommandContext(t.Context(), "sleep", "600")
	began := time.Now()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	pid := cmd.Process.Pid
	if (matcher{began: began}).older(pid) {
		t.Error("a process of the run counts as older than it")
	}
	if (matcher{began: began.Add(lag / 2)}).older(pid) {
		t.Error("a process that may be of the run counts as older than it")
	}
	if !(matcher{began: began.Add(time.Hour)}).older(pid) {
		t.Error("a process that is an hour older does not count as older")
	}
	if found := (matcher{session: 1, path: "/nowhere", began: began.Add(time.Hour)}).find(); len(found) != 0 {
		t.Errorf("found %v", found)
	}
}
