package script

import "fmt"

// phases writes the job's phases in their order.
func (g *generator) phases(lang language) {
	g.custom("before_install")
	g.orDefault("install", lang.install)
	g.custom("before_script")
	g.orDefault("script", lang.script)
	g.custom("before_cache")
	g.cacheStore()
	g.eitherCustom("after_success", "after_failure")
	g.deploys()
	g.custom("after_script")
}

// custom writes a phase that has no default.
func (g *generator) custom(phase string) {
	if commands, given := g.config.commands(phase); given && !skipped(commands) {
		g.phase(phase)
		g.commands(phase, commands)
	}
}

// eitherCustom writes the two phases of which one runs, by the result of the script.
func (g *generator) eitherCustom(passed, failed string) {
	for _, p := range []struct{ phase, test string }{{passed, "[[ $headrace_result == 0 ]]"}, {failed, "[[ $headrace_result != 0 ]]"}} {
		commands, given := g.config.commands(p.phase)
		if !given || skipped(commands) || len(commands) == 0 {
			continue
		}
		g.section(p.phase)
		g.choose([]choice{{test: p.test}}, func(choice) {
			g.linef("headrace_phase=%s", p.phase)
			g.commands(p.phase, commands)
		})
	}
}

// orDefault writes a phase that the language has a default for.
func (g *generator) orDefault(phase string, choices []choice) {
	commands, given := g.config.commands(phase)
	switch {
	case given && skipped(commands):
		g.section(phase)
		g.say("%s: %s, so nothing runs in this phase.", phase, commands[0])
	case given:
		g.phase(phase)
		g.commands(phase, commands)
	case len(choices) > 0:
		g.phase(phase)
		g.choose(choices, func(c choice) { g.choice(phase, c) })
	}
	if phase == "script" {
		g.linef("TRAVIS_TEST_RESULT=$headrace_result")
	}
}

// choice writes one default of a phase. Defaults of install are tried three times: they mostly download.
func (g *generator) choice(phase string, c choice) {
	if c.say != "" {
		g.say("%s", c.say)
	}
	if c.fail != "" {
		g.linef("headrace_fail %s", quote(c.fail))
	}
	for i, command := range c.commands {
		g.run(step{fold: foldName(phase, i), command: command, retry: phase == "install"})
	}
	if c.say == "" && c.fail == "" && len(c.commands) == 0 {
		g.linef(":")
	}
}

func (g *generator) commands(phase string, commands []string) {
	for i, command := range commands {
		g.run(step{fold: foldName(phase, i), command: command})
	}
}

// foldName numbers the commands of a phase from 1. Those of the script are not folded: they are what people look for.
func foldName(phase string, i int) string {
	if phase == "script" {
		return ""
	}
	return fmt.Sprintf("%s.%d", phase, i+1)
}

// skipped reports whether the phase is one of the two words that mean: do nothing, not even the default.
func skipped(commands []string) bool {
	return len(commands) == 1 && (commands[0] == "skip" || commands[0] == "ignore")
}
