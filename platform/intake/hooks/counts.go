package hooks

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/headrace/headrace/platform/ci"
)

// counts are the metrics of hooks.
type counts struct{ taken *prometheus.CounterVec }

func newCounts() *counts {
	return &counts{taken: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "headrace_hooks_total", Help: "Hooks of forges, by what became of them.",
	}, []string{"forge", "outcome"})}
}

func (c *counts) add(forge string, outcome ci.HookOutcome) {
	c.taken.WithLabelValues(forge, string(outcome)).Inc()
}

// Collectors are the metrics of hooks.
func (h *Hooks) Collectors() []prometheus.Collector {
	return []prometheus.Collector{
		h.counts.taken,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "headrace_hooks_waiting", Help: "Hooks on this node's disk that wait for the database.",
		}, func() float64 { return float64(h.Waiting().Hooks) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "headrace_hooks_waiting_bytes", Help: "Bytes of the file that holds them.",
		}, func() float64 { return float64(h.Waiting().Bytes) }),
	}
}
