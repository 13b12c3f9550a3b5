package storetest

import (
	"testing"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/store"
)

var foreignTests = map[string]func(*testing.T, *node){
	"the script token is made once":                    testScriptToken,
	"a script token that was replaced ends":            testScriptTokenReplaced,
	"the script token is sealed":                       testScriptTokenSealed,
	"who may begin a job":                              testMayBegin,
	"the first report of a run gives it the attempt":   testForeignFirstReport,
	"a redelivery gives the next attempt":              testForeignRedelivery,
	"our claims and theirs do not mix":                 testForeignBesideOurs,
	"what is canceled stops once nobody else is hit":   testForeignCanceled,
	"the lease is as long as a job may run":            testForeignLease,
	"a log finds its attempt by the run":               testForeignLog,
	"the slots of foreign workers count":               testForeignSlots,
	"a message lies longer before it is offered again": testForeignRequeue,
}

func testScriptToken(t *testing.T, n *node) {
	none, err := n.ScriptTokenDigests(n.ctx())
	n.ok(err)
	equal(t, "digests before there is one", 0, len(none))
	made := make(chan string, 8)
	for range cap(made) {
		go func() {
			token, err := n.ScriptToken(n.ctx())
			if err != nil {
				t.Error(err)
			}
			made <- token
		}()
	}
	first := <-made
	if len(first) < 20 {
		t.Fatalf("token %q is too short", first)
	}
	for range cap(made) - 1 {
		equal(t, "token", first, <-made)
	}
	again, err := n.another().ScriptToken(n.ctx())
	n.ok(err)
	equal(t, "token on another node", first, again)
	n.taken(first)
}

// taken says which script tokens are taken now.
func (n *node) taken(tokens ...string) {
	n.t.Helper()
	digests, err := n.ScriptTokenDigests(n.ctx())
	n.ok(err)
	known := map[string]bool{}
	for _, d := range digests {
		known[d] = true
	}
	equal(n.t, "how many tokens are taken", len(tokens), len(digests))
	for _, token := range tokens {
		equal(n.t, "token is taken", true, known[store.ScriptTokenDigest(token)])
	}
}

func testScriptTokenReplaced(t *testing.T, n *node) {
	first, err := n.ScriptToken(n.ctx())
	n.ok(err)
	second, until, err := n.ReplaceScriptToken(n.ctx())
	n.ok(err)
	equal(t, "hours that the old one is still taken", 24*time.Hour, until.Sub(n.Now()))
	shown, err := n.ScriptToken(n.ctx())
	n.ok(err)
	equal(t, "what is shown", second, shown)
	n.taken(first, second)
	n.clock.pass(24*time.Hour + time.Second)
	n.taken(second)
	third, _, err := n.ReplaceScriptToken(n.ctx())
	n.ok(err)
	n.taken(second, third)
	fourth, _, err := n.another().ReplaceScriptToken(n.ctx())
	n.ok(err)
	n.taken(third, fourth)
}

func testScriptTokenSealed(t *testing.T, n *node) {
	token, until, err := n.ReplaceScriptToken(n.ctx())
	n.ok(err)
	equal(t, "the time of one that was not there", true, until.IsZero())
	stranger := *n
	stranger.keys = newKeys(t)
	other := stranger.another()
	if _, err := other.ScriptToken(n.ctx()); !fault.Is(err, fault.Unavailable) {
		t.Fatalf("shown with another cluster key: %v", err)
	}
	other.taken(token)
}

func testMayBegin(t *testing.T, n *node) {
	id := n.jobs("acme/app", 1)[0].ID
	may := func(attempt int) bool {
		t.Helper()
		may, err := n.MayBegin(n.ctx(), id, attempt)
		n.ok(err)
		return may
	}
	equal(t, "before it is queued", false, may(1))
	n.offer(id)
	equal(t, "queued", true, may(1))
	equal(t, "another attempt", false, may(2))
	n.adopt(id, 1, "r")
	equal(t, "a run of the same message has it", true, may(1))
	n.adopt(id, 1, "s") // redelivered: attempt 2, of the message of attempt 1
	equal(t, "the second run of the message has it", true, may(1))
	equal(t, "an attempt without a message", false, may(2))
	n.report(ci.RunRef{JobID: id, Attempt: 2, Run: "s"}, ci.Passed)
	equal(t, "ended", false, may(1))
	_, err := n.RestartJob(n.ctx(), id, "ines")
	n.ok(err)
	n.queueAll()
	equal(t, "queued again, of the old message", false, may(1))
	equal(t, "queued again", true, may(3))
	n.claim(id, "w", "ours")
	equal(t, "one of ours has it", false, may(3))
	other, err := n.MayBegin(n.ctx(), 4711, 1)
	n.ok(err)
	equal(t, "no such job", false, other)
}
