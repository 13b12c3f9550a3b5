package api

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/live"
)

func logPath(j ci.Job, rest string) string { return fmt.Sprintf("/api/job/%d/log%s", j.ID, rest) }

func TestLog_TextIsByteForByte(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.startJob(t)
	b.write(t, j, 0, false, "a\xffb\r\n", "\x00\x1b[1m<script>")
	want := "a\xffb\r\n\x00\x1b[1m<script>"
	for path, accept := range map[string]string{".txt": "", "": "text/plain"} {
		got := b.get(t, logPath(j, path), "Accept", accept)
		if got.Body.String() != want {
			t.Errorf("%q gives %q", path, got.Body)
		}
		h := got.Header()
		if h.Get("Content-Type") != "text/plain; charset=utf-8" || h.Get("X-Content-Type-Options") != "nosniff" || !strings.Contains(h.Get("Content-Security-Policy"), "sandbox") {
			t.Errorf("a browser might take it for a page: %v", h)
		}
	}
}

func TestLog_OpenAndClosed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.startJob(t)
	b.write(t, j, 0, false, "w\xc3", "\xa4rts\n")
	open := b.get(t, logPath(j, "")).json(t)
	want := []any{
		map[string]any{"content": "w", "final": false, "number": 1e9},
		map[string]any{"content": "ärts\n", "final": false, "number": 1e9 + 1},
	}
	if diff := cmp.Diff(want, open["log_parts"]); diff != "" {
		t.Error(diff)
	}
	if open["content"] != "wärts\n" {
		t.Errorf("content is %q", open["content"])
	}
	b.write(t, j, 2, true, "end\n")
	b.finish(t, j, ci.Passed)
	closed := b.get(t, logPath(j, "")).json(t)
	if diff := cmp.Diff([]any{map[string]any{"content": "wärts\nend\n", "final": true, "number": 0.0}}, closed["log_parts"]); diff != "" {
		t.Error(diff)
	}
}

// TestLogParts_Polling reads a log as a client does that asks again and again.
func TestLogParts_Polling(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.startJob(t)
	after, text, final := "", "", false
	poll := func() {
		list, _ := b.get(t, fmt.Sprintf("/api/job/%d/log_parts?after=%s", j.ID, after)).json(t)["log_parts"].([]any)
		for _, p := range list {
			text += at(p, "content").(string)
			final = at(p, "final").(bool)
			after = fmt.Sprintf("%.0f", at(p, "number"))
		}
	}
	poll()
	b.write(t, j, 0, false, "one\n", "tw\xe2\x82")
	poll()
	poll()
	b.write(t, j, 2, false, "\xac\n")
	poll()
	if final {
		t.Error("final before the end")
	}
	b.write(t, j, 3, true, "three\n")
	b.finish(t, j, ci.Passed)
	poll()
	if want := "one\ntw€\nthree\n"; text != want || !final {
		t.Errorf("polled %q, final %v, want %q", text, final, want)
	}
	text = ""
	poll()
	if text != "" {
		t.Errorf("after the end there was %q", text)
	}
}

// TestLog_OutlastsTheServersTimeLimit: a server's WriteTimeout is for whole answers, and a long log on a slow line takes longer.
func TestLog_OutlastsTheServersTimeLimit(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.startJob(t)
	part := strings.Repeat("x", 64<<10)
	for i := range 10 {
		b.write(t, j, 10*i, false, part, part, part, part, part, part, part, part, part, part)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, b.user)))
	}))
	server.Config.WriteTimeout = 100 * time.Millisecond
	server.Start()
	t.Cleanup(server.Close)
	for _, path := range []string{".txt", ""} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, server.URL+logPath(j, path), nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		<-time.After(200 * time.Millisecond) // the reader is slow: most of the answer does not fit into the sockets
		n, err := io.Copy(io.Discard, answer.Body)
		if err != nil || n < 100*64<<10 {
			t.Errorf("%q broke off after %d bytes: %v", path, n, err)
		}
		_ = answer.Body.Close()
	}
}

