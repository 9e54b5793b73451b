package widget

import (
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"tallygate/tui/theme"
)

// Input is a line of text that is typed. What a terminal would obey stays out
// of it, whether it is typed, pasted or set; what is pasted becomes one line,
// and no longer than the line may be.
type Input struct {
	line textinput.Model
	mask bool
}

// NewInput makes an input of at most so many characters. The hint is shown
// while it is empty.
func NewInput(prompt, hint string, most int) Input {
	x := Input{line: textinput.New()}
	x.line.Prompt, x.line.Placeholder, x.line.CharLimit = prompt, hint, most
	return x
}

// Value is what was typed.
func (x *Input) Value() string { return x.line.Value() }

// SetValue puts a text there, the cursor at its end.
func (x *Input) SetValue(s string) {
	x.line.SetValue(Safe(s))
	x.line.CursorEnd()
}

// Focus shows the cursor, which does not blink: a picture that moves by itself
// is drawn for nothing. Blur hides it.
func (x *Input) Focus() { x.line.Focus() }
func (x *Input) Blur()  { x.line.Blur() }

// Update takes keys and what is pasted.
func (x *Input) Update(msg tea.Msg) (cmd tea.Cmd) {
	if paste, ok := msg.(tea.PasteMsg); ok {
		// What separates lines would be lost or, worse, obeyed.
		msg = tea.PasteMsg{Content: strings.TrimSpace(Safe(limit(paste.Content, 4*x.line.CharLimit)))}
	}
	x.line, cmd = x.line.Update(msg)
	if v := x.line.Value(); Safe(v) != v {
		before := Safe(string([]rune(v)[:x.line.Position()]))
		x.line.SetValue(Safe(v))
		x.line.SetCursor(len([]rune(before)))
	}
	return cmd
}

// limit cuts a text to so many bytes.
func limit(s string, n int) string {
	if len(s) > n {
		return strings.ToValidUTF8(s[:n], "")
	}
	return s
}

// Draw draws the input into a width.
func (x *Input) Draw(t *theme.Theme, width int) string {
	return x.drawIn(t, t.Style(theme.Text), width)
}

// drawIn draws the part of the line around the cursor. It is done here and not
// by the text field, which counts characters where a terminal counts cells, and
// would cut a mark off its letter.
func (x *Input) drawIn(t *theme.Theme, style lipgloss.Style, width int) string {
	prompt := t.Paint(theme.Accent, x.line.Prompt)
	room := max(width-Width(prompt), 1)
	text, at, ink := []rune(x.line.Value()), x.line.Position(), style
	switch {
	case len(text) == 0:
		text, ink = []rune(x.line.Placeholder), t.Style(theme.Muted).Background(style.GetBackground())
	case x.mask:
		text = []rune(strings.Repeat(t.Glyphs.Mask, len(text)))
	}
	if !x.line.Focused() {
		return Truncate(prompt+theme.Render(ink, Pad(string(text), room)), width)
	}
	for at < len(text) && joins(text[at]) { // the cursor stands on whole letters
		at++
	}
	before, under, after := string(text[:at]), " ", ""
	if at < len(text) {
		under, after = firstLetter(string(text[at:]))
	}
	lead := max(room-Width(under)-min(Width(after), room/4), 0)
	before = lastCells(before, lead)
	after = Pad(after, max(room-Width(before)-Width(under), 0))
	return Truncate(prompt+theme.Render(ink, before)+theme.Render(style.Reverse(true), under)+theme.Render(ink, after), width)
}

// firstLetter cuts the first letter off a text, with its marks.
func firstLetter(s string) (letter, rest string) {
	letter, _ = ansi.FirstGraphemeCluster(s, ansi.GraphemeWidth)
	return letter, s[len(letter):]
}

// lastCells is the end of a text that fits into so many cells.
func lastCells(s string, cells int) string {
	for over := Width(s) - cells; over > 0; {
		var letter string
		letter, s = firstLetter(s)
		over -= Width(letter)
	}
	return s
}
