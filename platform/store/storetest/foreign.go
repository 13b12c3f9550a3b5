package storetest

import "testing"

var foreignTests = map[string]func(*testing.T, *node){
	"the script token is made once":                    testScriptToken,
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
}
