package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store"
)

// queueCommands are about the queues on which jobs wait for workers.
type queueCommands struct {
	List   queueList   `cmd:"" help:"What waits on each queue, and what can take it."`
	Pause  queuePause  `cmd:"" help:"Hand out nothing from a queue; what runs goes on."`
	Resume queueResume `cmd:"" help:"Hand out jobs of a queue again."`
	Limit  queueLimit  `cmd:"" help:"Bound how many jobs of a queue run at a time."`
}

type queueList struct {
	adminFlags
	JSON bool `help:"Print JSON." name:"json"`
}

// Help shows an example.
func (queueList) Help() string { return "Example: headrace admin queue list --data-dir ./.headrace" }

// Run lists them.
func (c queueList) Run(ctx context.Context, t terminal) error {
	return c.with(ctx, t, func(s *store.Store) error {
		all, err := s.Queues(ctx)
		if err != nil {
			return err
		}
		if c.JSON {
			shown := make([]shownQueue, len(all))
			for i, q := range all {
				shown[i] = showQueue(q)
			}
			return printJSON(t.out, map[string]any{"queues": shown})
		}
		return listQueues(t.out, all)
	})
}

// shownQueue is a queue as JSON.
type shownQueue struct {
	Name     string     `json:"name"`
	Paused   bool       `json:"paused"`
	PausedBy string     `json:"paused_by,omitempty"`
	PausedAt *time.Time `json:"paused_at,omitempty"`
	Waiting  int        `json:"waiting"`
	Running  int        `json:"running"` // with workers, or in the broker on the way to one
	Workers  int        `json:"workers"`
	Draining int        `json:"draining"`
	Slots    int        `json:"slots"`
	Free     int        `json:"free_slots"`
	Limit    int        `json:"limit,omitempty"`
}

func showQueue(q ci.QueueStatus) shownQueue {
	v := shownQueue{
		Name: q.Queue, Paused: q.Paused, PausedBy: q.PausedBy, Waiting: q.Created, Running: q.Queued + q.Running,
		Workers: q.Workers, Draining: q.Draining, Slots: q.Slots, Free: q.FreeSlots, Limit: q.MaxJobs,
	}
	if q.Paused {
		v.PausedAt = &q.PausedAt
	}
	return v
}

func listQueues(w io.Writer, all []ci.QueueStatus) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "There is no queue yet: one is known once a worker listens on it, or a job waits for it.")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "QUEUE\tSTATE\tWAITING\tRUNNING\tWORKERS\tFREE SLOTS\tLIMIT")
	for _, q := range all {
		limit := "none"
		if q.MaxJobs > 0 {
			limit = strconv.Itoa(q.MaxJobs)
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%d\t%d\t%d\t%d of %d\t%s\n", visible(q.Queue), queueState(q), q.Created, q.Queued+q.Running, q.Workers, q.FreeSlots, q.Slots, limit)
	}
	return table.Flush()
}

func queueState(q ci.QueueStatus) string {
	switch {
	case q.Paused && q.PausedBy != "":
		return "paused by " + visible(q.PausedBy)
	case q.Paused:
		return "paused"
	case q.Workers == 0 && q.Draining > 0:
		return "draining"
	case q.Workers == 0:
		return "no worker"
	}
	return "handing out"
}

type queuePause struct {
	adminFlags
	Queue string `arg:"" help:"Name of the queue, such as builds.linux."`
}

// Help shows an example.
func (queuePause) Help() string {
	return "Example: headrace admin queue pause --data-dir ./.headrace builds.linux"
}

// onShell is who pauses a queue from a shell.
const onShell = "the command line"

// Run pauses the queue. It works at once, whether a node runs or not: claims ask the database.
func (c queuePause) Run(ctx context.Context, t terminal) error {
	return c.with(ctx, t, func(s *store.Store) error {
		moved, err := s.PauseQueue(ctx, c.Queue, true, onShell)
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(t.out, "%s is paused. What runs goes on; %d taken back from the broker.\n", c.Queue, len(moved))
		return err
	})
}

type queueResume struct {
	adminFlags
	Queue string `arg:"" help:"Name of the queue, such as builds.linux."`
}

// Help shows an example.
func (queueResume) Help() string {
	return "Example: headrace admin queue resume --data-dir ./.headrace builds.linux"
}

// Run resumes the queue. A running node notices within its poll.
func (c queueResume) Run(ctx context.Context, t terminal) error {
	return c.with(ctx, t, func(s *store.Store) error {
		if _, err := s.PauseQueue(ctx, c.Queue, false, onShell); err != nil {
			return err
		}
		_, err := fmt.Fprintf(t.out, "%s hands out jobs again.\n", c.Queue)
		return err
	})
}

type queueLimit struct {
	adminFlags
	Queue string `arg:"" help:"Name of the queue, such as builds.linux."`
	Jobs  int    `arg:"" help:"How many jobs of it run at a time; 0: no limit."`
}

// Help shows an example.
func (queueLimit) Help() string {
	return "Example: headrace admin queue limit --data-dir ./.headrace builds.linux 8"
}

// Run limits the queue.
func (c queueLimit) Run(ctx context.Context, t terminal) error {
	return c.with(ctx, t, func(s *store.Store) error {
		if err := s.LimitQueue(ctx, c.Queue, c.Jobs); err != nil {
			return err
		}
		if c.Jobs == 0 {
			_, err := fmt.Fprintf(t.out, "%s has no limit.\n", c.Queue)
			return err
		}
		_, err := fmt.Fprintf(t.out, "%s runs at most %d jobs at a time.\n", c.Queue, c.Jobs)
		return err
	})
}
