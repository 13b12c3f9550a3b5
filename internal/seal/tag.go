package seal

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
)

// tagKey is the key for tags that belongs to a key of the cluster; it opens nothing that was sealed.
func tagKey(raw []byte) []byte {
	mac := hmac.New(sha256.New, raw)
	mac.Write([]byte("headrace tag " + version))
	return mac.Sum(nil)
}

// Tag returns what only a holder of the cluster's keys can say about the subject; the same each time. Without keys it is empty.
func (k *Keys) Tag(subject string) string {
	if len(k.known()) == 0 {
		return ""
	}
	newest := k.list[0]
	return newest.id + "." + base64.RawURLEncoding.EncodeToString(newest.tag(subject))
}

// Tagged says whether the tag was made for the subject, with any of the keys.
func (k *Keys) Tagged(subject, tag string) bool {
	made := false
	for _, one := range k.known() {
		want := one.id + "." + base64.RawURLEncoding.EncodeToString(one.tag(subject))
		made = hmac.Equal([]byte(want), []byte(tag)) || made
	}
	return made
}

func (k key) tag(subject string) []byte {
	mac := hmac.New(sha256.New, k.tags)
	mac.Write([]byte(subject))
	return mac.Sum(nil)
}
