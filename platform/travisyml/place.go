package travisyml

import (
	"path"
	"regexp"
	"strings"
)

// Place is where a file of a configuration lies.
type Place struct {
	// Repo is owner/name. Empty only where the configuration has no repository, as on a command line.
	Repo string
	// Path is relative to the root of the repository and never leaves it.
	Path string
	// Ref is a branch, a tag or a commit. Empty: the commit that is built, or the default branch of another repository.
	Ref string
}

// String returns the place as an import writes it: owner/name:path.yml@ref.
func (p Place) String() string {
	s := p.Path
	if p.Repo != "" {
		s = p.Repo + ":" + s
	}
	if p.Ref != "" {
		s += "@" + p.Ref
	}
	return s
}

var (
	remotePlace = regexp.MustCompile(`^([^/:@\s]+/[^/:@\s]+):(.+?\.ya?ml)(?:@([^@]+))?$`)
	localPlace  = regexp.MustCompile(`^(.+?\.ya?ml)(?:@([^@]+))?$`)
)

// parsePlace reads the source of an import that a file at from writes. Source: travis-yml-rules 4.1; .yaml is ours.
func parsePlace(source string, from Place) (Place, bool) {
	p := Place{Repo: from.Repo, Ref: from.Ref}
	if m := remotePlace.FindStringSubmatch(source); m != nil {
		p.Path = m[2]
		if p.Ref = m[3]; p.Ref == "" && strings.EqualFold(m[1], from.Repo) {
			p.Ref = from.Ref
		}
		p.Repo = m[1]
	} else if m := localPlace.FindStringSubmatch(source); m != nil {
		p.Path = m[1]
		if m[2] != "" {
			p.Ref = m[2]
		}
	} else {
		return Place{}, false
	}
	if strings.HasPrefix(p.Path, "./") || strings.HasPrefix(p.Path, "../") {
		p.Path = path.Join(path.Dir(from.Path), p.Path)
	}
	p.Path = path.Clean(strings.TrimPrefix(p.Path, "/"))
	if p.Path == ".." || strings.HasPrefix(p.Path, "../") || strings.HasPrefix(p.Ref, "-") {
		return Place{}, false
	}
	return p, true
}
