package docker

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/worker/executor"
)

// metadata is where clouds tell their machines their secrets.
var metadata = netip.MustParseAddrPort("169.254.169.254:80")

// closed is a port that nobody listens on: to hear "refused" from it is to have reached the machine.
const closed = 1

// probe remembers what jobs could reach when it was last tried.
type probe struct {
	mu      sync.Mutex
	at      time.Time // zero: never
	reached []string
}

// Reach tries, from a container like those of jobs, what jobs should not reach, and returns what answers. The gateway of
// the container stands for the machine.
func (e *Executor) Reach(ctx context.Context) ([]string, error) {
	return e.reach(ctx, executor.Wish{})
}

func (e *Executor) reach(ctx context.Context, w executor.Wish) ([]string, error) {
	var script strings.Builder
	script.WriteString(`export LC_ALL=C
try() { said=$( (exec 3<>"/dev/tcp/$1/$2") 2>&1) || [[ $said == *refused* ]] && echo "reached $3"; }
route() { while read -r _ destination gateway _; do [ "$destination" = 00000000 ] && [ "$gateway" != Gateway ] && echo "$((16#${gateway:6:2})).$((16#${gateway:4:2})).$((16#${gateway:2:2})).$((16#${gateway:0:2}))"; done </proc/net/route; }
`)
	fmt.Fprintf(&script, "try \"$(route)\" %d 'the machine of the worker itself' &\n", closed)
	for _, t := range append([]netip.AddrPort{metadata}, e.forbidden(ctx)...) {
		if !covers(e.cfg.Allowed, t) {
			fmt.Fprintf(&script, "try %s %d %s &\n", t.Addr(), t.Port(), t)
		}
	}
	script.WriteString("read -r -t 3 _ <> <(:)\nexit 0\n")
	var out bytes.Buffer
	p, err := e.start(ctx, executor.Spec{Script: []byte(script.String()), Output: &out, Wish: w, Untrusted: true})
	if err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, p.abandon)()
	if _, err := p.Wait(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var reached []string
	for line := range strings.SplitSeq(out.String(), "\n") {
		if at, ok := strings.CutPrefix(line, "reached "); ok {
			reached = append(reached, at)
		}
	}
	slices.Sort(reached)
	return reached, nil
}

// forbidden are the addresses of the platform's servers that this worker knows.
func (e *Executor) forbidden(ctx context.Context) []netip.AddrPort {
	var all []netip.AddrPort
	for _, at := range e.cfg.Forbidden {
		host, port, err := net.SplitHostPort(at)
		if err != nil {
			continue
		}
		number, err := net.DefaultResolver.LookupPort(ctx, "tcp", port)
		if err != nil {
			continue
		}
		found, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", host)
		if err != nil {
			continue // what has no address cannot be reached
		}
		for _, a := range found {
			if a = a.Unmap(); !a.IsLoopback() { // that is the container itself
				all = append(all, netip.AddrPortFrom(a, uint16(number))) //nolint:gosec // ports have sixteen bits
			}
		}
	}
	return all
}

// admit refuses the jobs of strangers while jobs can reach what they should not.
func (e *Executor) admit(ctx context.Context, w executor.Wish) error {
	if e.cfg.OpenNetwork {
		return nil
	}
	const fresh = 10 * time.Minute // rules of a firewall come and go
	e.probe.mu.Lock()
	defer e.probe.mu.Unlock()
	if e.probe.at.IsZero() || len(e.probe.reached) > 0 || time.Since(e.probe.at) > fresh {
		reached, err := e.reach(ctx, w)
		if err != nil {
			return err
		}
		e.probe.at, e.probe.reached = time.Now(), reached
	}
	if len(e.probe.reached) > 0 {
		return fault.New(fault.Unavailable, "This worker runs no code of forks: from its containers these can be reached: %s. On its machine, headrace worker network rules prints what root does about that.",
			strings.Join(e.probe.reached, ", "))
	}
	return nil
}

// warn tries at the start what jobs can reach, and says it in the worker's log.
func (e *Executor) warn(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*patience)
	defer cancel()
	if _, err := e.engine.ImageInspect(ctx, e.cfg.Images.fallback()); errdefs.IsNotFound(err) || e.cfg.OpenNetwork {
		return // the first job of a fork tries it
	}
	e.probe.mu.Lock()
	defer e.probe.mu.Unlock()
	reached, err := e.reach(ctx, executor.Wish{})
	switch {
	case err != nil:
		e.cfg.Log.DebugContext(ctx, "what jobs can reach was not tried", "err", err)
	case len(reached) > 0:
		e.probe.at, e.probe.reached = time.Now(), reached
		e.cfg.Log.WarnContext(ctx, "jobs can reach what they should not, so no code of forks is run; headrace worker network rules prints what root does about it", "reached", strings.Join(reached, ", "))
	default:
		e.probe.at = time.Now()
	}
}