func TestLogParts_Choice(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.startJob(t)
	b.write(t, j, 0, false, "one", "two", "three")
	tests := map[string]struct {
		query string
		want  string // contents, or status
	}{
		"all":                  {"", "one two three"},
		"after":                {"?after=1000000001", "three"},
		"after the end":        {"?log_parts.after=1000000002", ""},
		"after beyond numbers": {"?after=9000000000000000000", ""},
		"numbers":              {"?part_numbers=1000000000,1000000002", "one three"},
		"all there":            {"?part_numbers=1000000000&require_all=true", "one"},
		"one missing":          {"?part_numbers=1000000000,7&require_all=true", "404"},
		"without content":      {"?content=false", "- - -"},
		"no number":            {"?after=x", "400"},
		"no numbers":           {"?part_numbers=x", "400"},
		"no truth":             {"?content=perhaps", "400"},
		"another attempt":      {"?attempt=2", "404"},
	}
	for name, test := range tests {
		got := b.get(t, fmt.Sprintf("/api/job/%d/log_parts%s", j.ID, test.query))
		var contents []string
		list, _ := got.json(t)["log_parts"].([]any)
		for _, p := range list {
			content, given := at(p, "content").(string)
			if !given {
				content = "-"
			}
			contents = append(contents, content)
		}
		text := strings.Join(contents, " ")
		if got.Code != http.StatusOK {
			text = fmt.Sprint(got.Code)
		}
		if text != test.want {
			t.Errorf("%s gives %q, want %q", name, text, test.want)
		}
	}
}

func TestLog_Delete(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.startJob(t)
	b.write(t, j, 0, true, "secret\n")
	steps := func(status int, kind any) answered {
		t.Helper()
		got := b.do(t, http.MethodDelete, logPath(j, ""), "")
		if got.Code != status || got.json(t)["error_type"] != kind {
			t.Errorf("answer %d %s", got.Code, got.Body)
		}
		return got
	}
	steps(409, "job_unfinished")
	b.finish(t, j, ci.Passed)
	left := steps(200, nil).json(t)
	want := "Log removed by ines at 2026-11-20 05:46:00 UTC\n"
	if left["content"] != want || at(left, "log_parts", 0, "content") != want || at(left, "log_parts", 0, "final") != true {
		t.Errorf("left is %v", left)
	}
	steps(409, "log_already_removed")
	for _, path := range []string{logPath(j, ""), logPath(j, ".txt"), logPath(j, "_parts")} {
		if got := b.get(t, path); got.Code != 200 || strings.Contains(got.Body.String(), "secret") || !strings.Contains(got.Body.String(), "removed by ines") {
			t.Errorf("%s answers %d %s", path, got.Code, got.Body)
		}
	}
}

func TestLog_Missing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.startJob(t)
	for path, resource := range map[string]string{"/api/job/99/log": "job", logPath(j, "?attempt=2"): "log", logPath(j, "/stream?attempt=9"): "log", "/api/job/x/log": "job"} {
		got := b.get(t, path)
		if got.Code != http.StatusNotFound || got.json(t)["resource_type"] != resource {
			t.Errorf("%s answers %d %s", path, got.Code, got.Body)
		}
	}
}

// sse is an open stream of events.
type sse struct {
	t      *testing.T
	body   io.Closer
	lines  *bufio.Scanner
	header http.Header
}

// open connects to a stream over a real connection, as ines.
func (b *bundle) open(t *testing.T, path string, headers ...string) *sse {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), userKey{}, b.user)))
	}))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	answer, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { cancel(); _ = answer.Body.Close(); server.Close() })
	if answer.StatusCode != http.StatusOK {
		t.Fatalf("stream answers %d %s", answer.StatusCode, readAll(t, answer.Body))
	}
	return &sse{t: t, body: answer.Body, lines: bufio.NewScanner(answer.Body), header: answer.Header}
}

// next reads one event, as its lines with a bar between; empty at the end of the stream.
func (s *sse) next() string {
	s.t.Helper()
	var lines []string
	for s.lines.Scan() {
		if s.lines.Text() == "" {
			return strings.Join(lines, "|")
		}
		lines = append(lines, s.lines.Text())
	}
	return strings.Join(lines, "|")
}

func (s *sse) want(events ...string) {
	s.t.Helper()
	for _, want := range events {
		if diff := cmp.Diff(want, s.next()); diff != "" {
			s.t.Fatal(diff)
		}
	}
}

func TestStreamLog_FollowsAndResumes(t *testing.T) {
	t.Parallel()
	t.Run("with a plain reader of the store", func(t *testing.T) {
		t.Parallel()
		followAndResume(t, setup(t))
	})
	t.Run("with the real live", func(t *testing.T) {
		t.Parallel()
		followAndResume(t, setup(t, func(d *Deps, _ *Config) {
			d.Live = live.New(d.Store, live.Config{Poll: 10 * time.Millisecond, Pace: time.Millisecond})
		}))
	})
}

