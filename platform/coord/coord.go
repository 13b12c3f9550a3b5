// Package coord owns what nodes say to each other beside the database: wake-ups, locks that spare work, rates, and who is
// there. Packages redis and inproc implement it; package coordtest holds both to the same contract. It must not know what
// the messages mean, and nobody may keep in it what must not vanish: the truth is in SQL, and losing all of this loses
// time, nothing else.
package coord

import (
	"context"
	"time"

	"github.com/headrace/headrace/internal/fault"
)

// MaxPayload bounds a message and what is said with a presence.
const MaxPayload = 1 << 20

// maxName bounds the names of topics, locks, rates and presences.
const maxName = 512

// State is how a coordinator stands, for people.
type State struct {
	Connected bool
	// Since is when it became so.
	Since time.Time
	// LastError says in a sentence why it is not connected; it holds no password. Empty while it is connected.
	LastError string
}

// Coordinator lets nodes coordinate. All methods are safe for concurrent use, and none blocks longer than a few seconds,
// but for Subscribe and Run. While the server is away they fail at once with [fault.Unavailable]; what cannot be used
// as a name, a limit or a duration is [fault.Invalid]. A context's own end is returned as it is.
type Coordinator interface {
	// Publish sends the payload to every subscriber of the topic on all nodes, this process included. It is a hint: a
	// subscriber that is away misses it. Messages of one publisher on one topic arrive in order; one may arrive twice. An
	// empty payload tells all subscribers to look for themselves, and when a Publish failed because the server was away,
	// that is made up for by itself once the server is back.
	Publish(ctx context.Context, topic string, payload []byte) error

	// Subscribe calls handle with each message of the topic, one after another, until ctx ends; then it returns the
	// context's error. It survives the loss of the server without limit. Whenever messages may have been missed (after a
	// reconnect, when handle was too slow, when a publisher could not reach the server; not at the beginning, unless the
	// server was away then) it calls handle(nil), so that the reader looks for itself. handle must not keep nor change the
	// payload.
	Subscribe(ctx context.Context, topic string, handle func(payload []byte)) error

	// TryLock takes the named lock until release, or until ttl has passed, unless somebody holds it: then ok is false and
	// err is nil. The same process cannot take it twice either. release gives it back, may be called more than once, and
	// leaves the lock alone where ttl has passed and somebody else holds it. The lock spares others the work; it does not
	// prove anything: guard writes in SQL.
	TryLock(ctx context.Context, name string, ttl time.Duration) (release func(context.Context) error, ok bool, err error)

	// Allow counts one event of the key and says whether it is within limit events per the given time: limit at once, and
	// one more after each per/limit. When it is not, the event does not count and retryAfter says when one would be
	// allowed. It fails open: while the server is away ok is true beside the error, so that a caller may log the error
	// and go on, or fall back to a rate of its own.
	Allow(ctx context.Context, key string, limit int, per time.Duration) (ok bool, retryAfter time.Duration, err error)

	// Appear says that id of this kind is there, for ttl from now, with some words about it; again to stay. A ttl of 0 or
	// less takes it away at once.
	Appear(ctx context.Context, kind, id string, info []byte, ttl time.Duration) error

	// Present returns who of the kind is there, by id.
	Present(ctx context.Context, kind string) (map[string][]byte, error)

	// Run keeps watch over the connection until ctx ends, then closes it and returns nil. The other methods work before
	// Run too; after it they need not.
	Run(ctx context.Context) error

	// State says how the coordinator stands.
	State() State
}

// CheckMessage says whether a message can be published.
func CheckMessage(topic string, payload []byte) error {
	if len(payload) > MaxPayload {
		return fault.New(fault.Invalid, "A message of %d bytes on topic %s is too large; %d are possible.", len(payload), topic, MaxPayload)
	}
	return CheckName("topic", topic)
}

// CheckLock says whether a lock can be taken.
func CheckLock(name string, ttl time.Duration) error {
	if ttl < time.Millisecond {
		return fault.New(fault.Invalid, "The lock %s needs a time to live of a millisecond or more, not %s.", name, ttl)
	}
	return CheckName("lock", name)
}

// CheckRate says whether a rate can be counted.
func CheckRate(key string, limit int, per time.Duration) error {
	if limit < 1 || per < time.Millisecond {
		return fault.New(fault.Invalid, "The rate %s needs a limit of 1 or more per millisecond or longer, not %d per %s.", key, limit, per)
	}
	return CheckName("rate", key)
}

// CheckPresence says whether a presence can be told.
func CheckPresence(kind, id string, info []byte) error {
	if len(info) > MaxPayload {
		return fault.New(fault.Invalid, "%d bytes about %s %s are too many; %d are possible.", len(info), kind, id, MaxPayload)
	}
	if err := CheckName("presence", id); err != nil {
		return err
	}
	return CheckName("kind of presence", kind)
}

// CheckName says whether a name can be used for a thing such as a lock.
func CheckName(thing, name string) error {
	if name == "" || len(name) > maxName {
		return fault.New(fault.Invalid, "The name of a %s has 1 to %d bytes, not %d.", thing, maxName, len(name))
	}
	return nil
}

// Rate is the arithmetic that all implementations count with: each event pushes a key's mark one Step further, and the
// mark may be at most Burst ahead of now.
type Rate struct {
	// Step is the time that one event takes up, in whole microseconds.
	Step time.Duration
	// Burst is the time that limit events take up.
	Burst time.Duration
}

// RateOf returns the arithmetic of limit events per the given time.
func RateOf(limit int, per time.Duration) Rate {
	step := (per + time.Duration(limit) - 1) / time.Duration(limit)
	if rest := step % time.Microsecond; rest != 0 {
		step += time.Microsecond - rest
	}
	return Rate{Step: step, Burst: step * time.Duration(limit)}
}
