package script

import "strings"

const configureMake = "./configure && make && make test"

// cLang exports the compiler as CC.
func cLang(cfg config) language {
	compiler := cfg.or("compiler", "gcc")
	return language{
		setup:    []string{"export CC=" + word(compiler) + " TRAVIS_COMPILER=" + word(compiler)},
		announce: []string{word(compiler) + " --version"},
		script:   always(configureMake),
	}
}

// cpp exports the C++ compiler as CXX and the C compiler of its family as CC.
func cpp(cfg config) language {
	compiler := cfg.or("compiler", "g++")
	cxx, cc := compilerPair(compiler)
	return language{
		setup:    []string{"export CXX=" + word(cxx) + " CC=" + word(cc) + " TRAVIS_COMPILER=" + word(compiler)},
		announce: []string{word(cxx) + " --version"},
		script:   always(configureMake),
	}
}

// compilerPair returns the C++ and the C compiler of the family of either: clang-14 gives clang++-14 and clang-14.
func compilerPair(compiler string) (cxx, cc string) {
	for _, f := range []struct{ cxx, cc string }{{"clang++", "clang"}, {"g++", "gcc"}} {
		for _, name := range []string{f.cxx, f.cc} {
			if version, ok := strings.CutPrefix(compiler, name); ok {
				return f.cxx + version, f.cc + version
			}
		}
	}
	return compiler, compiler
}

func rust(config) language {
	return language{
		key: "rust", variable: "TRAVIS_RUST_VERSION",
		manager: manager{
			name: "rustup",
			load: []string{`"$HOME/.cargo/env"`},
			use:  "rustup toolchain install %s --profile minimal && export RUSTUP_TOOLCHAIN=%s",
		},
		announce: []string{"rustc --version", "cargo --version"},
		script:   always("cargo build --verbose", "cargo test --verbose"),
	}
}

func crystal(config) language {
	return language{
		key: "crystal", variable: "TRAVIS_CRYSTAL_VERSION",
		announce: []string{"crystal --version"},
		install:  []choice{do(isFile("shard.yml"), "shards install")},
		script:   always("crystal spec"),
	}
}

// dLang exports the compiler of the wanted family as DC, and the one that takes dmd's flags as DMD.
func dLang(cfg config) language {
	dc, dmd := "dmd", "dmd"
	switch version := cfg.or("d", "dmd"); {
	case strings.HasPrefix(version, "ldc"):
		dc, dmd = "ldc2", "ldmd2"
	case strings.HasPrefix(version, "gdc"):
		dc, dmd = "gdc", "gdmd"
	}
	return language{
		key: "d", variable: "TRAVIS_D_VERSION",
		setup:    []string{"export DC=" + dc + " DMD=" + dmd},
		announce: []string{dc + " --version", "dub --version"},
		script:   always("dub test --compiler=$DC"),
	}
}

func nix(config) language {
	return language{
		key: "nix", variable: "TRAVIS_NIX_VERSION",
		announce: []string{"nix-env --version"},
		script:   always("nix-build"),
	}
}

func haskell(config) language {
	return language{
		key: "ghc", variable: "TRAVIS_HASKELL_VERSION",
		announce: []string{"ghc --version", "cabal --version"},
		install:  always("cabal install --only-dependencies --enable-tests"),
		script:   always("cabal configure --enable-tests && cabal build && cabal test"),
	}
}
