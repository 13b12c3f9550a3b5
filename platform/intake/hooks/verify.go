package hooks

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/headrace/headrace/platform/ci"
)

// signature reads the one that came with a hook; nil: there is none that could be right.
func signature(m ci.HookMessage) []byte {
	given := strings.TrimSpace(m.Signature)
	if m.Forge == ci.GitHub {
		rest, ok := strings.CutPrefix(given, "sha256=")
		if !ok {
			return nil
		}
		given = rest
	}
	sum, err := hex.DecodeString(given)
	if err != nil || len(sum) != sha256.Size {
		return nil
	}
	return sum
}

// signed returns what a forge signs: GitHub the body as it is sent, Gitea the JSON, also where that is sent in a form.
func signed(m ci.HookMessage, json []byte) []byte {
	if m.Forge == ci.Gitea {
		return json
	}
	return m.Body
}

// verify reports whether one of the secrets made the signature. How long that takes says nothing about them.
func verify(secrets []string, message, sum []byte) bool {
	right := false
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(message)
		right = hmac.Equal(mac.Sum(nil), sum) || right
	}
	return right
}
