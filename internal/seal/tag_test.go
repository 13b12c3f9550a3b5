package seal_test

import (
	"strings"
	"testing"

	"github.com/headrace/headrace/internal/seal"
)

func TestTag(t *testing.T) {
	t.Parallel()
	old, fresh := seal.NewKey(), seal.NewKey()
	before, after, other := keys(t, old), keys(t, fresh+","+old), keys(t, seal.NewKey())
	tag := before.Tag("job 7.1")
	if tag == "" || tag != before.Tag("job 7.1") || strings.Contains(tag, old) {
		t.Fatalf("tag %q", tag)
	}
	for name, c := range map[string]struct {
		keys         *seal.Keys
		subject, tag string
		want         bool
	}{
		"its own":                      {before, "job 7.1", tag, true},
		"made with an older key":       {after, "job 7.1", tag, true},
		"made with a newer key":        {before, "job 7.1", after.Tag("job 7.1"), false},
		"of another subject":           {before, "job 7.2", tag, false},
		"of another cluster":           {other, "job 7.1", tag, false},
		"cut":                          {before, "job 7.1", tag[:len(tag)-1], false},
		"empty":                        {before, "job 7.1", "", false},
		"empty, where there is no key": {nil, "job 7.1", "", false},
		"where there is no key":        {nil, "job 7.1", tag, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if got := c.keys.Tagged(c.subject, c.tag); got != c.want {
				t.Errorf("tagged: %v", got)
			}
		})
	}
	var none *seal.Keys
	if none.Tag("x") != "" {
		t.Error("a tag without a key")
	}
}
