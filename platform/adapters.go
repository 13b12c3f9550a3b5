package platform

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/platform/api"
	"github.com/headrace/headrace/platform/auth"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/coord"
	"github.com/headrace/headrace/platform/hub"
	"github.com/headrace/headrace/platform/intake/hooks"
)

// readiness says how the node is. Only the database decides whether it takes traffic: without Redis or RabbitMQ requests
// are still accepted, and wait.
func (n *Node) readiness(ctx context.Context) api.Readiness {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	r := api.Readiness{Ready: true, Services: n.services(ctx)}
	if !r.Services[0].Up {
		r.Ready, r.Reason = false, "The database does not answer."
	}
	if !n.settled.Load() {
		r.Ready, r.Reason = false, "This node is starting."
	}
	if n.closing.Err() != nil {
		r.Ready, r.Reason = false, "This node is stopping."
	}
	return r
}

// hookService is the file of hooks that wait for the database.
func hookService(w hooks.Waiting) api.Service {
	s := api.Service{Name: "hooks", Up: !w.Full}
	switch {
	case w.Full:
		s.Detail = fmt.Sprintf("%d hooks wait for the database, and there is no room for more", w.Hooks)
	case w.Hooks > 0:
		s.Detail = fmt.Sprintf("%d hooks wait for the database", w.Hooks)
	}
	return s
}

// services are the database, the coordinator, the broker, the file of hooks and whether the node hears workers, in this order.
func (n *Node) services(ctx context.Context) []api.Service {
	database := api.Service{Name: "database", Up: true, Detail: n.store.Dialect()}
	if err := n.store.Ping(ctx); err != nil {
		database.Up, database.Detail = false, n.store.Dialect()+": does not answer"
	}
	redis, rabbit := n.coord.State(), n.carrier.State()
	return []api.Service{
		database,
		{Name: "coordinator", Up: redis.Connected, Detail: redis.LastError},
		{Name: "broker", Up: rabbit.Connected && !rabbit.Blocked, Detail: rabbit.LastError},
		hookService(n.hooks.Waiting()),
		hearing(n.hub.Standing()),
	}
}

// hearing says whether the node takes what workers say.
func hearing(is hub.Standing) api.Service {
	s := api.Service{Name: "workers", Up: !is.Aside}
	if is.Aside {
		s.Detail = fmt.Sprintf("left to other nodes since %s: %s", is.Since.UTC().Format("15:04:05 UTC"), is.Reason)
	}
	return s
}

// Health is what the dashboard shows of a node.
type Health struct {
	At       time.Time
	Database struct {
		Took time.Duration // of one round trip
		Err  error
	}
	Coordinator coord.State
	Broker      broker.State
	// Embedded says which of them are inside the process.
	Embedded struct{ Database, Coordinator, Broker bool }
	// Hooks are those of forges that wait for the database.
	Hooks   hooks.Waiting
	Workers []ci.Worker
	Queues  []ci.QueueStatus
	// Err says why workers and queues are not known.
	Err error
}

// Health looks at everything the node needs; it takes a second at most.
func (n *Node) Health(ctx context.Context) Health {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	h := Health{At: time.Now(), Coordinator: n.coord.State(), Broker: n.carrier.State(), Hooks: n.hooks.Waiting()}
	s := n.settings
	h.Embedded.Database, h.Embedded.Coordinator, h.Embedded.Broker = s.PostgresURL == "", s.RedisURL == "", s.AMQPURL == ""
	h.Database.Err = n.store.Ping(ctx)
	h.Database.Took = time.Since(h.At)
	if h.Workers, h.Err = n.store.Workers(ctx); h.Err == nil {
		h.Queues, h.Err = n.store.Queues(ctx)
	}
	return h
}

// LocalToken returns the token of admin for commands on the node's machine: the one of the id while it is still there, else
// a new one.
func (n *Node) LocalToken(ctx context.Context, id int64, secret string) (newID int64, newSecret string, err error) {
	user, _, err := n.store.UserByLogin(ctx, auth.AdminLogin)
	if err != nil {
		return 0, "", err
	}
	known, err := n.auth.Tokens(ctx, user.ID)
	if err != nil {
		return 0, "", err
	}
	if secret != "" && slices.ContainsFunc(known, func(t ci.Token) bool { return t.ID == id }) {
		return id, secret, nil
	}
	secret, token, err := n.auth.CreateToken(ctx, user.ID, "command line on this machine")
	return token.ID, secret, err
}
