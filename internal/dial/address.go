package dial

import (
	"fmt"
	"maps"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/headrace/headrace/internal/fault"
)

// Address is where a server is, taken apart.
type Address struct {
	Scheme   string
	User     string
	Password string
	Hosts    []string // host:port, in the order given
	Path     string   // without its first slash, unescaped
	Params   map[string]string
}

// String leaves the password out.
func (a Address) String() string {
	user := ""
	if a.User != "" {
		user = a.User + "@"
	}
	return a.Scheme + "://" + user + strings.Join(a.Hosts, ",") + "/" + a.Path
}

// Rules says what an address may be.
type Rules struct {
	// Field names the setting in errors, as "amqp_url"; Server names the server, as "RabbitMQ".
	Field, Server string
	// Ports maps each scheme to its usual port.
	Ports map[string]int
	// Params are the parameters that are known.
	Params []string
	// Example is a good address, for errors.
	Example string
}

// Parse reads an address by the rules. Several hosts may stand with commas between them.
func Parse(raw string, r Rules) (Address, error) {
	raw = strings.TrimSpace(raw)
	scheme, rest, found := strings.Cut(raw, "://")
	port, known := r.Ports[strings.ToLower(scheme)]
	if !found || !known {
		return Address{}, r.refuse("The address of %s begins with %s, as in %s.", r.Server, r.schemes(), r.Example)
	}
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	login, hosts := "", rest[:end]
	if at := strings.LastIndex(hosts, "@"); at >= 0 {
		login, hosts = hosts[:at+1], hosts[at+1:]
	}
	if _, more, again := strings.Cut(strings.TrimSuffix(login, "@"), "@"); again && strings.Contains(more, ",") {
		return Address{}, r.refuse("The address of %s cannot be read: user name and password stand once, before the list of hosts. Example: %s", r.Server, r.Example)
	}
	u, err := url.Parse("x://" + login + "host" + rest[end:])
	if err != nil || u.Fragment != "" {
		return Address{}, r.refuse("The address of %s cannot be read. In user names and passwords, /, ?, #, %% and @ stand as %%2F, %%3F, %%23, %%25 and %%40. Example: %s", r.Server, r.Example)
	}
	a := Address{Scheme: strings.ToLower(scheme), User: u.User.Username(), Path: strings.TrimPrefix(u.Path, "/")}
	a.Password, _ = u.User.Password()
	if a.Hosts, err = r.hosts(hosts, port); err != nil {
		return Address{}, err
	}
	a.Params, err = r.params(u.RawQuery)
	return a, err
}

func (r Rules) hosts(list string, port int) ([]string, error) {
	var hosts []string
	for _, one := range strings.Split(list, ",") {
		u, err := url.Parse("x://" + one)
		if err != nil || u.Hostname() == "" || u.User != nil || u.Host != one {
			return nil, r.refuse("The address of %s has a host that cannot be read. Example: %s", r.Server, r.Example)
		}
		p := u.Port()
		if p == "" {
			p = strconv.Itoa(port)
		}
		if n, err := strconv.Atoi(p); err != nil || n < 1 || n > 65535 {
			return nil, r.refuse("The address of %s has the port %s; ports are 1 to 65535.", r.Server, p)
		}
		hosts = append(hosts, net.JoinHostPort(u.Hostname(), p))
	}
	return hosts, nil
}

func (r Rules) params(query string) (map[string]string, error) {
	values, err := url.ParseQuery(query)
	if err != nil {
		return nil, r.refuse("The parameters in the address of %s cannot be read. Example: %s", r.Server, r.Example)
	}
	params := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if !slices.Contains(r.Params, name) {
			return nil, r.refuse("The address of %s has the parameter %q, which Headrace does not take. It takes: %s.", r.Server, name, strings.Join(r.Params, ", "))
		}
		if len(values[name]) != 1 {
			return nil, r.refuse("The address of %s has the parameter %q more than once.", r.Server, name)
		}
		params[name] = values[name][0]
	}
	return params, nil
}

func (r Rules) schemes() string {
	list := slices.Sorted(maps.Keys(r.Ports))
	for i, s := range list {
		list[i] = s + "://"
	}
	if len(list) < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:len(list)-1], ", ") + " or " + list[len(list)-1]
}

func (r Rules) refuse(format string, args ...any) error {
	return fault.Field(r.Field, "%s", fmt.Sprintf(format, args...))
}
