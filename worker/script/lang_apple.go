package script

// objectiveC installs the gems and the pods, and builds the Xcode scheme.
func objectiveC(c config) language {
	l := ruby(c)
	podfile := c.or("podfile", "Podfile")
	l.install = append(l.install[:len(l.install):len(l.install)], do(isFile(word(podfile)), "pod install"))
	for i := range l.install[:len(l.install)-1] {
		l.install[i].commands = append(l.install[i].commands, "if [[ -f "+word(podfile)+" ]]; then bundle exec pod install; fi")
	}
	l.announce = append([]string{"xcodebuild -version"}, l.announce...)
	l.setup = append(l.setup, xcodeVariables(c)...)
	const motion = `[[ -f Rakefile ]] && grep -q 'motion' Rakefile`
	l.script = []choice{
		do(motion+` && [[ -n ${BUNDLE_GEMFILE:-} ]]`, "bundle exec rake spec"),
		do(motion, "rake spec"),
	}
	project, workspace, scheme := c.text("xcode_project"), c.text("xcode_workspace"), c.text("xcode_scheme")
	if scheme == "" || project == "" && workspace == "" {
		l.script = append(l.script, choice{fail: "An objective-c job needs the key script, or xcode_scheme with xcode_project or xcode_workspace."})
		return l
	}
	build := spaced("set -o pipefail && xcodebuild", option("-workspace", workspace), option("-project", unless(workspace, project)),
		option("-scheme", scheme), option("-sdk", c.text("xcode_sdk")), option("-destination", c.text("xcode_destination")),
		"build test | xcpretty")
	l.script = append(l.script, do("", build))
	return l
}

// xcodeVariables exports the keys of Xcode that are given.
func xcodeVariables(c config) []string {
	var lines []string
	for _, v := range []struct{ key, name string }{
		{"xcode_project", "TRAVIS_XCODE_PROJECT"}, {"xcode_workspace", "TRAVIS_XCODE_WORKSPACE"},
		{"xcode_scheme", "TRAVIS_XCODE_SCHEME"}, {"xcode_sdk", "TRAVIS_XCODE_SDK"},
	} {
		if value := c.text(v.key); value != "" {
			lines = append(lines, "export "+v.name+"="+word(value))
		}
	}
	return lines
}

// csharp builds the solution, with mono's msbuild or the dotnet command.
func csharp(c config) language {
	solution := c.text("solution")
	l := language{
		key: "mono", variable: "TRAVIS_MONO_VERSION",
		announce: []string{"mono --version", "dotnet --version"},
		script:   []choice{{fail: "A csharp job needs the key solution or the key script."}},
	}
	if solution == "" {
		return l
	}
	l.setup = []string{"export TRAVIS_SOLUTION=" + word(solution)}
	if c.text("mono") != "none" {
		l.install = always("nuget restore " + word(solution))
	}
	l.script = []choice{
		do("! headrace_has msbuild && headrace_has xbuild", "xbuild /p:Configuration=Release "+word(solution)),
		do("", "msbuild /p:Configuration=Release "+word(solution)),
	}
	return l
}

// option returns a flag with its value, or nothing without one.
func option(flag, value string) string {
	if value == "" {
		return ""
	}
	return flag + " " + word(value)
}

// unless returns text, or nothing if the other is given.
func unless(other, text string) string {
	if other != "" {
		return ""
	}
	return text
}
