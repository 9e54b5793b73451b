package screen

import (
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/widget"
)

// explainFields gives fields that have no help of their own the help that the
// operation declares for the input of the same name, as the command line shows
// it too. Where the command line repeats a flag, a form has spaces.
func explainFields(fields []*widget.Field, in reflect.Type) {
	declared := control.FieldsOf(in)
	for _, f := range fields {
		i := slices.IndexFunc(declared, func(d control.Field) bool { return d.Name == f.Name })
		if i < 0 || f.Help != "" {
			continue
		}
		help := declared[i].Help
		if before, after, ok := strings.Cut(help, "; repeat"); ok {
			help = before + "; spaces between"
			if strings.HasSuffix(after, ": all") {
				help += "; empty for all"
			}
		}
		f.Help = help
	}
}

// filled reads what stands in a form as the fields of an input.
type filled func(name string) string

func (v filled) text(name string) string { return strings.TrimSpace(v(name)) }

func (v filled) pointer(name string) *string { return new(v.text(name)) }

func (v filled) words(name string) *[]string { return new(strings.Fields(v(name))) }

// list reads words; an empty field is no list at all.
func (v filled) list(name string) []string {
	if words := strings.Fields(v(name)); len(words) > 0 {
		return words
	}
	return nil
}

// number reads a whole number; an empty field is 0.
func number[N int | int64](v filled, name string) (*N, error) {
	text := strings.ReplaceAll(v.text(name), ",", "")
	if text == "" {
		return new(N), nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || N(n) < 0 {
		return nil, tally.Errorf(tally.Invalid, "%q is not a whole number", text)
	}
	return new(N(n)), nil
}

// span reads a length of time; an empty field is 0.
func (v filled) span(name string) (time.Duration, error) { return parseSpan(v.text(name)) }

// checkNumber says what is wrong with a whole number in a form.
func checkNumber(text string) error {
	_, err := number[int64](func(string) string { return text }, "")
	return err
}

// checkSpan says what is wrong with a length of time in a form.
func checkSpan(text string) error {
	_, err := parseSpan(strings.TrimSpace(text))
	return err
}

// parseSpan reads a length of time with days: "90d", "1d12h", "30s". Nothing is
// no time.
func parseSpan(text string) (time.Duration, error) {
	bad := tally.Errorf(tally.Invalid, "%q is not a length of time, like 90d, 24h, 30m or 10s", text)
	const most = 100 * 366
	var whole time.Duration
	rest := text
	if days, after, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 31)
		if err != nil || n > most {
			return 0, bad
		}
		whole, rest = time.Duration(n)*24*time.Hour, after
	}
	if rest == "" {
		return whole, nil
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 || d > most*24*time.Hour {
		return 0, bad
	}
	return whole + d, nil
}

// spanText writes a length of time as parseSpan reads it, "" for none.
func spanText(d time.Duration) string {
	switch {
	case d <= 0:
		return ""
	case d%(24*time.Hour) == 0:
		return strconv.FormatInt(int64(d/(24*time.Hour)), 10) + "d"
	}
	text := d.String() // "1h0m0s"
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// must refuses an empty field, in words of what it is.
func must(what string) func(string) error {
	return func(v string) error { return tally.CheckName(what, v) }
}
