package auth

import (
	"net/netip"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

const (
	// guardMemory bounds how many addresses and accounts are remembered; the one not seen for longest is forgotten first.
	guardMemory = 10_000
	// forgetAfter is how long a row of failures is remembered after its last.
	forgetAfter = 30 * time.Minute
)

// policy says how failures of one kind slow down the next try.
type policy struct {
	free  int           // this many failures cost nothing
	first time.Duration // the delay after the next; it doubles with each further one
	most  time.Duration // up to this; nothing is locked for good
}

// guard slows down the guessing of passwords, per address and per account. An account's delay does not hold for an
// address from which its owner has signed in before, so that strangers cannot lock an owner out.
type guard struct {
	mu      sync.Mutex
	now     func() time.Time
	tries   *simplelru.LRU[string, tries]
	known   *simplelru.LRU[string, struct{}]
	address policy
	account policy
}

type tries struct {
	failed int
	last   time.Time
	until  time.Time
}

func newGuard(now func() time.Time) *guard {
	t, err1 := simplelru.NewLRU[string, tries](guardMemory, nil)
	k, err2 := simplelru.NewLRU[string, struct{}](guardMemory, nil)
	if err1 != nil || err2 != nil {
		panic("auth: guardMemory must be positive")
	}
	return &guard{
		now: now, tries: t, known: k,
		address: policy{free: 20, first: time.Second, most: 5 * time.Minute},
		account: policy{free: 5, first: time.Second, most: time.Minute},
	}
}

type rule struct {
	key string
	policy
}

// begin counts a try as failed until [guard.passed] says otherwise, so that tries at the same time cannot slip through. It
// returns how long to wait instead if the address or the account is being slowed down; such a refusal is not counted.
func (g *guard) begin(ip netip.Addr, login string) (wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	rules := g.rules(ip, login)
	for _, r := range rules {
		if t, ok := g.tries.Get(r.key); ok {
			wait = max(wait, t.until.Sub(now))
		}
	}
	if wait > 0 {
		return wait
	}
	for _, r := range rules {
		t, _ := g.tries.Get(r.key)
		if now.Sub(t.last) > forgetAfter {
			t = tries{}
		}
		t.failed, t.last = t.failed+1, now
		t.until = now.Add(r.delay(t.failed))
		g.tries.Add(r.key, t)
	}
	return 0
}

// passed says that the try which began was right.
func (g *guard) passed(ip netip.Addr, login string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	rules := g.rules(ip, login)
	// Of the address only this try is taken back: an own account must not wash off the failures at other accounts.
	g.takeBack(rules[0].key)
	g.tries.Remove(rules[1].key)
	g.known.Add(pair(ip, login), struct{}{})
}

// undecided says that the try which began was neither right nor wrong: it could not be checked.
func (g *guard) undecided(ip netip.Addr, login string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.rules(ip, login) {
		g.takeBack(r.key)
	}
}

func (g *guard) takeBack(key string) {
	if t, ok := g.tries.Get(key); ok {
		t.failed, t.until = t.failed-1, time.Time{}
		g.tries.Add(key, t)
	}
}

// rules are those for an address, and then for the account as seen from there.
func (g *guard) rules(ip netip.Addr, login string) [2]rule {
	account := rule{"login " + login, g.account}
	if _, ok := g.known.Get(pair(ip, login)); ok {
		account.key = "pair " + pair(ip, login)
	}
	return [2]rule{{"address " + network(ip), g.address}, account}
}

func (p policy) delay(failed int) time.Duration {
	over := failed - p.free
	if over < 0 {
		return 0
	}
	d := p.first
	for range over {
		if d >= p.most {
			return p.most
		}
		d *= 2
	}
	return min(d, p.most)
}

func pair(ip netip.Addr, login string) string { return network(ip) + " " + login }

// network is what counts as one place: an IPv4 address, or the /64 that one IPv6 customer has.
func network(ip netip.Addr) string {
	ip = ip.Unmap().WithZone("")
	if ip.Is6() {
		if p, err := ip.Prefix(64); err == nil {
			return p.String()
		}
	}
	return ip.String()
}
