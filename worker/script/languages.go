package script

import "strings"

// language is what a language brings to a job: how its version is chosen, what stands in the environment, and what install
// and script do where .travis.yml does not say.
type language struct {
	// unknown: the name is not in the table, these are ruby's defaults.
	unknown bool
	// key is the key of the wanted version, variable the one it is exported as.
	key, variable string
	// manager can switch to the wanted version, where the machine has it.
	manager manager
	// setup are bash lines that run after the version was chosen.
	setup []string
	// gopath: the checkout moves below GOPATH.
	gopath bool
	// announce are commands that tell the versions of the tools.
	announce []string
	// install and script are the defaults; the first choice whose test holds is taken.
	install, script []choice
}

// choice is one default of a phase.
type choice struct {
	// test is a bash condition; empty = always.
	test string
	// say is shown, fail is shown and makes the script fail, commands run.
	say, fail string
	commands  []string
}

// manager is a program that installs versions of a language side by side.
type manager struct {
	name string
	// load are files that define it where it is a shell function.
	load []string
	// use is the command that switches to a version; %s is the version.
	use string
}

// languageOf returns the language of a config. Unknown ones, and no name at all, are treated as ruby.
func languageOf(c config) language {
	family, ok := families()[strings.ToLower(c.text("language"))]
	if !ok {
		l := ruby(c)
		l.unknown = c.text("language") != ""
		return l
	}
	return family(c)
}

// families is the table of languages.
func families() map[string]func(config) language {
	return map[string]func(config) language{
		"android": android, "c": cLang, "clojure": clojure, "cpp": cpp, "c++": cpp, "crystal": crystal, "csharp": csharp, "d": dLang,
		"dart": dart, "elixir": elixir, "elm": elm, "erlang": erlang, "go": golang, "golang": golang, "groovy": java,
		"haskell": haskell, "haxe": haxe, "java": java, "jvm": java, "julia": julia, "matlab": matlab, "nix": nix,
		"node_js": nodeJS, "javascript": nodeJS, "objective-c": objectiveC, "swift": objectiveC, "perl": perl, "perl6": perl6,
		"php": php, "python": python, "r": rLang, "ruby": ruby, "rust": rust, "scala": scala, "smalltalk": smalltalk,
		"shell": shell, "bash": shell, "sh": shell, "generic": shell, "minimal": shell,
	}
}

// shell is for jobs that bring everything themselves.
func shell(config) language { return language{} }

// language writes what makes the language ready.
func (g *generator) language(l language) {
	if l.key == "" && len(l.setup) == 0 && len(l.announce) == 0 {
		return
	}
	g.phase("language")
	version := ""
	if l.key != "" {
		version = g.config.text(l.key)
	}
	if version != "" {
		if l.variable != "" {
			g.linef("export %s=%s", l.variable, word(version))
		}
		g.chooseVersion(l, version)
	}
	for _, line := range l.setup {
		g.linef("%s", line)
	}
	if l.gopath {
		g.moveIntoGopath()
	}
	for _, command := range l.announce {
		g.linef("headrace_announce %s", command)
	}
}

// chooseVersion switches to the wanted version where the machine can, else says that it cannot.
func (g *generator) chooseVersion(l language, version string) {
	m := l.manager
	if m.name == "" {
		g.say("%s: %s was asked for. Headrace uses the version that this machine has.", l.key, version)
		return
	}
	for _, file := range m.load {
		g.linef(`headrace_has %s || [[ ! -s %s ]] || . %[2]s`, m.name, file)
	}
	g.choose([]choice{
		do("headrace_has "+m.name, strings.ReplaceAll(m.use, "%s", word(version))),
		{say: l.key + ": " + version + " was asked for, and " + m.name + " is not on this machine. The version that it has is used."},
	}, func(c choice) { g.choice("language", c) })
}

// isFile and others are the tests of choices.
func isFile(name string) string    { return "[[ -f " + name + " ]]" }
func isProgram(name string) string { return "[[ -x " + name + " ]]" }

// anyFile tests for one of several files.
func anyFile(names ...string) string {
	return "[[ -f " + strings.Join(names, " || -f ") + " ]]"
}

// do is a choice of commands.
func do(test string, commands ...string) choice { return choice{test: test, commands: commands} }

// always is a default without a test.
func always(commands ...string) []choice { return []choice{do("", commands...)} }

// spaced joins the parts of a command that are not empty.
func spaced(parts ...string) string { return strings.Join(nonEmpty(parts), " ") }
