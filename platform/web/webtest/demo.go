package webtest

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
	"github.com/headrace/headrace/platform/web"
)

// Password signs the demo's user in.
const Password = "open sesame"

// Demo is everything the pages need, in memory. It is safe for concurrent use.
type Demo struct {
	// Fail, where set, is what every read answers.
	Fail error
	// Why is why each job waits.
	Why ci.Wait

	mu          sync.Mutex
	now         time.Time
	user        ci.User
	signedIn    bool
	repos       []*repo
	builds      []*ci.Build
	requests    []ci.Request
	tokens      []ci.Token
	hookSecrets []ci.HookSecret
	deliveries  []ci.HookDelivery
	vars        []ci.EnvVar
	caches      []ci.Cache
	crons       []ci.Cron
	queues      []ci.QueueStatus
	settings    map[int64]ci.RepositorySettings
	attempts    map[int64][]ci.Attempt
	logs        map[logKey]*demoLog
	readers     map[chan ci.Change]bool
	Acts        []string // what was asked of intake and dispatch, in order
	nextID      int64
}

type repo struct {
	ci.Repository
	usual time.Duration
}

type logKey struct {
	job     int64
	attempt int
}

type demoLog struct {
	parts  []ci.LogPart
	closed bool
}

// Empty returns a demo with one user and nothing else.
func Empty(now time.Time) *Demo {
	return &Demo{now: now, signedIn: true, user: ci.User{ID: 1, Login: "lena", Name: "Lena Ortiz", Admin: true}, attempts: map[int64][]ci.Attempt{},
		logs: map[logKey]*demoLog{}, readers: map[chan ci.Change]bool{}, nextID: 1000, settings: map[int64]ci.RepositorySettings{}, queues: []ci.QueueStatus{{Queue: "builds.linux", Workers: 4, Slots: 16, FreeSlots: 16}}}
}

// Handler is the pages over the demo.
func (d *Demo) Handler() (http.Handler, error) {
	return web.New(web.Deps{Store: d, Intake: d, Dispatch: d, Crons: crons{d}, Auth: d, Who: d.Who, Changes: d.Changes, Expand: Expand, Now: d.Now,
		ClientIP: func(context.Context) netip.Addr { return netip.AddrFrom4([4]byte{127, 0, 0, 1}) },
		Log:      slog.New(slog.NewTextHandler(io.Discard, nil)), Config: web.Config{Version: "0.1.0"}})
}

// SetSignedIn signs the user in or out.
func (d *Demo) SetSignedIn(in bool) { d.mu.Lock(); defer d.mu.Unlock(); d.signedIn = in }

// SetAdmin makes the user an administrator or not.
func (d *Demo) SetAdmin(admin bool) { d.mu.Lock(); defer d.mu.Unlock(); d.user.Admin = admin }

// Now is the demo's clock, which stands.
func (d *Demo) Now() time.Time { return d.now }

// Who is the demo's user.
func (d *Demo) Who(context.Context) (ci.User, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.signedIn {
		return ci.User{}, fault.New(fault.Unauthenticated, "Sign in first.")
	}
	return d.user, nil
}

// SignIn knows one pair.
func (d *Demo) SignIn(_ context.Context, login, password string, _ netip.Addr) (ci.User, error) {
	if login != d.user.Login || password != Password {
		return ci.User{}, fault.New(fault.Unauthenticated, "Headrace knows no user with this login and password. Capital letters count in the password.")
	}
	return d.user, nil
}

// StartSession signs in.
func (d *Demo) StartSession(http.ResponseWriter, *http.Request, ci.User) error {
	d.SetSignedIn(true)
	return nil
}

// EndSession signs out.
func (d *Demo) EndSession(http.ResponseWriter, *http.Request) error { d.SetSignedIn(false); return nil }

// CreateToken makes a token whose secret is always the same.
func (d *Demo) CreateToken(_ context.Context, userID int64, name string) (string, ci.Token, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.nextID++
	t := ci.Token{ID: d.nextID, UserID: userID, Name: name, CreatedAt: d.now}
	d.tokens = append(d.tokens, t)
	return "hr_4fJ2k9QxVb7Lw3Zr8TnYc1Pd", t, nil
}

