package ci

import (
	"math"

	"github.com/headrace/headrace/internal/fault"
)

// RepositorySettings is what a repository builds, and how much of it at a time.
type RepositorySettings struct {
	BuildPushes       bool
	BuildPullRequests bool
	// MaxJobs is how many of its jobs may be queued or with a worker at a time; 0: no limit.
	MaxJobs int
	// CancelPushes and CancelPullRequests: a build that still waits is canceled when a newer one of the same branch, or pull
	// request, comes.
	CancelPushes       bool
	CancelPullRequests bool
	// AllowImports: configurations of other private repositories of the owner may import files of this one, if it is private.
	AllowImports bool
}

// DefaultRepositorySettings are those of a new repository.
func DefaultRepositorySettings() RepositorySettings {
	return RepositorySettings{BuildPushes: true, BuildPullRequests: true}
}

// Setting is one setting of a repository in the words of the Travis API: its value is a bool or an int.
type Setting struct {
	Name  string
	Value any
}

// The names of settings, as the Travis API has them.
const (
	SettingOnlyWithConfig     = "builds_only_with_travis_yml"
	SettingBuildPushes        = "build_pushes"
	SettingBuildPullRequests  = "build_pull_requests"
	SettingMaxJobs            = "maximum_number_of_builds"
	SettingCancelPushes       = "auto_cancel_pushes"
	SettingCancelPullRequests = "auto_cancel_pull_requests"
	SettingAllowImports       = "allow_config_imports"
)

// List returns the settings by their names. The first is always true: without a .travis.yml there is no build.
func (s RepositorySettings) List() []Setting {
	return []Setting{
		{SettingOnlyWithConfig, true}, {SettingBuildPushes, s.BuildPushes}, {SettingBuildPullRequests, s.BuildPullRequests},
		{SettingMaxJobs, s.MaxJobs}, {SettingCancelPushes, s.CancelPushes}, {SettingCancelPullRequests, s.CancelPullRequests},
		{SettingAllowImports, s.AllowImports},
	}
}

// With returns the settings with one of them changed; value is a bool or an int. [fault.NotFound] for a name that is not
// known, [fault.Invalid] for a value that does not fit.
func (s RepositorySettings) With(name string, value any) (RepositorySettings, error) {
	flags := map[string]*bool{
		SettingBuildPushes: &s.BuildPushes, SettingBuildPullRequests: &s.BuildPullRequests,
		SettingCancelPushes: &s.CancelPushes, SettingCancelPullRequests: &s.CancelPullRequests,
		SettingAllowImports: &s.AllowImports,
	}
	switch {
	case name == SettingOnlyWithConfig:
		if value != true {
			return s, fault.Field("value", "This stays true: without a .travis.yml Headrace does not know what to build.")
		}
	case name == SettingMaxJobs:
		n, ok := value.(int)
		if !ok || n < 0 || n > math.MaxInt32 {
			return s, fault.Field("value", "This takes a number of jobs; 0 is no limit.")
		}
		s.MaxJobs = n
	case flags[name] != nil:
		on, ok := value.(bool)
		if !ok {
			return s, fault.Field("value", "This takes true or false.")
		}
		*flags[name] = on
	default:
		return s, fault.New(fault.NotFound, "There is no setting %q.", name)
	}
	return s, nil
}
