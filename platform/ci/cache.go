package ci

import (
	"strconv"
	"time"
)

// Cache is what the jobs of a branch keep for those after them, under a name that says what kind of job they are.
type Cache struct {
	ID           int64
	RepositoryID int64
	Branch, Name string
	// Place says where the bytes are, Blob what they are called there. Address and Pin say how a node is reached that has them.
	Place, Blob  string
	Address, Pin string
	Size         int64
	SHA256       string // of the bytes, in hexadecimal
	Stored, Used time.Time
}

// CacheFilter picks caches of a repository. The empty text picks all.
type CacheFilter struct {
	RepositoryID int64
	Branch       string
	// Match is a part of the name.
	Match string
	ID    int64
}

// CacheLimits bound what a place holds.
type CacheLimits struct {
	// Total is how many bytes it may hold; what was not used for longest goes first.
	Total int64
	// Unused is how long a cache is kept that nobody uses. 0: for ever.
	Unused time.Duration
}

// CacheJob is what decides which caches a job may have.
type CacheJob struct {
	RepositoryID int64
	// Branch is the job's own branch; of a pull request it is the one it goes to.
	Branch, DefaultBranch string
	PullRequest           int64 // number, 0 for none
	Trusted               bool
	Config                Config
}

// Own is the branch whose caches the job writes. A pull request has one of its own: what it keeps must not come to the branch
// that it is not merged into.
func (j CacheJob) Own() string {
	if j.PullRequest > 0 {
		return "PR." + strconv.FormatInt(j.PullRequest, 10)
	}
	return j.Branch
}

// Branches are those whose caches the job reads, in the order in which they are looked for.
func (j CacheJob) Branches() []string {
	var all []string
	for _, b := range []string{j.Own(), j.Branch, j.DefaultBranch} {
		known := false
		for _, a := range all {
			known = known || a == b
		}
		if b != "" && !known {
			all = append(all, b)
		}
	}
	return all
}
