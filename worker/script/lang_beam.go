package script

// elixir stands on an Erlang/OTP release.
func elixir(c config) language {
	return language{
		key: "elixir", variable: "TRAVIS_ELIXIR_VERSION",
		setup:    otpRelease(c),
		announce: []string{"elixir --version"},
		install:  always("mix local.rebar --force", "mix local.hex --force", "mix deps.get"),
		script:   always("mix test"),
	}
}

func erlang(config) language {
	return language{
		key: "otp_release", variable: "TRAVIS_OTP_RELEASE",
		announce: []string{"rebar3 --version"},
		install: []choice{
			do("[[ -f rebar.config && -f rebar ]]", "./rebar get-deps"),
			do("[[ -f rebar.config ]] && ! headrace_has rebar3", "rebar get-deps"),
		},
		script: []choice{
			do("[[ -f rebar.config && -f rebar ]]", "./rebar compile && ./rebar skip_deps=true eunit"),
			do("[[ -f rebar.config ]] && headrace_has rebar3", "rebar3 eunit"),
			do(isFile("rebar.config"), "rebar compile && rebar skip_deps=true eunit"),
			do("", "make test"),
		},
	}
}

// otpRelease exports the release that was asked for.
func otpRelease(c config) []string {
	if release := c.text("otp_release"); release != "" {
		return []string{"export TRAVIS_OTP_RELEASE=" + word(release)}
	}
	return nil
}
