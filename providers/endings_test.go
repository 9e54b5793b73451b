package providers

import (
	"strconv"
	"strings"
	"testing"
)

// TestEndings: a stream of several choices has ended once all of them have.
func TestEndings(t *testing.T) {
	event := func(choices string) string { return `data: {"choices":[` + choices + `]}` + "\n\n" }
	says := func(index string) string {
		return `{"index":` + index + `,"delta":{"content":"x"},"finish_reason":null}`
	}
	stop := func(index string) string { return `{"finish_reason":"stop","delta":{},"index":` + index + `}` }
	long := func(index string) string { return `{"index":` + index + `,"delta":{},"finish_reason":"length"}` }
	for name, x := range map[string]struct {
		in     string
		asked  int64
		finish Finish
		whole  bool // complete at its end, though it has no marker
	}{
		"one of one":                     {event(says("0")) + event(stop("0")), 1, Finished, true},
		"one of one, counted oddly":      {event(says("7")) + event(stop("7")), 0, Finished, true},
		"one of two":                     {event(says("0")) + event(says("1")) + event(stop("0")), 2, Unfinished, false},
		"one of two, twice":              {event(says("0")) + event(says("1")) + event(stop("0")) + event(stop("0")), 2, Unfinished, false},
		"one of two, and usage":          {event(says("0")) + event(says("1")) + event(stop("0")) + evUsage, 2, Unfinished, false},
		"the other has not begun":        {event(says("0")) + event(stop("0")), 2, Unfinished, false},
		"the other never came":           {event(says("0")) + event(stop("0")) + evUsage, 2, Unfinished, true},
		"both":                           {event(says("0")) + event(says("1")) + event(stop("1")) + event(stop("0")), 2, Finished, true},
		"both at once":                   {event(says("0")+","+says("1")) + event(stop("0")+","+stop("1")), 2, Finished, true},
		"one at its bound":               {event(stop("0")) + event(long("1")), 2, FinishedLength, true},
		"one at its bound, before":       {event(long("0")) + event(says("1")), 2, Unfinished, false},
		"one without an index":           {event(`{"delta":{},"finish_reason":"stop"}`) + event(stop("1")), 2, Finished, true},
		"those that were not asked for":  {event(stop("2")) + event(stop("-1")) + event(stop("1e99")) + event(stop(`"0"`)), 2, Unfinished, false},
		"a finish inside of a choice":    {event(`{"index":1,"delta":{"finish_reason":"stop","index":1}}`) + event(stop("0")), 2, Unfinished, false},
		"more than a word of them":       {event(stop("64")) + event(stop("65")), 66, Unfinished, true},
		"as many as there can be, false": {event(stop("262143")), 262144, Unfinished, false},
	} {
		if name == "more than a word of them" {
			for i := range 64 {
				x.in += event(stop(strconv.Itoa(i)))
			}
			x.finish = Finished
		}
		s := NewStream(&pieces{text: x.in}, StreamOptions{Choices: x.asked})
		var out []byte
		var err error
		for err == nil {
			var b []byte
			b, err = s.Next()
			out = append(out, b...)
		}
		if got := s.Report().Finish; got != x.finish || strings.HasSuffix(string(out), "[DONE]\n\n") != x.whole {
			t.Errorf("%s: finish %d, want %d; %q, %v", name, got, x.finish, out, err)
		}
		s.Close()
	}
}
