package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// clean makes text safe for a terminal: a name must not move the cursor, change
// colours or turn the reading direction. What would is shown as its escape.
func clean(s string) string {
	if !strings.ContainsFunc(s, unsafe) && utf8.ValidString(s) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if unsafe(r) || r == utf8.RuneError {
			quoted := strconv.QuoteToASCII(string(r))
			b.WriteString(quoted[1 : len(quoted)-1])
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

func unsafe(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029'
}

// cleanLines is clean for text that may have several lines.
func cleanLines(s string) string {
	lines := strings.Split(strings.ReplaceAll(s, "\r\n", "\n"), "\n")
	for i := range lines {
		lines[i] = clean(lines[i])
	}
	return strings.Join(lines, "\n")
}

// moment writes an instant in local time with its zone, "" for none.
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05 MST")
}

// minute writes an instant that need not be exact.
func minute(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04 MST")
}

// count writes a number, "" for none.
func count[N int | int64](n N) string {
	if n == 0 {
		return ""
	}
	return tally.Group(int64(n))
}

// when chooses one of two values.
func when[T any](b bool, then, otherwise T) T {
	if b {
		return then
	}
	return otherwise
}

// limits writes where limits stand.
func (p *printer) limits(states []control.LimitState) {
	if len(states) == 0 {
		return
	}
	p.section("Limits")
	rows(p, control.LimitTable, states, "")
}

// sums writes usage as one line of pairs below a heading.
func (p *printer) sums(title string, s control.Sums) {
	if s.Requests == 0 && s.Refused == 0 {
		return
	}
	p.section(title)
	p.pairs(
		"requests", tally.Group(s.Requests), "refused", count(s.Refused), "errors", count(s.Errors), "sessions", count(s.Sessions),
		"input tokens", tally.Group(s.InputTokens), "output tokens", tally.Group(s.OutputTokens),
		"cost", s.CostNanoUSD.Display(), "credits", when(s.CreditsNanoUSD != s.CostNanoUSD, s.CreditsNanoUSD.Display(), ""),
		"from cache", cacheText(&s), "latency", latency(s),
	)
}

// cacheText is "43% of the input, saved $1.20".
func cacheText(s *control.Sums) string {
	share, ok := s.CacheHits()
	if !ok {
		return ""
	}
	return fmt.Sprintf("%.0f%% of the input, saved %s", share*100, s.SavedNanoUSD.Display())
}

func latency(s control.Sums) string {
	if s.P50MS == 0 {
		return ""
	}
	return fmt.Sprintf("median %s, p99 %s, first byte %s on average", millis(s.P50MS), millis(s.P99MS), millis(s.FirstByteMS))
}

// millis writes a latency, "" for none.
func millis(ms float64) string { return control.LatencyOf(ms).Long(time.Local) }

// size writes a number of bytes, "" for none.
func size(n int64) string { return control.SizeOf(n).Long(time.Local) }
