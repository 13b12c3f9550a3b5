package settings

import (
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/headrace/headrace/internal/fault"
	"github.com/headrace/headrace/internal/seal"
	"github.com/headrace/headrace/platform/ci"
)

// Key is one setting.
type Key struct {
	// Name is its path in config.json; the variable is derived from it, see [Key.Variable].
	Name string
	// Help is one line for people.
	Help string
	// Secret says that the value is never shown.
	Secret bool
	set    func(*Settings, string) error
}

// Variable is the name of the environment variable: HEADRACE_ and the key in capitals, dots as underscores.
func (k Key) Variable() string {
	return "HEADRACE_" + strings.ToUpper(strings.ReplaceAll(k.Name, ".", "_"))
}

// Keys lists every setting, in the order in which the documentation has them.
func Keys() []Key {
	return []Key{
		{Name: "data_dir", Help: "where the node keeps its files", set: text(func(s *Settings) *string { return &s.DataDir })},
		{Name: "hostname", Help: "public name of the platform, used in links", set: text(func(s *Settings) *string { return &s.Hostname })},
		{Name: "listen.http", Help: "address of the pages and the API, plain HTTP", set: text(func(s *Settings) *string { return &s.ListenHTTP })},
		{Name: "listen.https", Help: "address of the pages and the API, TLS; empty: none", set: text(func(s *Settings) *string { return &s.ListenHTTPS })},
		{Name: "listen.dashboard", Help: "address of the admin dashboard", set: text(func(s *Settings) *string { return &s.ListenDashboard })},
		{Name: "tls.cert", Help: "PEM file with the certificate of listen.https", set: text(func(s *Settings) *string { return &s.TLS.Cert })},
		{Name: "tls.key", Help: "PEM file with its key", set: text(func(s *Settings) *string { return &s.TLS.Key })},
		{Name: "postgres_url", Help: "postgres://user:password@host:5432/name; empty: SQLite", Secret: true, set: url(func(s *Settings) *Secret { return &s.PostgresURL }, "postgres", "postgresql")},
		{Name: "postgres_tls.ca", Help: "PEM file of the authority that signed PostgreSQL's certificate", set: text(func(s *Settings) *string { return &s.PostgresTLS.CA })},
		{Name: "postgres_tls.cert", Help: "PEM file with our certificate for PostgreSQL", set: text(func(s *Settings) *string { return &s.PostgresTLS.Cert })},
		{Name: "postgres_tls.key", Help: "PEM file with its key", set: text(func(s *Settings) *string { return &s.PostgresTLS.Key })},
		{Name: "redis_url", Help: "redis://user:password@host:6379/0, rediss:// for TLS; empty: in the process", Secret: true, set: url(func(s *Settings) *Secret { return &s.RedisURL }, "redis", "rediss", "redis+sentinel", "redis+cluster")},
		{Name: "redis_tls.ca", Help: "PEM file of the authority that signed Redis' certificate", set: text(func(s *Settings) *string { return &s.RedisTLS.CA })},
		{Name: "redis_tls.cert", Help: "PEM file with our certificate for Redis", set: text(func(s *Settings) *string { return &s.RedisTLS.Cert })},
		{Name: "redis_tls.key", Help: "PEM file with its key", set: text(func(s *Settings) *string { return &s.RedisTLS.Key })},
		{Name: "amqp_url", Help: "amqp://user:password@host:5672/vhost, amqps:// for TLS; empty: in the process", Secret: true, set: url(func(s *Settings) *Secret { return &s.AMQPURL }, "amqp", "amqps")},
		{Name: "amqp_tls.ca", Help: "PEM file of the authority that signed RabbitMQ's certificate", set: text(func(s *Settings) *string { return &s.AMQPTLS.CA })},
		{Name: "amqp_tls.cert", Help: "PEM file with our certificate for RabbitMQ", set: text(func(s *Settings) *string { return &s.AMQPTLS.Cert })},
		{Name: "amqp_tls.key", Help: "PEM file with its key", set: text(func(s *Settings) *string { return &s.AMQPTLS.Key })},
		{Name: "ha.enabled", Help: "more than one node may run; needs the three URLs", set: boolean(func(s *Settings) *bool { return &s.HAEnabled })},
		{Name: "ha.node_id", Help: "unique id of this node; empty: made once", set: text(func(s *Settings) *string { return &s.NodeID })},
		{Name: "ha.node_name", Help: "name of this node for people; default: the host's", set: text(func(s *Settings) *string { return &s.NodeName })},
		{Name: "ha.advertise_url", Help: "https://host:port at which jobs and other nodes reach this node itself; empty: as the pages are reached", set: text(func(s *Settings) *string { return &s.AdvertiseURL })},
		{Name: "cluster_key", Help: "keys of the cluster, base64, newest first, commas between; empty: made once in the data directory", Secret: true, set: clusterKey},
		{Name: "admin_password", Help: "first password of admin and operator", Secret: true, set: func(s *Settings, v string) error { s.AdminPassword = Secret(v); return nil }},
		{Name: "trusted_proxies", Help: "addresses or networks whose X-Forwarded-* count, commas between", set: proxies},
		{Name: "limits.attempts", Help: "how often a job is begun when its worker is lost", set: number(func(s *Settings) *int { return &s.Attempts })},
		{Name: "limits.jobs", Help: "how many jobs a build may have", set: number(func(s *Settings) *int { return &s.Jobs })},
		{Name: "limits.concurrency", Help: "how many jobs may run at a time, on all nodes (0: no limit); the same on every node", set: number(func(s *Settings) *int { return &s.Concurrency })},
		{Name: "limits.owner_concurrency", Help: "how many jobs of each owner may run at a time (0: no limit); the same on every node", set: number(func(s *Settings) *int { return &s.OwnerConcurrency })},
		{Name: "queues", Help: "rules for the queues of jobs, the first that matches counts: builds.mac os=osx, builds.arm arch=arm64 language=go", set: queues},
		{Name: "queues_open", Help: "queues that a .travis.yml may name with queue:, commas between; * for all", set: func(s *Settings, v string) error {
			s.OpenQueues = strings.FieldsFunc(v, func(r rune) bool { return r == ',' || r == ' ' })
			return nil
		}},
		{Name: "limits.job_timeout", Help: "how long a job may run (50m)", set: duration(func(s *Settings) *time.Duration { return &s.JobTimeout })},
		{Name: "limits.log_silence", Help: "how long a job's log may be silent (10m)", set: duration(func(s *Settings) *time.Duration { return &s.LogSilence })},
		{Name: "limits.log_bytes", Help: "how many bytes a job's log may have", set: func(s *Settings, v string) (err error) { s.LogBytes, err = strconv.ParseInt(v, 10, 64); return err }},
		{Name: "limits.lease", Help: "how long a worker may be silent before its jobs run again elsewhere (15s)", set: duration(func(s *Settings) *time.Duration { return &s.Lease })},
		{Name: "retention.log_days", Help: "how many days logs are kept, counted from the day on which they began; 0: for ever", set: number(func(s *Settings) *int { return &s.LogDays })},
		{Name: "retention.log_compact", Help: "how long after its end a log is compressed (3m)", set: duration(func(s *Settings) *time.Duration { return &s.LogCompact })},
		{Name: "retention.cache_days", Help: "how many days a cache of builds is kept that nobody uses; 0: until there is no room", set: number(func(s *Settings) *int { return &s.CacheDays })},
		{Name: "caches.max_bytes", Help: "how many bytes one cache of builds may have, packed (2 GiB)", set: size(func(s *Settings) *int64 { return &s.CacheBytes })},
		{Name: "caches.total_bytes", Help: "how many bytes all caches of builds on the node's disk, or in S3, may have (20 GiB)", set: size(func(s *Settings) *int64 { return &s.CacheTotal })},
		{Name: "caches.s3.url", Help: "https://host/bucket, or with a folder behind it, for caches of builds; empty: the node's disk", set: text(func(s *Settings) *string { return &s.CacheS3.URL })},
		{Name: "caches.s3.region", Help: "region of the bucket (us-east-1)", set: text(func(s *Settings) *string { return &s.CacheS3.Region })},
		{Name: "caches.s3.access_key", Help: "id of the access key for the bucket", Secret: true, set: func(s *Settings, v string) error { s.CacheS3.AccessKey = Secret(v); return nil }},
		{Name: "caches.s3.secret_key", Help: "its secret", Secret: true, set: func(s *Settings, v string) error { s.CacheS3.SecretKey = Secret(v); return nil }},
		{Name: "log.level", Help: "debug, info, warn or error", set: func(s *Settings, v string) error { return s.LogLevel.UnmarshalText([]byte(v)) }},
		{Name: "log.format", Help: "text or json", set: oneOf(func(s *Settings) *string { return &s.LogFormat }, "text", "json")},
	}
}

