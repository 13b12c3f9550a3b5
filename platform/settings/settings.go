// Package settings owns the node settings: what config.json, the environment and flags say, in that order of growing
// weight, checked as a whole. It must not know what the settings are used for.
package settings

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/platform/ci"
)

// Secret is text that logs and error messages never show.
type Secret string

// String hides the text.
func (s Secret) String() string {
	if s == "" {
		return ""
	}
	return "(set)"
}

// LogValue hides the text from slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }

// MarshalText hides the text from encoders.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// TLSFiles names the PEM files of a connection.
type TLSFiles struct{ CA, Cert, Key string }

// S3 is a bucket.
type S3 struct {
	URL, Region string
	// AccessKey and SecretKey sign what is asked of it.
	AccessKey, SecretKey Secret
}

// Settings are the settings of one node. [Load] makes them; the zero value is not usable.
type Settings struct {
	// DataDir holds all that the node keeps on its disk.
	DataDir string
	// Hostname is the public name, or the whole public URL, for links.
	Hostname string
	// ListenHTTP, ListenHTTPS and ListenDashboard are addresses. With an empty ListenHTTPS the pages are plain HTTP.
	ListenHTTP, ListenHTTPS, ListenDashboard string
	// PostgresURL empty: SQLite in DataDir. RedisURL empty, AMQPURL empty: in the process.
	PostgresURL, RedisURL, AMQPURL Secret
	// PostgresTLS, RedisTLS and AMQPTLS are for those servers.
	PostgresTLS, RedisTLS, AMQPTLS TLSFiles
	// TLS is the certificate of ListenHTTPS; empty: self-signed.
	TLS TLSFiles
	// HAEnabled says that more than one node may run.
	HAEnabled bool
	// NodeID is unique for each node, NodeName is what people see.
	NodeID, NodeName string
	// ClusterKey seals what is secret in the database, see [seal.ParseKeys]. [Settings.Node] fills it in.
	ClusterKey Secret
	// AdminPassword sets the first password of admin and operator.
	AdminPassword Secret
	// TrustedProxies are those whose X-Forwarded-* count.
	TrustedProxies []netip.Prefix
	// Attempts bounds how often a job is begun; Jobs how many a build may have.
	Attempts, Jobs int
	// Concurrency and OwnerConcurrency bound how many jobs run at a time, in all and of each owner. 0: no limit.
	Concurrency, OwnerConcurrency int
	// Queues say which queue a job goes to; OpenQueues are those that a .travis.yml may name itself, "*" for all.
	Queues     []ci.QueueRule
	OpenQueues []string
	// JobTimeout and LogSilence end a job that runs, or is silent, for too long; LogBytes one that writes too much.
	JobTimeout, LogSilence time.Duration
	LogBytes               int64
	// LogDays is how many days logs are kept, 0: for ever; LogCompact how long after its end a log is compressed.
	LogDays    int
	LogCompact time.Duration
	// CacheBytes bounds a cache of builds, CacheTotal all of a node or, in S3, of the bucket; CacheDays is how many days one is
	// kept that nobody uses, 0: for ever. With an empty CacheS3.URL caches are on the node's disk.
	CacheBytes, CacheTotal int64
	CacheDays              int
	CacheS3                S3
	// AdvertiseURL is how jobs and other nodes reach this node itself; empty: as the pages are reached.
	AdvertiseURL string
	// Lease is for how long, in hearing time, a worker may be silent.
	Lease time.Duration
	// LogLevel and LogFormat are of the node's own log.
	LogLevel  slog.Level
	LogFormat string
	// origin says for each key where its value is from.
	origin map[string]string
}

// Origin says where the value of a key is from: "default", the path of a file, a variable, or a flag.
func (s Settings) Origin(key string) string {
	if o, ok := s.origin[key]; ok {
		return o
	}
	return "default"
}

// Path joins names to the data directory.
func (s Settings) Path(names ...string) string {
	return filepath.Join(append([]string{s.DataDir}, names...)...)
}

