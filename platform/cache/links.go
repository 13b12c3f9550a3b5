package cache

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/headrace/headrace/broker"
	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/worker/script"
)

// Path is where the addresses begin.
const Path = "/caches/"

// link is what an address allows.
type link struct {
	method   string
	repoID   int64
	name     string
	branches []string // to read from in this order, or the one to write
	until    int64    // seconds of Unix
}

// subject is the link in a form that no other link has.
func (l link) subject() string {
	return fmt.Sprintf("cache %s %d %q %q %d", l.method, l.repoID, l.name, l.branches, l.until)
}

// Links returns the addresses at which a job gets and puts its cache; nil where its configuration wants none. One whose code
// is from a fork gets none to put: what it would keep must not come to others.
func (c *Cache) Links(ctx context.Context, jobID int64) (*broker.Caches, error) {
	job, err := c.store.CacheJob(ctx, jobID)
	if err != nil {
		return nil, err
	}
	name, wanted := script.CacheKey(job.Config)
	if !wanted || c.config.Keys == nil {
		return nil, nil //nolint:nilnil // nothing is a good answer
	}
	l := link{method: http.MethodGet, repoID: job.RepositoryID, name: name, branches: job.Branches(), until: time.Now().Add(c.config.For).Unix()}
	address, pin := c.config.Address(), c.config.Pin
	switch x, err := c.store.FindCache(ctx, l.repoID, l.name, l.branches); {
	case err == nil && x.Address != "": // the node that has it
		address, pin = x.Address, x.Pin
	case err != nil && !fault.Is(err, fault.NotFound):
		return nil, err
	}
	links := &broker.Caches{Fetch: broker.CacheLink{URL: c.url(address, l), Pin: pin}, MaxBytes: c.config.Most}
	if job.Trusted && job.Own() != "" {
		l.method, l.branches = http.MethodPut, []string{job.Own()}
		links.Store = broker.CacheLink{URL: c.url(c.config.Address(), l), Pin: c.config.Pin}
	}
	return links, nil
}

func (c *Cache) url(address string, l link) string {
	q := url.Values{"branch": l.branches, "until": {strconv.FormatInt(l.until, 10)}, "tag": {c.config.Keys.Tag(l.subject())}}
	return address + Path + strconv.FormatInt(l.repoID, 10) + "/" + url.PathEscape(l.name) + "?" + q.Encode()
}

// read returns what the address of a request allows, if it is one of ours and still good.
func (c *Cache) read(r *http.Request) (link, error) {
	refused := fault.New(fault.Forbidden, "This address of a cache is not one that this platform has made, or it is not good any more.")
	repo, name, found := strings.Cut(strings.TrimPrefix(r.URL.EscapedPath(), Path), "/")
	id, idErr := strconv.ParseInt(repo, 10, 64)
	name, nameErr := url.PathUnescape(name)
	q := r.URL.Query()
	until, untilErr := strconv.ParseInt(q.Get("until"), 10, 64)
	l := link{method: r.Method, repoID: id, name: name, branches: q["branch"], until: until}
	if !found || idErr != nil || nameErr != nil || untilErr != nil || !c.config.Keys.Tagged(l.subject(), q.Get("tag")) || time.Now().Unix() > until {
		return l, refused
	}
	return l, nil
}

// blob makes a name for the bytes of a link: repository, branch, name, and what makes it new.
func (l link) blob() string {
	branch := sha256.Sum256([]byte(l.branches[0]))
	return strings.Join([]string{strconv.FormatInt(l.repoID, 10), hex.EncodeToString(branch[:8]), l.name + "-" + rand.Text()}, "/")
}
