package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store"
)

// deadLetterCommands are about messages that nothing could be made of.
type deadLetterCommands struct {
	List    deadLetterList    `cmd:"" help:"List them, those that were seen last first."`
	Show    deadLetterShow    `cmd:"" help:"Show one with its headers and its body."`
	Requeue deadLetterRequeue `cmd:"" help:"Send them to their queues again; a running node does it."`
	Delete  deadLetterDelete  `cmd:"" help:"Delete them."`
}

type deadLetterList struct {
	adminFlags
	Limit  int  `help:"How many, at most 100." default:"25"`
	Offset int  `help:"How many to leave out."`
	JSON   bool `help:"Print JSON." name:"json"`
}

// Help shows an example.
func (deadLetterList) Help() string {
	return "Example: headrace admin dead-letters list --data-dir ./.headrace"
}

// Run lists them.
func (c deadLetterList) Run(ctx context.Context, t terminal) error {
	return c.with(ctx, t, func(s *store.Store) error {
		found, total, err := s.DeadLetters(ctx, ci.Page{Limit: c.Limit, Offset: c.Offset})
		if err != nil {
			return err
		}
		if c.JSON {
			all := make([]deadLetter, len(found))
			for i, d := range found {
				all[i] = shownLetter(d)
			}
			return printJSON(t.out, map[string]any{"dead_letters": all, "total": total})
		}
		return listLetters(t.out, found, total)
	})
}

func listLetters(w io.Writer, found []ci.DeadLetter, total int) error {
	if total == 0 {
		_, err := fmt.Fprintln(w, "There are no dead letters: every message could be read.")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "ID\tLAST SEEN\tTRIES\tBYTES\tQUEUE\tTYPE\tREASON")
	for _, d := range found {
		_, _ = fmt.Fprintf(table, "%d\t%s\t%d\t%d\t%s\t%s\t%s\n", d.ID, d.LastAt.Format(time.DateTime), d.Tries, d.Size, visible(d.Queue), visible(d.Type), visible(d.Reason))
	}
	if len(found) < total {
		_, _ = fmt.Fprintf(table, "%d of %d; --offset shows others.\n", len(found), total)
	}
	return table.Flush()
}

type deadLetterShow struct {
	adminFlags
	ID   int64 `arg:"" help:"Which one."`
	JSON bool  `help:"Print JSON." name:"json"`
}

// Help shows an example.
func (deadLetterShow) Help() string { return "Example: headrace admin dead-letters show 7" }

// Run shows it.
func (c deadLetterShow) Run(ctx context.Context, t terminal) error {
	return c.with(ctx, t, func(s *store.Store) error {
		d, err := s.DeadLetter(ctx, c.ID)
		if err != nil {
			return err
		}
		if c.JSON {
			shown := shownLetter(d)
			shown.Base64 = &d.Body
			if text := string(d.Body); utf8.ValidString(text) {
				shown.Body = &text
			}
			return printJSON(t.out, shown)
		}
		return showLetter(t.out, d)
	})
}

