package web

import (
	"net/http"
	"strconv"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// cachesModel is the page of what the jobs of a repository keep.
type cachesModel struct {
	repoHead
	Admin bool
	Rows  []cacheRow
	// All is the size of all, Sure that it was asked whether all shall go.
	All  string
	Sure bool
}

type cacheRow struct {
	ID                 int64
	Branch, Name, Size string
	Stored, Used       *moment
	Confirm            bool
}

func (s *server) cachesPage(c *gin.Context, u ci.User, repo ci.Repository, _ place) error {
	ctx := c.Request.Context()
	list, err := s.Store.Caches(ctx, ci.CacheFilter{RepositoryID: repo.ID})
	if err != nil {
		return err
	}
	last, _, err := s.Store.Builds(ctx, ci.BuildFilter{RepositoryID: repo.ID, SkipCount: true, Page: ci.Page{Limit: 1}})
	if err != nil {
		return err
	}
	m := cachesModel{repoHead: s.head(repo, "Caches", firstOf(last)), Admin: u.Admin, Sure: u.Admin && c.Query("delete") == "all"}
	now, all := s.Now(), int64(0)
	for _, x := range list {
		all += x.Size
		m.Rows = append(m.Rows, cacheRow{
			ID: x.ID, Branch: x.Branch, Name: x.Name, Size: bytesWords(x.Size), Stored: momentOf(x.Stored, now), Used: momentOf(x.Used, now),
			Confirm: u.Admin && strconv.FormatInt(x.ID, 10) == c.Query("delete"),
		})
	}
	m.All = bytesWords(all)
	return s.render(c, u, "caches", view{Title: "Caches · " + repo.Name(), Crumbs: repoCrumbs(repo), Page: m})
}

// bytesWords is a size for people.
func bytesWords(n int64) string {
	switch {
	case n < 1<<20:
		return strconv.FormatInt((n+1023)>>10, 10) + " KiB"
	case n < 1<<30:
		return strconv.FormatFloat(float64(n)/(1<<20), 'f', 1, 64) + " MiB"
	}
	return strconv.FormatFloat(float64(n)/(1<<30), 'f', 1, 64) + " GiB"
}

// changeCaches deletes a cache, or all of them, after it was asked about.
func (s *server) changeCaches(c *gin.Context, u ci.User, repo ci.Repository, _ place) error {
	if !u.Admin {
		return fault.New(fault.Forbidden, "Only administrators delete the caches of a repository.")
	}
	f := ci.CacheFilter{RepositoryID: repo.ID}
	if given := c.PostForm("id"); given != "all" {
		id, err := strconv.ParseInt(given, 10, 64)
		if err != nil || id <= 0 {
			return fault.New(fault.Invalid, "This form names no cache.")
		}
		f.ID = id
	}
	gone, err := s.Store.DeleteCaches(c.Request.Context(), f)
	if err != nil {
		return err
	}
	s.say(c, "caches-deleted", strconv.Itoa(len(gone)))
	c.Redirect(http.StatusSeeOther, slugHref(repo.Slug)+"/caches")
	return nil
}
