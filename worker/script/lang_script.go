package script

// python wants the script in .travis.yml: there are too many ways to test.
func python(config) language {
	return language{
		key: "python", variable: "TRAVIS_PYTHON_VERSION",
		manager: manager{
			name: "pyenv",
			use:  `pyenv install --skip-existing %s && export PYENV_VERSION="$(pyenv latest %s)" && eval "$(pyenv init -)"`,
		},
		announce: []string{"python --version", "python3 --version", "pip --version"},
		install: []choice{
			do(isFile("Requirements.txt"), "pip install -r Requirements.txt"),
			do(isFile("requirements.txt"), "pip install -r requirements.txt"),
			{say: "There is no requirements.txt. Say in the key install what is to be installed, or install: skip."},
		},
		script: []choice{{fail: "A python job needs the key script: .travis.yml does not say how this project is tested."}},
	}
}

// nodeJS uses yarn where its lock file is, else npm.
func nodeJS(c config) language {
	l := language{
		key: "node_js", variable: "TRAVIS_NODE_VERSION",
		manager: manager{
			name: "nvm",
			load: []string{`"${NVM_DIR:-$HOME/.nvm}/nvm.sh"`, "/usr/local/nvm/nvm.sh"},
			use:  "nvm install %s",
		},
		setup:    []string{`export PATH=./node_modules/.bin:$PATH`},
		announce: []string{"node --version", "npm --version"},
		script: []choice{
			do(`[[ -f package.json && -f yarn.lock ]] && headrace_at_least node 4`, "yarn test"),
			do(isFile("package.json"), "npm test"),
			do("", "make test"),
		},
	}
	args := c.text("npm_args")
	l.install = []choice{
		do(`[[ -f package.json && -f yarn.lock ]] && headrace_at_least node 4 && headrace_at_least yarn 0.19`, "yarn --frozen-lockfile"),
		do(`[[ -f package.json && -f yarn.lock ]] && headrace_at_least node 4`, "yarn"),
		do(`[[ -f package.json && ( -f package-lock.json || -f npm-shrinkwrap.json ) ]] && headrace_at_least npm 5.8`, spaced("npm ci", args)),
		do(isFile("package.json"), spaced("npm install", args)),
	}
	return l
}

// php runs the phpunit that the project brings, else the machine's.
func php(config) language {
	return language{
		key: "php", variable: "TRAVIS_PHP_VERSION",
		manager:  manager{name: "phpenv", use: "export PHPENV_VERSION=%s && phpenv version"},
		announce: []string{"php --version", "composer --version"},
		script: []choice{
			do(`[[ -n ${COMPOSER_BIN_DIR:-} && -x $COMPOSER_BIN_DIR/phpunit ]]`, `"$COMPOSER_BIN_DIR/phpunit"`),
			do(`headrace_has composer && [[ -f composer.json && -x $(composer config bin-dir 2>/dev/null)/phpunit ]]`, `"$(composer config bin-dir)/phpunit"`),
			do(isProgram("vendor/bin/phpunit"), "vendor/bin/phpunit"),
			do("", "phpunit"),
		},
	}
}

// perl builds by whichever of the two usual files is there.
func perl(config) language {
	return language{
		key: "perl", variable: "TRAVIS_PERL_VERSION",
		manager:  manager{name: "perlbrew", use: "perlbrew use %s"},
		announce: []string{"perl --version", "cpanm --version"},
		install:  always("cpanm --quiet --installdeps --notest ."),
		script: []choice{
			do(isFile("Build.PL"), "perl Build.PL && ./Build && ./Build test"),
			do(isFile("Makefile.PL"), "perl Makefile.PL && make test"),
			do("", "make test"),
		},
	}
}

func perl6(config) language {
	return language{
		key: "perl6", variable: "TRAVIS_PERL6_VERSION",
		announce: []string{"perl6 --version"},
		script:   always("prove -v -r --exec=perl6 t/"),
	}
}

func elm(config) language {
	return language{
		key: "elm", variable: "TRAVIS_ELM_VERSION",
		announce: []string{"elm --version"},
		script:   always("elm-format --validate . && elm-test"),
	}
}

func haxe(c config) language {
	l := language{key: "haxe", variable: "TRAVIS_HAXE_VERSION", announce: []string{"haxe -version"}}
	var install, script []string
	for _, file := range c.list("hxml") {
		install = append(install, "yes | haxelib install "+word(file))
		script = append(script, "haxe "+word(file))
	}
	if len(script) == 0 {
		l.script = []choice{{fail: "A haxe job needs the key hxml or the key script."}}
		return l
	}
	l.install, l.script = always(install...), always(script...)
	return l
}

func smalltalk(c config) language {
	return language{
		key: "smalltalk", variable: "TRAVIS_SMALLTALK_VERSION",
		script: always(spaced("smalltalkci", words(c.list("smalltalk_config")))),
	}
}
