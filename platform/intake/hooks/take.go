package hooks

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// Take takes a hook. When it returns without an error the forge need not send it again: it is stored, or kept on this node's
// disk, or asks for nothing. [fault.Invalid] for what cannot be read, [fault.Unauthenticated] without a signature,
// [fault.Forbidden] with a wrong one, [fault.Limited] after too many of those, [fault.Unavailable] where neither the database
// nor the file takes it, or the database would have to be asked whether it is right.
func (h *Hooks) Take(ctx context.Context, m ci.HookMessage) (ci.HookAnswer, error) {
	answer, err := h.take(context.WithoutCancel(ctx), m)
	if err != nil {
		answer.Outcome = ci.HookRefused
	}
	h.counts.add(m.Forge, answer.Outcome)
	return answer, err
}

// hook is one that came in, as far as it can be read before it is proved.
type hook struct {
	ci.HookMessage
	json       []byte
	repository *repository
	sum        []byte // the signature
}

func open(m ci.HookMessage) (hook, error) {
	k := hook{HookMessage: m, sum: signature(m)}
	var err error
	if k.json, err = text(m); err != nil {
		return k, err
	}
	var a about
	if err := json.Unmarshal(k.json, &a); err != nil {
		return k, unreadable(err)
	}
	k.repository = a.Repository
	switch {
	case k.sum == nil:
		return k, fault.New(fault.Unauthenticated, "The hook is not signed with SHA-256. Give the webhook the secret that Headrace shows for the repository.")
	case k.repository == nil:
		return k, fault.New(fault.Forbidden, "The hook names no repository. Set the webhook up in a repository, not in an organization.")
	}
	return k, nil
}

func (h *Hooks) take(ctx context.Context, m ci.HookMessage) (ci.HookAnswer, error) {
	k, err := open(m)
	if err != nil {
		return ci.HookAnswer{}, err
	}
	s, err := h.prove(ctx, k)
	if err != nil {
		return ci.HookAnswer{}, err
	}
	next, err := read(m, k.json)
	switch {
	case err != nil:
		h.note(ctx, noteOf(m, s, ci.HookRefused, fault.Message(err)))
		return ci.HookAnswer{}, err
	case next.request == nil:
		h.note(ctx, noteOf(m, s, ci.HookUnused, next.unused))
		return ci.HookAnswer{Outcome: ci.HookUnused, Repository: s.Slug, Message: next.unused}, nil
	}
	q := *next.request
	q.RepositoryID, q.Version, q.Key = s.RepositoryID, s.Version, key(m)
	return h.keep(ctx, k, s, q)
}

// prove finds the repository whose secret the hook was signed with: among those in memory, then among those in the database.
func (h *Hooks) prove(ctx context.Context, k hook) (source, error) {
	began := time.Now()
	if s, ok := h.match(k); ok {
		return s, nil
	}
	ok, _, err := h.limiter.Allow(ctx, limitKey(k.From), h.config.Unproved, time.Minute)
	if err != nil {
		h.log.DebugContext(ctx, "unproved hooks cannot be counted", "err", err)
	}
	if !ok {
		return source{}, fault.New(fault.Limited, "Too many hooks with a wrong signature came from this address. Wait a minute.")
	}
	if err := h.reload(ctx, began); err != nil {
		return source{}, err
	}
	if s, ok := h.match(k); ok {
		return s, nil
	}
	for _, s := range h.directory.find(forgeOf(k.Forge, k.repository), k.repository) {
		h.note(ctx, noteOf(k.HookMessage, s, ci.HookRefused, "The signature is not one of the secrets of this repository. Copy the newest secret to the webhook."))
	}
	return source{}, fault.New(fault.Forbidden, "No repository here has the secret that this hook was signed with. Give the webhook the secret that Headrace shows for the repository.")
}

// reload reads the directory, unless that was begun since.
func (h *Hooks) reload(ctx context.Context, since time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, h.config.Within)
	defer cancel()
	err := h.directory.load(ctx, since)
	if err != nil && isAway(err) {
		return fault.Wrap(fault.Unavailable, err, "The database, which knows the secret of this repository, does not answer. Send the hook again later.")
	}
	return err
}

