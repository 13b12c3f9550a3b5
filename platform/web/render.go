package web

import (
	"bytes"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/assets/show"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

var errSignedOut = fault.New(fault.Unauthenticated, "You are signed out. Sign in and try again.")

// view is what the shell around every page needs. Page is the page's own model.
type view struct {
	// Title is the tab's title without the name of the product; Mark is the sign of a state before it.
	Title, Mark string
	// Icon is the favicon's state: passed, failed, errored or started.
	Icon   string
	Crumbs []crumb
	// Live lists what the page shows, as "kind:id", so that it knows which changes concern it; empty: it stays as it is.
	Live string
	// Script is the page's own module.
	Script string
	Page   any

	// The rest is filled in by render.
	User     ci.User
	SignedIn bool
	Theme    string
	KeysOff  bool
	Toast    string
	NowMS    int64
	Path     string
	Version  string
	Status   int
}

type crumb struct {
	Name, Href string
	// Hide: left out on phones.
	Hide bool
}

// parse makes one set of templates for each page: the shared parts, the shell, the page.
func (s *server) parse(from fs.FS) (map[string]*template.Template, error) {
	base, err := s.files.Parts()
	if err != nil {
		return nil, fmt.Errorf("parse parts: %w", err)
	}
	base.Funcs(template.FuncMap{
		"ago": show.Ago, "exact": show.Exact, "stamp": show.Stamp, "dur": show.Duration, "number": show.Number[int],
		"count": show.Count[int], "size": show.Bytes, "join": strings.Join, "word": word, "secs": seconds, "clock": show.Clock, "query": url.QueryEscape,
	})
	if _, err := base.ParseFS(from, "shell.tmpl", "shared.tmpl"); err != nil {
		return nil, fmt.Errorf("parse shell: %w", err)
	}
	names, err := fs.Glob(from, "*.tmpl")
	if err != nil {
		return nil, fmt.Errorf("list pages: %w", err)
	}
	pages := map[string]*template.Template{}
	for _, name := range names {
		if name == "shell.tmpl" || name == "shared.tmpl" {
			continue
		}
		t, err := base.Clone()
		if err == nil {
			t, err = t.ParseFS(from, name)
		}
		if err != nil {
			return nil, fmt.Errorf("parse page %s: %w", name, err)
		}
		pages[strings.TrimSuffix(path.Base(name), ".tmpl")] = t
	}
	return pages, nil
}

// render answers with a page, or with its main part where the page that is open asks for that.
func (s *server) render(c *gin.Context, u ci.User, name string, v view) error {
	v.User, v.SignedIn = u, u.ID != 0
	v.Theme, v.KeysOff = themeOf(c), cookie(c, "keys") == "off"
	v.NowMS = s.Now().UnixMilli()
	v.Path = c.Request.URL.RequestURI()
	v.Version = s.Version
	fragment := c.GetHeader("X-Fragment")
	part := "page"
	if fragment != "" {
		part = fragment
	} else {
		v.Toast = s.takeToast(c)
	}
	if part != "page" && part != "main" && part != "hits" {
		return fault.New(fault.Invalid, "This page has no part of that name.")
	}
	t := s.pages[name]
	if t == nil || t.Lookup(part) == nil {
		return fmt.Errorf("page %q has no part %q", name, part)
	}
	var out bytes.Buffer
	if err := t.ExecuteTemplate(&out, part, v); err != nil {
		return fmt.Errorf("draw page %q: %w", name, err)
	}
	h := c.Writer.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "private, no-store")
	h.Set("Vary", "X-Fragment, Cookie")
	h.Set("X-Title", url.PathEscape(v.TabTitle()))
	h.Set("X-Icon", s.files.URL(v.Favicon()))
	h.Set("X-Time", strconv.FormatInt(v.NowMS, 10))
	status := v.Status
	if status == 0 {
		status = http.StatusOK
	}
	c.Status(status)
	_, err := c.Writer.Write(out.Bytes())
	if err != nil {
		s.Log.DebugContext(c.Request.Context(), "reader went away", slog.Any("err", err))
	}
	return nil
}

// TabTitle is the title of the browser's tab: state, page, product.
func (v view) TabTitle() string {
	t := v.Title
	if v.Mark != "" {
		t = v.Mark + " " + t
	}
	if t == "" {
		return "Headrace"
	}
	return t + " · Headrace"
}

// Favicon is the file of the tab's icon.
func (v view) Favicon() string {
	switch v.Icon {
	case "passed", "failed", "errored", "started":
		return "favicon-" + v.Icon + ".svg"
	}
	return "favicon.svg"
}

// Initials are shown in place of a picture.
func (v view) Initials() string {
	name := v.User.Name
	if name == "" {
		name = v.User.Login
	}
	out := ""
	for _, f := range strings.Fields(name) {
		if len(out) < 2 {
			out += string([]rune(f)[:1])
		}
	}
	if r := []rune(name); len([]rune(out)) < 2 && len(r) > 1 {
		out = string(r[:2])
	}
	return strings.ToUpper(out)
}

// statuses maps codes to HTTP.
var statuses = map[fault.Code]int{
	fault.Invalid: http.StatusUnprocessableEntity, fault.Unauthenticated: http.StatusUnauthorized, fault.Forbidden: http.StatusForbidden,
	fault.NotFound: http.StatusNotFound, fault.Conflict: http.StatusConflict, fault.Limited: http.StatusTooManyRequests,
	fault.Unavailable: http.StatusServiceUnavailable, fault.Internal: http.StatusInternalServerError,
}

type errorPage struct {
	Heading, Text, RequestID string
	SignIn                   bool
}

// fail answers with an error page. What is internal is logged and not shown.
func (s *server) fail(c *gin.Context, u ci.User, err error) {
	ctx := c.Request.Context()
	code := fault.CodeOf(err)
	if ctx.Err() != nil {
		c.Abort()
		return
	}
	p := errorPage{Heading: fault.Message(err), RequestID: requestIDOf(ctx), SignIn: code == fault.Unauthenticated}
	switch code {
	case fault.Internal:
		s.Log.ErrorContext(ctx, "page failed", slog.Any("err", err), slog.String("path", c.Request.URL.Path), slog.String("request_id", p.RequestID))
		p.Heading, p.Text = "This page could not be made.", fault.Message(err)
	case fault.Unavailable:
		s.Log.WarnContext(ctx, "page unavailable", slog.Any("err", err), slog.String("path", c.Request.URL.Path), slog.String("request_id", p.RequestID))
		p.Text = "Trying again in a moment may help."
	case fault.NotFound:
		p.Text = "It may have been removed, or the address has a slip of the pen."
	case fault.Conflict, fault.Invalid, fault.Forbidden, fault.Limited, fault.Unauthenticated:
	}
	c.Request.Header.Del("X-Fragment")
	if rerr := s.render(c, u, "error", view{Title: p.Heading, Icon: "failed", Page: p, Status: statuses[code]}); rerr != nil {
		s.Log.ErrorContext(ctx, "error page failed", slog.Any("err", rerr))
		c.AbortWithStatus(http.StatusInternalServerError)
	}
}

func (s *server) noRoute(c *gin.Context, _ ci.User) error {
	return fault.New(fault.NotFound, "There is no page at %s.", show.Cut(c.Request.URL.Path, 80))
}
