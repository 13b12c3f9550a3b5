package ci

import (
	"strings"

	"github.com/headrace/headrace/internal/fault"
)

// Remote is what a look at a git repository finds.
type Remote struct {
	// DefaultBranch is the branch that a clone would check out, empty where the repository is.
	DefaultBranch string
	// Empty: it has no branch yet.
	Empty bool
}

// CheckRef says what is wrong with the name of a branch or a tag, by git's own rules for names. The field is "branch" or
// "tag"; it stands in the error.
func CheckRef(field, name string) error {
	bad := func(why string) error {
		return fault.Field(field, "git allows no %s named %q: %s.", field, short(name), why)
	}
	switch {
	case name == "":
		return fault.Field(field, "The name of the %s is empty.", field)
	case len(name) > 250:
		return bad("it is longer than 250 bytes")
	case name[0] == '-':
		return bad("it starts with a dash")
	case strings.ContainsFunc(name, func(r rune) bool { return r < 32 || r == 127 || strings.ContainsRune(" ~^:?*[\\", r) }):
		return bad(`a name holds no space, no control character and none of ~ ^ : ? * [ \`)
	case strings.Contains(name, "..") || strings.Contains(name, "@{") || name == "@":
		return bad("a name holds neither .. nor @{")
	case strings.HasSuffix(name, "."):
		return bad("it ends with a dot")
	}
	for part := range strings.SplitSeq(name, "/") {
		if part == "" || part[0] == '.' || strings.HasSuffix(part, ".lock") {
			return bad("no part between slashes is empty, starts with a dot or ends with .lock")
		}
	}
	return nil
}

// CheckSHA says what is wrong with the id of a commit: 7 to 64 digits of 0-9 and a-f.
func CheckSHA(sha string) error {
	if len(sha) < 7 || len(sha) > 64 || strings.Trim(sha, "0123456789abcdefABCDEF") != "" {
		return fault.Field("sha", "%q is not the id of a commit. It has 40 digits of 0-9 and a-f; the first 7 or more will do.", short(sha))
	}
	return nil
}

func short(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "…"
	}
	return s
}
