package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/broker/rabbitmq"
	"github.com/headrace/headrace/internal/testkit/historytest"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store"
)

// letters are the dead letters as `headrace admin dead-letters list --json` shows them.
type letters struct {
	Total int `json:"total"`
	All   []struct {
		ID     int64  `json:"id"`
		Queue  string `json:"queue"`
		Reason string `json:"reason"`
		Tries  int    `json:"tries"`
	} `json:"dead_letters"`
}

func deadLetters(t *testing.T, env []string) letters {
	t.Helper()
	out, code := command(t, env, "admin", "dead-letters", "list", "--json")
	var all letters
	if err := json.Unmarshal([]byte(out), &all); code != 0 || err != nil {
		t.Fatalf("dead-letters list: %d %v %s", code, err, out)
	}
	return all
}

// publisher is a stranger on the broker of a shape.
func publisher(t *testing.T, amqp string) broker.Carrier {
	t.Helper()
	c, err := rabbitmq.New(rabbitmq.Config{URL: strings.TrimPrefix(amqp, "HEADRACE_AMQP_URL=")})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return c
}

// TestDeadLetters: messages of wrong shape on every queue, also on that of jobs, are kept with their reason, and neither
// platform nor worker is held up by them.
func TestDeadLetters(t *testing.T) {
	t.Parallel()
	s := standard(t, 1, 1)
	except(t, "the test makes dead letters", historytest.DeadLetters)
	env := s.nodes[0].env
	stranger := publisher(t, s.amqp)
	queues := map[string]string{
		broker.DefaultJobQueue: "worker mill-1: read job message", broker.StateQueue: "read state report", broker.LogQueue: "read log part",
		broker.ClaimQueue: "read headrace:claim", broker.HeartbeatExchange: "read headrace:heartbeat",
	}
	kinds := map[string]string{broker.ClaimQueue: broker.TypeClaim, broker.HeartbeatExchange: broker.TypeHeartbeat}
	if err := stranger.DeclareQueue(t.Context(), broker.DefaultJobQueue); err != nil {
		t.Fatal(err)
	}
	for queue := range queues {
		for range 2 {
			m := broker.Message{Key: queue, Type: kinds[queue], Body: []byte("<poison/>")}
			if queue == broker.HeartbeatExchange {
				m.Exchange, m.Key = queue, ""
			}
			if err := stranger.Publish(t.Context(), m); err != nil {
				t.Fatal(err)
			}
		}
	}
	var all letters
	eventually(t, "a dead letter of each queue, seen twice", func() (bool, string) {
		all = deadLetters(t, env)
		twice := 0
		for _, d := range all.All {
			twice += d.Tries / 2
		}
		return twice == len(queues), fmt.Sprintf("%+v", all)
	})
	job := int64(0)
	for _, d := range all.All {
		if want := queues[d.Queue]; want == "" || !strings.HasPrefix(d.Reason, want) {
			t.Errorf("dead letter of %q for the reason %q, want %q", d.Queue, d.Reason, want)
		}
		if d.Queue == broker.DefaultJobQueue {
			job = d.ID
		}
	}

	api := s.api()
	api.addRepository(t, "acme/app", repository(t, map[string]string{".travis.yml": "language: shell\nscript: echo hello\n"}))
	if b := api.ended(t, api.built(t, "acme/app", api.trigger(t, "acme/app", nil)).ID); b.State != "passed" {
		t.Errorf("a build after it is %s", b.State)
	}

	id := fmt.Sprint(job)
	if out, code := command(t, env, "admin", "dead-letters", "show", id); code != 0 || !strings.Contains(out, "<poison/>") || !strings.Contains(out, "builds.linux") {
		t.Errorf("show: %d %s", code, out)
	}
	if out, code := command(t, env, "admin", "dead-letters", "requeue", id); !strings.Contains(out, "in its queue again") && !strings.Contains(out, "came back") {
		t.Errorf("requeue: %d %s", code, out)
	}
	eventually(t, "it comes back", func() (bool, string) {
		again := deadLetters(t, env)
		for _, d := range again.All {
			if d.Queue == broker.DefaultJobQueue && (d.ID != job || d.Tries == 3) {
				id = fmt.Sprint(d.ID)
				return true, ""
			}
		}
		return false, fmt.Sprintf("%+v", again)
	})
	if out, code := command(t, env, "admin", "dead-letters", "delete", id); code != 0 {
		t.Errorf("delete: %d %s", code, out)
	}
	if left := deadLetters(t, env); left.Total != len(queues)-1 {
		t.Errorf("left: %+v", left)
	}
}

// TestDeadLetters_trial: a command beside the trial, whose broker is inside the process, sends a message all the same.
func TestDeadLetters_trial(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	trial(t, dir, nil)
	env := []string{"HEADRACE_DATA_DIR=" + dir}
	if out, code := command(t, env, "admin", "dead-letters", "list"); code != 0 || !strings.Contains(out, "There are no dead letters") {
		t.Errorf("list: %d %s", code, out)
	}
	beside, err := store.Open(t.Context(), store.Config{Path: filepath.Join(dir, "headrace.db")})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = beside.Close() }()
	for _, queue := range []string{broker.DefaultJobQueue, "nowhere"} {
		if err := beside.AddDeadLetter(t.Context(), ci.DeadLetter{Queue: queue, Type: "test", Body: []byte("\x1b[2J"), Reason: "made by a test"}); err != nil {
			t.Fatal(err)
		}
	}
	all := deadLetters(t, env)
	if all.Total != 2 || all.All[1].Queue != broker.DefaultJobQueue {
		t.Fatalf("got %+v", all)
	}
	if out, code := command(t, env, "admin", "dead-letters", "show", fmt.Sprint(all.All[1].ID)); code != 0 || strings.Contains(out, "\x1b") || !strings.Contains(out, "1b 5b 32 4a") {
		t.Errorf("show of a body that is no text: %d %q", code, out)
	}
	if out, code := command(t, env, "admin", "dead-letters", "requeue", fmt.Sprint(all.All[0].ID)); code != 1 || !strings.Contains(out, "came back: send again: there is no queue nowhere") {
		t.Errorf("requeue to a queue that is not there: %d %s", code, out)
	}
	if out, code := command(t, env, "admin", "dead-letters", "requeue", fmt.Sprint(all.All[1].ID), "--json"); !strings.Contains(out, `"state"`) || strings.Contains(out, "waiting") {
		t.Errorf("requeue: %d %s", code, out)
	}
	eventually(t, "the worker hands it back", func() (bool, string) {
		found := deadLetters(t, env)
		for _, d := range found.All {
			if strings.Contains(d.Reason, "read job message") {
				return true, ""
			}
		}
		return false, fmt.Sprintf("%+v", found)
	})
	if out, code := command(t, env, "admin", "dead-letters", "delete", "--all"); code != 0 || !strings.Contains(out, "Deleted: 2.") {
		t.Errorf("delete --all: %d %s", code, out)
	}
	for _, args := range [][]string{{"delete"}, {"delete", "7", "--all"}} {
		if out, code := command(t, env, append([]string{"admin", "dead-letters"}, args...)...); code != 2 || !strings.Contains(out, "Which dead letters?") {
			t.Errorf("%v: %d %s", args, code, out)
		}
	}
	if out, code := command(t, env, "admin", "dead-letters", "show", "12345"); code != 1 || !strings.Contains(out, "There is no dead letter 12345.") {
		t.Errorf("show of none: %d %s", code, out)
	}
}
