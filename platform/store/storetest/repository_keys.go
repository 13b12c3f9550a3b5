package storetest

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"sync"
	"testing"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/ci"
)

var keyTests = map[string]func(*testing.T, *node){
	"a pair is made once":                               testKeyMade,
	"a key is taken over":                               testKeyTakenOver,
	"secure values are opened for trusted builds":       testSecureValues,
	"an SSH key goes to trusted builds only":            testSSHKey,
	"values are encrypted again for another repository": testReencrypt,
}

// shortKey is a private key in PEM, made once: that takes a while.
var shortKey = sync.OnceValue(func() []byte {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
})

func testKeyMade(t *testing.T, n *node) {
	r := n.repository("acme/app")
	first, err := n.RepositoryKey(n.ctx(), r.ID)
	n.ok(err)
	again, err := n.RepositoryKey(n.ctx(), r.ID)
	n.ok(err)
	same(t, "key", first, again)
	if _, err := seal.Encrypt(first.Public, "x"); err != nil || len(first.Fingerprint) != 64 {
		t.Errorf("the key is of no use: %v, fingerprint %q", err, first.Fingerprint)
	}
	_, err = n.RepositoryKey(n.ctx(), 99)
	equal(t, "code", fault.NotFound, fault.CodeOf(err))
}

func testKeyTakenOver(t *testing.T, n *node) {
	r := n.repository("acme/app")
	k, err := n.ReplaceRepositoryKey(n.ctx(), r.ID, shortKey())
	n.ok(err)
	again, err := n.ReplaceRepositoryKey(n.ctx(), r.ID, shortKey())
	n.ok(err)
	equal(t, "fingerprint", k.Fingerprint, again.Fingerprint)
	_, err = n.ReplaceRepositoryKey(n.ctx(), r.ID, []byte("hello"))
	equal(t, "code", fault.Invalid, fault.CodeOf(err))
	_, err = n.ReplaceRepositoryKey(n.ctx(), 99, shortKey())
	equal(t, "code of a repository that is not there", fault.NotFound, fault.CodeOf(err))
	found, err := n.RepositoryKey(n.ctx(), r.ID)
	n.ok(err)
	equal(t, "kept", k.Public, found.Public)
}

func testSecureValues(t *testing.T, n *node) {
	r := n.repository("acme/app")
	k, err := n.ReplaceRepositoryKey(n.ctx(), r.ID, shortKey())
	n.ok(err)
	closed, err := seal.Encrypt(k.Public, "TOKEN=s3cret")
	n.ok(err)
	config := ci.Config(fmt.Sprintf(`{"env":[{"secure":%q},{"secure":"Zm9yZWlnbg=="},{"A":{"secure":%q}}]}`, closed, closed))
	for _, trusted := range []bool{true, false} {
		p := plan{jobs: []ci.NewJob{{Stage: -1, Queue: queue, Config: config}}}
		if !trusted {
			p.event = ci.EventPullRequest
		}
		b := n.build(r.ID, p)
		got, err := n.Secrets(n.ctx(), b.Jobs[0].ID)
		n.ok(err)
		var want []ci.EnvVar
		if trusted {
			want = []ci.EnvVar{{RepositoryID: r.ID, Secure: closed, Value: "TOKEN=s3cret"}}
		}
		same(t, fmt.Sprintf("secrets of a build that is trusted: %t", trusted), want, got)
	}
}

func testReencrypt(t *testing.T, n *node) {
	from, to := n.repository("acme/ci"), n.repository("acme/app")
	k, err := n.ReplaceRepositoryKey(n.ctx(), from.ID, shortKey())
	n.ok(err)
	closed, err := seal.Encrypt(k.Public, "TOKEN=s3cret")
	n.ok(err)
	got, err := n.Reencrypt(n.ctx(), from.ID, to.ID, []string{closed, "Zm9yZWlnbg=="})
	n.ok(err)
	equal(t, "values", 1, len(got))
	b := n.build(to.ID, plan{jobs: []ci.NewJob{{Stage: -1, Queue: queue, Config: ci.Config(fmt.Sprintf(`{"env":[{"secure":%q}]}`, got[closed]))}}})
	secrets, err := n.Secrets(n.ctx(), b.Jobs[0].ID)
	n.ok(err)
	if len(secrets) != 1 || secrets[0].Value != "TOKEN=s3cret" {
		t.Errorf("the other repository opens %v", secrets)
	}
	none, err := n.Reencrypt(n.ctx(), 99, to.ID, []string{closed})
	n.ok(err)
	equal(t, "values of a repository without a key", 0, len(none))
}

func testSSHKey(t *testing.T, n *node) {
	r := n.repository("acme/app")
	k, err := n.SaveSSHKey(n.ctx(), r.ID, "deploy key", string(shortKey()))
	n.ok(err)
	found, err := n.SSHKey(n.ctx(), r.ID)
	n.ok(err)
	same(t, "key", k, found)
	for _, event := range []ci.Event{ci.EventPush, ci.EventPullRequest} {
		b := n.build(r.ID, plan{event: event, jobs: []ci.NewJob{{Stage: -1, Queue: queue, Config: ci.Config(`{"script":"a"}`)}}})
		got, err := n.Secrets(n.ctx(), b.Jobs[0].ID)
		n.ok(err)
		var want []ci.EnvVar
		if event == ci.EventPush {
			want = []ci.EnvVar{{RepositoryID: r.ID, SSHKey: true, Value: string(shortKey())}}
		}
		same(t, "secrets for "+string(event), want, got)
	}
	_, err = n.SaveSSHKey(n.ctx(), r.ID, "x", "hello")
	equal(t, "code of no key", fault.Invalid, fault.CodeOf(err))
	_, err = n.SaveSSHKey(n.ctx(), 99, "x", string(shortKey()))
	equal(t, "code of a repository that is not there", fault.NotFound, fault.CodeOf(err))
	n.ok(n.DeleteSSHKey(n.ctx(), r.ID))
	equal(t, "code of a key that is gone", fault.NotFound, fault.CodeOf(n.DeleteSSHKey(n.ctx(), r.ID)))
}
