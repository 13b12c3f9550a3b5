package redis

import (
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/headrace/headrace/internal/fault"
)

// shape is how the servers behind a URL are arranged.
type shape int

const (
	single shape = iota
	sentinel
	cluster
)

// schemes says what each scheme of a URL means.
var schemes = map[string]struct {
	shape shape
	tls   bool
	port  string
}{
	"redis":          {single, false, "6379"},
	"rediss":         {single, true, "6379"},
	"redis+sentinel": {sentinel, false, "26379"},
	"redis+cluster":  {cluster, false, "6379"},
}

// target is what a URL says.
type target struct {
	shape    shape
	scheme   string
	hosts    []string // host:port
	user     string
	password string
	db       int
	tls      bool

	// Of a sentinel form only.
	master           string
	sentinelUser     string
	sentinelPassword string
}

// name is how the servers are called in messages.
func (t target) name() string { return strings.Join(t.hosts, ", ") }

// parse reads a URL. It is ours because drivers take lists of hosts and unknown parameters silently for something else.
// No message holds any part of the text before the last @, where the password is.
func parse(text string) (target, error) {
	scheme, rest, found := strings.Cut(text, "://")
	known, ok := schemes[scheme]
	if !found || !ok {
		return target{}, complaint("begins with none of redis://, rediss://, redis+sentinel:// and redis+cluster://")
	}
	t := target{shape: known.shape, scheme: scheme, tls: known.tls}
	if at := strings.LastIndexByte(rest, '@'); at >= 0 {
		if err := t.takeCredentials(rest[:at]); err != nil {
			return target{}, err
		}
		rest = rest[at+1:]
	}
	if strings.ContainsRune(rest, '#') {
		return target{}, complaint("has a # behind the host; in a password write it as %%23")
	}
	rest, query, _ := strings.Cut(rest, "?")
	hosts, path, _ := strings.Cut(rest, "/")
	if err := t.takeHosts(hosts, known.port); err != nil {
		return target{}, err
	}
	if err := t.takeDatabase(path); err != nil {
		return target{}, err
	}
	if err := t.takeParameters(query); err != nil {
		return target{}, err
	}
	if t.shape == sentinel && t.master == "" {
		return target{}, complaint("does not name the group of servers that the sentinels watch; append ?master=NAME")
	}
	return t, nil
}

func (t *target) takeCredentials(text string) error {
	user, password, _ := strings.Cut(text, ":")
	var userErr, passwordErr error
	t.user, userErr = url.PathUnescape(user)
	t.password, passwordErr = url.PathUnescape(password)
	if userErr != nil || passwordErr != nil {
		return complaint("has a %% in the user name or password that no code such as %%2F follows; write it as %%25")
	}
	if t.user != "" && t.password == "" {
		return complaint("has a user name without a password; a password alone is written as :password@")
	}
	return nil
}

func (t *target) takeHosts(text, port string) error {
	for part := range strings.SplitSeq(text, ",") {
		host, givenPort, err := splitHost(strings.TrimSpace(part), port)
		if err != nil {
			return err
		}
		t.hosts = append(t.hosts, net.JoinHostPort(host, givenPort))
	}
	if t.shape == single && len(t.hosts) > 1 {
		return complaint("names %d hosts; for several write redis+sentinel:// or redis+cluster://", len(t.hosts))
	}
	return nil
}

func splitHost(text, port string) (string, string, error) {
	host := text
	switch {
	case strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]"):
		host = text[1 : len(text)-1]
	case strings.HasPrefix(text, "[") || strings.Count(text, ":") == 1:
		var err error
		if host, port, err = net.SplitHostPort(text); err != nil {
			return "", "", complaint("has %q where a host and its port belong", text)
		}
	case strings.Contains(text, ":"):
		return "", "", complaint("has %q where a host belongs; write an IPv6 address as [::1]:6379", text)
	}
	if !isHost(host) {
		return "", "", complaint("has %q where a host belongs", text)
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", "", complaint("has the port %q; a port is a number from 1 to 65535", port)
	}
	return host, port, nil
}

// isHost reports whether text can be a name or an address.
func isHost(text string) bool {
	if strings.Contains(text, ":") {
		_, err := netip.ParseAddr(text)
		return err == nil
	}
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._", r)
	})
}

func (t *target) takeDatabase(path string) error {
	path = strings.TrimSuffix(path, "/")
	if path == "" {
		return nil
	}
	n, err := strconv.ParseUint(path, 10, 16)
	if err != nil {
		return complaint("has %q behind the host; there belongs the number of the database, such as /0", "/"+path)
	}
	if t.shape == cluster && n != 0 {
		return complaint("names database %d; a cluster has only database 0", n)
	}
	t.db = int(n)
	return nil
}

// parameters are what may stand behind the question mark, by shape.
var parameters = map[shape][]string{
	single:   nil,
	sentinel: {"master", "sentinel_user", "sentinel_password", "tls"},
	cluster:  {"tls"},
}

func (t *target) takeParameters(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return complaint("has parameters behind the question mark that cannot be read")
	}
	for name, given := range values {
		if !slices.Contains(parameters[t.shape], name) {
			return complaint("has the parameter %s, which is not known%s", name, knownParameters(t))
		}
		if len(given) > 1 {
			return complaint("has the parameter %s %d times", name, len(given))
		}
	}
	t.master = values.Get("master")
	t.sentinelUser, t.sentinelPassword = values.Get("sentinel_user"), values.Get("sentinel_password")
	switch given := values.Get("tls"); given {
	case "", "false":
	case "true":
		t.tls = true
	default:
		return complaint("has the parameter tls with %q; it is true or false", given)
	}
	return nil
}

func knownParameters(t *target) string {
	known := parameters[t.shape]
	if len(known) == 0 {
		return "; " + t.scheme + ":// takes none"
	}
	return "; " + t.scheme + ":// takes " + strings.Join(known, ", ")
}

func complaint(format string, args ...any) error {
	return fault.Field("redis_url", "The URL of Redis "+format+".", args...)
}
