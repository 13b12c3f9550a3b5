package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/headrace/headrace/platform/ci"
)

func TestListQueues(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	err := listQueues(&out, []ci.QueueStatus{
		{Queue: "builds.linux", Created: 9, Queued: 2, Running: 3, Workers: 2, Slots: 4, FreeSlots: 1, MaxJobs: 8},
		{Queue: "builds.mac", Workers: 1, Slots: 1, Paused: true, PausedBy: "ines", PausedAt: time.Now()},
		{Queue: "builds.arm", Draining: 1}, {Queue: "builds.gpu"},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `QUEUE         STATE           WAITING  RUNNING  WORKERS  FREE SLOTS  LIMIT
builds.linux  handing out     9        5        2        1 of 4      8
builds.mac    paused by ines  0        0        1        0 of 1      none
builds.arm    draining        0        0        0        0 of 0      none
builds.gpu    no worker       0        0        0        0 of 0      none
`
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("list (-want +got):\n%s", diff)
	}
	out.Reset()
	if err := listQueues(&out, nil); err != nil || !strings.HasPrefix(out.String(), "There is no queue yet") {
		t.Errorf("without queues: %v %q", err, out.String())
	}
}
