package spool_test

import (
	"context"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/worker/spool"
)

func noise(size int) string {
	random := rand.New(rand.NewPCG(7, uint64(size)))
	out := make([]byte, size)
	for i := range out {
		out[i] = byte('a' + random.IntN(26))
	}
	return string(out)
}

// onDisk gives the size of all files, and checks that only their owner can look.
func onDisk(t *testing.T, dir string) (size int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := fs.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		} else {
			size += info.Size()
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %s", d.Name(), info.Mode())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return size
}

func (p *publisher) text(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for i, part := range p.parts(t) {
		if part.Number != i {
			t.Fatalf("part %d stands in place %d", part.Number, i)
		}
		b.Write(part.Content)
	}
	return b.String()
}

func TestDisk_longOutage(t *testing.T) {
	t.Parallel()
	const memory, segment, size = 256 << 10, 1 << 20, 20 << 20
	dir := filepath.Join(t.TempDir(), "spool")
	synctest.Test(t, func(t *testing.T) {
		b := open(t, spool.Config{Dir: dir, Bytes: 32 << 20, Memory: memory, Segment: segment}, spool.Headrace)
		b.pub.setFail(broker.ErrUnavailable)
		text := noise(size)
		for rest := text; rest != ""; rest = rest[1<<20:] {
			b.write(t, rest[:1<<20])
			if held := b.spool.InMemory(); held > memory {
				t.Fatalf("%d bytes are in memory", held)
			}
		}
		b.end(t, "passed")
		if kept := onDisk(t, dir); kept < size || kept > size+size/50 {
			t.Errorf("%d bytes on disk for %d of output", kept, size)
		}
		if used := b.spool.Used(); used < size || used > size+size/50 || b.spool.Trouble() != "" {
			t.Errorf("%d bytes used, trouble %q", used, b.spool.Trouble())
		}
		b.pub.setFail(nil)
		if err := b.tape.Published(t.Context()); err != nil {
			t.Fatal(err)
		}
		if b.pub.text(t) != text {
			t.Error("other bytes arrived than were written")
		}
		half := len(b.pub.parts(t)) / 2
		b.confirm("started", half)
		if kept := onDisk(t, dir); kept > size/2+2*segment {
			t.Errorf("%d bytes stay on disk after half was stored", kept)
		}
		b.confirm("passed", 2*half+1)
		if err := b.tape.Stored(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, key.Run)); !os.IsNotExist(err) {
			t.Errorf("the directory of a stored run stays: %v", err)
		}
		if used, held := b.spool.Used(), b.spool.InMemory(); used != 0 || held != 0 {
			t.Errorf("%d bytes used, %d in memory after all is stored", used, held)
		}
	})
}

func TestDisk_thatTakesNothingHoldsWritersUp(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "spool")
	if err := os.WriteFile(dir, nil, 0o600); err != nil { // no directory can be made there
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		const memory = 256 << 10
		b := open(t, spool.Config{Dir: dir, Memory: memory}, spool.Headrace)
		b.pub.setFail(broker.ErrUnavailable)
		text := noise(4 << 20)
		wrote := make(chan struct{})
		go func() {
			defer close(wrote)
			b.write(t, text)
		}()
		pass(time.Hour)
		select {
		case <-wrote:
			t.Error("all was written although neither disk nor memory has room")
		default:
		}
		if held := b.spool.InMemory(); held < memory || held > memory+broker.MaxPart {
			t.Errorf("%d bytes are in memory", held)
		}
		if b.spool.Trouble() == "" {
			t.Error("nothing says that the disk is in trouble")
		}
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		<-wrote
		if held, trouble := b.spool.InMemory(), b.spool.Trouble(); held > memory || trouble != "" {
			t.Errorf("%d bytes are in memory, trouble %q", held, trouble)
		}
		b.end(t, "passed")
		b.pub.setFail(nil)
		if err := b.tape.Published(t.Context()); err != nil {
			t.Fatal(err)
		}
		if b.pub.text(t) != text {
			t.Error("other bytes arrived than were written")
		}
		b.tape.Drop()
	})
}

