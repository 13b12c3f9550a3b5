// Package live tells open browsers and streams, on every node, what changed, and carries the lines of logs to them.
//
// What travels between nodes are hints: [Publisher] sends what was committed on this node to all of them, [Live] hands what
// comes in to whoever listens here. A hint may be lost, doubled or merged with a newer one; readers look the thing up. Where
// hints were missed there is one of the kind [ci.ChangeResync] in their place.
//
// Nobody who listens can hold up anybody else: everyone is a cursor, over the last hints or over the log in the store, and
// one that falls behind is moved ahead. The package must not know how its listeners are connected.
package live

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// Store is what live needs of the database.
type Store interface {
	Log(ctx context.Context, jobID int64, attempt int) (ci.Log, error)
	LogParts(ctx context.Context, jobID int64, attempt int, from ci.LogPos, maxBytes int) ([]ci.LogPart, error)
}

// Config configures a [Live].
type Config struct {
	// Poll is how often a followed log is looked at without a hint. Default 2 s.
	Poll time.Duration
	// Pace is the least time between two looks at a log that is being written. Default 50 ms.
	Pace time.Duration
	// Log takes what a developer may want to know. Default: nothing is logged.
	Log *slog.Logger
}

// kept is how many of the last hints a reader that comes back can still get.
const kept = 1024

// Live hands hints to those who listen on this node. It is safe for concurrent use.
type Live struct {
	store  Store
	config Config
	epoch  string // of this process: ids of another one's events mean nothing here

	mu   sync.Mutex
	last uint64           // number of the newest event; the first is 1
	ring [kept]ci.Change  // event n is at n % kept
	news chan struct{}    // closed at the next event
	jobs map[int64]*topic // those whose logs are followed
}

// topic is a log that is followed.
type topic struct {
	news    chan struct{} // closed at the next hint about the job
	readers int
}

// New returns a Live.
func New(store Store, c Config) *Live {
	if c.Poll <= 0 {
		c.Poll = 2 * time.Second
	}
	if c.Pace <= 0 {
		c.Pace = 50 * time.Millisecond
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Live{store: store, config: c, epoch: rand.Text()[:12], news: make(chan struct{}), jobs: map[int64]*topic{}}
}

// Decode reads what a [Publisher] sent. Nil means that something was missed: the payload was empty or cannot be read.
func Decode(payload []byte) []ci.Change {
	var changes []ci.Change
	if json.Unmarshal(payload, &changes) != nil {
		return nil
	}
	return changes
}

// Deliver hands hints to everyone who listens on this node. No hints mean that some were missed. It never waits.
func (l *Live) Deliver(changes []ci.Change) {
	if len(changes) == 0 {
		changes = []ci.Change{{Kind: ci.ChangeResync}}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range changes {
		l.last++
		l.ring[l.last%kept] = c
		l.wakeFollowers(c)
	}
	close(l.news)
	l.news = make(chan struct{})
}

func (l *Live) wakeFollowers(c ci.Change) {
	wake := func(t *topic) {
		close(t.news)
		t.news = make(chan struct{})
	}
	switch c.Kind {
	case ci.ChangeLog, ci.ChangeJob:
		if t := l.jobs[c.Job]; t != nil {
			wake(t)
		}
	case ci.ChangeResync:
		for _, t := range l.jobs {
			wake(t)
		}
	case ci.ChangeRepository, ci.ChangeRequest, ci.ChangeBuild, ci.ChangeWorker, ci.ChangeQueue:
	}
}

// Subscribe sends hints from now on, several at a time, until ctx ends or send fails. With the id of an earlier event it
// begins after that; where that event is of another node, or too long ago, it begins with a resync. A reader that is more
// than 1,024 hints behind gets a resync in their place.
func (l *Live) Subscribe(ctx context.Context, lastEventID string, send func(id string, changes []ci.Change) error) error {
	at, known := l.place(lastEventID)
	missed := !known
	for {
		changes, next, lost, news := l.after(at)
		if missed || lost {
			changes = []ci.Change{{Kind: ci.ChangeResync}}
			missed = false
		}
		if len(changes) > 0 {
			if err := send(l.id(next), changes); err != nil {
				return err
			}
			at = next
			continue
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-news:
		}
	}
}

// Changes is [Live.Subscribe] from now on as a channel, which is closed when ctx ends.
func (l *Live) Changes(ctx context.Context) (<-chan ci.Change, error) {
	out := make(chan ci.Change)
	now := l.now()
	go func() {
		defer close(out)
		err := l.Subscribe(ctx, now, func(_ string, changes []ci.Change) error {
			for _, c := range changes {
				select {
				case out <- c:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			return nil
		})
		l.config.Log.DebugContext(ctx, "a subscription ended", "err", err)
	}()
	return out, nil
}

// now is the id of the newest event.
func (l *Live) now() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.id(l.last)
}

func (l *Live) id(n uint64) string { return l.epoch + "." + strconv.FormatUint(n, 10) }

// place is the number of the event with the id, the newest where none is given. known is false for an id of elsewhere.
func (l *Live) place(id string) (n uint64, known bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if id == "" {
		return l.last, true
	}
	epoch, number, _ := strings.Cut(id, ".")
	n, err := strconv.ParseUint(number, 10, 64)
	if epoch != l.epoch || err != nil || n > l.last {
		return l.last, false
	}
	return n, true
}

// after returns what came after an event, with hints about the same thing merged. lost says that some of it is no longer
// kept. news is closed when there is more.
func (l *Live) after(n uint64) (changes []ci.Change, last uint64, lost bool, news <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last-n > kept {
		return nil, l.last, true, l.news
	}
	m := merger{}
	for i := n + 1; i <= l.last; i++ {
		m.add(l.ring[i%kept])
	}
	return m.list, l.last, false, l.news
}
