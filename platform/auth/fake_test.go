package auth

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a store in maps.
type memory struct {
	mu       sync.Mutex
	users    []ci.User
	hashes   map[int64]string
	epochs   map[int64]int
	tokens   map[string]ci.Token // by hash
	sessions map[string][]byte
	commits  int
	finds    int // of tokens
	fail     error
}

func newMemory() *memory {
	return &memory{hashes: map[int64]string{}, epochs: map[int64]int{}, tokens: map[string]ci.Token{}, sessions: map[string][]byte{}}
}

func (m *memory) lock() func() { m.mu.Lock(); return m.mu.Unlock }

func (m *memory) CreateUser(_ context.Context, u ci.NewUser) (ci.User, error) {
	defer m.lock()()
	for _, have := range m.users {
		if strings.EqualFold(have.Login, u.Login) {
			return ci.User{}, fault.New(fault.Conflict, "taken")
		}
	}
	user := ci.User{ID: int64(len(m.users) + 1), Login: u.Login, Name: u.Name, Admin: u.Admin}
	m.users = append(m.users, user)
	m.hashes[user.ID] = u.PasswordHash
	return user, nil
}

func (m *memory) CountUsers(context.Context) (int, error) {
	defer m.lock()()
	return len(m.users), m.fail
}

func (m *memory) User(_ context.Context, id int64) (ci.User, error) {
	defer m.lock()()
	if m.fail != nil {
		return ci.User{}, m.fail
	}
	for _, u := range m.users {
		if u.ID == id {
			return u, nil
		}
	}
	return ci.User{}, fault.New(fault.NotFound, "user not found")
}

func (m *memory) UserByLogin(_ context.Context, login string) (ci.User, string, error) {
	defer m.lock()()
	for _, u := range m.users {
		if strings.EqualFold(u.Login, login) {
			return u, m.hashes[u.ID], m.fail
		}
	}
	return ci.User{}, "", fault.New(fault.NotFound, "user not found")
}

func (m *memory) UserEpoch(_ context.Context, id int64) (int, error) {
	defer m.lock()()
	return m.epochs[id], nil
}

func (m *memory) SetPassword(_ context.Context, id int64, hash string) error {
	defer m.lock()()
	m.hashes[id] = hash
	m.epochs[id]++
	return nil
}

func (m *memory) CreateToken(_ context.Context, userID int64, name string, hash []byte) (ci.Token, error) {
	defer m.lock()()
	t := ci.Token{ID: int64(len(m.tokens) + 1), UserID: userID, Name: name}
	m.tokens[string(hash)] = t
	return t, nil
}

func (m *memory) Tokens(_ context.Context, userID int64) (list []ci.Token, err error) {
	defer m.lock()()
	for _, t := range m.tokens {
		if t.UserID == userID {
			list = append(list, t)
		}
	}
	return list, nil
}

func (m *memory) DeleteToken(_ context.Context, userID, tokenID int64) error {
	defer m.lock()()
	for h, t := range m.tokens {
		if t.UserID == userID && t.ID == tokenID {
			delete(m.tokens, h)
			return nil
		}
	}
	return fault.New(fault.NotFound, "token not found")
}

func (m *memory) UserByToken(ctx context.Context, hash []byte) (ci.User, ci.Token, error) {
	defer m.lock()()
	m.finds++
	t, ok := m.tokens[string(hash)]
	if !ok {
		return ci.User{}, ci.Token{}, fault.New(fault.NotFound, "token not found")
	}
	return m.users[t.UserID-1], t, nil
}

func (m *memory) FindCtx(_ context.Context, id string) ([]byte, bool, error) {
	defer m.lock()()
	b, ok := m.sessions[id]
	return bytes.Clone(b), ok, m.fail
}

func (m *memory) CommitCtx(_ context.Context, id string, b []byte, _ time.Time) error {
	defer m.lock()()
	m.commits++
	m.sessions[id] = bytes.Clone(b)
	return nil
}

func (m *memory) DeleteCtx(_ context.Context, id string) error {
	defer m.lock()()
	delete(m.sessions, id)
	return nil
}

func (m *memory) SweepSessions(context.Context) error { return nil }

// clock is a clock that tests move.
type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }

func (c *clock) forward(d time.Duration) { c.mu.Lock(); defer c.mu.Unlock(); c.at = c.at.Add(d) }

const password = "quiet mill by the river"

type bundle struct {
	*Auth
	store *memory
	clock *clock
	admin ci.User
	logs  *bytes.Buffer
}

// setup returns an Auth with cheap hashes, a clock that stands and the user admin.
func setup(t *testing.T, config Config) *bundle {
	t.Helper()
	b := &bundle{store: newMemory(), clock: &clock{at: time.Date(2026, 11, 20, 6, 0, 0, 0, time.UTC)}, logs: &bytes.Buffer{}}
	config.Now = b.clock.now
	config.Log = slog.New(slog.NewTextHandler(b.logs, nil))
	a, err := New(b.store, config)
	if err != nil {
		t.Fatal(err)
	}
	a.hasher = newHasher(cost{memory: 8, rounds: 1, threads: 1})
	b.Auth = a
	if _, err := a.EnsureAdmin(t.Context(), password); err != nil {
		t.Fatal(err)
	}
	if b.admin, _, err = b.store.UserByLogin(t.Context(), AdminLogin); err != nil {
		t.Fatal(err)
	}
	return b
}

// who sends a request through Identify and returns what Who says behind it.
func (b *bundle) who(t *testing.T, r *http.Request) (user ci.User, err error) {
	t.Helper()
	b.Identify(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		user, err = Who(r.Context())
	})).ServeHTTP(httptest.NewRecorder(), r)
	return user, err
}

// signIn starts a session and returns its cookie.
func (b *bundle) signIn(t *testing.T, r *http.Request) *http.Cookie {
	t.Helper()
	w := httptest.NewRecorder()
	if err := b.StartSession(w, r, b.admin); err != nil {
		t.Fatal(err)
	}
	cookies := w.Result().Cookies()
	if len(cookies) != 1 {
		t.Fatalf("%d cookies were set, want 1", len(cookies))
	}
	return cookies[0]
}
