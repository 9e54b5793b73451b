package dialog

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/widget"
)

// Many asks whether an operation is to be run for several marked things, and runs it for
// one after the other: each is a change of its own, which can be undone by itself. What
// fails does not keep the rest from being done.
type Many[V any] struct {
	Things []*V
	Run    func(*V) error
	Name   func(*V) string // safe to show
	Do     string          // what is done: "suspend"
	What   string          // to what: "client"
	Says   string          // what follows, a sentence
	// Typed is whether it cannot be undone, so that what is done must be typed.
	Typed bool
	// Done is what comes after, whatever came of it; nil for nothing.
	Done func()
}

// mostNamed is how many names a question or an answer lists.
const mostNamed = 12

// Ask asks, and then does it.
func (m Many[V]) Ask() tea.Cmd {
	names := make([]string, len(m.Things))
	for i, v := range m.Things {
		names[i] = m.Name(v)
	}
	act := strings.ToUpper(m.Do[:1]) + m.Do[1:]
	c := Confirm{
		Heading: act + " " + part.Plural(int64(len(names)), m.What) + "?", Do: act,
		Says: []string{listed(names) + ".", m.Says},
		Yes: func() tea.Cmd {
			if m.Done != nil {
				m.Done()
			}
			return func() tea.Msg {
				return runEach(names, m.Do, func(i int) error { return m.Run(m.Things[i]) })
			}
		},
	}
	if m.Typed {
		c.Name = fmt.Sprintf("%s %d", m.Do, len(names))
	}
	return screen.Ask(screen.Open{Dialog: NewConfirm(c)})
}

// runEach does something for each of several things, and says what came of it.
func runEach(names []string, do string, run func(i int) error) screen.Say {
	var failed []string
	for i, name := range names {
		if err := run(i); err != nil {
			failed = append(failed, name+": "+widget.Safe(screen.Explain(err)))
		}
	}
	if n := len(failed); n > 0 {
		return screen.Say{Text: fmt.Sprintf("%s: %d of %d done. %s", do, len(names)-n, len(names), strings.Join(failed[:min(n, 3)], "; ")), Bad: true}
	}
	return screen.Say{Text: fmt.Sprintf("Done: %s %s.", do, listed(names))}
}

// listed are names in a row, the first of them if there are many.
func listed(names []string) string {
	if n := len(names) - mostNamed; n > 0 {
		return strings.Join(names[:mostNamed], ", ") + fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(names, ", ")
}
