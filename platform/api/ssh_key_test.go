package api

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/headrace/headrace/platform/store"
)

// sshPrivate returns a private key as ssh-keygen makes it, with a passphrase if there is one.
func sshPrivate(t *testing.T, passphrase string) string {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var block *pem.Block
	if passphrase == "" {
		block, err = ssh.MarshalPrivateKey(key, "")
	} else {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}

func TestSSHKey(t *testing.T) {
	t.Parallel()
	b := asAdmin(t, store.Config{Path: filepath.Join(t.TempDir(), "test.db")})
	doc := readSpec(t)
	const path = "/api/repo/1/key_pair"
	body := func(fields map[string]string) string {
		text, err := json.Marshal(map[string]any{"key_pair": fields})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	private := sshPrivate(t, "")
	for _, s := range []struct {
		method, body string
		status       int
	}{
		{"GET", "", http.StatusNotFound},
		{"PATCH", body(map[string]string{"description": "x"}), http.StatusNotFound},
		{"DELETE", "", http.StatusNotFound},
		{"POST", body(map[string]string{"description": "x"}), http.StatusUnprocessableEntity},
		{"POST", body(map[string]string{"value": "hello"}), http.StatusUnprocessableEntity},
		{"POST", body(map[string]string{"value": sshPrivate(t, "water")}), http.StatusUnprocessableEntity},
		{"POST", body(map[string]string{"value": private, "description": "deploy key"}), http.StatusCreated},
		{"POST", body(map[string]string{"value": private}), http.StatusConflict},
		{"PATCH", body(map[string]string{"description": "of the mill"}), http.StatusOK},
		{"GET", "", http.StatusOK},
	} {
		got := b.do(t, s.method, path, s.body)
		if got.Code != s.status || strings.Contains(got.Body.String(), "PRIVATE") {
			t.Errorf("%s answers %d %s", s.method, got.Code, got.Body)
		}
		if got.Code == http.StatusOK {
			v := got.json(t)
			doc.check(t, v)
			if p, _ := v["public_key"].(string); v["description"] != "of the mill" || !strings.HasPrefix(p, "ssh-ed25519 ") {
				t.Errorf("%s shows %v", s.method, v)
			}
		}
	}
	b.user.Admin = false
	for _, method := range []string{"GET", "POST", "PATCH", "DELETE"} {
		if got := b.do(t, method, path, body(map[string]string{"value": private})); got.Code != http.StatusForbidden {
			t.Errorf("%s by somebody else: %d %s", method, got.Code, got.Body)
		}
	}
	b.user.Admin = true
	if got := b.do(t, "DELETE", path, ""); got.Code != http.StatusNoContent {
		t.Errorf("DELETE answers %d %s", got.Code, got.Body)
	}
}
