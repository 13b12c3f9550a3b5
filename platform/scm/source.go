package scm

import (
	"net"
	"net/url"
	"regexp"
	"strings"

	"github.com/headrace/headrace/internal/fault"
)

// source is a source URL in parts.
type source struct {
	url    string // what git is given: without a password
	shown  string // what people are shown: without a user name either, except for ssh, where it is no secret
	scheme string
	host   string // with the port, where one is given; of a file empty
	// user and password are for http and https; git gets them through its environment, never on a command line.
	user, password string
}

const field = "source_url"

// scpForm is git's short form for ssh: user@host:path.
var scpForm = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]*@([A-Za-z0-9][A-Za-z0-9.-]*):([^\s:-][^\s]*)$`)

// parseSource reads a source URL and says, for people, what is wrong with it.
func parseSource(raw string) (source, error) {
	raw = strings.TrimSpace(raw)
	switch {
	case raw == "":
		return source{}, fault.Field(field, "The address of the repository is missing. It looks like https://git.example.org/acme/app.git.")
	case len(raw) > 2000:
		return source{}, fault.Field(field, "The address of the repository is longer than 2,000 characters.")
	case strings.ContainsFunc(raw, func(r rune) bool { return r <= ' ' || r == 127 }):
		return source{}, fault.Field(field, "The address of the repository holds a space or a control character. Write %%20 for a space.")
	}
	if m := scpForm.FindStringSubmatch(raw); m != nil && !strings.Contains(raw, "://") {
		return source{url: raw, shown: raw, scheme: "ssh", host: m[1]}, nil
	}
	u, err := url.Parse(raw)
	if err != nil || u.Scheme == "" || u.Opaque != "" {
		return source{}, fault.Field(field, "This is not an address that git can fetch from. It starts with https://, ssh:// or file://, or looks like git@host:path.")
	}
	u.RawQuery, u.Fragment, u.RawFragment, u.ForceQuery = "", "", "", false
	switch u.Scheme = strings.ToLower(u.Scheme); u.Scheme {
	case "https", "http":
		return httpSource(u)
	case "ssh":
		return sshSource(u)
	case "file":
		return fileSource(u)
	}
	return source{}, fault.Field(field, "Addresses that start with %s:// are not fetched from. Use https, ssh or file.", u.Scheme)
}

func httpSource(u *url.URL) (source, error) {
	if err := checkHost(u); err != nil {
		return source{}, err
	}
	s := source{scheme: u.Scheme, host: u.Host}
	if u.User != nil {
		s.user = u.User.Username()
		s.password, _ = u.User.Password()
		if strings.ContainsFunc(s.user+s.password, func(r rune) bool { return r < ' ' || r == 127 }) {
			return source{}, fault.Field(field, "The user name or the password in the address holds a control character.")
		}
		u.User = nil
	}
	s.url = u.String()
	s.shown = s.url
	return s, nil
}

func sshSource(u *url.URL) (source, error) {
	if err := checkHost(u); err != nil {
		return source{}, err
	}
	if u.User != nil {
		if _, has := u.User.Password(); has {
			return source{}, fault.Field(field, "ssh takes no password from an address. Leave it out and let the server know this node's ssh key.")
		}
		if strings.HasPrefix(u.User.Username(), "-") {
			return source{}, fault.Field(field, "The user name in the address starts with a dash.")
		}
	}
	return source{url: u.String(), shown: u.String(), scheme: "ssh", host: u.Host}, nil
}

func fileSource(u *url.URL) (source, error) {
	if u.User != nil || (u.Host != "" && u.Host != "localhost") {
		return source{}, fault.Field(field, "A file address has three slashes and a path on the node itself: file:///srv/git/app.git.")
	}
	if !strings.HasPrefix(u.Path, "/") || u.Path == "/" {
		return source{}, fault.Field(field, "The path is missing. A file address looks like file:///srv/git/app.git.")
	}
	u.Host = ""
	return source{url: "file://" + u.EscapedPath(), shown: u.String(), scheme: "file"}, nil
}

func checkHost(u *url.URL) error {
	if u.Hostname() == "" {
		return fault.Field(field, "The name of the host is missing after %s://.", u.Scheme)
	}
	if strings.HasPrefix(u.Hostname(), "-") {
		return fault.Field(field, "The name of a host cannot start with a dash.")
	}
	if strings.Trim(u.Path, "/") == "" {
		return fault.Field(field, "The path of the repository is missing after %s.", u.Host)
	}
	return nil
}

// hostname is the host without the port.
func (s source) hostname() string {
	if h, _, err := net.SplitHostPort(s.host); err == nil {
		return h
	}
	return s.host
}

// port is where the server listens.
func (s source) port() string {
	if _, p, err := net.SplitHostPort(s.host); err == nil && p != "" {
		return p
	}
	return map[string]string{"https": "443", "http": "80", "ssh": "22"}[s.scheme]
}

// scrub takes the secrets of the URL out of a text.
func (s source) scrub(text string) string {
	for _, secret := range []string{s.password, s.user} {
		if secret == "" || (secret == s.user && s.password != "" && len(secret) < 8) {
			continue // a short user name next to a password is no secret, and may be a common word
		}
		text = strings.ReplaceAll(text, secret, "***")
		text = strings.ReplaceAll(text, url.QueryEscape(secret), "***")
	}
	return text
}
