package script

import (
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// cacheText are the functions for the cache; only scripts of jobs that have one have them.
//
//go:embed cache.sh
var cacheText string

// defaultCacheTimeout is how many seconds fetching may take, and storing.
const defaultCacheTimeout = 180

// caching is what a config says about its cache.
type caching struct {
	asked  bool     // by the key cache; else the language has one by itself
	setup  []string // bash lines before anything is fetched
	paths  []string // bash lines that add what is kept
	unkept []string // what was asked for and is not kept
}

// cachingOf reads the key cache. A job without any cache gets nil.
func cachingOf(c config) *caching {
	if on, isFlag := c.flag("cache"); isFlag && !on {
		return nil
	}
	asks := c.object("cache")
	k := &caching{}
	for _, name := range asks.names() {
		if on, isFlag := asks.flag(name); isFlag && on {
			k.tool(name)
		}
	}
	for _, dir := range asks.list("directories") {
		k.asked = true
		k.paths = append(k.paths, "headrace_cache_add -- "+cachePath(dir))
	}
	language := strings.ToLower(c.text("language"))
	if _, said := asks.flag("npm"); !said && (language == "node_js" || language == "javascript") {
		k.paths = append(k.paths, "headrace_cache_npm ''")
	}
	if len(k.paths)+len(k.unkept) == 0 {
		return nil
	}
	return k
}

// cachePath returns a path as one bash word, in which variables mean what they mean; patterns stay patterns.
func cachePath(path string) string {
	if strings.ContainsAny(path, `*?["'\`) {
		return envWord(path)
	}
	quoted := doubleQuote(path)
	if s := (scanner{text: quoted}); s.word() == oneWord {
		return quoted
	}
	return quote(path)
}

// tool adds what a package manager keeps. Source: travis-yml-rules 2.7.
func (k *caching) tool(name string) {
	paths := map[string][]string{
		"bundler": {`headrace_cache_add "${BUNDLE_PATH:-vendor/bundle}"`}, "cargo": {`headrace_cache_add "${CARGO_HOME:-$HOME/.cargo}" target`},
		"ccache": {`headrace_cache_add "$CCACHE_DIR"`}, "cocoapods": {"headrace_cache_add Pods"}, "npm": {"headrace_cache_npm asked"},
		"packages": {`headrace_cache_add "$R_LIBS_USER"`}, "pip": {`headrace_cache_add "${PIP_CACHE_DIR:-$HOME/.cache/pip}"`},
		"yarn": {`headrace_cache_add "${YARN_CACHE_FOLDER:-$HOME/.cache/yarn}"`},
	}[name]
	switch {
	case name == "edge":
		return
	case paths == nil:
		k.unkept = append(k.unkept, name)
	case name == "ccache":
		k.setup = append(k.setup, `export CCACHE_DIR=${CCACHE_DIR:-$HOME/.ccache}`, `[[ ! -d /usr/lib/ccache ]] || export PATH=/usr/lib/ccache:$PATH`)
	case name == "packages":
		k.setup = append(k.setup, `export R_LIBS_USER=${R_LIBS_USER:-$HOME/R/Library}`, `mkdir -p -- "$R_LIBS_USER"`)
	}
	k.asked = true
	k.paths = append(k.paths, paths...)
}

// CacheKey returns what the cache of a job is called within its branch: jobs of one name can use what the others keep. wanted
// is false where the config keeps nothing.
func CacheKey(raw json.RawMessage) (name string, wanted bool) {
	c, err := readConfig(raw)
	if err != nil {
		return "", false
	}
	if k := cachingOf(c); k == nil || len(k.paths) == 0 {
		return "", false
	}
	parts := []string{"cache", c.or("os", "linux")}
	for _, key := range []string{"arch", "dist", "osx_image"} {
		if v := c.text(key); v != "" {
			parts = append(parts, v)
		}
	}
	vars, err := c.env()
	if err != nil {
		return "", false
	}
	var plain []string
	for _, v := range vars {
		if !v.secure {
			plain = append(plain, v.name+"="+v.value)
		}
	}
	slices.Sort(plain)
	sum := sha256.Sum256([]byte(strings.Join(plain, "\n")))
	name = strings.Join(append(parts, hex.EncodeToString(sum[:])), "-")
	keys := []string{languageOf(c).key, "gemfile", "compiler", "jdk", "otp_release"}
	for i, key := range keys {
		if v := c.text(key); key != "" && v != "" && !slices.Contains(keys[:i], key) {
			name += "--" + key + "-" + v
		}
	}
	return cacheName(name), true
}

// cacheName makes a name that can stand in paths and addresses, and stays another than any other name.
func cacheName(name string) string {
	const most = 160
	safe := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("._-", r) {
			return r
		}
		return '_'
	}, name)
	if safe == name && len(name) <= most {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return safe[:min(len(safe), most)] + "-" + hex.EncodeToString(sum[:8])
}

// cacheFetch writes what brings the cache of the jobs before this one.
func (g *generator) cacheFetch() {
	k := g.caching
	if k == nil {
		return
	}
	links := g.job.Caches
	if links == nil && !k.asked {
		return
	}
	g.section("cache")
	for _, name := range k.unkept {
		g.say("cache.%s: Headrace does not keep that.", name)
	}
	for _, line := range k.setup {
		g.linef("%s", line)
	}
	if links == nil || len(k.paths) == 0 {
		if links == nil && len(k.paths) > 0 {
			g.say("cache: the platform gives this job no place for a cache. It runs without one.")
		}
		return
	}
	timeout, err := strconv.Atoi(g.config.object("cache").text("timeout"))
	if err != nil || timeout <= 0 {
		timeout = defaultCacheTimeout
	}
	g.linef("headrace_cache_paths() {")
	for _, line := range k.paths {
		g.linef("  %s", line)
	}
	g.linef("}")
	g.linef("headrace_cache_timeout=%d headrace_cache_most=%d headrace_cache_branches=%s", timeout, links.MaxBytes, quote(g.cacheBranches()))
	g.linef("headrace_cache_from=%s headrace_cache_from_pin=%s", quote(links.Fetch.URL), quote(links.Fetch.Pin))
	g.linef("headrace_cache_to=%s headrace_cache_to_pin=%s", quote(links.Store.URL), quote(links.Store.Pin))
	g.linef("travis_fold start cache.1")
	g.linef("printf 'Fetching the cache\\n'")
	g.linef("headrace_cache_run headrace_cache_fetch 'fetch the cache'")
	g.linef("travis_fold end cache.1")
}

// cacheBranches are, for people, those whose caches are looked for.
func (g *generator) cacheBranches() string {
	names := []string{g.job.Job.Branch}
	if pull := pullRequest(g.job.Job.PullRequest); pull != "false" {
		names = append([]string{"pull request " + pull}, names...)
	}
	if d := g.job.Repository.DefaultBranch; d != "" && d != g.job.Job.Branch {
		names = append(names, d)
	}
	if len(names) == 1 {
		return names[0]
	}
	return fmt.Sprintf("%s or %s", strings.Join(names[:len(names)-1], ", "), names[len(names)-1])
}

// cacheStore writes what keeps the cache for the jobs after this one.
func (g *generator) cacheStore() {
	if k := g.caching; k == nil || len(k.paths) == 0 || g.job.Caches == nil {
		return
	}
	g.section("store the cache")
	g.linef("travis_fold start cache.2")
	if g.job.Caches.Store.URL == "" {
		g.linef("printf 'The cache stays as it is: the code of this job is from a fork.\\n'")
	} else {
		g.linef("printf 'Storing the cache\\n'")
		g.linef("headrace_cache_run headrace_cache_store 'store the cache'")
	}
	g.linef("travis_fold end cache.2")
}
