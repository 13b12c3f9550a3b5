package cache

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// The headers that say what a cache is.
const (
	// ChecksumHeader is the SHA-256 of the bytes, in hexadecimal.
	ChecksumHeader = "X-Headrace-Sha256"
	branchHeader   = "X-Headrace-Branch"
	ageHeader      = "X-Headrace-Age"
)

// counts are how many caches were asked for, and found.
type counts struct {
	fetched, stored *prometheus.CounterVec
	found, asked    *atomic.Int64
}

func newCounts() counts {
	return counts{
		fetched: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "headrace_cache_fetches_total", Help: "Caches that jobs asked for, by result: hit, miss or elsewhere (on the disk of another node)."}, []string{"result"}),
		stored:  prometheus.NewCounterVec(prometheus.CounterOpts{Name: "headrace_cache_stores_total", Help: "Caches that jobs stored, by result: stored or refused."}, []string{"result"}),
		found:   new(atomic.Int64), asked: new(atomic.Int64),
	}
}

func (c counts) fetch(result string) {
	c.fetched.WithLabelValues(result).Inc()
	c.asked.Add(1)
	if result == "hit" {
		c.found.Add(1)
	}
}

func (c counts) rate() (found, asked int64) { return c.found.Load(), c.asked.Load() }

// ServeHTTP gives and takes caches below [Path].
func (c *Cache) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", "no-store")
	l, err := c.read(r)
	if err == nil {
		// No job outlives its address by much.
		_ = http.NewResponseController(w).SetReadDeadline(time.Unix(l.until, 0).Add(time.Minute))
		_ = http.NewResponseController(w).SetWriteDeadline(time.Unix(l.until, 0).Add(time.Minute))
		switch r.Method {
		case http.MethodGet:
			err = c.give(w, r, l)
		case http.MethodPut:
			err = c.take(w, r, l)
		default:
			err = fault.New(fault.Forbidden, "Caches are fetched with GET and stored with PUT.")
		}
	}
	if err != nil {
		c.refuse(w, r, err)
	}
}

func (c *Cache) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusInternalServerError
	switch {
	case fault.Is(err, fault.NotFound):
		status = http.StatusNotFound
	case fault.Is(err, fault.Forbidden):
		status = http.StatusForbidden
	case fault.Is(err, fault.Limited):
		status = http.StatusRequestEntityTooLarge
	case fault.Is(err, fault.Invalid):
		status = http.StatusUnprocessableEntity
	default:
		c.log.WarnContext(r.Context(), "a cache could not be given or taken", "method", r.Method, "err", err)
	}
	http.Error(w, fault.Message(err), status)
}

// give sends the cache of the first branch that has one, from an offset on where the range says so.
func (c *Cache) give(w http.ResponseWriter, r *http.Request, l link) error {
	ctx := r.Context()
	x, err := c.store.FindCache(ctx, l.repoID, l.name, l.branches)
	if err == nil && x.Place != c.blobs.Place() {
		c.counts.fetch("elsewhere")
		return fault.New(fault.NotFound, "This cache is on the disk of another node, which does not answer.")
	}
	from := offset(r.Header.Get("Range"))
	if err == nil && from >= x.Size && from > 0 {
		http.Error(w, "There is nothing behind the end of this cache.", http.StatusRequestedRangeNotSatisfiable)
		return nil
	}
	var body io.ReadCloser
	if err == nil {
		body, err = c.blobs.Open(ctx, x.Blob, from)
	}
	if err != nil {
		c.counts.fetch("miss")
		return err
	}
	defer func() { _ = body.Close() }()
	if from == 0 {
		c.counts.fetch("hit")
		c.try(ctx, "the use of a cache could not be noted", func(ctx context.Context) error { return c.store.UseCache(ctx, x.ID) })
	}
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Accept-Ranges", "bytes")
	h.Set("ETag", strconv.Quote(x.SHA256))
	h.Set(ChecksumHeader, x.SHA256)
	h.Set(branchHeader, url.PathEscape(x.Branch))
	h.Set(ageHeader, strconv.FormatInt(max(0, int64(time.Since(x.Stored)/time.Second)), 10))
	h.Set("Content-Length", strconv.FormatInt(x.Size-from, 10))
	status := http.StatusOK
	if from > 0 {
		status = http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, x.Size-1, x.Size))
	}
	w.WriteHeader(status)
	if n, err := io.CopyN(w, body, x.Size-from); err != nil && ctx.Err() == nil {
		c.log.WarnContext(ctx, "sending a cache broke off", "bytes", n, "of", x.Size-from, "err", err)
		panic(http.ErrAbortHandler) // half a cache must not look whole
	}
	return nil
}

