package ci_test

import (
	"strings"
	"testing"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

func TestCheckRef(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"main", "feature/x", "release-1.2", "v1.0", "a@b", "größe", "x.y/z"} {
		if err := ci.CheckRef("branch", name); err != nil {
			t.Errorf("CheckRef(%q) = %v, want no error", name, err)
		}
	}
	for _, name := range []string{
		"", "-x", "--upload-pack=x", "a b", "a..b", "a/", "/a", "a//b", ".a", "a/.b", "a.lock", "a.lock/b", "a.", "a~1", "a^", "a:b",
		"a?", "a*", "a[", `a\b`, "a\nb", "a\x7f", "a@{1}", "@", strings.Repeat("x", 251),
	} {
		if err := ci.CheckRef("branch", name); !fault.Is(err, fault.Invalid) {
			t.Errorf("CheckRef(%q) = %v, want it refused", name, err)
		}
	}
}

func TestCheckSHA(t *testing.T) {
	t.Parallel()
	for _, sha := range []string{"abcdef0", "ABCDEF0123", strings.Repeat("a", 40), strings.Repeat("0", 64)} {
		if err := ci.CheckSHA(sha); err != nil {
			t.Errorf("CheckSHA(%q) = %v, want no error", sha, err)
		}
	}
	for _, sha := range []string{"", "abc", "-abcdef0", "main", strings.Repeat("a", 65), "abcdef0 "} {
		if err := ci.CheckSHA(sha); !fault.Is(err, fault.Invalid) {
			t.Errorf("CheckSHA(%q) = %v, want it refused", sha, err)
		}
	}
}
