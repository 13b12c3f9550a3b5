package dispatch_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/dispatch"
)

// TestForeignWorkersAreCounted: consumers beyond the slots of our own workers are foreign slots, once they have been there
// for some seconds; without a broker nothing is said.
func TestForeignWorkersAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := newFakeStore(), newFakeCarrier()
		s.own = map[string]int{"q": 2}
		c.set(2, nil)
		start(t, s, c, dispatch.Config{Poll: time.Second})
		pass := func(seconds int) (last []noted) {
			<-time.After(time.Duration(seconds)*time.Second + time.Millisecond)
			synctest.Wait()
			for len(s.noted) > 0 {
				last = append(last, <-s.noted)
			}
			return last
		}
		none := []noted{{"q", 0}}
		if diff := cmp.Diff(none, pass(10), cmp.AllowUnexported(noted{})); diff != "" {
			t.Errorf("only our own (-want +got):\n%s", diff)
		}
		c.set(5, nil)
		if got := pass(1); len(got) > 0 {
			t.Errorf("noted after one look: %v", got)
		}
		c.set(2, nil) // they were ours, on their way out
		if got := pass(5); len(got) > 0 {
			t.Errorf("noted what was gone: %v", got)
		}
		c.set(5, nil)
		if got := pass(5); len(got) == 0 || got[len(got)-1] != (noted{"q", 3}) {
			t.Errorf("noted %v, want three slots", got)
		}
		c.set(0, errors.New("no broker"))
		if got := pass(5); len(got) > 0 {
			t.Errorf("noted without a broker: %v", got)
		}
		c.set(1, nil)
		if got := pass(5); len(got) == 0 || got[0] != (noted{"q", 0}) || len(got) > 1 {
			t.Errorf("noted %v, want once that they are gone", got)
		}
	})
}

// TestConfigForForeignWorkers: what they must be able to read as text is text.
func TestConfigForForeignWorkers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ config, want string }{
		"as it is":    {`{"os":"linux","env":["B=1","A=2"],"dist":"jammy"}`, `{"os":"linux","env":["B=1","A=2"],"dist":"jammy"}`},
		"a list":      {`{"os":["linux","osx"],"script":["a <b>"]}`, `{"os":"linux","script":["a <b>"]}`},
		"a number":    {`{"osx_image":14.2}`, `{"osx_image":"14.2"}`},
		"nothing":     {`{"dist":null,"arch":[],"group":{"a":1},"script":"x"}`, `{"script":"x"}`},
		"null":        {`null`, `{}`},
		"no config":   {``, `{}`},
		"not a map":   {`["x"]`, `{}`},
		"not a value": {`{`, `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, c := newFakeStore(), newFakeCarrier()
			s.waiting = []ci.QueuedJob{{Job: ci.Job{ID: 1, Attempt: 3, Queue: "q", Config: ci.Config(test.config)}}}
			start(t, s, c, dispatch.Config{})
			j, err := broker.DecodeJob(<-c.published)
			if err != nil {
				t.Fatal(err)
			}
			var want, got any
			if err := errors.Join(json.Unmarshal([]byte(test.want), &want), json.Unmarshal(j.Config, &got)); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" || j.Meta.StateUpdateCount != 3000 {
				t.Errorf("count %d, config (-want +got):\n%s", j.Meta.StateUpdateCount, diff)
			}
		})
	}
}

// TestScriptToken: the message shows the token of its own attempt.
func TestScriptToken(t *testing.T) {
	t.Parallel()
	s, c := newFakeStore(), newFakeCarrier()
	s.waiting = []ci.QueuedJob{{Job: ci.Job{ID: 7, Attempt: 3, Queue: "q"}}}
	start(t, s, c, dispatch.Config{ScriptToken: func(jobID int64, attempt int) string { return fmt.Sprintf("of %d.%d", jobID, attempt) }})
	j, err := broker.DecodeJob(<-c.published)
	if err != nil {
		t.Fatal(err)
	}
	if j.Headrace == nil || j.Headrace.ScriptToken != "of 7.3" {
		t.Errorf("got %+v", j.Headrace)
	}
}

// TestForeignCancel: a job that a foreign worker has is canceled in its words.
func TestForeignCancel(t *testing.T) {
	t.Parallel()
	s, c := newFakeStore(), newFakeCarrier()
	s.runs = []ci.CanceledRun{{RunRef: ci.RunRef{JobID: 7, Attempt: 2, Run: "r"}, Unclaimed: true}}
	d, _ := start(t, s, c, dispatch.Config{})
	if err := d.CancelJob(t.Context(), 7, "ines"); err != nil {
		t.Fatal(err)
	}
	m := <-c.published
	want := `{"type":"cancel_job","job_id":7,"source":"headrace","reason":"Canceled by ines."}`
	if string(m.Body) != want || m.Exchange != broker.ForeignCommands || m.Key != "" {
		t.Errorf("got %+v %s", m, m.Body)
	}
}