// TestDisk_fullWithRoomForLittle: the directory takes small files, but what is said does not fit.
func TestDisk_fullWithRoomForLittle(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, key.Run), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/dev/full", filepath.Join(dir, key.Run, "000001.seg")); err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		const memory = 256 << 10
		b := open(t, spool.Config{Dir: dir, Memory: memory}, spool.Headrace)
		b.pub.setFail(broker.ErrUnavailable)
		text := noise(4 << 20)
		wrote := make(chan struct{})
		go func() {
			defer close(wrote)
			b.write(t, text)
		}()
		pass(time.Hour)
		if held := b.spool.InMemory(); held < memory || held > memory+broker.MaxPart {
			t.Errorf("%d bytes are in memory", held)
		}
		if got := b.spool.Trouble(); !strings.Contains(got, "no space left") {
			t.Errorf("trouble %q", got)
		}
		b.pub.setFail(nil)
		for { // what is stored makes room
			pass(time.Minute)
			b.confirm("", len(b.pub.parts(t)))
			synctest.Wait()
			select {
			case <-wrote:
				b.end(t, "passed")
				if err := b.tape.Published(t.Context()); err != nil {
					t.Fatal(err)
				}
				if b.pub.text(t) != text {
					t.Error("other bytes arrived than were written")
				}
				b.tape.Drop()
				return
			default:
			}
		}
	})
}

func TestDisk_whatCannotBeReadBackIsNamed(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]func(file string) error{
		"cut": func(file string) error { return os.Truncate(file, 100_000) },
		"other bytes": func(file string) error {
			all, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			all[150_000] ^= 1
			return os.WriteFile(file, all, 0o600)
		},
		"gone": os.Remove,
	} {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			b := open(t, spool.Config{Dir: dir, Memory: 1}, spool.Headrace)
			b.pub.setFail(broker.ErrUnavailable)
			b.write(t, noise(1<<20))
			b.end(t, "passed")
			if err := damage(filepath.Join(dir, key.Run, "000001.seg")); err != nil {
				t.Fatal(err)
			}
			b.pub.setFail(nil)
			if err := b.tape.Published(t.Context()); err != nil {
				t.Fatal(err)
			}
			parts := b.pub.parts(t)
			if got := b.pub.text(t); !strings.Contains(got, "65536 bytes of output are missing here") || !parts[len(parts)-1].Final {
				t.Errorf("%s: %d bytes in %d parts do not say what is missing", name, len(got), len(parts))
			}
			b.confirm("passed", len(parts))
			if err := b.tape.Stored(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestDisk_namesThatLeadElsewhereAreNotUsed(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a", "spool")
	s := spool.New(&publisher{}, spool.Config{Dir: dir})
	for _, name := range []string{"..", "../x", "", ".", "a/b"} {
		tape := s.Open(broker.Run{JobID: 1, Attempt: 1, Run: name}, spool.Headrace)
		if err := tape.End(report("passed")); err != nil {
			t.Fatal(err)
		}
		if s.Trouble() == "" {
			t.Errorf("a run named %q is kept on disk", name)
		}
		tape.Drop()
	}
}

// sink says that something was published.
type sink chan struct{}

func (s sink) Publish(context.Context, broker.Message) error {
	s <- struct{}{}
	return nil
}

// BenchmarkTape measures a part of 64 KiB from Write to its publication.
func BenchmarkTape(b *testing.B) {
	piece := []byte(noise(broker.MaxPart))
	for _, c := range []struct {
		name string
		cfg  spool.Config
	}{
		{"memory", spool.Config{}},
		{"disk", spool.Config{Dir: b.TempDir()}},
		{"disk read back", spool.Config{Dir: b.TempDir(), Memory: 1}},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.SetBytes(int64(len(piece)))
			b.ReportAllocs()
			pub := make(sink, 1)
			tape := spool.New(pub, c.cfg).Open(key, spool.Headrace)
			done := make(chan error, 1)
			go func() { done <- tape.Send(b.Context()) }()
			n := 0
			for b.Loop() {
				if _, err := tape.Write(piece); err != nil {
					b.Fatal(err)
				}
				<-pub
				n++
				if n%64 == 0 { // as heartbeats do
					tape.Confirm(broker.RunStatus{Run: key, Owned: true, Next: n})
				}
			}
			tape.Drop()
			if err := <-done; err != nil {
				b.Fatal(err)
			}
		})
	}
}
