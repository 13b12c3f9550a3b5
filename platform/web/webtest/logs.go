package webtest

import (
	"bytes"
	"context"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// WriteLog appends to the log of a job and tells open pages.
func (d *Demo) WriteLog(jobID int64, attempt int, at time.Duration, text string) {
	d.mu.Lock()
	k := logKey{jobID, attempt}
	l := d.logs[k]
	if l == nil {
		l = &demoLog{}
		d.logs[k] = l
	}
	l.parts = append(l.parts, ci.LogPart{JobID: jobID, Attempt: attempt, Source: ci.LogWorker, Number: len(l.parts), Content: []byte(text), Elapsed: at})
	n := len(l.parts)
	d.mu.Unlock()
	d.Announce(ci.Change{Kind: ci.ChangeLog, Job: jobID, Attempt: attempt, Source: 1, Part: n})
}

// CloseLog says that nothing follows.
func (d *Demo) CloseLog(jobID int64, attempt int) {
	d.mu.Lock()
	if l := d.logs[logKey{jobID, attempt}]; l != nil {
		l.closed = true
	}
	d.mu.Unlock()
	d.Announce(ci.Change{Kind: ci.ChangeLog, Job: jobID, Attempt: attempt, Final: true})
}

// Log says how much there is.
func (d *Demo) Log(_ context.Context, jobID int64, attempt int) (ci.Log, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.logs[logKey{jobID, attempt}]
	if l == nil {
		return ci.Log{}, fault.New(fault.NotFound, "log not found")
	}
	out := ci.Log{JobID: jobID, Attempt: attempt, Next: len(l.parts), Closed: l.closed}
	for _, p := range l.parts {
		out.Bytes += int64(len(p.Content))
		out.Lines += bytes.Count(p.Content, []byte("\n"))
	}
	return out, d.Fail
}

// LogParts reads from a place on.
func (d *Demo) LogParts(_ context.Context, jobID int64, attempt int, from ci.LogPos, most int) ([]ci.LogPart, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.logs[logKey{jobID, attempt}]
	if l == nil {
		return nil, nil
	}
	line, size := 1, 0
	var out []ci.LogPart
	for _, p := range l.parts {
		if p.Source > from.Source || p.Source == from.Source && p.Number >= from.Number {
			if size > 0 && size+len(p.Content) > most {
				break
			}
			p.FirstLine = line
			out = append(out, p)
			size += len(p.Content)
		}
		line += bytes.Count(p.Content, []byte("\n"))
	}
	return out, nil
}

// LogPartAtLine finds the last part that begins in the line or before it.
func (d *Demo) LogPartAtLine(_ context.Context, jobID int64, attempt, want int) (ci.LogPos, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	at, line := ci.LogPos{Source: ci.LogWorker}, 1
	if l := d.logs[logKey{jobID, attempt}]; l != nil {
		for _, p := range l.parts {
			if line > want {
				break
			}
			at = ci.LogPos{Source: p.Source, Number: p.Number}
			line += bytes.Count(p.Content, []byte("\n"))
		}
	}
	return at, nil
}
