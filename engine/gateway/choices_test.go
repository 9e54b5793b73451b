package gateway

import (
	"strings"
	"testing"

	"tallygate/engine/tally"
)

// TestOneOfTwoChoicesIsNotAll: a stream that ends while a choice is still being
// written is not whole, though another one has ended and usage was told; nor is it
// at its bound before all are.
func TestOneOfTwoChoicesIsNotAll(t *testing.T) {
	const (
		one   = `{"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":"stop"}]`
		two   = `{"choices":[{"index":1,"delta":{"content":"b"},"finish_reason":null}]`
		ends  = `{"choices":[{"index":1,"delta":{},"finish_reason":"stop"}]}`
		usage = `,"usage":{"prompt_tokens":10,"completion_tokens":2}}`
	)
	for name, tc := range map[string]struct {
		events  []string
		outcome tally.Outcome
		basis   tally.Basis
	}{
		"cut":                  {[]string{one + usage, two + usage, "cut"}, tally.OutcomeFailed, tally.Held},
		"ended":                {[]string{one + usage, two + usage}, tally.OutcomeFailed, tally.Held},
		"cut behind its end":   {[]string{one + "}", two + usage, ends, "cut"}, tally.OutcomeFailed, tally.Exact},
		"ended behind its end": {[]string{one + "}", two + usage, ends}, tally.OK, tally.Exact},
		"marked":               {[]string{one + "}", two + usage, ends, "[DONE]"}, tally.OK, tally.Exact},
	} {
		w := newWorld(t)
		w.scripted(200, tc.events...)
		w.open()
		a := w.chat(`,"n":2,"max_tokens":100,"stream":true`)
		if r := w.one(); r.Outcome != tc.outcome || r.Basis != tc.basis || (tc.outcome == tally.OK) != strings.Contains(a.body, "[DONE]") ||
			tc.basis == tally.Held && r.Tokens.Output != 200 {
			t.Errorf("%s: %s, booked as %s %+v: %s", name, r.Outcome, r.Basis, r.Tokens, a.body)
		}
	}
}
