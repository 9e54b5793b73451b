package dialect

import (
	"regexp"
	"sync"
)

// Reasons reports whether a model takes wishes about its reasoning, and Adaptive whether it
// decides itself how much it thinks and takes an effort, both by the model's name, for
// nothing else tells: other models refuse a request that has such a wish. The names are
// those of the makers' lists of models of November 2026.
func Reasons(model string) bool { return reasoners().MatchString(model) }

// Adaptive is explained at [Reasons].
func Adaptive(model string) bool { return adapters().MatchString(model) }

var reasoners = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`(?:^|/)(?:o[1-9]|gpt-(?:[5-9]|oss)|grok-[3-9]|gemini-(?:2\.5|[3-9])|deepseek-r|qwq|claude-(?:3-7|(?:opus|sonnet|haiku)-[4-9]))`)
})

var adapters = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`claude-(?:opus|sonnet|haiku)-(?:4-[6-9]|[5-9])`)
})
