package hooks

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/headrace/headrace/platform/ci"
)

func numbered(i int) ci.HookRequest {
	return ci.HookRequest{NewRequest: ci.NewRequest{RepositoryID: int64(i + 1), Key: strconv.Itoa(i), PullRequest: &ci.PullRequest{Number: int64(i)}}}
}

func openTest(t *testing.T, path string) (*spool, string) {
	t.Helper()
	s, damaged, err := openSpool(path, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.close() })
	return s, damaged
}

func filled(t *testing.T, path string, n int) *spool {
	t.Helper()
	s, _ := openTest(t, path)
	for i := range n {
		if err := s.append(numbered(i)); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func read100(t *testing.T, s *spool) []ci.HookRequest {
	t.Helper()
	list, _, err := s.next(100)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestSpool_cutAnywhere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "spool")
	s := filled(t, path, 3)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	ends := []int{0}
	for range 3 {
		_, end, err := s.next(len(ends))
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, int(end))
	}
	for cut := range len(whole) + 1 {
		other := filepath.Join(t.TempDir(), "spool")
		if err := os.WriteFile(other, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		want := 0
		for i, end := range ends {
			if cut >= end {
				want = i
			}
		}
		again, damaged := openTest(t, other)
		if got := read100(t, again); len(got) != want || damaged != "" {
			t.Fatalf("cut after %d bytes: %d hooks, want %d; damaged %q", cut, len(got), want, damaged)
		}
		if err := again.append(numbered(9)); err != nil {
			t.Fatal(err)
		}
		if got := read100(t, again); len(got) != want+1 || got[want].Key != "9" {
			t.Fatalf("cut after %d bytes, then one more: %+v", cut, got)
		}
	}
}

func TestSpool_damaged(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "spool")
	s := filled(t, path, 3)
	_, first, err := s.next(1)
	if err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	whole[int(first)+20] ^= 1 // in the second record
	if err := os.WriteFile(path, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	again, damaged := openTest(t, path)
	if got := read100(t, again); len(got) != 1 || damaged == "" {
		t.Errorf("%d hooks, damaged %q", len(got), damaged)
	}
	if kept, err := os.ReadFile(damaged); err != nil || string(kept) != string(whole) {
		t.Errorf("what is kept differs: %v", err)
	}
}

func TestSpool_storedInParts(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "spool")
	s := filled(t, path, 5)
	list, end, err := s.next(2)
	if err != nil || len(list) != 2 {
		t.Fatal(list, err)
	}
	if err := s.stored(end, 2); err != nil {
		t.Fatal(err)
	}
	if n, bytes := s.waiting(); n != 3 || bytes == 0 {
		t.Errorf("waiting %d, %d bytes", n, bytes)
	}
	if err := s.append(numbered(5)); err != nil {
		t.Fatal(err)
	}
	if list, end, err = s.next(100); err != nil || len(list) != 4 || list[0].Key != "2" || list[0].PullRequest.Number != 2 {
		t.Fatal(list, err)
	}
	if again, _ := openTest(t, path); len(read100(t, again)) != 6 {
		t.Error("a process that begins anew does not begin with the first")
	}
	if err := s.stored(end, 4); err != nil {
		t.Fatal(err)
	}
	if n, bytes := s.waiting(); n != 0 || bytes != 0 {
		t.Errorf("waiting %d, %d bytes", n, bytes)
	}
	if again, _ := openTest(t, path); len(read100(t, again)) != 0 {
		t.Error("the file is not empty")
	}
}

func TestSpool_bounded(t *testing.T) {
	t.Parallel()
	s, _, err := openSpool(filepath.Join(t.TempDir(), "spool"), 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.close() }()
	for err == nil {
		err = s.append(numbered(1))
	}
	if _, bytes := s.waiting(); !errors.Is(err, errFull) || bytes > 1000 {
		t.Errorf("%d bytes, %v", bytes, err)
	}
}

func TestSpool_atOnce(t *testing.T) {
	t.Parallel()
	s := filled(t, filepath.Join(t.TempDir(), "spool"), 0)
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			for range 20 {
				if err := s.append(numbered(i)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	seen := 0
	for seen < 160 {
		list, end, err := s.next(7)
		if err != nil {
			t.Fatal(err)
		}
		seen += len(list)
		if len(list) > 0 {
			if err := s.stored(end, len(list)); err != nil {
				t.Fatal(err)
			}
		}
	}
	group.Wait()
	if n, _ := s.waiting(); n != 0 || seen != 160 {
		t.Errorf("seen %d, waiting %d", seen, n)
	}
}
