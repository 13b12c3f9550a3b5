package main

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/headrace/headrace/dashboard"
	"github.com/headrace/headrace/platform"
)

// newDashboard makes the admin dashboard of a node.
func newDashboard(n *platform.Node) (http.Handler, error) {
	s := n.Settings()
	return dashboard.New(dashboard.Deps{
		Auth: n.Operator(), Log: n.Log(), Now: time.Now,
		Health: func(ctx context.Context) dashboard.Health { return health(n.Health(ctx)) },
		Config: dashboard.Config{Host: s.Hostname, Node: s.NodeName, CIURL: n.WebURL(), Version: version},
	})
}

// health says what the node found in the words of the dashboard.
func health(h platform.Health) dashboard.Health {
	parts := []dashboard.Part{databasePart(h), coordinatorPart(h), brokerPart(h)}
	if h.Hooks.Hooks > 0 {
		parts = append(parts, hooksPart(h))
	}
	if h.Err == nil {
		parts = append(parts, workersPart(h), queuePart(h))
	}
	return dashboard.Health{At: h.At, Parts: parts}
}

func databasePart(h platform.Health) dashboard.Part {
	p := dashboard.Part{Name: "PostgreSQL", Status: dashboard.OK, Value: milliseconds(h.Database.Took), Note: "one round trip", Blocks: true}
	if h.Embedded.Database {
		p.Name, p.Value, p.Note = "Database", "SQLite", "in the data directory"
	}
	if h.Database.Err != nil {
		p.Status, p.Value, p.Note = dashboard.Failed, "away", ""
		p.Problem, p.Remedy = p.Name+" does not answer.", "Look at the server and at postgres_url. Until it is back requests are refused, but for the hooks of forges, which are kept; running jobs run on."
	}
	return p
}

func coordinatorPart(h platform.Health) dashboard.Part {
	p := dashboard.Part{Name: "Redis", Status: dashboard.OK, Value: "connected", Note: "wakes the nodes"}
	if h.Embedded.Coordinator {
		p.Name, p.Value, p.Note = "Coordination", "Built in", "enough for one node"
	}
	if !h.Coordinator.Connected {
		p.Status, p.Value, p.Note = dashboard.Warning, "away", h.Coordinator.LastError
		p.Problem, p.Remedy = "Redis does not answer.", "Look at the server and at redis_url. Builds go on; pages move more slowly."
	}
	return p
}

func brokerPart(h platform.Health) dashboard.Part {
	p := dashboard.Part{Name: "RabbitMQ", Status: dashboard.OK, Value: "connected", Note: "carries jobs and reports", Blocks: true}
	if h.Embedded.Broker {
		p.Name, p.Value, p.Note = "Broker", "Built in", "for the worker beside it"
	}
	switch {
	case !h.Broker.Connected:
		p.Status, p.Value, p.Note = dashboard.Failed, "away", h.Broker.LastError
		p.Problem, p.Remedy = "RabbitMQ does not answer.", "Look at the server and at amqp_url. Requests are accepted and wait; running jobs run on."
	case h.Broker.Blocked:
		p.Status, p.Value, p.Note = dashboard.Failed, "blocked", ""
		p.Problem, p.Remedy = "RabbitMQ takes no messages.", "It is short of memory or disk: rabbitmqctl status says which."
	}
	return p
}

// hooksPart is there while hooks wait for the database.
func hooksPart(h platform.Health) dashboard.Part {
	p := dashboard.Part{Name: "Hooks", Status: dashboard.Warning, Value: strconv.Itoa(h.Hooks.Hooks), Note: "wait for the database on this node's disk"}
	p.Problem, p.Remedy = "Hooks of forges wait for the database.", "They become requests by themselves when it is back."
	if h.Hooks.Full {
		p.Status, p.Problem, p.Remedy = dashboard.Failed, "There is no room for more hooks of forges.", "Bring the database back; forges are told to send theirs again."
	}
	return p
}

func workersPart(h platform.Health) dashboard.Part {
	live, lost, slots := 0, 0, 0
	for _, w := range h.Workers {
		if w.Lost {
			lost++
			continue
		}
		live++
		slots += w.Slots
	}
	p := dashboard.Part{Name: "Workers", Status: dashboard.OK, Value: count(live, "worker"), Note: count(slots, "slot"), Blocks: true}
	switch {
	case live == 0:
		p.Status = dashboard.Failed
		p.Problem, p.Remedy = "No worker is there.", "Start one: headrace worker --platform-host HOST --rabbitmq-password-file FILE"
	case lost > 0:
		p.Note += ", " + count(lost, "worker") + " lost"
	}
	return p
}

func queuePart(h platform.Health) dashboard.Part {
	waiting, running := 0, 0
	for _, q := range h.Queues {
		waiting += q.Created + q.Queued
		running += q.Running
	}
	return dashboard.Part{Name: "Queue", Status: dashboard.OK, Value: count(waiting, "job") + " waiting", Note: fmt.Sprintf("%d running", running)}
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func milliseconds(d time.Duration) string {
	return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
}