// Embedded reports whether the node needs no other server at all.
func (s Settings) Embedded() bool {
	return s.PostgresURL == "" && s.RedisURL == "" && s.AMQPURL == ""
}

func defaults() Settings {
	name, err := os.Hostname()
	if err != nil || name == "" {
		name = "headrace"
	}
	return Settings{
		DataDir: "/var/lib/headrace", ListenHTTP: ":80", ListenHTTPS: ":443", ListenDashboard: ":8800",
		NodeName: name, Attempts: 3, Jobs: 200, JobTimeout: 50 * time.Minute, LogSilence: 10 * time.Minute,
		CacheBytes: 2 << 30, CacheTotal: 20 << 30, CacheDays: 28, LogBytes: 64 << 20, LogCompact: 3 * time.Minute, Lease: 15 * time.Second, LogFormat: "text", origin: map[string]string{},
	}
}

// check says what does not fit together.
func (s Settings) check() error {
	if s.HAEnabled {
		for _, need := range []struct {
			key, what string
			url       Secret
		}{
			{"postgres_url", "a PostgreSQL that all nodes share", s.PostgresURL},
			{"redis_url", "a Redis that all nodes share", s.RedisURL},
			{"amqp_url", "a RabbitMQ that all nodes share", s.AMQPURL},
		} {
			if need.url == "" {
				return fault.Field(need.key, "High availability needs %s: set %s, or set ha.enabled to false.", need.what, need.key)
			}
		}
	}
	if s.ListenHTTP == "" && s.ListenHTTPS == "" {
		return fault.Field("listen.http", "No address to serve pages on: set listen.http or listen.https.")
	}
	if (s.TLS.Cert == "") != (s.TLS.Key == "") {
		return fault.Field("tls.cert", "A certificate needs its key: set both tls.cert and tls.key, or neither.")
	}
	for key, n := range map[string]int64{
		"limits.attempts": int64(s.Attempts), "limits.jobs": int64(s.Jobs), "limits.log_bytes": s.LogBytes,
		"limits.job_timeout": int64(s.JobTimeout), "limits.log_silence": int64(s.LogSilence), "limits.lease": int64(s.Lease),
		"retention.log_compact": int64(s.LogCompact), "caches.max_bytes": s.CacheBytes, "caches.total_bytes": s.CacheTotal,
	} {
		if n <= 0 {
			return fault.Field(key, "%s must be more than 0.", key)
		}
	}
	if s.CacheDays < 0 {
		return fault.Field("retention.cache_days", "retention.cache_days must be a number of days, or 0 to keep caches until there is no room.")
	}
	if s.LogDays < 0 {
		return fault.Field("retention.log_days", "retention.log_days must be a number of days, or 0 to keep logs for ever.")
	}
	for key, n := range map[string]int{"limits.concurrency": s.Concurrency, "limits.owner_concurrency": s.OwnerConcurrency} {
		if n < 0 {
			return fault.Field(key, "%s must not be less than 0, which is no limit.", key)
		}
	}
	return nil
}

// Node fills in the cluster key and the node's id from its disk, and makes them on the first start.
func (s *Settings) Node() error {
	if err := s.readKey(makeKey); err != nil {
		return err
	}
	if s.NodeID != "" {
		return nil
	}
	path := s.Path("node_id")
	id, err := readOrMake(path)
	if err != nil {
		return fmt.Errorf("node id in %s: %w", path, err)
	}
	s.NodeID = id
	return nil
}

// CheckInitialised says whether a node has ever run with these settings, so that a command beside it does not make an
// empty database where a path was mistyped.
func (s Settings) CheckInitialised() error {
	if _, err := os.Stat(s.Path("node.db")); err != nil && s.PostgresURL == "" {
		return fault.Wrap(fault.Invalid, err, "No Headrace has run with the data directory %s. Say which one with --data-dir or --config.", s.DataDir)
	}
	return nil
}
