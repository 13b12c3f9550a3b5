package script

// ruby uses the Gemfile, or the one named by the key gemfile. BUNDLE_GEMFILE says which.
func ruby(c config) language {
	gemfile := c.or("gemfile", "Gemfile")
	missing := ":"
	if c.text("gemfile") != "" {
		missing = "headrace_stop " + quote("gemfile: "+gemfile+" is not in the repository. The job stops here: errored.")
	}
	return language{
		key: "rvm", variable: "TRAVIS_RUBY_VERSION",
		manager: manager{
			name: "rvm",
			load: []string{`"$HOME/.rvm/scripts/rvm"`, "/usr/local/rvm/scripts/rvm"},
			use:  "rvm use %s --install --binary --fuzzy",
		},
		setup:    []string{"if [[ -f " + word(gemfile) + " ]]; then export BUNDLE_GEMFILE=$PWD/" + word(gemfile) + "; else " + missing + "; fi"},
		announce: []string{"ruby --version", "gem --version", "bundle --version"},
		install:  bundleInstall(c),
		script: []choice{
			do("[[ -n ${BUNDLE_GEMFILE:-} ]]", "bundle exec rake"),
			do("", "rake"),
		},
	}
}

// bundleInstall installs the gems, deployed as locked where there is a lock.
func bundleInstall(c config) []choice {
	path := ""
	if keep, _ := c.object("cache").flag("bundler"); keep {
		path = "--path=${BUNDLE_PATH:-vendor/bundle}"
	}
	plain := spaced("bundle install", c.or("bundler_args", spaced("--jobs=3 --retry=3", path)))
	locked := spaced("bundle install", c.or("bundler_args", spaced("--jobs=3 --retry=3 --deployment", path)))
	return []choice{
		do(`[[ -n ${BUNDLE_GEMFILE:-} && -f $BUNDLE_GEMFILE.lock ]]`, locked),
		do(`[[ -n ${BUNDLE_GEMFILE:-} ]]`, plain),
	}
}
