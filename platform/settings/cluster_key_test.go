package settings_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/settings"
)

func nodeIn(t *testing.T, dir string, environment ...string) (settings.Settings, error) {
	t.Helper()
	s, err := settings.Load(settings.Sources{Flags: map[string]string{"data_dir": dir}, Environment: environment})
	if err != nil {
		t.Fatal(err)
	}
	return s, s.Node()
}

func TestClusterKey_isMadeOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "cluster.key")
	if err := os.WriteFile(path+".new", []byte("half of a k"), 0o400); err != nil { // of a start that was cut off
		t.Fatal(err)
	}
	first, err := nodeIn(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := nodeIn(t, dir)
	if err != nil || again.ClusterKey != first.ClusterKey {
		t.Errorf("the second start has another key, or %v", err)
	}
	if _, err := seal.ParseKeys(string(first.ClusterKey)); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o400 {
		t.Errorf("the file has mode %v, %v", info.Mode(), err)
	}
	if shown := fmt.Sprintf("%+v", first); strings.Contains(shown, string(first.ClusterKey)) {
		t.Errorf("printing the settings shows the key: %s", shown)
	}
}

func TestClusterKey_setting(t *testing.T) {
	t.Parallel()
	dir, key := t.TempDir(), seal.NewKey()+","+seal.NewKey()
	s, err := nodeIn(t, dir, "HEADRACE_CLUSTER_KEY="+key)
	if err != nil || string(s.ClusterKey) != key {
		t.Errorf("the key is not the one that was set: %v", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "cluster.key")); err == nil {
		t.Error("a file was made beside the setting")
	}
	_, err = settings.Load(settings.Sources{Environment: []string{"HEADRACE_CLUSTER_KEY=hunter2"}})
	if err == nil || !strings.Contains(err.Error(), "HEADRACE_CLUSTER_KEY") || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("got %v", err)
	}
}

func TestClusterKey_damaged(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "cluster.key")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := nodeIn(t, dir); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("an empty file was taken: %v", err)
	}
}

// TestClusterKey_besideTheNode: a command finds the key of the node, and makes none.
func TestClusterKey_besideTheNode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	beside := func() settings.Settings {
		t.Helper()
		s, err := settings.Load(settings.Sources{Flags: map[string]string{"data_dir": dir}})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.FindKey(); err != nil {
			t.Fatal(err)
		}
		return s
	}
	if s := beside(); s.ClusterKey != "" {
		t.Error("a key was made")
	}
	if _, err := os.Stat(filepath.Join(dir, "cluster.key")); err == nil {
		t.Error("a file was made")
	}
	node, err := nodeIn(t, dir)
	if err != nil {
		t.Fatal(err)
	}
	if s := beside(); s.ClusterKey != node.ClusterKey {
		t.Error("the command has another key than the node")
	}
}
