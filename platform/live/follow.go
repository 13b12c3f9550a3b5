package live

import (
	"context"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/run"
	"github.com/headrace/headrace/platform/ci"
)

// step is how much of a log is read at a time. A follower that gets as much is far behind and reads on at once.
const step = 256 << 10

// Follow sends the parts of an attempt's log from a place on as they come, in order, and returns nil when the log is closed
// and all of it was sent; else the error of ctx or of send, or [fault.NotFound]. Attempt 0 is the current one at the start.
// It reads from the store at the pace of send.
func (l *Live) Follow(ctx context.Context, jobID int64, attempt int, from ci.LogPos, send func([]ci.LogPart) error) error {
	t := l.join(jobID)
	defer l.leave(jobID, t)
	closed := false
	for {
		news := l.newsOf(t)
		parts, err := l.read(ctx, jobID, &attempt, from)
		size := 0
		switch {
		case err != nil && !fault.Is(err, fault.Unavailable):
			return err
		case err != nil:
			l.config.Log.DebugContext(ctx, "a followed log cannot be read", "job_id", jobID, "err", err)
		case len(parts) > 0:
			if err := send(parts); err != nil {
				return err
			}
			from, size = behind(parts)
		case closed:
			return nil
		default:
			if closed, err = l.closed(ctx, jobID, attempt); err != nil {
				return err
			}
		}
		switch {
		case closed || size >= step/2: // there may be more between the two looks, or behind the step
			continue
		case size > 0: // more may have come, or the end; the pace keeps a chatty log from being read for each line
			err = run.Pause(ctx, l.config.Pace)
		default:
			err = l.wait(ctx, news)
		}
		if err != nil {
			return err
		}
	}
}

// read reads the next step of a log.
func (l *Live) read(ctx context.Context, jobID int64, attempt *int, from ci.LogPos) ([]ci.LogPart, error) {
	if *attempt == 0 {
		state, err := l.store.Log(ctx, jobID, 0)
		if err != nil {
			return nil, err
		}
		*attempt = state.Attempt
	}
	return l.store.LogParts(ctx, jobID, *attempt, from, step)
}

// behind is the place behind the parts, and how many bytes they have.
func behind(parts []ci.LogPart) (pos ci.LogPos, size int) {
	for _, p := range parts {
		size += len(p.Content)
	}
	last := parts[len(parts)-1]
	return ci.LogPos{Source: last.Source, Number: last.Number + 1}, size
}

// closed says whether nothing will be added to a log; while the store is away nobody knows.
func (l *Live) closed(ctx context.Context, jobID int64, attempt int) (bool, error) {
	state, err := l.store.Log(ctx, jobID, attempt)
	if fault.Is(err, fault.Unavailable) {
		return false, nil
	}
	return err == nil && state.Closed, err
}

// wait returns when there may be more: on a hint, or after a while without one.
func (l *Live) wait(ctx context.Context, news <-chan struct{}) error {
	timer := time.NewTimer(l.config.Poll)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-news:
	case <-timer.C:
	}
	return nil
}

func (l *Live) join(jobID int64) *topic {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.jobs[jobID]
	if t == nil {
		t = &topic{news: make(chan struct{})}
		l.jobs[jobID] = t
	}
	t.readers++
	return t
}

func (l *Live) leave(jobID int64, t *topic) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t.readers--; t.readers == 0 {
		delete(l.jobs, jobID)
	}
}

func (l *Live) newsOf(t *topic) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	return t.news
}
