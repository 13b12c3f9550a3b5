package web

import (
	"context"
	"log/slog"
	"net/http"
	"net/netip"
	"time"

	"github.com/headrace/headrace/platform/ci"
)

// Store is what the pages read, and the few things they write themselves.
type Store interface {
	repositories
	builds
	logs
	Queues(ctx context.Context) ([]ci.QueueStatus, error)
	// WhyWaiting says of jobs why they have not begun, by their ids.
	WhyWaiting(ctx context.Context, jobIDs ...int64) (map[int64]ci.Wait, error)
}

type repositories interface {
	RepositoryBySlug(ctx context.Context, slug string, forUser int64) (ci.Repository, error)
	Repositories(ctx context.Context, f ci.RepositoryFilter) (list []ci.RepositoryOverview, total int, err error)
	SetActive(ctx context.Context, repoID int64, active bool) error
	SetStar(ctx context.Context, userID, repoID int64, on bool) error
	DeleteRepository(ctx context.Context, id int64) error
	RepositorySettings(ctx context.Context, repoID int64) (ci.RepositorySettings, error)
	ChangeRepositorySettings(ctx context.Context, repoID int64, changes ...ci.Setting) (ci.RepositorySettings, error)
	Branches(ctx context.Context, repoID int64, page ci.Page) ([]ci.Branch, int, error)
	Requests(ctx context.Context, f ci.RequestFilter) ([]ci.Request, int, error)
	// EnvVars come without what is secret.
	EnvVars(ctx context.Context, repoID int64) ([]ci.EnvVar, error)
	CreateEnvVar(ctx context.Context, n ci.NewEnvVar) (ci.EnvVar, error)
	DeleteEnvVar(ctx context.Context, repoID int64, id string) error
	Caches(ctx context.Context, f ci.CacheFilter) ([]ci.Cache, error)
	DeleteCaches(ctx context.Context, f ci.CacheFilter) ([]ci.Cache, error)
	HookSecrets(ctx context.Context, repoID int64) ([]ci.HookSecret, error)
	RotateHookSecret(ctx context.Context, repoID int64) ([]ci.HookSecret, error)
	RemoveHookSecret(ctx context.Context, repoID int64, id string) error
	HookDeliveries(ctx context.Context, repoID int64, most int) ([]ci.HookDelivery, error)
	Crons(ctx context.Context, repoID int64, page ci.Page) ([]ci.Cron, int, error)
	Cron(ctx context.Context, id int64) (ci.Cron, error)
	DeleteCron(ctx context.Context, id int64) error
}

type builds interface {
	BuildByNumber(ctx context.Context, repoID, number int64) (ci.Build, error)
	Build(ctx context.Context, id int64) (ci.Build, error)
	Builds(ctx context.Context, f ci.BuildFilter) ([]ci.Build, int, error)
	Job(ctx context.Context, id int64) (ci.Job, error)
	Jobs(ctx context.Context, f ci.JobFilter) ([]ci.Job, int, error)
	Attempts(ctx context.Context, jobID int64) ([]ci.Attempt, error)
	UsualDuration(ctx context.Context, repoID int64, branch string) (time.Duration, error)
}

type logs interface {
	Log(ctx context.Context, jobID int64, attempt int) (ci.Log, error)
	LogParts(ctx context.Context, jobID int64, attempt int, from ci.LogPos, maxBytes int) ([]ci.LogPart, error)
	LogPartAtLine(ctx context.Context, jobID int64, attempt, line int) (ci.LogPos, error)
}

// Intake takes new repositories and requests for builds.
type Intake interface {
	// AddRepository checks the name and the URL, asks the source, and stores the repository.
	AddRepository(ctx context.Context, n ci.NewRepository) (ci.Repository, error)
	// Submit stores a request durably; created is false where its key was known.
	Submit(ctx context.Context, n ci.NewRequest) (r ci.Request, created bool, err error)
}

// Dispatcher ends and restarts builds and jobs, puts them first, and says how queues hand jobs out. by is a login.
type Dispatcher interface {
	CancelBuild(ctx context.Context, buildID int64, by string) error
	CancelJob(ctx context.Context, jobID int64, by string) error
	RestartBuild(ctx context.Context, buildID int64, by string, onlyNotPassed bool) error
	RestartJob(ctx context.Context, jobID int64, by string) error
	PrioritizeBuild(ctx context.Context, buildID int64) error
	PrioritizeJob(ctx context.Context, jobID int64) error
	PauseQueue(ctx context.Context, queue string, paused bool, by string) error
	LimitQueue(ctx context.Context, queue string, most int) error
}

// Crons builds branches at set times.
type Crons interface {
	// Add adds a cron in the place of the one that the branch has.
	Add(ctx context.Context, n ci.NewCron) (ci.Cron, error)
}

// Auth signs people in and out, and keeps their tokens.
type Auth interface {
	// SignIn answers [fault.Unauthenticated] for a wrong pair and [fault.Limited] after too many.
	SignIn(ctx context.Context, login, password string, ip netip.Addr) (ci.User, error)
	StartSession(w http.ResponseWriter, r *http.Request, user ci.User) error
	EndSession(w http.ResponseWriter, r *http.Request) error
	// CreateToken returns the secret, which is shown once.
	CreateToken(ctx context.Context, userID int64, name string) (secret string, t ci.Token, err error)
	Tokens(ctx context.Context, userID int64) ([]ci.Token, error)
	DeleteToken(ctx context.Context, userID, tokenID int64) error
}

// Deps is what the pages need. All of it is required, but for what says otherwise.
type Deps struct {
	Store    Store
	Intake   Intake
	Dispatch Dispatcher
	Crons    Crons
	Auth     Auth
	// Who says who asks: [fault.Unauthenticated] for nobody, another error where that cannot be found out now.
	Who func(ctx context.Context) (ci.User, error)
	// ClientIP is the address a request came from, by which tries to sign in are counted.
	ClientIP func(ctx context.Context) netip.Addr
	// Changes gives every change from now on, until ctx ends; then the channel is closed by its owner. A reader that is
	// too slow may lose some.
	Changes func(ctx context.Context) (<-chan ci.Change, error)
	// Expand says what a configuration that is in no repository would come to.
	Expand func(ctx context.Context, text []byte, as ci.ExpandAs) ci.Expansion
	Log    *slog.Logger
	// Now is the store's clock.
	Now func() time.Time
	Config
}

// Config is how the pages behave.
type Config struct {
	// SecureCookies marks cookies as for HTTPS only.
	SecureCookies bool
	// PublicURL is the address of this installation as tools shall use it; default: taken from each request.
	PublicURL string
	// Version is shown in the account menu.
	Version string
}
