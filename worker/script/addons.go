package script

import (
	_ "embed"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// rootText are the functions that become root, where the job's user may.
//
//go:embed addons.sh
var rootText string

// library writes the functions that only some jobs need.
func (g *generator) library() {
	addons := g.config.object("addons")
	services := len(g.config.list("services")) > 0
	if services || len(addons) > 0 {
		g.text(rootText)
		own := ""
		if g.options.OwnMachine {
			own = "1"
		}
		g.linef("headrace_own=%s", own)
	}
	if services {
		g.text(servicesText)
	}
	if addons.has("apt") || addons.has("apt_packages") {
		g.text(aptText)
	}
	if g.config.has("deploy") {
		g.text(deployText)
	}
	if g.caching != nil && g.job.Caches != nil {
		g.text(cacheText)
	}
}

// machine writes what changes the machine, for which a job must be able to become root.
func (g *generator) machine() {
	addons := g.config.object("addons")
	g.apt()
	g.hosts("hosts", addons.list("hosts"))
	g.hosts("hostname", addons.list("hostname"))
	g.services()
}

// addons does what a job asks for beside what changes the machine.
func (g *generator) addons() {
	addons := g.config.object("addons")
	var names []string
	for _, name := range addons.names() {
		rooted := slices.Contains([]string{"apt", "apt_packages", "hosts", "hostname"}, name)
		if v, isFlag := addons.flag(name); !rooted && (!isFlag || v) {
			names = append(names, name)
		}
	}
	if len(names) == 0 {
		return
	}
	g.section("addons")
	for _, name := range names {
		g.addon(name, addons)
	}
}

func (g *generator) addon(name string, addons config) {
	switch name {
	case "ssh_known_hosts":
		g.knownHosts(addons.list("ssh_known_hosts"))
	case "chrome":
		g.browser("chrome", "google-chrome", "google-chrome-stable", "chromium", "chromium-browser")
	case "firefox":
		g.browser("firefox", "firefox", "firefox-esr")
	case "postgresql", "mariadb", "rethinkdb":
		g.version(name, addons.text(name))
	case "homebrew", "pkg", "snaps":
		g.say("addons.%s: this machine has no such installer. Use addons.apt.", name)
	default:
		g.say("addons.%s: Headrace does not speak to that service. Call its tool in a phase of the job.", name)
	}
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9])?$`)

// hosts lets names mean this machine.
func (g *generator) hosts(addon string, names []string) {
	names = slices.DeleteFunc(strings.Fields(strings.Join(names, " ")), func(name string) bool {
		if hostName.MatchString(name) {
			return false
		}
		g.say("addons.%s: %q is no name of a host; it is left out.", addon, name)
		return true
	})
	if len(names) > 0 {
		line := quote("127.0.0.1 " + strings.Join(names, " "))
		g.run(step{fold: "addons." + addon, command: "printf '%s\\n' " + line + " | headrace_root tee -a /etc/hosts >/dev/null", shown: "add to /etc/hosts: " + line})
	}
}

// knownHosts takes down the keys that hosts show now, so that ssh does not ask.
func (g *generator) knownHosts(hosts []string) {
	for i, host := range hosts {
		name, port, _ := strings.Cut(host, ":")
		if !hostName.MatchString(name) || strings.Trim(port, "0123456789") != "" {
			g.say("addons.ssh_known_hosts: %q is no host; it is left out.", host)
			continue
		}
		scan := "ssh-keyscan"
		if port != "" {
			scan += " -p " + port
		}
		g.run(step{
			fold: fmt.Sprintf("addons.ssh_known_hosts.%d", i+1), shown: scan + " " + name + " >> ~/.ssh/known_hosts", retry: true,
			command: fmt.Sprintf(`mkdir -p -m 700 ~/.ssh && %s -T 10 %s >> ~/.ssh/known_hosts 2>/dev/null`, scan, name),
		})
	}
}

// browser says which one the image has; none is downloaded.
func (g *generator) browser(addon string, commands ...string) {
	var choices []choice
	for _, command := range commands {
		choices = append(choices, choice{test: "headrace_has " + command, commands: []string{command}})
	}
	choices = append(choices, choice{})
	g.choose(choices, func(c choice) {
		if len(c.commands) == 0 {
			g.say("addons.%s: the image of this job has no %s. Use an image that has it.", addon, addon)
			return
		}
		g.linef("headrace_announce %s --version", c.commands[0])
	})
}

// version says whether the image has the wanted version of a database.
func (g *generator) version(addon, version string) {
	if addon == "postgresql" && versionForm.MatchString(version) {
		g.choose([]choice{{test: fmt.Sprintf("[[ -x /usr/lib/postgresql/%s/bin/postgres ]]", version)}, {}}, func(c choice) {
			if c.test != "" {
				g.run(step{fold: "addons.postgresql", command: fmt.Sprintf("export PATH=/usr/lib/postgresql/%s/bin:$PATH", version)})
				return
			}
			g.say("addons.postgresql: the image of this job has no PostgreSQL %s. The version that it has is used.", version)
		})
		return
	}
	g.say("addons.%s: Headrace does not install %s. Use an image that has it, or map it beside the job with services.", addon, addon)
}

var versionForm = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)
