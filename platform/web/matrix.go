package web

import (
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/headrace/headrace/platform/ci"
)

// axisNames are the keys of a job that tell jobs of one stage apart, with the word for each.
var axisNames = []struct{ key, name string }{
	{"os", ""}, {"arch", ""}, {"dist", ""}, {"osx_image", "Xcode"}, {"compiler", ""}, {"go", "Go"}, {"python", "Python"}, {"node_js", "Node"}, {"rvm", "Ruby"},
	{"ruby", "Ruby"}, {"php", "PHP"}, {"jdk", "JDK"}, {"scala", "Scala"}, {"rust", "Rust"}, {"elixir", "Elixir"}, {"otp_release", "OTP"}, {"perl", "Perl"},
	{"ghc", "GHC"}, {"julia", "Julia"}, {"r", "R"}, {"d", ""}, {"dart", "Dart"}, {"crystal", "Crystal"}, {"haxe", "Haxe"}, {"mono", "Mono"}, {"dotnet", ".NET"},
	{"gemfile", ""}, {"xcode_scheme", ""}, {"smalltalk", ""}, {"lein", ""}, {"env", ""},
}

// axis is a key in which jobs of a stage differ.
type axis struct {
	key    string
	values []string // in the order of the jobs
}

// traits are the values of a job by key, in words.
type traits map[string]string

// traitsOf reads what jobs differ in. What all of them have is left out.
func traitsOf(jobs []ci.Job) (axes []axis, each []traits) {
	each = make([]traits, len(jobs))
	for i := range each {
		each[i] = traits{}
	}
	configs := make([]map[string]any, len(jobs))
	for i, j := range jobs {
		if json.Unmarshal(j.Config, &configs[i]) != nil {
			configs[i] = nil
		}
	}
	for _, n := range axisNames {
		values := valuesOf(configs, n.key)
		distinct := unique(values)
		if len(distinct) < 2 {
			continue
		}
		for i, v := range values {
			if v != "" && n.name != "" {
				v = n.name + " " + v
			}
			each[i][n.key] = v
		}
		a := axis{key: n.key}
		for i := range each {
			a.values = append(a.values, each[i][n.key])
		}
		a.values = unique(a.values)
		axes = append(axes, a)
	}
	return axes, each
}

func valuesOf(configs []map[string]any, key string) []string {
	values := make([]string, len(configs))
	if key != "env" {
		for i, c := range configs {
			values[i] = strings.Join(scalars(c[key]), " ")
		}
		return values
	}
	all := make([][]string, len(configs))
	seen := map[string]int{}
	for i, c := range configs {
		all[i] = scalars(c["env"])
		for _, v := range unique(all[i]) {
			seen[v]++
		}
	}
	for i := range all {
		own := slices.DeleteFunc(all[i], func(v string) bool { return seen[v] == len(configs) })
		values[i] = strings.Join(own, " ")
	}
	return values
}

// scalars writes a value of a configuration in words: lists and maps as their members, secrets as a word.
func scalars(v any) []string {
	switch v := v.(type) {
	case nil:
		return nil
	case string:
		return []string{v}
	case float64:
		return []string{strconv.FormatFloat(v, 'f', -1, 64)}
	case []any:
		var all []string
		for _, item := range v {
			all = append(all, scalars(item)...)
		}
		return all
	case map[string]any:
		if _, secret := v["secure"]; secret {
			return []string{"[secure]"}
		}
		var all []string
		for _, key := range sortedKeys(v) {
			all = append(all, key+"="+strings.Join(scalars(v[key]), " "))
		}
		return all
	}
	return []string{fmt.Sprint(v)}
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

func unique(values []string) []string {
	var out []string
	for _, v := range values {
		if !slices.Contains(out, v) {
			out = append(out, v)
		}
	}
	return out
}

// jobNames gives each job its name: its own, or what tells it apart from the others.
func jobNames(jobs []ci.Job) []string {
	names := make([]string, len(jobs))
	axes, each := traitsOf(jobs)
	for i, j := range jobs {
		names[i] = j.Name
		if names[i] == "" {
			var parts []string
			for _, a := range axes {
				if v := each[i][a.key]; v != "" {
					parts = append(parts, v)
				}
			}
			names[i] = strings.Join(parts, " · ")
		}
		if names[i] == "" {
			names[i] = fallbackName(j)
		}
	}
	return names
}

// fallbackName is the language of a job that nothing tells apart.
func fallbackName(j ci.Job) string {
	var c struct {
		Language string `json:"language"`
	}
	if json.Unmarshal(j.Config, &c) == nil && c.Language != "" {
		return c.Language + " job"
	}
	return "Job " + j.Number()
}

// jobName is the name of one job among the jobs of its stage.
func jobName(j ci.Job, build []ci.Job) string {
	stage := stageJobs(build, j.StageNumber)
	for i, name := range jobNames(stage) {
		if stage[i].ID == j.ID {
			return name
		}
	}
	return jobNames([]ci.Job{j})[0]
}

func stageJobs(jobs []ci.Job, stage int) []ci.Job {
	var found []ci.Job
	for _, j := range jobs {
		if j.StageNumber == stage {
			found = append(found, j)
		}
	}
	return found
}

// grid arranges the jobs of a stage by two keys; ok is false where they do not fill a table: named jobs, one key, gaps.
func grid(jobs []ci.Job) (rows, cols []string, cells map[[2]string]int, ok bool) {
	axes, each := traitsOf(jobs)
	if len(axes) != 2 || len(jobs) < 4 {
		return nil, nil, nil, false
	}
	down, across := axes[0], axes[1]
	if len(across.values) > len(down.values) {
		down, across = across, down
	}
	cells = map[[2]string]int{}
	for i, j := range jobs {
		at := [2]string{each[i][down.key], each[i][across.key]}
		if _, taken := cells[at]; taken || j.Name != "" {
			return nil, nil, nil, false
		}
		cells[at] = i
	}
	if len(cells)*4 < len(down.values)*len(across.values)*3 {
		return nil, nil, nil, false
	}
	return down.values, across.values, cells, true
}
