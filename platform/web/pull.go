package web

import (
	"strconv"

	"github.com/headrace/headrace/platform/ci"
)

// pullView is what pages say of the pull request that a build is of.
type pullView struct {
	Name, URL string // "#212 Cache: key by lock file"
	From      string // the repository and the branch of the code
	Fork      bool   // it is not the repository's own: no secrets
	Draft     bool
}

// pullOf is nil for what is no pull request.
func pullOf(b ci.Build) *pullView {
	p := b.PullRequest
	if p == nil {
		return nil
	}
	v := &pullView{Name: "#" + strconv.FormatInt(p.Number, 10) + " " + p.Title, URL: p.URL, From: p.HeadRef, Fork: !b.Trusted, Draft: p.Draft}
	if p.HeadSlug != "" && v.Fork {
		v.From = p.HeadSlug + ", " + p.HeadRef
	}
	return v
}
