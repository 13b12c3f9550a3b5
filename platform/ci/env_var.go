package ci

import (
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/headrace/headrace/internal/fault"
)

// What the variables of a repository may be: a claim's answer holds them all.
const (
	MaxEnvVars     = 100
	MaxEnvVarBytes = 32 << 10
)

// EnvVar is a variable of a repository, which its jobs find in their environment.
type EnvVar struct {
	ID           string // a UUID
	RepositoryID int64
	Name         string
	// Value is empty for a secret one, but where it is asked for on the way to a worker.
	Value  string
	Public bool
	// Branch is the only branch whose jobs have it; empty: all have it.
	Branch string
	// Secure, of a value that a configuration holds encrypted, is the encrypted text. It has no name then, nor an id.
	Secure string
	// SSHKey: the value is the private key that the job fetches with. It has no name then, nor an id.
	SSHKey    bool
	CreatedAt time.Time
	UpdatedAt time.Time // the value was set then
}

// NewEnvVar is what adding a variable needs.
type NewEnvVar struct {
	RepositoryID int64
	Name, Value  string
	Public       bool
	Branch       string
}

// EnvVarChange is what is to be changed of a variable; nil stays as it is.
type EnvVarChange struct {
	Name, Value *string
	Public      *bool
	Branch      *string
}

var envVarForm = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// Check says what is wrong with a variable.
func (v NewEnvVar) Check() error {
	switch {
	case v.Name == "":
		return fault.Field("name", "Variable name is required")
	case len(v.Name) > 200 || !envVarForm.MatchString(v.Name):
		return fault.Field("name", "A variable is named in letters, digits and underscores, and does not begin with a digit: for example DEPLOY_KEY.")
	case len(v.Value) > MaxEnvVarBytes:
		return fault.Field("value", "The value is longer than %d KiB. Keep what is that long in a file, and its key here.", MaxEnvVarBytes>>10)
	case strings.Contains(v.Value, "\x00") || !utf8.ValidString(v.Value):
		return fault.Field("value", "The value holds bytes that are not text. Encode it, for example in base64.")
	case len(v.Branch) > 255 || strings.Contains(v.Branch, "\x00") || !utf8.ValidString(v.Branch):
		return fault.Field("branch", "This is not the name of a branch.")
	}
	return nil
}

// With returns the variable as the change makes it. A secret one becomes public only with a new value: what was kept secret
// is not shown by a switch.
func (v EnvVar) With(c EnvVarChange) (NewEnvVar, error) {
	next := NewEnvVar{RepositoryID: v.RepositoryID, Name: v.Name, Value: v.Value, Public: v.Public, Branch: v.Branch}
	for _, f := range []struct{ at, to *string }{{&next.Name, c.Name}, {&next.Value, c.Value}, {&next.Branch, c.Branch}} {
		if f.to != nil {
			*f.at = *f.to
		}
	}
	if c.Public != nil {
		next.Public = *c.Public
	}
	if next.Public && !v.Public && c.Value == nil {
		return next, fault.Field("value", "%s is secret. To make it public, give its value again.", v.Name)
	}
	return next, next.Check()
}

// OfBranch returns the variables that jobs of a branch have: of two with one name that of the branch. A secret one comes
// along only where secrets says so.
func OfBranch(all []EnvVar, branch string, secrets bool) []EnvVar {
	var own []EnvVar
	for _, v := range all {
		if v.Branch != "" && v.Branch != branch {
			continue
		}
		if i := slices.IndexFunc(own, func(o EnvVar) bool { return o.Name == v.Name }); i < 0 {
			own = append(own, v)
		} else if v.Branch != "" {
			own[i] = v
		}
	}
	return slices.DeleteFunc(own, func(v EnvVar) bool { return !v.Public && !secrets })
}
