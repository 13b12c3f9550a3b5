package api

import (
	"context"
	_ "embed"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

//go:embed openapi.json
var openAPI []byte

// publicPaths are the addresses that need no sign-in, and the only ones.
func publicPaths() []string { return []string{"/api/v1/ping", "/healthz", "/readyz", "/metrics"} }

// mountSystem adds what needs no sign-in of a user.
func (a *API) mountSystem(e *gin.Engine) {
	handlers := []gin.HandlerFunc{a.ping, a.healthz, a.readyz, gin.WrapH(promhttp.HandlerFor(a.metrics.registry, promhttp.HandlerOpts{}))}
	for i, path := range publicPaths() {
		e.GET(path, handlers[i])
		e.HEAD(path, handlers[i])
	}
	a.mountHooks(e)
	if a.Scripts == nil {
		return
	}
	for _, path := range scriptPaths() {
		e.POST(path, a.script)
	}
}

// ping answers GET /api/v1/ping in the words of the HA tools.
func (a *API) ping(c *gin.Context) {
	start := time.Now()
	cluster := Cluster{Primary: a.config.Node, Role: "primary"}
	if a.Cluster != nil {
		cluster = a.Cluster(c.Request.Context())
	}
	if cluster.Secondaries == nil {
		cluster.Secondaries = []string{}
	}
	instances := new(object).set("primary", cluster.Primary).set("secondaries", cluster.Secondaries)
	body := new(object).set("instances", instances).set("ha", cluster.HA).set("role", cluster.Role).set("version", a.config.Version)
	body.setIf(cluster.Nodes != nil, "nodes", cluster.Nodes)
	c.Header("X-API-Time", fmt.Sprintf("%.3fs", time.Since(start).Seconds()))
	a.sendSystem(c, http.StatusOK, body)
}

// healthz answers that the process lives.
func (a *API) healthz(c *gin.Context) {
	a.sendSystem(c, http.StatusOK, new(object).set("status", "alive"))
}

// readyz answers whether the node takes traffic.
func (a *API) readyz(c *gin.Context) {
	r := a.Ready(c.Request.Context())
	status, word := http.StatusOK, "ready"
	if !r.Ready {
		status, word = http.StatusServiceUnavailable, "not ready"
	}
	services := new(object)
	for _, s := range r.Services {
		services.set(s.Name, new(object).set("up", s.Up).setIf(s.Detail != "", "detail", s.Detail))
	}
	a.sendSystem(c, status, new(object).set("status", word).setIf(r.Reason != "", "reason", r.Reason).set("services", services))
}

func (a *API) sendSystem(c *gin.Context, status int, body *object) {
	if err := writeJSON(c.Writer, status, "application/json", body); err != nil {
		a.log.DebugContext(c.Request.Context(), "answer not sent", "err", err)
	}
}

// findOpenAPI answers GET /openapi.json.
func (a *API) findOpenAPI(context.Context, *call) (answer, error) {
	return answer{write: func(w http.ResponseWriter) error {
		w.Header().Set("Content-Type", "application/json")
		_, err := w.Write(openAPI)
		return err
	}}, nil
}
