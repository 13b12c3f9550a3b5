package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestReport_refusesWhatWasNotChecked(t *testing.T) {
	t.Parallel()
	rate := []amount{{"", 12345.6, "/s"}, {"p50", 1.234, "ms"}}
	for name, tt := range map[string]struct {
		f     figure
		shown string
	}{
		"all checked":     {figure{Amounts: rate, Checked: 3, Of: 3}, "12,346 /s, p50 1.23 ms"},
		"one missing":     {figure{Amounts: rate, Checked: 2, Of: 3}, "not shown"},
		"nothing checked": {figure{Amounts: rate}, "not shown"},
		"trouble":         {figure{Amounts: rate, Checked: 3, Of: 3, Trouble: []string{"a defect"}}, "not shown"},
	} {
		tt.f.Name = "the figure"
		r := report{Raw: []figure{{Name: "raw", Amounts: rate, Checked: 1, Of: 1}}, Figures: []figure{tt.f}}
		var out bytes.Buffer
		file := filepath.Join(t.TempDir(), "bench.json")
		if err := r.write(&out, file); err != nil {
			t.Fatal(err)
		}
		body, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var kept report
		if err := json.Unmarshal(body, &kept); err != nil {
			t.Fatal(err)
		}
		whole := tt.shown != "not shown"
		if got := kept.Figures[0].shown(); got != tt.shown || r.whole() != whole || (len(kept.Figures[0].Amounts) > 0) != whole || !strings.Contains(out.String(), tt.shown) {
			t.Errorf("%s: shown %q, whole %t, file %s, text\n%s", name, got, r.whole(), body, out.String())
		}
	}
}

func TestSpread(t *testing.T) {
	t.Parallel()
	var s spread
	for i := range 100 {
		s = append(s, time.Duration(100-i)*time.Millisecond)
	}
	if diff := cmp.Diff([]amount{{"p50", 50, "ms"}, {"p99", 99, "ms"}}, s.amounts()); diff != "" {
		t.Error(diff)
	}
	if got := (spread{}).at(99); got != 0 {
		t.Errorf("nothing measured gives %s", got)
	}
}

func TestDrive(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/differs" {
			_, _ = fmt.Fprint(w, time.Now().UnixNano())
			return
		}
		if r.Header.Get("Authorization") != "token secret" {
			w.WriteHeader(http.StatusForbidden)
		}
		_, _ = fmt.Fprint(w, strings.Repeat("x", 10_000)) // in chunks
	}))
	defer server.Close()
	for name, tt := range map[string]struct {
		path, token string
		checked     int
	}{"fine": {"/", "secret", 100}, "refused": {"/", "other", 0}, "another each time": {"/differs", "secret", 1}} {
		a, err := newAsk(http.MethodPost, server.URL+tt.path, tt.token, []byte(`{"a":1}`), same())
		if err != nil {
			t.Fatal(err)
		}
		got, err := drive(t.Context(), 4, 100, time.Minute, func(int) (ask, error) { return a, nil })
		if err != nil || got.answers != 100 || len(got.delays) != 100 || got.checks.of != 100 || got.checks.checked != tt.checked {
			t.Errorf("%s: %d answers, %d of %d checked, %v, %v", name, got.answers, got.checks.checked, got.checks.of, got.checks.trouble, err)
		}
	}
}

func TestKept(t *testing.T) {
	t.Parallel()
	want := text(10_000)
	if got := kept(append([]byte("before\n"), want...), want); got != len(want) {
		t.Errorf("the whole: %d of %d", got, len(want))
	}
	lines := bytes.SplitAfter(want, []byte("\n"))
	without := bytes.Join(append(append([][]byte{}, lines[:5]...), lines[6:]...), nil)
	if got := kept(without, want); got != len(want)-len(lines[5]) {
		t.Errorf("a line less: %d of %d", got, len(want))
	}
}

// TestViewer lets what emit writes come in pieces.
func TestViewer(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if code, err := emit(context.Background(), []string{"50000", "1"}, &out); code != 0 || err != nil {
		t.Fatal(code, err)
	}
	stream := func(skip int) string {
		var b strings.Builder
		body := "$ emit\n" + out.String()
		for i := 0; len(body) > 0; i++ {
			n := min(777, len(body))
			data, err := json.Marshal(map[string]string{"content": body[:n]})
			if err != nil {
				t.Fatal(err)
			}
			if body = body[n:]; i != skip {
				fmt.Fprintf(&b, "id: 1.1.%d\ndata: %s\n\n", i, data)
			}
		}
		return b.String() + "event: end\ndata: {}\n\n"
	}
	var v viewer
	if err := v.read(strings.NewReader(stream(-1))); err != nil || v.next != 500 || v.checks.checked != 500 {
		t.Errorf("read %d lines, %d in order: %v %v", v.next, v.checks.checked, v.checks.trouble, err)
	}
	var gap viewer
	if err := gap.read(strings.NewReader(stream(5))); err != nil || gap.checks.checked == gap.checks.of {
		t.Errorf("with a gap %d of %d in order: %v", gap.checks.checked, gap.checks.of, err)
	}
	if err := new(viewer).read(strings.NewReader("data: {}\n")); err == nil {
		t.Error("a stream that breaks off is taken for one that ended")
	}
}

func TestCPUAndMemory(t *testing.T) {
	t.Parallel()
	if used, err := cpuOf(os.Getpid()); err != nil || used.own < 0 {
		t.Error(used, err)
	}
	if held, err := memoryOf(os.Getpid()); err != nil || held < 1<<20 {
		t.Error(held, err)
	}
}
