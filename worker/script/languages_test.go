package script

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// stubs returns a directory with programs that are bash texts.
func stubs(t *testing.T, programs map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range programs {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/bash\n"+text+"\n"), 0o700); err != nil { //nolint:gosec // a program
			t.Fatal(err)
		}
	}
	return dir
}

// recorded returns stubs which note how they were called, other than for their version.
func recorded(t *testing.T, names ...string) string {
	t.Helper()
	programs := map[string]string{}
	for _, name := range names {
		programs[name] = `[[ $0 != */xcpretty ]] || cat > /dev/null # behind a pipe: the second to be noted
case "$*" in *version* | -V) echo "` + name + ` 9.8.7" ;; *) echo "` + name + ` $*" >> "$HOME/called" ;; esac`
	}
	return stubs(t, programs)
}

func TestLanguages_defaults(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		config string
		files  string // that are there; with ! they are programs
		tools  string // that the machine has
		called string
		code   int
	}{
		"ruby without a Gemfile":     {config: `{"language":"ruby"}`, tools: "rake bundle", called: "rake "},
		"ruby":                       {config: `{"language":"ruby"}`, files: "Gemfile", tools: "rake bundle", called: "bundle install --jobs=3 --retry=3,bundle exec rake"},
		"ruby with a lock":           {config: `{"language":"ruby"}`, files: "Gemfile Gemfile.lock", tools: "bundle", called: "bundle install --jobs=3 --retry=3 --deployment,bundle exec rake"},
		"ruby, bundler_args":         {config: `{"language":"ruby","bundler_args":"--without x"}`, files: "Gemfile", tools: "bundle", called: "bundle install --without x,bundle exec rake"},
		"ruby, gemfile is missing":   {config: `{"language":"ruby","gemfile":"g/Other"}`, files: "Gemfile", tools: "bundle", code: ExitErrored},
		"unknown language":           {config: `{"language":"cobol"}`, tools: "rake", called: "rake "},
		"no language":                {config: `{}`, tools: "rake", called: "rake "},
		"python":                     {config: `{"language":"python","script":"pytest"}`, files: "requirements.txt", tools: "pip pytest", called: "pip install -r requirements.txt,pytest "},
		"python without a script":    {config: `{"language":"python"}`, tools: "pip", code: ExitFailed},
		"node_js":                    {config: `{"language":"node_js"}`, files: "package.json", tools: "node npm", called: "npm install,npm test"},
		"node_js with a lock":        {config: `{"language":"node_js","npm_args":"--x"}`, files: "package.json package-lock.json", tools: "node npm", called: "npm ci --x,npm test"},
		"node_js with yarn":          {config: `{"language":"node_js"}`, files: "package.json yarn.lock", tools: "node npm yarn", called: "yarn --frozen-lockfile,yarn test"},
		"node_js without a package":  {config: `{"language":"node_js"}`, tools: "node make", called: "make test"},
		"go":                         {config: `{"language":"go"}`, tools: "go", called: "go get -v -t ./...,go test -v ./..."},
		"go with a Makefile":         {config: `{"language":"go"}`, files: "Makefile", tools: "go make", called: "make "},
		"java, gradle wrapper":       {config: `{"language":"java"}`, files: "gradlew! pom.xml", called: "gradlew assemble,gradlew check"},
		"java, maven":                {config: `{"language":"java"}`, files: "pom.xml", tools: "mvn", called: "mvn install -DskipTests=true -Dmaven.javadoc.skip=true -B -V,mvn test -B"},
		"java, ant":                  {config: `{"language":"groovy"}`, tools: "ant", called: "ant test"},
		"scala":                      {config: `{"language":"scala","scala":"3.3.1","sbt_args":"-x"}`, files: "build.sbt", tools: "sbt", called: "sbt -x ++3.3.1 test"},
		"android":                    {config: `{"language":"android"}`, files: "build.gradle", tools: "gradle", called: "gradle build connectedCheck"},
		"clojure":                    {config: `{"language":"clojure","lein":"lein2"}`, tools: "lein2", called: "lein2 deps,lein2 test"},
		"php, own phpunit":           {config: `{"language":"php"}`, files: "vendor/bin/phpunit!", tools: "phpunit", called: "phpunit "},
		"rust":                       {config: `{"language":"rust"}`, tools: "cargo rustc", called: "cargo build --verbose,cargo test --verbose"},
		"rust, rustup":               {config: `{"language":"rust","rust":"nightly"}`, tools: "rustup cargo rustc", called: "rustup toolchain install nightly --profile minimal,cargo build --verbose,cargo test --verbose"},
		"c":                          {config: `{"language":"c","compiler":"clang"}`, files: "configure!", tools: "make clang", called: "configure ,make ,make test"},
		"cpp":                        {config: `{"language":"cpp"}`, files: "configure!", tools: "make g++", called: "configure ,make ,make test"},
		"elixir":                     {config: `{"language":"elixir"}`, tools: "mix", called: "mix local.rebar --force,mix local.hex --force,mix deps.get,mix test"},
		"erlang, rebar3":             {config: `{"language":"erlang"}`, files: "rebar.config", tools: "rebar3", called: "rebar3 eunit"},
		"haskell":                    {config: `{"language":"haskell"}`, tools: "cabal", called: "cabal install --only-dependencies --enable-tests,cabal configure --enable-tests,cabal build,cabal test"},
		"perl":                       {config: `{"language":"perl"}`, files: "Makefile.PL", tools: "perl cpanm make", called: "cpanm --quiet --installdeps --notest .,perl Makefile.PL,make test"},
		"dart":                       {config: `{"language":"dart","dart_task":{"test":"-p vm"}}`, files: "pubspec.yaml", tools: "pub", called: "pub get,pub run test -p vm"},
		"crystal":                    {config: `{"language":"crystal"}`, files: "shard.yml", tools: "shards crystal", called: "shards install,crystal spec"},
		"csharp":                     {config: `{"language":"csharp","solution":"a b.sln"}`, tools: "nuget msbuild", called: "nuget restore a b.sln,msbuild /p:Configuration=Release a b.sln"},
		"csharp without a solution":  {config: `{"language":"csharp"}`, code: ExitFailed},
		"d":                          {config: `{"language":"d","d":"ldc-1.30"}`, tools: "dub", called: "dub test --compiler=ldc2"},
		"julia":                      {config: `{"language":"julia"}`, files: "Project.toml", tools: "julia", called: "julia --project=. --color=yes --check-bounds=yes -e using Pkg; Pkg.build(); Pkg.test(coverage=true)"},
		"objective-c without scheme": {config: `{"language":"objective-c"}`, code: ExitFailed},
		"objective-c":                {config: `{"language":"swift","xcode_project":"A.xcodeproj","xcode_scheme":"A B"}`, files: "Podfile", tools: "pod xcodebuild xcpretty", called: "pod install,xcodebuild -project A.xcodeproj -scheme A B build test,xcpretty "},
		"haxe":                       {config: `{"language":"haxe","hxml":["a.hxml"]}`, tools: "haxelib haxe", called: "haxelib install a.hxml,haxe a.hxml"},
		"shell":                      {config: `{"language":"shell"}`},
		"minimal":                    {config: `{"language":"minimal"}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.path = recorded(t, strings.Fields(c.tools)...) + ":" + withoutTools(t)
			job := jobOf(c.config)
			job.Repository.SourceURL = ""
			dir := filepath.Join(m.home, "build/acme/app")
			for _, file := range strings.Fields(c.files) {
				name, program := strings.CutSuffix(file, "!")
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
					t.Fatal(err)
				}
				text, mode := "", os.FileMode(0o600)
				if program {
					text, mode = "#!/bin/bash\necho \"${0##*/} $*\" >> \"$HOME/called\"\n", 0o700
				}
				if err := os.WriteFile(path, []byte(text), mode); err != nil {
					t.Fatal(err)
				}
			}
			o := m.run(t, job)
			o.wantCode(t, c.code)
			called, err := os.ReadFile(filepath.Join(m.home, "called"))
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			got := strings.ReplaceAll(strings.TrimSuffix(string(called), "\n"), "\n", ",")
			if diff := cmp.Diff(c.called, got); diff != "" {
				t.Errorf("what was called (-want +got):\n%s\n%s", diff, o.log)
			}
		})
	}
}

// withoutTools returns a PATH with bash, coreutils and git only.
func withoutTools(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"bash", "cat", "date", "git", "grep", "ln", "mkdir", "mktemp", "mv", "rm", "sleep", "sort", "tee", "touch", "uname", "wc", "yes"} {
		for _, from := range []string{"/bin/", "/usr/bin/"} {
			if _, err := os.Stat(from + name); err == nil {
				if err := os.Symlink(from+name, filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
				break
			}
		}
	}
	return dir
}

func TestLanguages_environment(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ config, script, want string }{
		"versions":      {`"language":"python","python":"3.10"`, `echo "v=$TRAVIS_PYTHON_VERSION"`, "\nv=3.10\n"},
		"no manager":    {`"language":"perl","perl":"5.36"`, `true`, "perl: 5.36 was asked for, and perlbrew is not on this machine."},
		"never managed": {`"language":"crystal","crystal":"1.9"`, `true`, "crystal: 1.9 was asked for. Headrace uses the version that this machine has."},
		"not here":      {`"language":"crystal"`, `true`, "crystal is not on this machine."},
		"cpp":           {`"language":"cpp","compiler":"clang-14"`, `echo "$CXX $CC $TRAVIS_COMPILER"`, "\nclang++-14 clang-14 clang-14\n"},
		"c":             {`"language":"c"`, `echo "$CC"`, "\ngcc\n"},
		"d":             {`"language":"d","d":"gdc"`, `echo "$DC $DMD"`, "\ngdc gdmd\n"},
		"gopath": {
			`"language":"go","go_import_path":"mill.example/x"`, `touch here; echo "${PWD#$HOME/} ${TRAVIS_BUILD_DIR#$HOME/} $GO111MODULE"; test -e ~/build/acme/app/here && echo linked`,
			"\ngopath/src/mill.example/x gopath/src/mill.example/x auto\nlinked\n",
		},
		"gopath that climbs out": {`"language":"go","go_import_path":"../../x"`, `echo "${PWD#$HOME/}"`, "\nbuild/acme/app\n"},
		"unknown":                {`"language":"cobol"`, `true`, "language: Headrace knows no cobol."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := newMachine(t)
			m.path = withoutTools(t)
			job := jobOf(`{` + c.config + `,"install":"true","script":` + string(mustJSON(t, c.script)) + `}`)
			job.Repository.SourceURL = ""
			o := m.run(t, job)
			o.wantCode(t, ExitPassed)
			o.wantText(t, c.want)
		})
	}
}