// Tokens lists them.
func (d *Demo) Tokens(context.Context, int64) ([]ci.Token, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]ci.Token(nil), d.tokens...), d.Fail
}

// DeleteToken removes one.
func (d *Demo) DeleteToken(_ context.Context, _, tokenID int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, t := range d.tokens {
		if t.ID == tokenID {
			d.tokens = append(d.tokens[:i], d.tokens[i+1:]...)
			return nil
		}
	}
	return fault.New(fault.NotFound, "There is no such token.")
}

// Changes gives what Announce is told.
func (d *Demo) Changes(ctx context.Context) (<-chan ci.Change, error) {
	ch := make(chan ci.Change, 64)
	d.mu.Lock()
	d.readers[ch] = true
	d.mu.Unlock()
	context.AfterFunc(ctx, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.readers, ch)
		close(ch)
	})
	return ch, nil
}

// Readers is how many listen to Changes.
func (d *Demo) Readers() int { d.mu.Lock(); defer d.mu.Unlock(); return len(d.readers) }

// Announce tells all open pages.
func (d *Demo) Announce(changes ...ci.Change) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for ch := range d.readers {
		for _, c := range changes {
			select {
			case ch <- c:
			default:
			}
		}
	}
}

// AddRepository refuses what a real one would, by the words in its URL.
func (d *Demo) AddRepository(_ context.Context, n ci.NewRepository) (ci.Repository, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Acts = append(d.Acts, "add "+n.Slug)
	switch {
	case strings.Contains(n.SourceURL, "nothing"):
		return ci.Repository{}, fault.Field("source_url", "git.mill.example answers, but there is no git repository at this address.")
	case strings.Contains(n.SourceURL, "down"):
		return ci.Repository{}, fault.New(fault.Unavailable, "git.mill.example is 10.4.0.23, but nothing answers on port 443.")
	}
	if err := ci.CheckSlug(n.Slug); err != nil {
		return ci.Repository{}, err
	}
	d.nextID++
	r := ci.Repository{ID: d.nextID, Slug: n.Slug, SourceURL: n.SourceURL, DefaultBranch: "main", Private: n.Private, Active: true, CreatedAt: d.now}
	d.repos = append(d.repos, &repo{Repository: r})
	return r, nil
}

// Submit stores a request.
func (d *Demo) Submit(_ context.Context, n ci.NewRequest) (ci.Request, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Acts = append(d.Acts, fmt.Sprintf("request branch=%s tag=%s sha=%s message=%q config=%q", n.Branch, n.Tag, n.SHA, n.Message, n.Config))
	if strings.Contains(n.Config, "\t") {
		return ci.Request{}, false, fault.Field("config", "Line 1 begins with a tab. YAML wants spaces.")
	}
	d.nextID++
	r := ci.Request{ID: d.nextID, RepositoryID: n.RepositoryID, Event: n.Event, Branch: n.Branch, Tag: n.Tag, SHA: n.SHA, Message: n.Message, State: ci.RequestPending, CreatedByLogin: d.user.Login, Created: d.now}
	d.requests = append([]ci.Request{r}, d.requests...)
	return r, true, nil
}

func (d *Demo) did(what string, id int64, by string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.Acts = append(d.Acts, fmt.Sprintf("%s %d by %s", what, id, by))
	return d.Fail
}

// CancelBuild notes it.
func (d *Demo) CancelBuild(_ context.Context, id int64, by string) error {
	return d.did("cancel build", id, by)
}

// CancelJob notes it.
func (d *Demo) CancelJob(_ context.Context, id int64, by string) error {
	return d.did("cancel job", id, by)
}

// RestartBuild notes it.
func (d *Demo) RestartBuild(_ context.Context, id int64, by string, only bool) error {
	if only {
		return d.did("restart what did not pass of build", id, by)
	}
	return d.did("restart build", id, by)
}

// PrioritizeBuild notes it.
func (d *Demo) PrioritizeBuild(_ context.Context, id int64) error {
	return d.did("put first build", id, d.user.Login)
}

// PrioritizeJob notes it.
func (d *Demo) PrioritizeJob(_ context.Context, id int64) error {
	return d.did("put first job", id, d.user.Login)
}

// RestartJob notes it.
func (d *Demo) RestartJob(_ context.Context, id int64, by string) error {
	return d.did("restart job", id, by)
}
