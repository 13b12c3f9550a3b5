package travisyml

import (
	"slices"
	"strings"
)

// shortestWord is the length from which on words are corrected.
const shortestWord = 3

// maxDistance is the number of letters from which on a word is another one.
const maxDistance = 4

// longestWord bounds the words that are compared with known ones.
const longestWord = 64

// closest returns the known word nearest to a misspelled one, "" when none is
// near. Among equally near words the one with more common letters wins, then
// the longer one.
func closest(known []string, word string) string {
	if len(word) < shortestWord || len(word) > longestWord {
		return ""
	}
	if slices.Contains(known, word) {
		return word
	}
	best, found := 0, ""
	for _, other := range known {
		if gap := len(word) - len(other); gap >= maxDistance || -gap >= maxDistance {
			continue
		}
		d := distance(word, other)
		if d >= maxDistance || 2*d >= len(word) || 2*d >= len(other) {
			continue
		}
		if found == "" || d < best || d == best && closer(word, other, found) {
			best, found = d, other
		}
	}
	if found == "" && len(word) < 6 {
		for _, other := range known {
			if len(other) == len(word) && sorted(other) == sorted(word) {
				return other
			}
		}
	}
	return found
}

func closer(word, a, b string) bool {
	common := func(other string) int {
		seen := map[rune]bool{}
		for _, r := range word {
			if strings.ContainsRune(other, r) {
				seen[r] = true
			}
		}
		return len(seen)
	}
	if ca, cb := common(a), common(b); ca != cb {
		return ca > cb
	}
	return len(a) > len(b)
}

func sorted(word string) string {
	b := []byte(word)
	slices.Sort(b)
	return string(b)
}

// distance is the Levenshtein distance of two words.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
