package tui

import (
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/tui/dialog"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// word is something said to the user at the bottom, for a moment.
type word struct {
	text string
	bad  bool
	at   time.Time
}

const (
	wordFor   = 3 * time.Second
	badFor    = 6 * time.Second
	wordsKept = 50
	wordLines = 3 // of one word at the bottom, at most
)

// hushMsg ends the showing of a word, if no other has been said since.
type hushMsg int

// say tells the user something for a moment. The latest words are kept, for who
// did not read so fast.
func (a *App) say(text string, bad bool) tea.Cmd {
	a.said++
	a.telling = true
	a.words = append(a.words, word{widget.Safe(text), bad, a.env.Clock()})
	a.words = a.words[max(len(a.words)-wordsKept, 0):]
	id, long := a.said, wordFor
	if bad {
		long = badFor
	}
	return tea.Tick(long, func(time.Time) tea.Msg { return hushMsg(id) })
}

// wordBlock is the word that is being told, nothing if none is.
func (a *App) wordBlock(t *theme.Theme) widget.Block {
	if !a.telling {
		return widget.NewBlock(a.width, 0)
	}
	w := a.words[len(a.words)-1]
	lines := widget.Wrap(w.text, a.width-4)
	most := wordLines
	if a.dialog() != nil {
		most = 1 // what it asks stays in sight
	}
	if len(lines) > most {
		lines = lines[:most]
		lines[most-1] = widget.Truncate(lines[most-1]+strings.Repeat(t.Glyphs.Ellipsis, 2), a.width-4)
	}
	for i := range lines {
		lines[i] = mark(t, w, i) + t.Paint(w.role(), lines[i])
	}
	return widget.NewBlock(a.width, len(lines), lines...)
}

func (w word) role() theme.Role {
	if w.bad {
		return theme.Bad
	}
	return theme.OK
}

// mark is the sign before the first line of a word, and as much room before the
// others.
func mark(t *theme.Theme, w word, line int) string {
	switch {
	case line > 0:
		return "   "
	case w.bad:
		return " " + t.Paint(theme.Bad, t.Glyphs.Wrong) + " "
	}
	return " " + t.Paint(theme.OK, t.Glyphs.Good) + " "
}

// latestWords is a dialog of what was said, the last first.
func (a *App) latestWords() screen.Dialog {
	return &dialog.Note{Heading: "Latest messages", Lines: func(t *theme.Theme) []string {
		if len(a.words) == 0 {
			return []string{t.Paint(theme.Muted, "Nothing has been said yet.")}
		}
		var out []string
		for i := range a.words {
			w := a.words[len(a.words)-1-i]
			out = append(out, t.Paint(theme.Muted, w.at.In(a.env.Zone).Format("15:04:05"))+strings.TrimRight(mark(t, w, 0), " ")+" "+t.Paint(w.role(), w.text))
		}
		return out
	}}
}
