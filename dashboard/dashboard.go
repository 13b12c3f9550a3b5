package dashboard

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/assets"
	"github.com/headrace/headrace/assets/show"
	"github.com/headrace/headrace/internal/fault"
)

//go:embed pages/*.tmpl pages/*.css
var pageFiles embed.FS

const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; worker-src 'self'"

// maxForm is how many bytes a form may have.
const maxForm = 64 << 10

type server struct {
	Deps
	files *assets.Files
	pages map[string]*template.Template
}

// New returns the handler of the dashboard: /, /sign-in, /sign-out and /assets/. Refusing cross-origin requests, and
// /healthz and its kin, are put around it by the caller.
func New(deps Deps) (http.Handler, error) {
	sub, err := fs.Sub(pageFiles, "pages")
	if err != nil {
		return nil, fmt.Errorf("open embedded pages: %w", err)
	}
	files, err := assets.New(sub)
	if err != nil {
		return nil, fmt.Errorf("gather assets: %w", err)
	}
	s := &server{Deps: deps, files: files}
	if s.pages, err = s.parse(sub); err != nil {
		return nil, err
	}
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.ContextWithFallback = true
	if err := g.SetTrustedProxies(nil); err != nil {
		return nil, fmt.Errorf("trust no proxy: %w", err)
	}
	g.Use(s.around)
	g.GET("/assets/*name", gin.WrapH(files))
	g.HEAD("/assets/*name", gin.WrapH(files))
	g.GET("/", s.overview)
	g.GET("/sign-in", s.signInPage)
	g.POST("/sign-in", s.signIn)
	g.POST("/sign-out", s.signOut)
	g.NoRoute(s.notFound)
	return g, nil
}

func (s *server) parse(from fs.FS) (map[string]*template.Template, error) {
	base, err := s.files.Parts()
	if err != nil {
		return nil, fmt.Errorf("parse parts: %w", err)
	}
	base.Funcs(template.FuncMap{"exact": show.Exact, "stamp": show.Stamp, "ago": show.Ago})
	if _, err := base.ParseFS(from, "shell.tmpl"); err != nil {
		return nil, fmt.Errorf("parse shell: %w", err)
	}
	pages := map[string]*template.Template{}
	for _, name := range []string{"overview", "sign-in", "error"} {
		t, err := base.Clone()
		if err == nil {
			t, err = t.ParseFS(from, name+".tmpl")
		}
		if err != nil {
			return nil, fmt.Errorf("parse page %s: %w", name, err)
		}
		pages[name] = t
	}
	return pages, nil
}

// around sets the headers of every answer and catches what breaks.
func (s *server) around(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxForm)
	defer func() {
		if what := recover(); what != nil {
			s.Log.ErrorContext(c.Request.Context(), "dashboard page broke", slog.Any("panic", what), slog.String("path", c.Request.URL.Path))
			c.AbortWithStatus(http.StatusInternalServerError)
		}
	}()
	c.Next()
}

// view is what the shell needs; Page is the page's own model.
type view struct {
	Title, Icon string
	Live        bool
	SignedIn    bool
	Config      Config
	Theme       string
	NowMS       int64
	Page        any
}

func (s *server) render(c *gin.Context, name string, status int, v view) {
	v.Config, v.NowMS = s.Config, s.Now().UnixMilli()
	v.SignedIn = s.Auth.SignedIn(c.Request)
	if theme, err := c.Cookie("theme"); err == nil && (theme == "dark" || theme == "light") {
		v.Theme = theme
	}
	part := "page"
	if c.GetHeader("X-Fragment") == "main" {
		part = "main"
	}
	var out bytes.Buffer
	if err := s.pages[name].ExecuteTemplate(&out, part, v); err != nil {
		s.Log.ErrorContext(c.Request.Context(), "draw dashboard page", slog.String("page", name), slog.Any("err", err))
		c.AbortWithStatus(http.StatusInternalServerError)
		return
	}
	h := c.Writer.Header()
	h.Set("Cache-Control", "private, no-store")
	h.Set("X-Title", url.PathEscape(v.Title+" · Headrace operator"))
	h.Set("X-Time", strconv.FormatInt(v.NowMS, 10))
	c.Data(status, "text/html; charset=utf-8", out.Bytes())
}

func (s *server) overview(c *gin.Context) {
	if !s.Auth.SignedIn(c.Request) {
		if c.GetHeader("X-Fragment") != "" {
			c.AbortWithStatus(http.StatusUnauthorized)
			return
		}
		c.Redirect(http.StatusSeeOther, "/sign-in")
		return
	}
	h := s.Health(c.Request.Context())
	v := view{Title: "Overview", Icon: "passed", Live: true, Page: h}
	if n := len(h.Open()); n > 0 {
		v.Title, v.Icon = "("+itoa(n)+") Overview", "failed"
	}
	s.render(c, "overview", http.StatusOK, v)
}

func (s *server) signInPage(c *gin.Context) {
	if s.Auth.SignedIn(c.Request) {
		c.Redirect(http.StatusSeeOther, "/")
		return
	}
	s.render(c, "sign-in", http.StatusOK, view{Title: "Sign in", Page: ""})
}

func (s *server) signIn(c *gin.Context) {
	err := s.Auth.SignIn(c.Writer, c.Request, c.PostForm("password"))
	switch fault.CodeOf(err) {
	case "":
		c.Redirect(http.StatusSeeOther, "/")
	case fault.Unauthenticated, fault.Invalid, fault.Forbidden:
		s.render(c, "sign-in", http.StatusUnauthorized, view{Title: "Sign in", Page: fault.Message(err)})
	case fault.Limited:
		s.render(c, "sign-in", http.StatusTooManyRequests, view{Title: "Sign in", Page: fault.Message(err)})
	case fault.NotFound, fault.Conflict, fault.Unavailable, fault.Internal:
		s.broken(c, err)
	}
}

func (s *server) signOut(c *gin.Context) {
	if err := s.Auth.SignOut(c.Writer, c.Request); err != nil {
		s.broken(c, err)
		return
	}
	c.Redirect(http.StatusSeeOther, "/sign-in")
}

func (s *server) broken(c *gin.Context, err error) {
	s.Log.ErrorContext(c.Request.Context(), "dashboard page failed", slog.Any("err", err), slog.String("path", c.Request.URL.Path))
	s.render(c, "error", http.StatusInternalServerError, view{Title: "Error", Page: "This page could not be made. The log of this node says why."})
}

func (s *server) notFound(c *gin.Context) {
	path := strings.TrimSpace(show.Cut(c.Request.URL.Path, 80))
	s.render(c, "error", http.StatusNotFound, view{Title: "Not found", Page: "There is no page at " + path + "."})
}

func itoa(n int) string { return strconv.Itoa(n) }
