package intake_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/intake"
)

func TestJobsGoToTheirQueues(t *testing.T) {
	t.Parallel()
	rules, err := ci.ParseQueueRules("builds.mac os=osx, builds.arm arch=arm64")
	if err != nil {
		t.Fatal(err)
	}
	s, h := newFakeStore(), newHeard()
	s.add(ci.Request{ID: 1, Branch: "main", Event: ci.EventPush})
	text := "language: minimal\nscript: make\njobs:\n  include:\n  - os: linux\n  - os: osx\n  - arch: arm64\n" +
		"  - queue: builds.gpu\n  - {queue: builds.mine, os: osx}\n  - {queue: builds.mine, os: linux, script: x}\n"
	start(t, intake.New(s, &fakeGit{text: text}, h, intake.Config{Node: "a", Queues: ci.QueueRules{Rules: rules, Named: []string{"builds.gpu"}}}))
	<-s.settled
	got := s.result(1)
	if got.build == nil {
		t.Fatalf("no build: %q", got.reason)
	}
	var queues, said []string
	for _, j := range got.build.Jobs {
		queues = append(queues, j.Queue)
	}
	want := []string{"builds.linux", "builds.mac", "builds.arm", "builds.gpu", "builds.mac", "builds.linux"}
	if diff := cmp.Diff(want, queues); diff != "" {
		t.Errorf("queues (-want +got):\n%s", diff)
	}
	for _, m := range got.build.Messages {
		if m.Key == "queue" {
			said = append(said, m.Level+" "+m.Text)
		}
	}
	if len(said) != 1 || !strings.Contains(said[0], `warn The queue "builds.mine" is not open`) {
		t.Errorf("said %q", said)
	}
}
