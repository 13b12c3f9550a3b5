package ci

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"
)

// RepositoryKey is the public half of a repository's key pair: what is encrypted with it may stand in a .travis.yml.
type RepositoryKey struct {
	RepositoryID int64
	Public       string // PEM
	Fingerprint  string // SHA-256 of the public key, in hexadecimal
	CreatedAt    time.Time
}

// SecureValues returns the encrypted texts that stand in a configuration as {"secure": "…"}, each once, sorted.
func SecureValues(c Config) []string {
	if !bytes.Contains(c, []byte(`"secure"`)) {
		return nil
	}
	var tree any
	if json.Unmarshal(c, &tree) != nil {
		return nil
	}
	var found []string
	collectSecure(tree, &found)
	slices.Sort(found)
	return slices.Compact(found)
}

func collectSecure(v any, found *[]string) {
	switch t := v.(type) {
	case []any:
		for _, item := range t {
			collectSecure(item, found)
		}
	case map[string]any:
		if text, ok := t["secure"].(string); ok && len(t) == 1 {
			*found = append(*found, text)
			return
		}
		for _, item := range t {
			collectSecure(item, found)
		}
	}
}
