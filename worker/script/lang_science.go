package script

import (
	"strconv"
	"strings"
)

const cran = `repos = "https://cloud.r-project.org"`

// rLang installs what DESCRIPTION and .travis.yml name, and checks the package as CRAN does.
func rLang(c config) language {
	install := []string{
		`Rscript -e 'install.packages("remotes", ` + cran + `)'`,
		`Rscript -e 'options(` + cran + `); remotes::install_deps(dependencies = TRUE)'`,
	}
	for _, source := range []struct{ key, call string }{
		{"r_packages", "remotes::install_cran"}, {"r_binary_packages", "remotes::install_cran"},
		{"bioc_packages", "remotes::install_bioc"}, {"r_github_packages", "remotes::install_github"},
	} {
		if packages := c.list(source.key); len(packages) > 0 {
			code := "options(" + cran + "); " + source.call + "(c(" + rStrings(packages) + "))"
			install = append(install, "Rscript -e "+quote(code))
		}
	}
	script := []string{
		spaced("R CMD build", c.text("r_build_args"), "."),
		spaced("R CMD check *.tar.gz", c.or("r_check_args", "--as-cran")),
	}
	if strict, ok := c.flag("warnings_are_errors"); strict || !ok {
		script = append(script, "! grep -R '^Status:.*WARNING' *.Rcheck/00check.log")
	}
	return language{
		key: "r", variable: "TRAVIS_R_VERSION",
		announce: []string{"R --version"},
		install: []choice{
			do(isFile("DESCRIPTION"), install...),
			{say: "There is no DESCRIPTION: this is not an R package, and nothing is installed."},
		},
		script: always(script...),
	}
}

// rStrings returns texts as R strings with commas between.
func rStrings(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = strconv.Quote(t)
	}
	return strings.Join(quoted, ", ")
}

func julia(config) language {
	return language{
		key: "julia", variable: "TRAVIS_JULIA_VERSION",
		announce: []string{"julia --version"},
		script: []choice{
			do(anyFile("Project.toml", "JuliaProject.toml"), `julia --project=. --color=yes --check-bounds=yes -e 'using Pkg; Pkg.build(); Pkg.test(coverage=true)'`),
			{fail: "A julia job needs a Project.toml, or the key script."},
		},
	}
}

func matlab(config) language {
	return language{
		key: "matlab", variable: "TRAVIS_MATLAB_VERSION",
		script: always(`matlab -batch "assertSuccess(runtests('IncludeSubfolders', true))"`),
	}
}

// dart runs the tests, or the tasks that dart_task names.
func dart(c config) language {
	l := language{
		key: "dart", variable: "TRAVIS_DART_VERSION",
		announce: []string{"dart --version"},
		install:  []choice{do(isFile("pubspec.yaml"), "pub get")},
	}
	var tasks []string
	for _, task := range c.list("dart_task") {
		tasks = append(tasks, dartTask(task, ""))
	}
	if len(tasks) == 0 {
		task := c.object("dart_task")
		for _, name := range task.names() {
			tasks = append(tasks, dartTask(name, task.text(name)))
		}
	}
	if len(tasks) == 0 {
		tasks = []string{dartTask("test", "")}
	}
	l.script = always(tasks...)
	return l
}

// dartTask returns the command of a task with its arguments.
func dartTask(name, args string) string {
	if args == "true" {
		args = ""
	}
	switch name {
	case "test":
		return spaced("pub run test", args)
	case "dartanalyzer":
		if args == "" {
			args = "."
		}
		return "dartanalyzer " + args
	case "dartfmt":
		return `test -z "$(dartfmt --dry-run . | tee /dev/stderr)"`
	}
	return spaced("pub run", word(name), args)
}
