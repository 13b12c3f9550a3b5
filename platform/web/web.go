package web

import (
	"context"
	"crypto/rand"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"

	"github.com/gin-gonic/gin"

	"github.com/headrace/headrace/assets"
	"github.com/headrace/headrace/assets/show"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

//go:embed pages/*.tmpl pages/*.css
var pageFiles embed.FS

// policy is the content security policy of every page: nothing but what this server serves.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; " +
	"base-uri 'none'; frame-ancestors 'none'; worker-src 'self'"

// maxForm is how many bytes a form may have; a configuration override is the longest field.
const maxForm = 1 << 20

type server struct {
	Deps
	files *assets.Files
	pages map[string]*template.Template
}

// New returns the handler of all pages, of /assets/ and of /events. Sessions, the user in the context and the refusal of
// cross-origin requests are put around it by the caller.
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
	g.Use(s.requestID, s.recovery, s.headers)
	s.routes(g)
	return g, nil
}

func (s *server) routes(g *gin.Engine) {
	g.GET("/assets/*name", gin.WrapH(s.files))
	g.HEAD("/assets/*name", gin.WrapH(s.files))
	g.GET("/sign-in", s.page(s.signInPage))
	g.POST("/sign-in", s.page(s.signIn))
	g.POST("/sign-out", s.page(s.signOut))
	g.POST("/preferences", s.page(s.setPreferences))

	g.GET("/", s.user(s.home))
	g.GET("/new", s.user(s.newRepository))
	g.POST("/new", s.user(s.addRepository))
	g.GET("/search", s.user(s.search))
	g.GET("/lint", s.user(s.lintPage))
	g.POST("/lint", s.user(s.lintText))
	g.GET("/queues", s.user(s.queues))
	g.POST("/queues", s.user(s.changeQueue))
	g.GET("/account/tokens", s.user(s.tokens))
	g.POST("/account/tokens", s.user(s.createToken))
	g.POST("/account/tokens/delete", s.user(s.deleteToken))
	g.GET("/account/preferences", s.user(s.preferences))
	g.GET("/events", s.events)
	g.GET("/r/*path", s.user(s.inRepository))
	g.POST("/r/*path", s.user(s.inRepository))
	g.NoRoute(s.user(s.noRoute))
}

// action answers a request or says what went wrong.
type action func(c *gin.Context, u ci.User) error

// page runs an action whether someone is signed in or not.
func (s *server) page(do action) gin.HandlerFunc {
	return func(c *gin.Context) {
		c.Request.Body = http.MaxBytesReader(c.Writer, c.Request.Body, maxForm)
		u, err := s.Who(c.Request.Context())
		if err == nil || fault.Is(err, fault.Unauthenticated) {
			if err = readForm(c.Request); err == nil {
				err = do(c, u)
			}
		}
		if err != nil {
			s.fail(c, u, err)
		}
	}
}

// readForm reads the whole form before anything acts on it: a part of one is worse than none.
func readForm(r *http.Request) error {
	if r.Method != http.MethodPost {
		return nil
	}
	err := r.ParseForm()
	if tooLong, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return fault.Wrap(fault.Invalid, err, "What was sent is longer than %s, the most that a form may hold. Nothing was done. A configuration that long belongs into the repository.", show.Bytes(tooLong.Limit))
	}
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "What was sent is not a form that can be read. Nothing was done.")
	}
	return nil
}

// user runs an action for who is signed in, and sends everybody else to sign in.
func (s *server) user(do action) gin.HandlerFunc {
	return s.page(func(c *gin.Context, u ci.User) error {
		switch {
		case u.ID != 0:
			return do(c, u)
		case c.GetHeader("X-Fragment") != "" || c.Request.Method != http.MethodGet:
			return errSignedOut
		}
		c.Redirect(http.StatusSeeOther, "/sign-in?next="+url.QueryEscape(c.Request.URL.RequestURI()))
		return nil
	})
}

type ctxKey int

const requestIDKey ctxKey = iota

// requestID gives every request a name by which its log lines are found.
func (s *server) requestID(c *gin.Context) {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	id := hex.EncodeToString(b[:])
	c.Request = c.Request.WithContext(context.WithValue(c.Request.Context(), requestIDKey, id))
	c.Header("X-Request-Id", id)
	c.Next()
}

func requestIDOf(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey).(string)
	return id
}

func (s *server) recovery(c *gin.Context) {
	defer func() {
		what := recover()
		if what == nil {
			return
		}
		if what == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
			panic(what)
		}
		s.Log.ErrorContext(c.Request.Context(), "page broke", slog.Any("panic", what), slog.String("path", c.Request.URL.Path),
			slog.String("request_id", requestIDOf(c.Request.Context())), slog.String("stack", string(debug.Stack())))
		if !c.Writer.Written() {
			s.fail(c, ci.User{}, fmt.Errorf("panic: %v", what))
		}
		c.Abort()
	}()
	c.Next()
}

func (s *server) headers(c *gin.Context) {
	h := c.Writer.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=()")
	c.Next()
}