func showLetter(w io.Writer, d ci.DeadLetter) error {
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	_, _ = fmt.Fprintf(table, "queue\t%s\ntype\t%s\nreason\t%s\ntries\t%d\nfirst seen\t%s\nlast seen\t%s\nbytes\t%d\n", visible(d.Queue), visible(d.Type), visible(d.Reason),
		d.Tries, d.FirstAt.Format(time.DateTime), d.LastAt.Format(time.DateTime), d.Size)
	for _, name := range slices.Sorted(maps.Keys(d.Headers)) {
		_, _ = fmt.Fprintf(table, "header %s\t%s\n", visible(name), visible(d.Headers[name]))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	body := string(d.Body)
	if visible(strings.NewReplacer("\n", "", "\t", "").Replace(body)) != strings.NewReplacer("\n", "", "\t", "").Replace(body) {
		body = hex.Dump(d.Body)
	}
	_, err := fmt.Fprintf(w, "\n%s\n", strings.TrimRight(body, "\n"))
	return err
}

type deadLetterRequeue struct {
	adminFlags
	IDs  []int64       `arg:"" name:"id" help:"Which ones."`
	Wait time.Duration `help:"How long to wait until a node has sent them." default:"5s"`
	JSON bool          `help:"Print JSON." name:"json"`
}

// Help shows an example.
func (deadLetterRequeue) Help() string {
	return "Example: headrace admin dead-letters requeue 7\n\nA running node of the platform sends the message, within about a second: also where the broker is inside that process."
}

// Run asks for it, and waits until a node has done it.
func (c deadLetterRequeue) Run(ctx context.Context, t terminal) error {
	return c.with(ctx, t, func(s *store.Store) error {
		for _, id := range c.IDs {
			if err := s.RequeueDeadLetter(ctx, id); err != nil {
				return err
			}
		}
		waiting, cancel := context.WithTimeout(ctx, c.Wait)
		defer cancel()
		results := make([]requeued, len(c.IDs))
		for i, id := range c.IDs {
			var err error
			if results[i], err = awaitSent(waiting, s, id); err != nil {
				return err
			}
		}
		return c.say(t.out, results)
	})
}

// requeued is what became of a dead letter that was asked to be sent again.
type requeued struct {
	ID     int64  `json:"id"`
	State  string `json:"state"` // "sent"; "waiting": no node has sent it yet; "returned": nothing could be made of it, again
	Reason string `json:"reason,omitempty"`
}

func awaitSent(ctx context.Context, s *store.Store, id int64) (requeued, error) {
	for {
		d, err := s.DeadLetter(context.WithoutCancel(ctx), id)
		switch {
		case fault.Is(err, fault.NotFound):
			return requeued{ID: id, State: "sent"}, nil
		case err != nil:
			return requeued{}, err
		case !d.Requeued:
			return requeued{ID: id, State: "returned", Reason: d.Reason}, nil
		}
		if run.Pause(ctx, 100*time.Millisecond) != nil {
			return requeued{ID: id, State: "waiting"}, nil
		}
	}
}

func (c deadLetterRequeue) say(w io.Writer, results []requeued) error {
	var failed error
	for _, r := range results {
		if r.State == "returned" {
			failed = errQuiet
		}
		if c.JSON {
			continue
		}
		switch r.State {
		case "sent":
			_, _ = fmt.Fprintf(w, "Dead letter %d is in its queue again.\n", r.ID)
		case "waiting":
			_, _ = fmt.Fprintf(w, "Dead letter %d is marked to be sent. A node sends it as soon as it runs and RabbitMQ takes it.\n", r.ID)
		case "returned":
			_, _ = fmt.Fprintf(w, "Dead letter %d came back: %s\n", r.ID, visible(r.Reason))
		}
	}
	if c.JSON {
		if err := printJSON(w, map[string]any{"dead_letters": results}); err != nil {
			return err
		}
	}
	return failed
}

type deadLetterDelete struct {
	adminFlags
	IDs  []int64 `arg:"" optional:"" name:"id" help:"Which ones."`
	All  bool    `help:"All there are."`
	JSON bool    `help:"Print JSON." name:"json"`
}

// Help shows an example.
func (deadLetterDelete) Help() string { return "Example: headrace admin dead-letters delete 7 8" }

// Run deletes them.
func (c deadLetterDelete) Run(ctx context.Context, t terminal) error {
	if c.All == (len(c.IDs) > 0) {
		return fault.New(fault.Invalid, "Which dead letters? Give their numbers, or --all.")
	}
	return c.with(ctx, t, func(s *store.Store) error {
		n := len(c.IDs)
		var err error
		if c.All {
			n, err = s.DeleteDeadLetters(ctx)
		}
		for _, id := range c.IDs {
			if err == nil {
				err = s.DeleteDeadLetter(ctx, id)
			}
		}
		if err != nil {
			return err
		}
		if c.JSON {
			return printJSON(t.out, map[string]int{"deleted": n})
		}
		_, err = fmt.Fprintf(t.out, "Deleted: %d.\n", n)
		return err
	})
}

// with opens the node's database for f.
func (f adminFlags) with(ctx context.Context, t terminal, work func(*store.Store) error) error {
	opened, _, err := f.open(ctx, t)
	if err != nil {
		return err
	}
	defer func() { _ = opened.Close() }()
	return work(opened)
}

// deadLetter is one as JSON.
type deadLetter struct {
	ID          int64             `json:"id"`
	Queue       string            `json:"queue"`
	Type        string            `json:"type"`
	ContentType string            `json:"content_type"`
	Headers     map[string]string `json:"headers"`
	Size        int               `json:"size"`
	Whole       bool              `json:"whole"`
	Reason      string            `json:"reason"`
	Tries       int               `json:"tries"`
	FirstAt     time.Time         `json:"first_at"`
	LastAt      time.Time         `json:"last_at"`
	Requeued    bool              `json:"requeued"`
	Body        *string           `json:"body,omitempty"` // of show, where it is text
	Base64      *[]byte           `json:"body_base64,omitempty"`
}

func shownLetter(d ci.DeadLetter) deadLetter {
	return deadLetter{
		ID: d.ID, Queue: d.Queue, Type: d.Type, ContentType: d.ContentType, Headers: d.Headers, Size: d.Size, Whole: d.Whole,
		Reason: d.Reason, Tries: d.Tries, FirstAt: d.FirstAt, LastAt: d.LastAt, Requeued: d.Requeued,
	}
}

// visible replaces what would move the cursor of a terminal, or be no text at all.
func visible(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '\uFFFD'
		}
		return r
	}, s)
}
