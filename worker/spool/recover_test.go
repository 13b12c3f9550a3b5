package spool_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/worker/spool"
)

// left plays a process that dies: it writes text and, if it comes so far, the last state.
func left(t *testing.T, dir, text, state string) {
	t.Helper()
	tape := spool.New(&publisher{}, spool.Config{Dir: dir, Segment: 200_000}).Open(key, spool.Headrace)
	if err := tape.Report(report("started")); err != nil {
		t.Fatal(err)
	}
	if _, err := tape.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if state == "" {
		return
	}
	if err := tape.End(report(state)); err != nil {
		t.Fatal(err)
	}
}

func TestRecover_whatHadEndedIsSent(t *testing.T) {
	t.Parallel()
	for _, size := range []int{0, 10, 1 << 20} {
		dir := t.TempDir()
		text := noise(size)
		left(t, dir, text, "failed")
		last := filepath.Join(dir, key.Run, "000001.seg")
		if size > 1000 {
			last = filepath.Join(dir, key.Run, "000005.seg")
		}
		f, err := os.OpenFile(last, os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = f.WriteString("HRS1 and no more") // what follows the end does not count
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		pub := &publisher{}
		s := spool.New(pub, spool.Config{Dir: dir})
		all := s.Recover()
		if len(all) != 1 || all[0].Run != key || all[0].State != "failed" || s.Used() < int64(size) {
			t.Fatalf("%d bytes: recovered %+v, %d bytes used", size, all, s.Used())
		}
		done := make(chan error, 1)
		go func() { done <- all[0].Tape.Send(t.Context()) }()
		if err := all[0].Tape.Published(t.Context()); err != nil {
			t.Fatal(err)
		}
		parts := pub.parts(t)
		if got := pub.said(t); pub.text(t) != text || !strings.HasPrefix(got, "started 0") || !strings.HasSuffix(got, "! failed") {
			t.Errorf("%d bytes: said %q", size, got)
		}
		if p := parts[0]; p.JobID != key.JobID || p.Attempt != key.Attempt || p.Run != key.Run {
			t.Errorf("a part is of %d.%d %s", p.JobID, p.Attempt, p.Run)
		}
		all[0].Tape.Confirm(broker.RunStatus{Run: key, Owned: true, State: "failed", Next: len(parts), Closed: true})
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if rest, err := os.ReadDir(dir); err != nil || len(rest) != 0 || s.Used() != 0 {
			t.Errorf("%d bytes: %v and %d used bytes stay, %v", size, rest, s.Used(), err)
		}
	}
}

func TestRecover_whatIsOfNoUseIsRemoved(t *testing.T) {
	t.Parallel()
	segment := func(n string) string { return filepath.Join(key.Run, n+".seg") }
	cases := map[string]struct {
		state  string
		damage func(root *os.Root) error
	}{
		"not ended": {"", func(*os.Root) error { return nil }},
		"no name":   {"passed", func(r *os.Root) error { return r.Remove(filepath.Join(key.Run, "run.json")) }},
		"half a name": {"passed", func(r *os.Root) error {
			return r.WriteFile(filepath.Join(key.Run, "run.json"), []byte(`{"job_`), 0o600)
		}},
		"name of another":    {"passed", func(r *os.Root) error { return r.Rename(key.Run, "other") }},
		"nothing":            {"passed", func(r *os.Root) error { return r.WriteFile(segment("000005"), nil, 0o600) }},
		"end cut off":        {"passed", func(r *os.Root) error { return shorten(r, segment("000005"), 1) }},
		"a part cut off":     {"passed", func(r *os.Root) error { return shorten(r, segment("000002"), 1) }},
		"a segment is gone":  {"passed", func(r *os.Root) error { return r.Remove(segment("000003")) }},
		"noise":              {"passed", func(r *os.Root) error { return r.WriteFile(segment("000001"), []byte(noise(300_000)), 0o600) }},
		"a strange file":     {"passed", func(r *os.Root) error { return r.WriteFile(segment("strange"), nil, 0o600) }},
		"a file for the run": {"passed", func(r *os.Root) error { return replaceByFile(r) }},
	}
	for name, c := range cases {
		dir := t.TempDir()
		left(t, dir, noise(1<<20), c.state)
		root, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.damage(root); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		s := spool.New(&publisher{}, spool.Config{Dir: dir})
		if all := s.Recover(); len(all) != 0 || s.Used() != 0 {
			t.Errorf("%s: recovered %+v, %d bytes used", name, all, s.Used())
		}
		if rest, err := os.ReadDir(dir); err != nil || len(rest) != 0 {
			t.Errorf("%s: %v stay, %v", name, rest, err)
		}
		if err := root.Close(); err != nil {
			t.Error(err)
		}
	}
}

func shorten(r *os.Root, name string, by int) error {
	all, err := r.ReadFile(name)
	if err != nil {
		return err
	}
	return r.WriteFile(name, all[:len(all)-by], 0o600)
}

func replaceByFile(r *os.Root) error {
	if err := r.RemoveAll(key.Run); err != nil {
		return err
	}
	return r.WriteFile(key.Run, []byte("x"), 0o600)
}

func FuzzRecover(f *testing.F) {
	f.Add([]byte("HRS1\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00{"))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, text []byte) {
		dir := t.TempDir()
		run := filepath.Join(dir, key.Run)
		if err := os.Mkdir(run, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, body := range map[string][]byte{"run.json": []byte(`{"job_id":7,"attempt":2,"run":"r"}`), "000001.seg": text} {
			if err := os.WriteFile(filepath.Join(run, name), body, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if all := spool.New(&publisher{}, spool.Config{Dir: dir}).Recover(); len(all) != 0 {
			t.Errorf("a run came of %q", text)
		}
	})
}
