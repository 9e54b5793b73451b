package control

import (
	"slices"
	"strings"
)

// Nearest returns the word that was most likely meant by a mistyped or
// shortened one, "" if none is near enough. Case does not count. The engine
// uses it for names, the command line for flags.
func Nearest(word string, among []string) string {
	word = strings.ToLower(word)
	if word == "" {
		return ""
	}
	best, least := "", max(len(word)/3, 1)+1
	among = slices.Sorted(slices.Values(among))
	for _, w := range among {
		if d := distance(word, strings.ToLower(w)); d < least {
			best, least = w, d
		}
	}
	if best != "" || len(word) < 3 {
		return best
	}
	for _, w := range among {
		if strings.Contains(strings.ToLower(w), word) {
			return w
		}
	}
	return ""
}

// distance counts the insertions, deletions, replacements and swaps of
// neighbours that turn one word into another.
func distance(from, to string) int {
	a, b := []rune(from), []rune(to)
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b)) // what a person types is shorter
	}
	older, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(prev[j]+cost, prev[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], older[j-1]+1)
			}
		}
		older, prev, row = prev, row, older
	}
	return prev[len(b)]
}
