package dialog

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Shown is the dialog of a secret that is shown once.
type Shown struct {
	Heading string
	Secret  string
	Says    []string                                     // what it is, and what to do with it
	Curl    string                                       // a command that works with it
	Save    func(secret string) (path string, err error) // does I/O; nil where nothing is written
	Enter   string                                       // what enter does, if not to say that it is saved
	sure    bool
	note    string
	bad     bool
}

// Title implements Dialog, as do the methods below.
func (s *Shown) Title() string { return s.Heading }
func (s *Shown) Typing() bool  { return false }

// Esc needs a second press: the secret is gone with the dialog.
func (s *Shown) Esc() tea.Cmd {
	if s.sure {
		return screen.Ask(screen.Close{})
	}
	s.sure, s.bad = true, true
	s.note = "It will not be shown again. Press esc once more, or enter if you saved it."
	return nil
}

// Written says what came of writing a secret to a file.
type Written struct {
	Path string
	Err  error
}

func (s *Shown) Update(msg tea.Msg) tea.Cmd {
	if w, ok := msg.(Written); ok {
		s.note, s.bad = "Written to "+w.Path+", which only you can read.", w.Err != nil
		if s.bad {
			s.note = w.Err.Error()
		}
		return nil
	}
	key, ok := msg.(tea.KeyPressMsg)
	if !ok {
		return nil
	}
	switch key.String() {
	case "enter":
		return screen.Ask(screen.Close{})
	case "y":
		s.note, s.bad = "Sent to the terminal's clipboard. Not every terminal takes it: paste it once to be sure.", false
		return tea.SetClipboard(s.Secret)
	case "Y":
		if s.Curl != "" {
			s.note, s.bad = "The curl was sent to the terminal's clipboard.", false
			return tea.SetClipboard(s.Curl)
		}
	case "w":
		if s.Save == nil {
			return nil
		}
		save, secret := s.Save, s.Secret
		return func() tea.Msg {
			path, err := save(secret)
			return Written{path, err}
		}
	}
	return nil
}

// Draw keeps the secret and the keys in sight: what is said and the command give
// way where there is little room.
func (s *Shown) Draw(t *theme.Theme, width, height int) widget.Block {
	width = min(max(width, widget.Width(s.Secret)), 100)
	says := []string{""}
	for _, l := range s.Says {
		says = append(says, widget.Wrap(widget.Safe(l), width)...)
	}
	lines := []string{"", t.Strong(theme.OK, s.Secret), ""}
	var curl []string
	if s.Curl != "" {
		curl = append(curl, t.Paint(theme.Muted, "A command that works:"))
		for l := range strings.SplitSeq(s.Curl, "\n") {
			curl = append(curl, widget.Wrap("  "+widget.Safe(l), width)...)
		}
		curl = append(curl, "")
	}
	var note []string
	if s.note != "" {
		role := theme.OK
		if s.bad {
			role = theme.Warn
		}
		for _, l := range widget.Wrap(widget.Safe(s.note), width) {
			note = append(note, t.Paint(role, l))
		}
		note = append(note, "")
	}
	keys := cmp.Or(s.Enter, "enter I saved it") + "   y copy"
	if s.Save != nil {
		keys += "   w write to a file"
	}
	if s.Curl != "" {
		keys += "   Y copy the curl"
	}
	room := height - len(lines) - len(note) - 1
	if len(says)+len(curl) > room {
		curl = nil
	}
	lines = append(append(append(append(says[:max(min(len(says), room), 0)], lines...), curl...), note...),
		t.Paint(theme.Muted, keys))
	return widget.NewBlock(width, min(len(lines), height), lines...)
}

// Saver is what writes a secret to a file, nil where there is none to write to.
func Saver(e *screen.Env) func(secret string) (path string, err error) {
	if e.NoFile() != "" {
		return nil
	}
	return SaveSecret
}

// SaveSecret writes a secret to a new file in this user's home, which nobody else can
// read and which is still there tomorrow.
func SaveSecret(secret string) (path string, err error) {
	home, err := os.UserHomeDir()
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(home, "tallygate-key-*.txt") // mode 0600
	if err != nil {
		return "", err
	}
	defer f.Close()
	if _, err := f.WriteString(secret + "\n"); err != nil {
		return "", err
	}
	return filepath.Clean(f.Name()), f.Sync()
}
