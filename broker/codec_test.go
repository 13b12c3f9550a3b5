package broker_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/headrace/headrace/broker"
)

func ptr[T any](v T) *T { return &v }

func TestJobTravels(t *testing.T) {
	t.Parallel()
	want := broker.Job{
		Type: "test", Queue: "builds.linux", Config: json.RawMessage(`{"script":"make"}`),
		Job: broker.JobDetails{
			ID: 7, Number: "12.3", Commit: "abc", Branch: "main", PullRequest: false, State: "queued",
			QueuedAt: time.Date(2026, 1, 2, 3, 4, 5, 6000, time.UTC), StageName: "test",
		},
		Source: broker.Source{ID: 3, Number: "12", EventType: "push"}, Repository: broker.Repository{ID: 1, Slug: "acme/app"},
		EnvVars: []broker.EnvVar{{Name: "A", Value: "ü\n\"", Public: true}}, Timeouts: broker.Timeouts{HardLimit: ptr(60)},
		Meta: broker.JobMeta{StateUpdateCount: 2000}, Headrace: &broker.JobExtra{Attempt: 2, LogLimit: 5},
	}
	m, err := want.Message()
	if err != nil {
		t.Fatal(err)
	}
	if m.Exchange != "" || m.Key != "builds.linux" || m.Type != broker.TypeJob || m.Transient || m.Expires != 0 {
		t.Errorf("message %+v", m)
	}
	got, err := broker.DecodeJob(m)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

func TestDecodeJobIsSafe(t *testing.T) {
	t.Parallel()
	for body, config := range map[string]string{
		`{"job":{"id":1},"config":null}`:      "{}", // null makes foreign workers crash
		`{"job":{"id":1}}`:                    "{}",
		`{"job":{"id":1},"config":{"a":[1]}}`: `{"a":[1]}`,
		`{"job":{"id":0},"config":{}}`:        "",
		`{"config":{}}`:                       "",
		`[]`:                                  "",
		`text`:                                "",
		`{"job":{"id":"1"}}`:                  "",
	} {
		j, err := broker.DecodeJob(broker.Message{Body: []byte(body)})
		if (err == nil) != (config != "") || (err == nil && string(j.Config) != config) {
			t.Errorf("%s: config %s, %v", body, j.Config, err)
		}
	}
}

func TestStateReportTravels(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for state, kind := range map[string]string{
		"received": broker.TypeReceive, "started": broker.TypeStart, "reset": broker.TypeReset,
		"passed": broker.TypeFinish, "failed": broker.TypeFinish, "errored": broker.TypeFinish, "canceled": broker.TypeFinish,
	} {
		t.Run(state, func(t *testing.T) {
			t.Parallel()
			want := broker.StateReport{
				ID: 7, State: state, Meta: broker.ReportMeta{StateUpdateCount: 2003, UUID: "run"}, StartedAt: &at,
				Headrace: &broker.StateExtra{Attempt: 2, Worker: "w", ExitCode: ptr(0), Reason: "timeout", Note: "x"},
			}
			m, err := want.Message()
			if err != nil {
				t.Fatal(err)
			}
			if m.Key != broker.StateQueue || m.Type != kind || m.Transient {
				t.Errorf("message %+v", m)
			}
			got, err := broker.DecodeStateReport(m)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestForeignStateReport(t *testing.T) {
	t.Parallel()
	body := `{"id":7,"state":"cancelled","cur":"started","meta":{"state_update_count":3002,"uuid":"u"},"trace":true}`
	got, err := broker.DecodeStateReport(broker.Message{Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	want := broker.StateReport{
		ID: 7, State: "canceled", Meta: broker.ReportMeta{StateUpdateCount: 3002, UUID: "u"}, Headrace: &broker.StateExtra{Attempt: 3},
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	for _, bad := range []string{``, `[]`, `{}`, `{"id":7}`, `{"state":"passed"}`, `{"id":-1,"state":"passed"}`} {
		if _, err := broker.DecodeStateReport(broker.Message{Body: []byte(bad)}); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestLogPartTravels(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]broker.LogPart{
		"bytes":       {JobID: 7, Attempt: 2, Run: "run", Number: 5, Content: []byte("\x00\xff\x1b[0m"), Elapsed: 1500 * time.Millisecond},
		"final":       {JobID: 7, Attempt: 1, Run: "run", Content: []byte("end\n"), Final: true},
		"the largest": {JobID: 1, Run: "run", Content: make([]byte, broker.MaxPart)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := broker.DecodeLogPart(want.Message())
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestBadLogPartIsRefused(t *testing.T) {
	t.Parallel()
	good := broker.LogPart{JobID: 7, Attempt: 1, Run: "run", Number: 1, Content: []byte("x")}
	for _, header := range []string{"job", "attempt", "number", "final", "elapsed_ms"} {
		for _, value := range []string{"", "x", "-1"} {
			m := good.Message()
			m.Headers[header] = value
			if _, err := broker.DecodeLogPart(m); err == nil && (header != "elapsed_ms" || value != "-1") {
				t.Errorf("%s %q is taken", header, value)
			}
		}
	}
	large := good
	large.Content = make([]byte, broker.MaxPart+1)
	if _, err := broker.DecodeLogPart(large.Message()); err == nil {
		t.Error("a part that is too large is taken")
	}
	for _, body := range []string{``, `[]`, `{}`, `{"id":0,"log":"x"}`, `{"id":1,"number":-1}`} {
		if _, err := broker.DecodeLogPart(broker.Message{Type: broker.TypeLog, Body: []byte(body)}); err == nil {
			t.Errorf("%q is taken", body)
		}
	}
}

func TestPlainMessagesAreTransient(t *testing.T) {
	t.Parallel()
	want := broker.HeartbeatAnswer{Sequence: 3, Runs: []broker.RunStatus{
		{Run: broker.Run{JobID: 1, Attempt: 2, Run: "r"}, Owned: true, State: "started", Next: 9},
	}}
	m, err := broker.Encode("", broker.WorkerQueue("w"), broker.TypeHeartbeatAnswer, want)
	if err != nil {
		t.Fatal(err)
	}
	if m.Key != "headrace.worker.w" || m.Type != broker.TypeHeartbeatAnswer || !m.Transient || m.Expires <= 0 {
		t.Errorf("message %+v", m)
	}
	var got broker.HeartbeatAnswer
	if err := broker.Decode(m, &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if err := broker.Decode(broker.Message{Type: "x", Body: []byte("{")}, &got); err == nil {
		t.Error("a damaged message is taken")
	}
}

// FuzzTextMessages proves that a log cut for foreign platforms is whole again when put together.
func FuzzTextMessages(f *testing.F) {
	f.Add([]byte("hello\n"), false)
	f.Add([]byte(""), true)
	f.Add([]byte(strings.Repeat("ü€🙂", 900)), true)
	f.Add([]byte("\xff\xfe\x00"), false)
	f.Fuzz(func(t *testing.T, content []byte, final bool) {
		if len(content) > broker.MaxPart {
			return
		}
		part := broker.LogPart{JobID: 7, Run: "run", Content: content, Final: final}
		list, err := part.TextMessages(10)
		if err != nil {
			t.Fatal(err)
		}
		var all []byte
		for i, m := range list {
			got, err := broker.DecodeLogPart(m)
			if err != nil {
				t.Fatal(err)
			}
			if got.Number != 10+i || got.JobID != 7 || got.Run != "run" || got.Final != (final && i == len(list)-1) {
				t.Errorf("part %d of %d: %+v", i, len(list), got)
			}
			if got.Final && len(got.Content) > 0 {
				t.Errorf("the last part has text: %+v", got)
			}
			if utf8.Valid(content) && len(got.Content) > 1653 {
				t.Errorf("part %d has %d bytes", i, len(got.Content))
			}
			all = append(all, got.Content...)
		}
		if final && len(list) == 0 {
			t.Error("the end is not said")
		}
		if want := string(content); utf8.ValidString(want) && want != string(all) {
			t.Errorf("%q becomes %q", want, all)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add(broker.TypeJob, []byte(`{"job":{"id":1},"config":{}}`), "1")
	f.Add(broker.TypeLog, []byte(`{"id":1,"log":"x","number":0,"final":true}`), "")
	f.Add(broker.TypeRawLog, []byte("x"), "9223372036854775807")
	f.Add(broker.TypeFinish, []byte(`{"id":1,"state":"passed"}`), "true")
	f.Fuzz(func(t *testing.T, kind string, body []byte, header string) {
		m := broker.Message{Type: kind, Body: body, Headers: map[string]string{
			"job": header, "attempt": header, "number": header, "final": "true", "elapsed_ms": header, "run": header,
		}}
		if j, err := broker.DecodeJob(m); err == nil {
			if j.Job.ID <= 0 || len(j.Config) == 0 || string(j.Config) == "null" {
				t.Errorf("job %+v", j)
			}
			if _, err := j.Message(); err != nil {
				t.Errorf("encode again: %v", err)
			}
		}
		if r, err := broker.DecodeStateReport(m); err == nil && (r.ID <= 0 || r.State == "" || r.State == "cancelled" || r.Headrace == nil) {
			t.Errorf("report %+v", r)
		}
		if p, err := broker.DecodeLogPart(m); err == nil && (p.JobID <= 0 || p.Number < 0 || p.Attempt < 0 || len(p.Content) > broker.MaxPart) {
			t.Errorf("part %+v", p)
		}
	})
}
