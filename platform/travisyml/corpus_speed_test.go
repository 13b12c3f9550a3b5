package travisyml

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// BenchmarkCorpus parses and expands every file of the corpus for a push. It reports the time of the median file and of all.
func BenchmarkCorpus(b *testing.B) {
	type file struct {
		in Input
		r  Request
	}
	folder := corpusFolder(b)
	entries, err := os.ReadDir(folder)
	if err != nil {
		b.Fatal(err)
	}
	var files []file
	for _, entry := range entries {
		at := filepath.Join(folder, entry.Name())
		var want expectation
		if err := json.Unmarshal(readFile(b, filepath.Join(at, "expected.json")), &want); err != nil {
			b.Fatal(err)
		}
		imports := importFolder(filepath.Join(at, "imports"))
		slug := corpusSlug(string(readFile(b, filepath.Join(at, "source.txt"))))
		files = append(files, file{Input{Source: ".travis.yml", Text: readFile(b, filepath.Join(at, "travis.yml")), Imports: imports}, corpusRequests(slug)["push"]})
	}
	best := make([]time.Duration, len(files))
	b.ReportAllocs()
	for b.Loop() {
		for i, f := range files {
			start := time.Now()
			_, _, _ = Load(b.Context(), f.in, f.r, Limits{Jobs: corpusJobs}) // that some are refused is part of the corpus
			if took := time.Since(start); best[i] == 0 || took < best[i] {
				best[i] = took
			}
		}
	}
	var all time.Duration
	for _, took := range best {
		all += took
	}
	slices.Sort(best)
	b.ReportMetric(float64(best[len(best)/2].Microseconds()), "µs/median-file")
	b.ReportMetric(float64(best[len(best)-1].Microseconds()), "µs/slowest-file")
	b.ReportMetric(float64(all.Microseconds())/1000, "ms/corpus")
}