func text(at func(*Settings) *string) func(*Settings, string) error {
	return func(s *Settings, v string) error { *at(s) = v; return nil }
}

func boolean(at func(*Settings) *bool) func(*Settings, string) error {
	return func(s *Settings, v string) (err error) { *at(s), err = strconv.ParseBool(v); return err }
}

func size(at func(*Settings) *int64) func(*Settings, string) error {
	return func(s *Settings, v string) (err error) { *at(s), err = strconv.ParseInt(v, 10, 64); return err }
}

func number(at func(*Settings) *int) func(*Settings, string) error {
	return func(s *Settings, v string) (err error) { *at(s), err = strconv.Atoi(v); return err }
}

func duration(at func(*Settings) *time.Duration) func(*Settings, string) error {
	return func(s *Settings, v string) (err error) { *at(s), err = time.ParseDuration(v); return err }
}

func oneOf(at func(*Settings) *string, words ...string) func(*Settings, string) error {
	return func(s *Settings, v string) error {
		for _, w := range words {
			if v == w {
				*at(s) = v
				return nil
			}
		}
		return fault.New(fault.Invalid, "use one of: %s", strings.Join(words, ", "))
	}
}

// url accepts a URL of one of the schemes; what else is in it is checked by the package that dials.
func url(at func(*Settings) *Secret, schemes ...string) func(*Settings, string) error {
	return func(s *Settings, v string) error {
		if v == "" {
			*at(s) = ""
			return nil
		}
		scheme, _, found := strings.Cut(v, "://")
		if !found {
			return fault.New(fault.Invalid, "a URL such as %s://host is needed", schemes[0])
		}
		for _, known := range schemes {
			if scheme == known {
				*at(s) = Secret(v)
				return nil
			}
		}
		return fault.New(fault.Invalid, "this starts with %s://, it must start with %s://", scheme, strings.Join(schemes, ":// or "))
	}
}

func queues(s *Settings, v string) (err error) {
	s.Queues, err = ci.ParseQueueRules(v)
	return err
}

func clusterKey(s *Settings, v string) error {
	if v != "" {
		if _, err := seal.ParseKeys(v); err != nil {
			return err
		}
	}
	s.ClusterKey = Secret(v)
	return nil
}

func proxies(s *Settings, v string) error {
	s.TrustedProxies = nil
	for part := range strings.FieldsFuncSeq(v, func(r rune) bool { return r == ',' || r == ' ' }) {
		prefix, err := netip.ParsePrefix(part)
		if err != nil {
			addr, addrErr := netip.ParseAddr(part)
			if addrErr != nil {
				return fault.New(fault.Invalid, "%q is neither an address nor a network such as 10.0.0.0/8", part)
			}
			prefix = netip.PrefixFrom(addr, addr.BitLen())
		}
		s.TrustedProxies = append(s.TrustedProxies, prefix)
	}
	return nil
}

var _ slog.LogValuer = Secret("")