func (h *Hooks) match(k hook) (source, bool) {
	for _, s := range h.directory.find(forgeOf(k.Forge, k.repository), k.repository) {
		if verify(s.Secrets, signed(k.HookMessage, k.json), k.sum) {
			return s, true
		}
	}
	return source{}, false
}

// keep stores the request, in the database or, while that is away or has not caught up, in the file.
func (h *Hooks) keep(ctx context.Context, k hook, s source, q ci.HookRequest) (ci.HookAnswer, error) {
	if count, _ := h.spool.waiting(); count > 0 || h.away.Load() {
		return h.wait(s, q, nil)
	}
	for range 2 {
		t, err := h.storeOne(ctx, q)
		switch {
		case err != nil && isAway(err):
			h.away.Store(true)
			return h.wait(s, q, err)
		case err != nil:
			return ci.HookAnswer{}, err
		case t.Err == nil:
			h.tell(ctx, s.RepositoryID, t)
			return ci.HookAnswer{Outcome: ci.HookAccepted, Repository: s.Slug, RequestID: t.RequestID, Message: "The request is stored."}, nil
		case kindOf(t.Err) != "hook_version":
			h.note(ctx, noteOf(k.HookMessage, s, ci.HookUnused, fault.Message(t.Err)))
			return ci.HookAnswer{Outcome: ci.HookUnused, Repository: s.Slug, Message: fault.Message(t.Err)}, nil
		}
		// The secrets were changed since they were read: is it one of those that are valid now?
		if err := h.reload(ctx, time.Now()); err != nil {
			return ci.HookAnswer{}, err
		}
		if s, err = h.prove(ctx, k); err != nil {
			return ci.HookAnswer{}, err
		}
		q.Version = s.Version
	}
	return ci.HookAnswer{}, fault.New(fault.Unavailable, "The secrets of the repository are being changed. Send the hook again.")
}

func (h *Hooks) storeOne(ctx context.Context, q ci.HookRequest) (ci.HookTaken, error) {
	ctx, cancel := context.WithTimeout(ctx, h.config.Within)
	defer cancel()
	taken, err := h.store.TakeHooks(ctx, []ci.HookRequest{q})
	if err != nil || len(taken) != 1 {
		return ci.HookTaken{}, cmp.Or(err, errors.New("store a hook: no answer"))
	}
	return taken[0], nil
}

// wait keeps the hook in the file. It was proved by secrets that were valid when it came; that does not change while it waits.
func (h *Hooks) wait(s source, q ci.HookRequest, cause error) (ci.HookAnswer, error) {
	q.Version = 0
	if err := h.spool.append(q); err != nil {
		h.log.Error("a hook could not be kept while the database is away", "repo", s.Slug, "err", err)
		return ci.HookAnswer{}, fault.Wrap(fault.Unavailable, errors.Join(err, cause), "The database does not answer, and this node has no room to keep the hook. Send it again later.")
	}
	h.drain.Wake()
	return ci.HookAnswer{Outcome: ci.HookKept, Repository: s.Slug, Message: "The database does not answer. The hook is kept on this node, and becomes a request when the database is back."}, nil
}

// key makes the same delivery the same request. Without an id of the delivery the body stands for it.
func key(m ci.HookMessage) string {
	if id := strings.TrimSpace(m.Delivery); id != "" && len(id) <= 200 {
		return m.Forge + " " + clean(id, 200)
	}
	sum := sha256.Sum256(m.Body)
	return m.Forge + " sha256 " + hex.EncodeToString(sum[:])
}

func noteOf(m ci.HookMessage, s source, outcome ci.HookOutcome, reason string) ci.HookDelivery {
	return ci.HookDelivery{RepositoryID: s.RepositoryID, Forge: m.Forge, Event: m.Event, Delivery: m.Delivery, Outcome: outcome, Reason: reason}
}

func kindOf(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Kind
	}
	return ""
}
