package redis

import (
	"context"
	"crypto/rand"
	"fmt"
	"time"

	"github.com/headrace/headrace/platform/coord"
	"github.com/redis/go-redis/v9"
)

// lockScript takes a lock for a token. Asked again by the holder of the token, it says that it is taken.
const lockScript = `
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then return 1 end
if redis.call('GET', KEYS[1]) == ARGV[1] then return 1 end
return 0`

// releaseScript gives a lock back if the token holds it.
const releaseScript = `
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`

// rateScript counts one event as coord.Rate says, in microseconds of the server's clock, and returns how long to wait.
const rateScript = `
local t = redis.call('TIME')
local now = t[1] * 1000000 + t[2]
local step, burst = tonumber(ARGV[1]), tonumber(ARGV[2])
local mark = tonumber(redis.call('GET', KEYS[1]) or '') or now
if mark < now then mark = now end
if mark > now + burst then mark = now + burst end
mark = mark + step
local wait = mark - now - burst
if wait > 0 then return wait end
redis.call('SET', KEYS[1], string.format('%.0f', mark), 'PX', string.format('%.0f', math.ceil((mark - now) / 1000)))
return 0`

// A presence is a field of the hash of its kind: the millisecond of the server's clock at which it ends, a bar, the info.
// appearScript sets or removes one, removes those that have ended, and lets the hash end with its last.
const appearScript = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local ttl = tonumber(ARGV[2])
if ttl > 0 then
  redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f|', now + ttl) .. ARGV[3])
else
  redis.call('HDEL', KEYS[1], ARGV[1])
end
local all, last = redis.call('HGETALL', KEYS[1]), 0
for i = 1, #all, 2 do
  local ends = tonumber(string.match(all[i + 1], '^(%d+)|') or '') or 0
  if ends <= now then redis.call('HDEL', KEYS[1], all[i]) end
  if ends > last then last = ends end
end
if last > now then redis.call('PEXPIREAT', KEYS[1], string.format('%.0f', last)) end
return 0`

// presentScript returns who is there and what is said of each, in turn.
const presentScript = `
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local all, found = redis.call('HGETALL', KEYS[1]), {}
for i = 1, #all, 2 do
  local bar = string.find(all[i + 1], '|', 1, true)
  if bar and (tonumber(string.sub(all[i + 1], 1, bar - 1)) or 0) > now then
    found[#found + 1] = all[i]
    found[#found + 1] = string.sub(all[i + 1], bar + 1)
  end
end
return found`

// TryLock takes the lock unless it is held. After an error it may be held until ttl has passed.
func (c *Coordinator) TryLock(ctx context.Context, name string, ttl time.Duration) (release func(context.Context) error, ok bool, err error) {
	if err := coord.CheckLock(name, ttl); err != nil {
		return nil, false, err
	}
	token := rand.Text()
	taken, err := c.ask(ctx, true, lockScript, "lock:"+name, token, ttl.Milliseconds())
	if err != nil || taken == 0 {
		return nil, false, err
	}
	return func(ctx context.Context) error {
		_, err := c.ask(ctx, true, releaseScript, "lock:"+name, token)
		return err
	}, true, nil
}

// Allow counts an event of the key.
func (c *Coordinator) Allow(ctx context.Context, key string, limit int, per time.Duration) (ok bool, retryAfter time.Duration, err error) {
	if err := coord.CheckRate(key, limit, per); err != nil {
		return false, 0, err
	}
	rate := coord.RateOf(limit, per)
	wait, err := c.ask(ctx, false, rateScript, "rate:"+key, rate.Step.Microseconds(), rate.Burst.Microseconds())
	if err != nil {
		return true, 0, err
	}
	return wait == 0, time.Duration(wait) * time.Microsecond, nil
}

// Appear says that id is there.
func (c *Coordinator) Appear(ctx context.Context, kind, id string, info []byte, ttl time.Duration) error {
	if err := coord.CheckPresence(kind, id, info); err != nil {
		return err
	}
	millis := max(0, (ttl + time.Millisecond - 1).Milliseconds())
	_, err := c.ask(ctx, true, appearScript, "presence:"+kind, id, millis, info)
	return err
}

// Present returns who is there.
func (c *Coordinator) Present(ctx context.Context, kind string) (map[string][]byte, error) {
	if err := coord.CheckName("kind of presence", kind); err != nil {
		return nil, err
	}
	var pairs []string
	err := c.do(ctx, true, func(ctx context.Context) (err error) {
		pairs, err = c.eval(ctx, presentScript, "presence:"+kind).StringSlice()
		return err
	})
	if err != nil {
		return nil, err
	}
	found := make(map[string][]byte, len(pairs)/2)
	for i := 0; i+1 < len(pairs); i += 2 {
		found[pairs[i]] = []byte(pairs[i+1])
	}
	return found, nil
}

// ask runs a script that returns a number.
func (c *Coordinator) ask(ctx context.Context, twice bool, script, key string, args ...any) (n int64, err error) {
	err = c.do(ctx, twice, func(ctx context.Context) (err error) {
		n, err = c.eval(ctx, script, key, args...).Int64()
		return err
	})
	return n, err
}

func (c *Coordinator) eval(ctx context.Context, script, key string, args ...any) *redis.Cmd {
	return c.client.Eval(ctx, script, []string{c.prefix + key}, args...)
}

// channel is the name of a topic's channel. Channels are common to all databases of a server.
func (c *Coordinator) channel(topic string) string {
	return fmt.Sprintf("%s%d:topic:%s", c.prefix, c.target.db, topic)
}
