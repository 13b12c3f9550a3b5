package api

import (
	"context"
	"errors"
	"net/netip"

	"github.com/headrace/headrace/platform/ci"
)

// Deps is what the API needs. All are required but those of which it says otherwise, and Lint.
type Deps struct {
	Store      Store
	Intake     Intake
	Dispatcher Dispatcher
	Crons      Crons
	Live       Live
	// Who returns the user behind a request's context, or a [fault.Unauthenticated].
	Who func(context.Context) (ci.User, error)
	// Ready says how the node is.
	Ready func(context.Context) Readiness
	// Lint says what a configuration that is in no repository would come to. Nil: there is no such route.
	Lint func(ctx context.Context, text []byte, as ci.ExpandAs) ci.Expansion
	// Cluster says who the nodes are. Nil: this one alone.
	Cluster func(context.Context) Cluster
	// Scripts makes build scripts for foreign workers. Nil: there is no such route.
	Scripts Scripts
	// Hooks takes the webhooks of forges. Nil: there is no such route.
	Hooks Hooks
	// ClientIP is the address a request came from. Nil: not known.
	ClientIP func(context.Context) netip.Addr
}

func (d Deps) validate() error {
	if d.Store == nil || d.Intake == nil || d.Dispatcher == nil || d.Crons == nil || d.Live == nil || d.Who == nil || d.Ready == nil {
		return errors.New("store, intake, dispatcher, crons, live, who and ready are required")
	}
	return nil
}

// Store is what the API reads, and the small things that it writes itself. What is not there gives a [fault.NotFound].
type Store interface {
	User(ctx context.Context, id int64) (ci.User, error)
	UserByLogin(ctx context.Context, login string) (u ci.User, passwordHash string, err error)

	Repository(ctx context.Context, id, forUser int64) (ci.Repository, error)
	RepositoryBySlug(ctx context.Context, slug string, forUser int64) (ci.Repository, error)
	Repositories(ctx context.Context, f ci.RepositoryFilter) (list []ci.RepositoryOverview, total int, err error)
	SetActive(ctx context.Context, repoID int64, active bool) error
	SetStar(ctx context.Context, userID, repoID int64, on bool) error
	Branches(ctx context.Context, repoID int64, p ci.Page) (list []ci.Branch, total int, err error)
	Branch(ctx context.Context, repoID int64, name string) (ci.Branch, error)

	Request(ctx context.Context, repoID, id int64) (ci.Request, error)
	Requests(ctx context.Context, f ci.RequestFilter) (list []ci.Request, total int, err error)

	EnvVars(ctx context.Context, repoID int64) ([]ci.EnvVar, error)
	RepositoryKey(ctx context.Context, repoID int64) (ci.RepositoryKey, error)
	SSHKey(ctx context.Context, repoID int64) (ci.SSHKey, error)
	SaveSSHKey(ctx context.Context, repoID int64, description, private string) (ci.SSHKey, error)
	DeleteSSHKey(ctx context.Context, repoID int64) error
	ReplaceRepositoryKey(ctx context.Context, repoID int64, private []byte) (ci.RepositoryKey, error)
	EnvVar(ctx context.Context, repoID int64, id string) (ci.EnvVar, error)
	// CreateEnvVar and UpdateEnvVar give a [fault.Conflict] where the name is taken for the branch.
	CreateEnvVar(ctx context.Context, n ci.NewEnvVar) (ci.EnvVar, error)
	UpdateEnvVar(ctx context.Context, repoID int64, id string, change ci.EnvVarChange) (ci.EnvVar, error)
	DeleteEnvVar(ctx context.Context, repoID int64, id string) error

	Caches(ctx context.Context, f ci.CacheFilter) ([]ci.Cache, error)
	DeleteCaches(ctx context.Context, f ci.CacheFilter) ([]ci.Cache, error)

	HookSecrets(ctx context.Context, repoID int64) ([]ci.HookSecret, error)
	RotateHookSecret(ctx context.Context, repoID int64) ([]ci.HookSecret, error)
	// RemoveHookSecret gives a [fault.Conflict] for the newest.
	RemoveHookSecret(ctx context.Context, repoID int64, id string) error
	HookDeliveries(ctx context.Context, repoID int64, most int) ([]ci.HookDelivery, error)

	Crons(ctx context.Context, repoID int64, p ci.Page) (list []ci.Cron, total int, err error)
	Cron(ctx context.Context, id int64) (ci.Cron, error)
	CronOfBranch(ctx context.Context, repoID int64, branch string) (ci.Cron, error)
	DeleteCron(ctx context.Context, id int64) error

	Build(ctx context.Context, id int64) (ci.Build, error)
	Builds(ctx context.Context, f ci.BuildFilter) (list []ci.Build, total int, err error)
	Job(ctx context.Context, id int64) (ci.Job, error)
	Jobs(ctx context.Context, f ci.JobFilter) (list []ci.Job, total int, err error)

	Log(ctx context.Context, jobID int64, attempt int) (ci.Log, error)
	LogParts(ctx context.Context, jobID int64, attempt int, from ci.LogPos, maxBytes int) ([]ci.LogPart, error)
	DeleteLog(ctx context.Context, jobID int64, by string) error

	Queues(ctx context.Context) ([]ci.QueueStatus, error)
	// WhyWaiting says of jobs why they have not begun, by their ids.
	WhyWaiting(ctx context.Context, jobIDs ...int64) (map[int64]ci.Wait, error)

	RepositorySettings(ctx context.Context, repoID int64) (ci.RepositorySettings, error)
	ChangeRepositorySettings(ctx context.Context, repoID int64, changes ...ci.Setting) (ci.RepositorySettings, error)
}

// Intake takes what shall become builds.
type Intake interface {
	// AddRepository gives a [fault.Conflict] if the slug is taken.
	AddRepository(ctx context.Context, r ci.NewRepository) (ci.Repository, error)
	// Submit stores the request before it returns. created is false where the key was known.
	Submit(ctx context.Context, r ci.NewRequest) (request ci.Request, created bool, err error)
}

// Dispatcher cancels and restarts, puts first, and says how queues hand jobs out. What is in a state that does not allow it gives a [fault.Conflict].
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

// Live follows what happens, on any node.
type Live interface {
	// Follow sends the parts of an attempt's log from a place on as they come, in order, and returns nil when the log is
	// closed and all of it was sent; else the error of ctx or of send.
	Follow(ctx context.Context, jobID int64, attempt int, from ci.LogPos, send func([]ci.LogPart) error) error
	// Subscribe sends changes, after the event of that id where it is still known, until ctx ends or send fails.
	Subscribe(ctx context.Context, lastEventID string, send func(id string, changes []ci.Change) error) error
}

// Readiness is how a node is.
type Readiness struct {
	// Ready: the node takes traffic.
	Ready bool
	// Reason says why not, for people.
	Reason string
	// Services are the servers that the node uses.
	Services []Service
}

// Service is a server that the node uses.
type Service struct {
	Name string // database, coordinator, broker
	Up   bool
	// Detail says more, for people, without secrets.
	Detail string
}

// Cluster is who the nodes are, in the words of ping.
type Cluster struct {
	Primary     string
	Secondaries []string
	Nodes       []string // in active-active only
	HA          bool
	Role        string // primary, secondary or active
}