func followAndResume(t *testing.T, b *bundle) {
	t.Helper()
	j := b.startJob(t)
	b.write(t, j, 0, false, "one\n", "tw\xe2\x82")
	s := b.open(t, logPath(j, "/stream"))
	for name, want := range map[string]string{"Content-Type": "text/event-stream", "X-Accel-Buffering": "no", "Cache-Control": "no-store"} {
		if got := s.header.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	s.want("retry: 2000",
		`id: 1.1.0|data: {"number":0,"source":1,"content":"one\n","final":false,"first_line":1}`,
		`id: 1.1.1|data: {"number":1,"source":1,"content":"tw","final":false,"first_line":2}`)
	_ = s.body.Close()

	// The connection broke in the middle of a character; the next one goes on with the whole of it.
	again := b.open(t, logPath(j, "/stream"), "Last-Event-ID", "1.1.1")
	b.write(t, j, 2, true, "\xac\n")
	again.want("retry: 2000", `id: 1.1.2|data: {"number":2,"source":1,"content":"€\n","final":true,"first_line":2}`)
	b.finish(t, j, ci.Passed)
	again.want("event: end|data: {\"attempt\":1}", "")

	late := b.open(t, logPath(j, "/stream?last_event_id=1.1.2"))
	late.want("retry: 2000", "event: end|data: {\"attempt\":1}", "")
}

func TestStreamLog_FinishesTheAttemptThatItBegan(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.startJob(t)
	b.write(t, j, 0, true, "one\n")
	b.finish(t, j, ci.Failed)
	if got := b.do(t, http.MethodPost, fmt.Sprintf("/api/job/%d/restart", j.ID), ""); got.Code != http.StatusAccepted {
		t.Fatal(got.Body)
	}
	b.open(t, logPath(j, "/stream"), "Last-Event-ID", "1.1.0").want("retry: 2000", "event: end|data: {\"attempt\":1}", "")
	s := b.open(t, logPath(j, "/stream")) // without an id it is the new attempt's
	s.want("retry: 2000")
	b.stop()
	s.want("")
}

func TestStreamLog_RefusesAnIDThatIsNotOne(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.startJob(t)
	for _, id := range []string{"x", "1", "1.1", "1.1.1.1", "1.1.-1", "0.1.1", "1.1.x", "-1.1.1", "1.1.99999999999"} {
		if got := b.get(t, logPath(j, "/stream"), "Last-Event-ID", id); got.Code != http.StatusBadRequest {
			t.Errorf("%q answers %d", id, got.Code)
		}
	}
	if got := b.get(t, logPath(j, "/stream?attempt=1"), "Last-Event-ID", "2.1.1"); got.Code != http.StatusBadRequest {
		t.Errorf("an id of another attempt answers %d", got.Code)
	}
}

func TestStream_StaysAliveAndEnds(t *testing.T) {
	t.Parallel()
	b := setup(t, func(_ *Deps, c *Config) { c.KeepAlive = time.Millisecond })
	b.live.events = []ci.Change{{Kind: ci.ChangeJob, Job: 7, State: "started"}}
	s := b.open(t, "/api/events", "Last-Event-ID", "mill-b.41")
	s.want("retry: 2000")
	sawChange, sawComment := false, false
	for !sawChange || !sawComment {
		switch e := s.next(); e {
		case `id: mill-a.1|data: [{"kind":"job","job":7,"state":"started"}]`:
			sawChange = true
		case ": still here":
			sawComment = true
		default:
			t.Fatalf("event %q", e)
		}
	}
	if b.live.last != "mill-b.41" {
		t.Errorf("live was asked from %q on", b.live.last)
	}
	b.stop()
	for e := s.next(); e != ""; e = s.next() {
		if e != ": still here" {
			t.Errorf("event %q", e)
		}
	}
}

func TestStream_EndsAfterAWhile(t *testing.T) {
	t.Parallel()
	b := setup(t, func(_ *Deps, c *Config) { c.StreamFor = 50 * time.Millisecond })
	b.open(t, "/api/events").want("retry: 2000", "")
}

// TestStream_EndsWithItsClient: goleak finds what would stay behind.
func TestStream_EndsWithItsClient(t *testing.T) {
	t.Parallel()
	b := setup(t)
	j := b.startJob(t)
	for range 8 {
		b.open(t, logPath(j, "/stream")).want("retry: 2000")
	}
}

func TestRemoved_saysByWhom(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for by, want := range map[string]string{
		"ines": "Log removed by ines at 2026-03-01 12:00:00 UTC\n",
		"":     "Log removed by Headrace at 2026-03-01 12:00:00 UTC: it is older than logs are kept here\n",
	} {
		if got := removed(ci.Log{RemovedBy: by, RemovedAt: at}); got != want {
			t.Errorf("%q: got %q", by, got)
		}
	}
}
