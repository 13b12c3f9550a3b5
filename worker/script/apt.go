package script

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
)

// aptText are the functions for addons.apt; only scripts of jobs that use it have them.
//
//go:embed apt.sh
var aptText string

// aptSource is one source of packages: a line of sources.list, or ppa:owner/name.
type aptSource struct {
	name string // as .travis.yml has it, where it is an alias
	line string
	key  string // where the key is that signs it
}

// aptAddon is addons.apt of a job, with what stands in the older addons.apt_packages.
type aptAddon struct {
	sources  []aptSource
	packages []string
	update   bool
}

// readApt reads the addon in any of its shapes.
func readApt(addons config) aptAddon {
	a := aptAddon{packages: addons.list("apt_packages")}
	if list := addons.list("apt"); len(list) > 0 && list[0] != "true" && list[0] != "false" {
		a.packages = append(a.packages, list...)
	}
	apt := addons.object("apt")
	a.packages = append(a.packages, apt.list("packages")...)
	a.update, _ = apt.flag("update")
	for _, raw := range elements(apt["sources"]) {
		s, err := readConfig(raw)
		if err != nil {
			name, _ := scalar(raw)
			s = config{"name": json.RawMessage(fmt.Sprintf("%q", name))}
		}
		a.sources = append(a.sources, aptSource{name: s.text("name"), line: s.text("sourceline"), key: s.text("key_url")})
	}
	return a
}

// apt adds sources and installs packages, before anything of the job runs. What fails there ends the job: its tests would
// fail for another reason than they seem to.
func (g *generator) apt() {
	a := readApt(g.config.object("addons"))
	if len(a.sources) == 0 && len(a.packages) == 0 && !a.update {
		return
	}
	g.section("addons.apt")
	if os := g.config.or("os", "linux"); !strings.HasPrefix(os, "linux") {
		g.say("addons.apt: only linux has it, and this job is for %s.", os)
		return
	}
	added := 0
	for i, s := range a.sources {
		s, ok := s.resolve()
		if !ok {
			g.say("addons.apt: no source of packages is known by the name %s. Give its sourceline and key_url.", s.name)
			continue
		}
		added++
		command := "headrace_apt_source " + quote(s.line)
		if s.key != "" {
			command += " " + quote(s.key)
		}
		g.run(step{fold: fmt.Sprintf("apt.source.%d", i+1), command: command, shown: "add the source of packages " + s.line})
	}
	if a.update || added > 0 {
		g.run(step{fold: "apt.update", command: "headrace_apt_update", shown: "apt-get update", retry: true})
	}
	g.aptPackages(a.packages)
}

func (g *generator) aptPackages(packages []string) {
	var words []string
	for _, list := range packages {
		for _, p := range strings.Fields(list) {
			if !packageName.MatchString(p) {
				g.say("addons.apt: %q is no name of a package; it is left out.", p)
				continue
			}
			words = append(words, word(p))
		}
	}
	if len(words) > 0 {
		all := strings.Join(words, " ")
		g.run(step{fold: "apt.install", command: "headrace_apt_install " + all, shown: "apt-get install " + all, retry: true})
	}
}

// packageName is a name with maybe an architecture, a version or a release.
var packageName = regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9.+:~=*_/^-]*$`)

// resolve finds what an alias stands for. Source: the list of the service's apt source aliases, as far as its files of the
// last years use it.
func (s aptSource) resolve() (aptSource, bool) {
	if s.line != "" {
		return s, true
	}
	if ppa, ok := ppas()[s.name]; ok || strings.HasPrefix(s.name, "ppa:") {
		if s.line = s.name; ok {
			s.line = "ppa:" + ppa
		}
		return s, true
	}
	if m := llvmName.FindStringSubmatch(s.name); m != nil {
		s.line, s.key = fmt.Sprintf("deb https://apt.llvm.org/%s/ %s main", m[1], s.name), "https://apt.llvm.org/llvm-snapshot.gpg.key"
		return s, true
	}
	known, ok := map[string]aptSource{
		"google-chrome": {line: "deb https://dl.google.com/linux/chrome/deb/ stable main", key: "https://dl.google.com/linux/linux_signing_key.pub"},
		"docker-ce":     {line: "deb https://download.docker.com/linux/ubuntu focal stable", key: "https://download.docker.com/linux/ubuntu/gpg"},
		"yarn":          {line: "deb https://dl.yarnpkg.com/debian/ stable main", key: "https://dl.yarnpkg.com/debian/pubkey.gpg"},
	}[s.name]
	s.line, s.key = known.line, known.key
	return s, ok
}

var llvmName = regexp.MustCompile(`^llvm-toolchain-(precise|trusty|xenial|bionic|focal|jammy|noble)(?:-[0-9.]+)?$`)

// ppas are personal archives by the names that .travis.yml gives them.
func ppas() map[string]string {
	return map[string]string{
		"ubuntu-toolchain-r-test": "ubuntu-toolchain-r/test", "deadsnakes": "deadsnakes/ppa", "kubuntu-backports": "kubuntu-ppa/backports",
		"git-core": "git-core/ppa", "boost-latest": "boost-latest/ppa", "couchdb": "couchdb/stable", "george-edison55-precise-backports": "george-edison55/precise-backports",
		"cassandra": "cassandra/stable", "chris-lea-redis-server": "chris-lea/redis-server", "redis-server": "chris-lea/redis-server", "neovim-ppa": "neovim-ppa/stable",
		"ubuntugis-stable": "ubuntugis/ppa", "ubuntugis-unstable": "ubuntugis/ubuntugis-unstable", "octave": "octave/stable", "beineri": "beineri/opt-qt-5.15.2-focal",
	}
}
