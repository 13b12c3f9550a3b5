package api

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/headrace/headrace/platform/ci"
)

// scrapeWithin bounds how long a scrape may wait for the database.
const scrapeWithin = 3 * time.Second

// metrics are those of one node, in a registry of their own.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	duration *prometheus.HistogramVec
	streams  prometheus.Gauge
}

func newMetrics(store Store, ready func(context.Context) Readiness, c Config) (*metrics, error) {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "headrace_http_requests_total", Help: "Answered requests of the API.",
		}, []string{"method", "route", "status"}),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "headrace_http_request_seconds", Help: "Time to answer a request of the API, streams apart.", Buckets: prometheus.DefBuckets,
		}, []string{"method", "route"}),
		streams: prometheus.NewGauge(prometheus.GaugeOpts{Name: "headrace_http_streams", Help: "Open streams of server-sent events of the API."}),
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "headrace_build_info", Help: "1, with the version as label.", ConstLabels: prometheus.Labels{"version": c.Version, "node": c.Node},
	})
	build.Set(1)
	own := []prometheus.Collector{
		m.requests, m.duration, m.streams, build, newStateCollector(store, ready),
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	}
	for _, collector := range append(own, c.Collectors...) {
		if err := m.registry.Register(collector); err != nil {
			return nil, fmt.Errorf("register metrics: %w", err)
		}
	}
	return m, nil
}

// request counts an answered request.
func (m *metrics) request(method, route string, status int, took time.Duration) {
	switch method {
	case "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS":
	default:
		method = "other" // a method is whatever a client sends
	}
	m.requests.WithLabelValues(method, route, strconv.Itoa(status)).Inc()
	if !strings.HasSuffix(route, "/stream") && route != "/events" {
		m.duration.WithLabelValues(method, route).Observe(took.Seconds())
	}
}

// stateCollector tells, at each scrape, how the queues are and which servers answer.
type stateCollector struct {
	store interface {
		Queues(context.Context) ([]ci.QueueStatus, error)
	}
	ready   func(context.Context) Readiness
	jobs    *prometheus.Desc
	workers *prometheus.Desc
	slots   *prometheus.Desc
	up      *prometheus.Desc
	isReady *prometheus.Desc
}

func newStateCollector(store Store, ready func(context.Context) Readiness) *stateCollector {
	desc := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc(name, help, labels, nil)
	}
	return &stateCollector{
		store: store, ready: ready,
		jobs:    desc("headrace_queue_jobs", "Jobs that have not ended, by queue and state.", "queue", "state"),
		workers: desc("headrace_queue_workers", "Workers that are there, by queue.", "queue"),
		slots:   desc("headrace_queue_slots", "Slots of those workers, by queue and whether they are free.", "queue", "use"),
		up:      desc("headrace_service_up", "Whether a server that the node uses answers.", "service"),
		isReady: desc("headrace_ready", "Whether the node takes traffic."),
	}
}

// Describe names the metrics.
func (s *stateCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{s.jobs, s.workers, s.slots, s.up, s.isReady} {
		ch <- d
	}
}

// Collect asks the store and the servers. What does not answer in time is left out, and shows as not up.
func (s *stateCollector) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeWithin)
	defer cancel()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	r := s.ready(ctx)
	gauge(s.isReady, truth(r.Ready))
	for _, service := range r.Services {
		gauge(s.up, truth(service.Up), service.Name)
	}
	queues, err := s.store.Queues(ctx)
	if err != nil {
		return
	}
	for _, q := range queues {
		gauge(s.jobs, float64(q.Created), q.Queue, "created")
		gauge(s.jobs, float64(q.Queued), q.Queue, "queued")
		gauge(s.jobs, float64(q.Running), q.Queue, "running")
		gauge(s.workers, float64(q.Workers), q.Queue)
		gauge(s.slots, float64(q.FreeSlots), q.Queue, "free")
		gauge(s.slots, float64(q.Slots-q.FreeSlots), q.Queue, "busy")
	}
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}
