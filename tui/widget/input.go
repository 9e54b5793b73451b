package widget

import (
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

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

func (x *Input) drawIn(t *theme.Theme, style lipgloss.Style, width int) string {
	muted := t.Style(theme.Muted).Background(style.GetBackground())
	state := textinput.StyleState{Text: style, Placeholder: muted, Suggestion: muted, Prompt: t.Style(theme.Accent)}
	x.line.SetStyles(textinput.Styles{Focused: state, Blurred: state, Cursor: textinput.CursorStyle{Color: style.GetForeground(), Shape: tea.CursorBlock}})
	x.line.EchoMode = textinput.EchoNormal
	if x.mask {
		x.line.EchoMode, x.line.EchoCharacter = textinput.EchoPassword, []rune(t.Glyphs.Mask)[0]
	}
	x.line.SetWidth(max(width-Width(x.line.Prompt)-1, 1)) // the cursor stands behind the last letter
	drawn := Truncate(x.line.View(), width)
	return drawn + style.Render(spaces(width-Width(drawn)))
}
