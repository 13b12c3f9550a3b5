package travisyml

import (
	"errors"
	"strings"
	"time"

	"github.com/dlclark/regexp2"
)

const (
	// regexTime is how long one match may take.
	regexTime = 100 * time.Millisecond
	// slowRegexes is how many matches of one expansion may run out of time
	// before no more are tried.
	slowRegexes = 5
)

var errSlowRegex = errors.New("regular expressions took too long")

// regexCache compiles Ruby regular expressions once and bounds their time.
type regexCache struct {
	compiled map[string]*regexp2.Regexp
	slow     int
}

func newRegexCache() *regexCache { return &regexCache{compiled: map[string]*regexp2.Regexp{}} }

// match searches the pattern anywhere in the text.
func (c *regexCache) match(pattern, text string) (bool, error) {
	re, ok := c.compiled[pattern]
	if !ok {
		var err error
		if re, err = regexp2.Compile(rubyRegex(pattern), regexp2.Multiline); err != nil {
			return false, err
		}
		re.MatchTimeout = regexTime
		c.compiled[pattern] = re
	}
	if c.slow >= slowRegexes {
		return false, errSlowRegex
	}
	matched, err := re.MatchString(text)
	if err != nil {
		c.slow++
	}
	return matched, err
}

// rubyRegex translates what Ruby writes differently.
func rubyRegex(pattern string) string {
	return strings.NewReplacer(
		`\\`, `\\`, `\/`, `/`, `\h`, `[0-9a-fA-F]`,
		`[:alnum:]`, `a-zA-Z0-9`, `[:alpha:]`, `a-zA-Z`, `[:digit:]`, `0-9`, `[:lower:]`, `a-z`, `[:upper:]`, `A-Z`,
		`[:space:]`, `\s`, `[:word:]`, `\w`, `[:xdigit:]`, `0-9a-fA-F`, `[:punct:]`, `!-/:-@\[-`+"`"+`{-~`,
	).Replace(pattern)
}
