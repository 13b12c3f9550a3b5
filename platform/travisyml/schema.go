package travisyml

import (
	_ "embed"
	"slices"
	"sync"
)

// shape is what a schema expects of a value.
type shape uint8

const (
	textShape shape = iota
	numberShape
	boolShape
	freeShape
	secureShape
	enumShape
	mapShape
	listShape
	anyShape
	envShape
	envRowsShape
	cacheShape
	deploysShape
)

// schema says what a value may be and how it is brought into its normal form.
type schema struct {
	shape  shape
	item   *schema   // of a list
	alts   []*schema // of a choice
	enum   *enumSchema
	mapped *mapSchema
	plain  bool // a secure value may be plain text without an alert
}

// enumSchema is a set of values with their other names.
type enumSchema struct {
	values   []string
	aliases  map[string]string
	downcase bool
}

// mapSchema is a map with known keys.
type mapSchema struct {
	name       string
	fields     []field
	index      map[string]int
	aliases    map[string]string
	prefix     string
	prefixText bool // the prefix is only for strings
	enable     bool
	free       bool // unknown keys are fine
	required   []string
	words      []string // keys and aliases, for the search of misspellings
}

// field is one known key of a map.
type field struct {
	name       string
	schema     *schema
	on         string   // "language", "os" or "": what supports the key
	values     []string // the values of on that support it
	def        string
	deprecated bool
	edge       bool
	expand     bool
	listed     bool // a matrix key which is a list in a job too
}

func (m *mapSchema) field(key string) *field {
	if i, ok := m.index[key]; ok {
		return &m.fields[i]
	}
	return nil
}

func (m *mapSchema) known(key string) bool {
	_, ok := m.index[key]
	return ok
}

// schemas is the whole schema by the names of its maps.
type schemas struct {
	maps  map[string]*mapSchema
	enums map[string]*enumSchema
	words map[string]bool // every key of every map
}

//go:embed schema.txt
var schemaText string

// theSchema is read once; it never changes.
var theSchema = sync.OnceValue(func() *schemas { return mustReadSchema(schemaText) })

// expansionKeys are the matrix keys, slowest first. env is the fastest.
func expansionKeys() []string {
	return []string{
		"os", "arch", "compiler", "osx_image", "jdk", "crystal", "dotnet", "mono", "solution", "d", "dart",
		"dart_task", "elixir", "otp_release", "elm", "node_js", "go", "hhvm", "php", "ghc", "haxe", "julia",
		"matlab", "nix", "perl", "perl6", "python", "r", "rvm", "gemfile", "xcode_scheme", "xcode_sdk", "rust",
		"scala", "smalltalk", "smalltalk_config", "smalltalk_vm", "env",
	}
}

// supported says whether a key means something for a job with this language,
// these operating systems and this value.
func supported(key, value, language string, systems []string) bool {
	switch key {
	case "os":
		return language != "objective-c" || value != "linux"
	case "dist":
		windows := value == "server-2016"
		return slices.ContainsFunc(systems, func(os string) bool {
			return windows && os == "windows" || !windows && (os == "linux" || os == "linux-ppc64le")
		})
	}
	f := theSchema().maps["root"].field(key)
	if f == nil || f.on == "" {
		return true
	}
	if f.on == "language" {
		return slices.Contains(f.values, language)
	}
	return slices.ContainsFunc(systems, func(os string) bool { return slices.Contains(f.values, os) })
}
