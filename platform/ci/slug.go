package ci

import (
	"net/url"
	"regexp"
	"strings"

	"github.com/headrace/headrace/internal/fault"
)

var slugForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)+$`)

// CheckSlug says what is wrong with a slug: "owner/name", at most 200 characters of letters, digits, dot, dash and underscore.
func CheckSlug(slug string) error {
	if len(slug) > 200 || !slugForm.MatchString(slug) {
		return fault.Field("slug", "A repository is named owner/name, in letters, digits, dots, dashes and underscores, for example acme/app.")
	}
	for part := range strings.SplitSeq(slug, "/") {
		if strings.HasSuffix(part, ".git") {
			return fault.Field("slug", "Leave .git off the name of the repository.")
		}
	}
	return nil
}

// SplitSlug returns what stands before and after the last slash.
func SplitSlug(slug string) (owner, name string) {
	if i := strings.LastIndexByte(slug, '/'); i >= 0 {
		return slug[:i], slug[i+1:]
	}
	return "", slug
}

// PublicURL is the source URL without user name and password.
func (r Repository) PublicURL() string {
	u, err := url.Parse(r.SourceURL)
	if err != nil {
		return ""
	}
	u.User = nil
	return u.String()
}

func firstLine(s string) string {
	s = strings.TrimLeft(s, "\r\n \t")
	if i := strings.IndexAny(s, "\r\n"); i >= 0 {
		s = s[:i]
	}
	return s
}