// offset reads "bytes=N-". Any other range is answered with the whole.
func offset(header string) int64 {
	text, found := strings.CutPrefix(header, "bytes=")
	text, open := strings.CutSuffix(text, "-")
	n, err := strconv.ParseInt(text, 10, 64)
	if !found || !open || err != nil || n < 0 {
		return 0
	}
	return n
}

// take stores what a job sends, once all of it is here and is what the job says that it is.
func (c *Cache) take(w http.ResponseWriter, r *http.Request, l link) error {
	err := c.keep(r, l)
	if err != nil {
		c.counts.stored.WithLabelValues("refused").Inc()
		return err
	}
	c.counts.stored.WithLabelValues("stored").Inc()
	c.try(r.Context(), "old caches could not be removed", c.trim)
	w.WriteHeader(http.StatusCreated)
	return nil
}

func (c *Cache) keep(r *http.Request, l link) error {
	f, err := c.receive(r)
	defer func() { _ = os.Remove(f.Path) }() // it is gone where it was moved
	if err != nil {
		return err
	}
	ctx := r.Context()
	x := ci.Cache{
		RepositoryID: l.repoID, Branch: l.branches[0], Name: l.name, Place: c.blobs.Place(), Blob: l.blob(), Size: f.Size, SHA256: f.SHA256,
		Address: c.config.Address(), Pin: c.config.Pin,
	}
	const reserved = time.Hour // for writing; then the bytes are nobody's
	if err := c.store.ReserveBlob(ctx, x.Place, x.Blob, time.Now().Add(reserved)); err != nil {
		return err
	}
	if err = c.blobs.Put(ctx, x.Blob, f); err == nil {
		err = c.store.PutCache(ctx, x)
	}
	if err != nil {
		cleaning, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		// That it was stored may be all that was not heard: what is a cache is not removed.
		if now, findErr := c.store.FindCache(cleaning, x.RepositoryID, x.Name, l.branches); fault.Is(findErr, fault.NotFound) || findErr == nil && now.Blob != x.Blob {
			c.try(cleaning, "what was written of a cache could not be removed yet", func(ctx context.Context) error { return c.remove(ctx, x.Blob) })
		}
	}
	return err
}

// receive takes the body into a file.
func (c *Cache) receive(r *http.Request) (f File, err error) {
	tooLarge := fault.New(fault.Limited, "This cache is larger than %d bytes (caches.max_bytes).", c.config.Most)
	if r.ContentLength > c.config.Most {
		return f, tooLarge
	}
	file, err := os.CreateTemp(c.config.Dir, "upload-*")
	if err != nil {
		return f, err
	}
	f.Path = file.Name()
	sum := sha256.New()
	f.Size, err = io.Copy(io.MultiWriter(file, sum), io.LimitReader(r.Body, c.config.Most+1))
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return f, err
	}
	f.SHA256 = hex.EncodeToString(sum.Sum(nil))
	want := r.Header.Get(ChecksumHeader)
	switch {
	case f.Size > c.config.Most:
		return f, tooLarge
	case f.Size == 0, r.ContentLength >= 0 && f.Size != r.ContentLength, want != "" && !strings.EqualFold(want, f.SHA256):
		return f, fault.New(fault.Invalid, "What came of this cache is not what was sent. It is not stored.")
	}
	return f, nil
}
