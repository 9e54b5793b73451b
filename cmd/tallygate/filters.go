package main

import (
	"slices"
	"strings"
	"unicode/utf8"

	"tallygate/engine/control"
)

const filtersIntro = `Filters

Lists take --filter, and the interface takes the same behind /. A filter has terms,
all of which must hold:

  aurora               a word, anywhere in what the list is searched for
  "hotel aurora"       a phrase
  client:aurora        a column in which a word begins so: also hotel-aurora
  status:active        a column of a few words begins so
  client:=hotel        a column that is exactly so
  at:today             a column of times, in all of that day or month
  cost:>0.01           a column of numbers; also >=, <, <= and =
  -outcome:ok          a minus turns any term round

  tallygate requests list --filter "latency:>1s cost:>0.01 -outcome:ok"
  tallygate clients list --filter "status:active used:>80" --sort used

Numbers are written as people write them: 10k or 2M of things, US dollars (0.01),
lengths of time (800ms, 1.5s), and shares (80, of a hundred). A status of 4xx is one
that begins with 4.

Times are days: today, yesterday, tomorrow, friday (the latest), 2026-11-28; months:
2026-11, "this month", "last month" (in quotes: at:"last month"); and instants, to
compare with: 2d (ago), 2026-11-28T14:00:00Z. With a day or a month, > and >= mean
since it began, < before it, and <= until it is over.

--sort takes a column, with a minus the other way round.
`

// filtersText explains filters with the columns that each list has.
func filtersText() string {
	var b strings.Builder
	b.WriteString(filtersIntro)
	filterColumns(&b, "requests list, tail, export", control.RequestTable)
	filterColumns(&b, "clients list", control.ClientTable)
	filterColumns(&b, "keys list", control.KeyTable)
	filterColumns(&b, "gateways list", control.GatewayTable)
	filterColumns(&b, "providers list", control.ProviderTable)
	filterColumns(&b, "models list", control.ModelTable)
	filterColumns(&b, "tokens list", control.TokenTable)
	filterColumns(&b, "tokens visitors", control.VisitorTable)
	return b.String()
}

// unitNames are what columns are told apart by.
var unitNames = []struct {
	name  string
	units []control.Unit
}{
	{"words", []control.Unit{control.UnitWord}},
	{"numbers", []control.Unit{control.UnitCount, control.UnitSize}},
	{"US dollars", []control.Unit{control.UnitMoney, control.UnitRate}},
	{"lengths of time", []control.Unit{control.UnitLatency}},
	{"shares", []control.Unit{control.UnitShare}},
	{"times", []control.Unit{control.UnitMoment}},
}

// topicWidth is how long the lines of a page of the help are, at most.
const topicWidth = 84

func filterColumns[P any](b *strings.Builder, command string, t *control.Table[P]) {
	b.WriteString("\n" + command + "\n")
	for _, kind := range unitNames {
		line := "  " + kind.name + ":"
		for i := range t.Columns {
			c := &t.Columns[i]
			if !slices.Contains(kind.units, c.Unit()) {
				continue
			}
			word := " " + c.Name
			if len(c.Words) > 0 {
				word += " (" + strings.Join(c.Words, ", ") + ")"
			}
			if utf8.RuneCountInString(line+word) > topicWidth {
				b.WriteString(line + "\n")
				line = "   "
			}
			line += word
		}
		if !strings.HasSuffix(line, ":") {
			b.WriteString(line + "\n")
		}
	}
}
