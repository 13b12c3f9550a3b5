package store_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store"
)

// killVariable makes the test binary a process that stores and says what it has stored, to be killed.
const killVariable = "HEADRACE_STORE_KILL_PATH"

func TestMain(m *testing.M) {
	if path := os.Getenv(killVariable); path != "" {
		fmt.Println(storeUntilKilled(path))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// storeUntilKilled makes a build with a log of each request, and prints the key of the request when all of it was accepted.
func storeUntilKilled(path string) error {
	ctx := context.Background()
	s, err := store.Open(ctx, store.Config{Path: path})
	if err != nil {
		return err
	}
	for n := time.Now().UnixNano(); ; n++ {
		key := fmt.Sprint(n)
		q, _, err := s.CreateRequest(ctx, ci.NewRequest{RepositoryID: 1, Key: key, Branch: "main"})
		if err != nil {
			return err
		}
		claimed := q
		for ok := true; ok; { // also those that the process before this one left
			if claimed, ok, err = s.ClaimRequest(ctx, "x", time.Hour); err != nil {
				return err
			}
			if !ok || claimed.ID == q.ID {
				break
			}
		}
		b, err := s.CreateBuild(ctx, ci.NewBuild{RequestID: q.ID, RepositoryID: 1, Branch: "main", Jobs: []ci.NewJob{{Queue: "q", Stage: -1}}}, claimed.Tries)
		if err != nil {
			return err
		}
		if _, err := s.AddNote(ctx, b.Jobs[0].ID, 1, ci.LogPreface, key); err != nil {
			return err
		}
		fmt.Println(key, b.ID)
	}
}

func TestKill_nothingAcceptedIsLost(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "store.db")
	s := openFile(t, path)
	if _, err := s.AddRepository(t.Context(), ci.NewRepository{Slug: "acme/app"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	accepted := map[string]int64{}
	for range 4 {
		kill(t, path, accepted, 1+rand.IntN(20))
	}
	s = openFile(t, path)
	defer s.Close() //nolint:errcheck // only read from
	for key, id := range accepted {
		b, err := s.Build(t.Context(), id)
		if err != nil {
			t.Fatalf("build %d was accepted and is gone: %v", id, err)
		}
		parts, err := s.LogParts(t.Context(), b.Jobs[0].ID, 1, ci.LogPos{}, 0)
		if err != nil || len(parts) != 1 || string(parts[0].Content) != key+"\n" {
			t.Errorf("the log of build %d is %v, %v", id, parts, err)
		}
		if _, again, err := s.CreateRequest(t.Context(), ci.NewRequest{RepositoryID: 1, Key: key}); err != nil || again {
			t.Errorf("request %s was accepted and is gone: %v", key, err)
		}
	}
	builds, total, err := s.Builds(t.Context(), ci.BuildFilter{Page: ci.Page{Limit: 1}})
	if err != nil || builds[0].Number != int64(total) {
		t.Errorf("the newest of %d builds is %+v, %v", total, builds, err)
	}
}

func openFile(t *testing.T, path string) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// kill starts a process that stores, notes what it says it has stored, and kills it at a random moment after so much.
func kill(t *testing.T, path string, accepted map[string]int64, after int) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), killVariable+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var key string
		var id int64
		if _, err := fmt.Sscan(lines.Text(), &key, &id); err != nil {
			t.Fatalf("it says %q", lines.Text())
		}
		accepted[key] = id
		if after--; after == 0 {
			time.AfterFunc(rand.N(5*time.Millisecond), func() { _ = cmd.Process.Kill() })
		}
	}
	if err := cmd.Wait(); err == nil || cmd.ProcessState.Success() {
		t.Fatalf("it ended by itself: %v", err)
	}
}
