// Package api owns HTTP for programs: the Travis API v3 with Headrace's additions, server-sent events, ping, health, metrics
// and the description of all that. It turns what the rooms know into JSON and back and decides nothing itself. It must not
// know SQL, the broker or the pages; it reaches the rooms through the interfaces in deps.go.
package api

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"
)

// Config is what may be set. The zero value is usable.
type Config struct {
	// Version is the version of Headrace.
	Version string
	// Node is this node's name as ping shows it.
	Node string
	// WebURL is the address of the pages without a slash at its end, which forges send hooks below. Nil: not known.
	WebURL func() string
	// Closing is closed when the server begins to shut down; streams end then. Default: never.
	Closing <-chan struct{}
	// Collectors are added to those that /metrics gives by itself.
	Collectors []prometheus.Collector
	// KeepAlive is how often a silent stream sends a comment. Default 15 s.
	KeepAlive time.Duration
	// StreamFor is how long a stream lasts before the client is made to connect, and to sign in, anew. Default 30 min.
	StreamFor time.Duration
	// Log is where requests and defects are told. Default: nowhere.
	Log *slog.Logger
}

func (c Config) withDefaults() Config {
	if c.WebURL == nil {
		c.WebURL = func() string { return "" }
	}
	if c.KeepAlive <= 0 {
		c.KeepAlive = 15 * time.Second
	}
	if c.StreamFor <= 0 {
		c.StreamFor = 30 * time.Minute
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// API answers programs. It is safe for concurrent use.
type API struct {
	Deps
	config  Config
	log     *slog.Logger
	engine  *gin.Engine
	metrics *metrics
}

// New returns the handler of everything that [Wants] is true for. Identity must have been put into the request's context
// before, for [Deps.Who].
func New(deps Deps, config Config) (*API, error) {
	if err := deps.validate(); err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	a := &API{Deps: deps, config: config.withDefaults()}
	a.log = a.config.Log.With("component", "api")
	m, err := newMetrics(deps.Store, deps.Ready, a.config)
	if err != nil {
		return nil, fmt.Errorf("api: %w", err)
	}
	a.metrics = m
	a.engine = a.newEngine()
	return a, nil
}

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.engine.ServeHTTP(w, withoutProvider(r))
}

// Wants reports whether a request is for the API rather than for the pages.
func Wants(r *http.Request) bool {
	p := r.URL.Path
	for _, mount := range []string{"/api", "/v3"} {
		if p == mount || strings.HasPrefix(p, mount+"/") {
			return true
		}
	}
	return slices.Contains(scriptPaths(), p) || p == "/healthz" || p == "/readyz" || p == "/metrics" || speaksV3(r)
}

// speaksV3 reports whether the headers ask for version 3.
func speaksV3(r *http.Request) bool {
	return r.Header.Get("Travis-API-Version") == "3" || strings.Contains(r.Header.Get("Accept"), "application/vnd.travis-ci.3+")
}

// The mounts of v3: where hrefs begin.
var mounts = [...]string{"/api", "/v3", ""}

func (a *API) newEngine() *gin.Engine {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.ContextWithFallback = true
	e.UseEscapedPath = true // slugs hold %2F
	e.UnescapePathValues = false
	e.RedirectTrailingSlash = false
	e.HandleMethodNotAllowed = true
	_ = e.SetTrustedProxies(nil) // nil never fails; client addresses come from identity
	e.Use(a.observe, a.recover, secure)
	e.NoRoute(a.noRoute)
	e.NoMethod(a.noMethod)
	a.mountSystem(e)
	for _, mount := range mounts {
		group := e.Group(mount)
		if mount == "" {
			group.Use(a.onlyV3)
		}
		for _, r := range a.routes() {
			group.Handle(r.method, r.path, a.endpoint(mount, r))
		}
	}
	return e
}

// onlyV3 keeps the root for those who ask for version 3.
func (a *API) onlyV3(c *gin.Context) {
	if !speaksV3(c.Request) {
		a.noRoute(c)
		c.Abort()
	}
}

// withoutProvider takes the optional provider out of /repo/{provider}/{slug} and /owner/{provider}/{login}.
func withoutProvider(r *http.Request) *http.Request {
	parts := strings.Split(r.URL.EscapedPath(), "/")
	i := slices.IndexFunc(parts, func(p string) bool { return p == "repo" || p == "owner" })
	if i < 1 || i > 2 || i+2 >= len(parts) || !slices.Contains(providers(), parts[i+1]) || slices.Contains(ownParts(), parts[i+2]) {
		return r
	}
	parts = slices.Delete(parts, i+1, i+2)
	u := *r.URL
	u.RawPath = strings.Join(parts, "/")
	if p, err := (&u).Parse(u.RawPath); err == nil {
		u.Path = p.Path
	}
	clone := *r
	clone.URL = &u
	return &clone
}

func providers() []string { return []string{"github", "gitlab", "bitbucket", "assembla", "git"} }

// ownParts may follow an owner of that name itself: /owner/git/repos.
func ownParts() []string { return []string{"repos", "active"} }
