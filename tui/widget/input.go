package widget

import (
	"strings"

	"charm.land/bubbles/v2/textinput"
	tea "charm.land/bubbletea/v2"
)

// Input hands a message to a line of text that is typed. What a terminal would
// obey stays out of it, whether typed or pasted; what is pasted is one line, and
// no longer than the line may be.
func Input(line *textinput.Model, msg tea.Msg) (cmd tea.Cmd) {
	if paste, ok := msg.(tea.PasteMsg); ok {
		// What separates lines would be lost or, worse, obeyed.
		msg = tea.PasteMsg{Content: strings.TrimSpace(Safe(limit(paste.Content, 4*line.CharLimit)))}
	}
	*line, cmd = line.Update(msg)
	if v := line.Value(); Safe(v) != v {
		before := Safe(string([]rune(v)[:line.Position()]))
		line.SetValue(Safe(v))
		line.SetCursor(len([]rune(before)))
	}
	return cmd
}

// limit cuts a text to so many bytes.
func limit(s string, n int) string {
	if n > 0 && len(s) > n {
		return strings.ToValidUTF8(s[:n], "")
	}
	return s
}
