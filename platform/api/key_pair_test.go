package api

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/store"
)

func TestKeyPair(t *testing.T) {
	t.Parallel()
	b := asAdmin(t, store.Config{Path: filepath.Join(t.TempDir(), "test.db")})
	doc := readSpec(t)
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	private := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	body, err := json.Marshal(map[string]any{"key_pair": map[string]string{"value": private}})
	if err != nil {
		t.Fatal(err)
	}
	put := b.do(t, "PUT", "/api/repo/1/key_pair/generated", string(body))
	if put.Code != http.StatusOK || strings.Contains(put.Body.String(), "PRIVATE") {
		t.Fatalf("PUT answers %d %s", put.Code, put.Body)
	}
	got := b.do(t, "GET", "/api/repo/acme%2Fapp/key_pair/generated", "")
	doc.check(t, got.json(t))
	public, _ := got.json(t)["public_key"].(string)
	if _, err := seal.Encrypt(public, "x"); err != nil || got.Body.String() != put.Body.String() {
		t.Errorf("GET answers %s", got.Body)
	}
	if bad := b.do(t, "PUT", "/api/repo/1/key_pair/generated", `{"key_pair.value":"hello"}`); bad.Code != http.StatusUnprocessableEntity {
		t.Errorf("no key at all: %d %s", bad.Code, bad.Body)
	}
	b.user.Admin = false
	if denied := b.do(t, "PUT", "/api/repo/1/key_pair/generated", string(body)); denied.Code != http.StatusForbidden {
		t.Errorf("by somebody else: %d %s", denied.Code, denied.Body)
	}
}
