package web

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/assets/show"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// searchModel is the page Go to, and the hits of the palette.
type searchModel struct {
	Text   string
	Groups []hitGroup
}

type hitGroup struct {
	Name string
	Hits []hit
}

// hit is one thing to go to; Match is the part of its name that was sought.
type hit struct {
	ID, Href, Icon       string
	Before, Match, After string
	Note                 string
}

const mostHits = 8

// search finds repositories by name, builds by "name number", and pages.
func (s *server) search(c *gin.Context, u ci.User) error {
	text := show.Cut(strings.TrimSpace(c.Query("q")), 100)
	m := searchModel{Text: text}
	name, number := nameAndNumber(text)
	list, _, err := s.Store.Repositories(c.Request.Context(), ci.RepositoryFilter{Text: name, ForUser: u.ID, SortByLast: true, Page: ci.Page{Limit: mostHits}})
	if err != nil {
		return err
	}
	builds := hitGroup{Name: "Builds"}
	repos := hitGroup{Name: "Repositories"}
	for _, r := range list {
		if number > 0 {
			b, err := s.Store.BuildByNumber(c.Request.Context(), r.ID, number)
			if err == nil {
				builds.Hits = append(builds.Hits, hit{Href: buildHref(r.Slug, number), Icon: "commit", Before: fmt.Sprintf("%s #%d %s", r.Slug, number, b.Title()), Note: strings.ToLower(word(string(b.State)))})
			} else if !fault.Is(err, fault.NotFound) {
				return err
			}
			continue
		}
		h := marked(r.Slug, name)
		h.Href, h.Icon = slugHref(r.Slug), "branch"
		if r.Last != nil {
			h.Note = fmt.Sprintf("#%d %s", r.Last.Number, strings.ToLower(word(string(r.Last.State))))
		}
		repos.Hits = append(repos.Hits, h)
		if r.Last != nil && name != "" && len(list) <= 3 {
			builds.Hits = append(builds.Hits, hit{Href: buildHref(r.Slug, r.Last.Number), Icon: "commit", Before: fmt.Sprintf("#%d %s", r.Last.Number, r.Last.Title()), Note: show.Ago(lastMoved(*r.Last), s.Now())})
		}
	}
	m.Groups = numbered(repos, builds, pageHits(text))
	return s.render(c, u, "search", view{Title: "Go to", Crumbs: []crumb{{Name: "Go to"}}, Page: m})
}

// nameAndNumber splits "turbine 1481" or "turbine #1481".
func nameAndNumber(text string) (name string, number int64) {
	i := strings.LastIndexAny(text, " #")
	if i < 0 {
		return text, 0
	}
	n, err := strconv.ParseInt(strings.TrimLeft(text[i:], " #"), 10, 64)
	if err != nil {
		return text, 0
	}
	return strings.TrimRight(text[:i], " #"), n
}

func pageHits(text string) hitGroup {
	g := hitGroup{Name: "Pages"}
	for _, p := range []struct{ name, href, icon string }{
		{"Repositories", "/", "menu"}, {"Add a repository", "/new", "plus"}, {"Check a .travis.yml", "/lint", "commit"}, {"My tokens", "/account/tokens", "key"}, {"Preferences", "/account/preferences", "moon"},
	} {
		if strings.Contains(strings.ToLower(p.name), strings.ToLower(text)) {
			h := marked(p.name, text)
			h.Href, h.Icon = p.href, p.icon
			g.Hits = append(g.Hits, h)
		}
	}
	return g
}

func marked(name, part string) hit {
	i := strings.Index(strings.ToLower(name), strings.ToLower(part))
	if part == "" || i < 0 || i+len(part) > len(name) {
		return hit{Before: name}
	}
	return hit{Before: name[:i], Match: name[i : i+len(part)], After: name[i+len(part):]}
}

func numbered(groups ...hitGroup) []hitGroup {
	var out []hitGroup
	n := 0
	for _, g := range groups {
		if len(g.Hits) == 0 {
			continue
		}
		for i := range g.Hits {
			n++
			g.Hits[i].ID = "hit-" + strconv.Itoa(n)
		}
		out = append(out, g)
	}
	return out
}
