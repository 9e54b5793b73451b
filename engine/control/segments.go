package control

import (
	"reflect"
	"strings"

	"tallygate/engine/tally"
)

// Segment is one of the parts that a value is written of: a limit has a metric, an amount, a
// window, and what comes when it is reached.
type Segment struct {
	Name string
	// Choices are the words that it is one of, nil for any; the first is usual.
	Choices []string
	Help    string
}

// written is how a kind of value is written of parts: cut takes a value apart, paste puts
// it together, and says makes a sentence of it.
type written struct {
	parts []Segment
	cut   func(value string) []string
	paste func(parts []string) string
	says  func(value string) string
}

// balance is the amount of a limit to what was paid in advance.
const balance = "balance"

// refuses and warns are what comes when a limit is reached.
const refuses, warns = "refuse", "warn"

func limitParts() written {
	metrics := []string{string(tally.Cost)} // it is what people limit most
	for _, m := range tally.Metrics {
		if m != tally.Cost && m != tally.Balance {
			metrics = append(metrics, string(m))
		}
	}
	return written{
		parts: []Segment{
			{"what", metrics, "cost is what you pay, credits what the client does"},
			{"amount", nil, "US dollars for cost and credits, else a count: 20, 0.50, 10k, 2M; none takes the limit away; balance, of credits: what was paid in advance"},
			{"each", []string{"month", "day", "week", "quarter", "6h", "hour", "minute", "total"}, "total never begins anew; for a month from the 15th on, type month:15 in the line itself, and 2h, 3h, 4h, 8h or 12h like 6h"},
			{"when reached", []string{refuses, warns}, "a limit that only warns lets all pass"},
		},
		cut: func(value string) []string {
			body, warn := strings.CutSuffix(value, ",warn")
			metric, rest, _ := strings.Cut(body, "=")
			amount, window, whole := strings.Cut(rest, "/")
			if !whole && amount == balance {
				window = string(tally.Total)
			}
			when := refuses
			if warn {
				when = warns
			}
			return []string{metric, amount, window, when}
		},
		paste: func(p []string) string {
			out := p[0] + "=" + p[1] + "/" + p[2]
			if p[1] == balance {
				out = p[0] + "=" + balance
			}
			if p[3] == warns {
				out += ",warn"
			}
			return out
		},
		says: func(value string) string {
			e, err := tally.ParseLimit(value)
			switch {
			case err != nil:
				return ""
			case e.Remove:
				return "No limit on " + string(e.Metric) + " each " + e.Window.String() + " any more."
			}
			amount, span := e.Metric.Text(e.Max)+" "+string(e.Metric), "each "+e.Window.Whole().String()
			if e.Metric.Money() {
				amount = tally.NanoUSD(e.Max).Display() + " of " + string(e.Metric)
			}
			if e.Window.Unit == tally.Total {
				span = "in all"
			}
			if per := e.Window.Per; per != "" {
				span += " for each " + per
				if !e.Window.Each() {
					span = strings.TrimSuffix(span, "each "+per) + per
				}
			}
			if e.Warn {
				return "At " + amount + " " + span + " you are warned; nothing is refused."
			}
			return "At most " + amount + " " + span + "; then it is refused."
		},
	}
}

func pairParts(names [2]string, helps [2]string, choices []string) written {
	return written{
		parts: []Segment{{names[0], choices, helps[0]}, {names[1], nil, helps[1]}},
		cut: func(value string) []string {
			from, to, _ := strings.Cut(value, "=")
			return []string{from, to}
		},
		paste: func(p []string) string { return p[0] + "=" + p[1] },
		says:  func(string) string { return "" },
	}
}

func writtenOf(t reflect.Type) (written, bool) {
	switch t {
	case reflect.TypeFor[[]tally.LimitEdit]():
		return limitParts(), true
	case reflect.TypeFor[[]PriceField]():
		classes := make([]string, 0, len(tally.AllClasses)+1)
		for _, c := range tally.AllClasses {
			classes = append(classes, c.String())
		}
		return pairParts([2]string{"class", "price"}, [2]string{"of tokens; a class without a price costs as its parent", "US dollars per million tokens; of request: each"}, append(classes, "request")), true
	case reflect.TypeFor[map[string]string]():
		return pairParts([2]string{"asked", "model"}, [2]string{"the name that clients ask for", "the model that answers"}, nil), true
	}
	return written{}, false
}

// Segments are the parts that each value of a field is written of, nil if it is one word.
func (f *Field) Segments() []Segment {
	w, _ := writtenOf(valueType(f.Go))
	return w.parts
}

// Cut takes a value of a field with parts apart.
func (f *Field) Cut(value string) []string {
	w, _ := writtenOf(valueType(f.Go))
	return w.cut(value)
}

// Paste puts a value together from its parts.
func (f *Field) Paste(parts []string) string {
	w, _ := writtenOf(valueType(f.Go))
	return w.paste(parts)
}

// Says is a value in a sentence, "" if it needs none or cannot be read.
func (f *Field) Says(value string) string {
	w, _ := writtenOf(valueType(f.Go))
	return w.says(value)
}

// Repeated reports whether a field takes several values, with spaces between in a form.
func (f *Field) Repeated() bool { return repeated(valueType(f.Go)) }
