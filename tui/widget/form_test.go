package widget

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	tea "charm.land/bubbletea/v2"
	"pgregory.net/rapid"
)

var (
	enter, tab, back = tea.KeyPressMsg{Code: tea.KeyEnter}, tea.KeyPressMsg{Code: tea.KeyTab}, tea.KeyPressMsg{Code: tea.KeyTab, Mod: tea.ModShift}
	left, right      = tea.KeyPressMsg{Code: tea.KeyLeft}, tea.KeyPressMsg{Code: tea.KeyRight}
	save, reveal     = tea.KeyPressMsg{Code: 's', Mod: tea.ModCtrl}, tea.KeyPressMsg{Code: 'r', Mod: tea.ModCtrl}
)

func typed(f *Form, text string) {
	for _, r := range text {
		f.Update(tea.KeyPressMsg{Code: r, Text: string(r)})
	}
}

func shown(f *Form) string { return Strip(f.Draw(themes[2], 70, 20).String()) }

func noDigit(v string) error {
	if strings.ContainsAny(v, "0123456789") {
		return errors.New("a name has no digits")
	}
	return nil
}

func sample() *Form {
	return NewForm([]*Field{
		{Name: "name", Label: "Name", Check: noDigit, Help: "what people call it"},
		{Name: "kind", Label: "Kind", Choices: []string{"openai", "ollama", "sim"}},
		{Name: "key", Label: "Key", Secret: true},
	}, map[string]string{"name": "Rex", "kind": "ollama"}, "Save", "Cancel")
}

func TestFormRefusesOnLeavingAFieldAndKeepsWhatWasTyped(t *testing.T) {
	f := sample()
	typed(f, "7")
	if s := shown(f); strings.Contains(s, "no digits") {
		t.Errorf("it refuses while one is typing:\n%s", s)
	}
	f.Update(tab)
	if s := shown(f); !strings.Contains(s, "a name has no digits") || f.Value("name") != "Rex7" {
		t.Errorf("value %q, shown:\n%s", f.Value("name"), s)
	}
	f.Update(tea.KeyPressMsg{Code: tea.KeyTab, Mod: tea.ModShift})
	f.Update(tea.KeyPressMsg{Code: tea.KeyBackspace})
	if s := shown(f); strings.Contains(s, "no digits") || f.Value("name") != "Rex" {
		t.Errorf("mended, and still refused:\n%s", s)
	}
}

func TestFormGoesToTheFirstWrongField(t *testing.T) {
	f := sample()
	typed(f, "7")
	f.Update(tab)
	f.Update(tab)
	if chosen, _ := f.Update(save); chosen != 0 {
		t.Fatalf("ctrl+s chose %d, want the first button", chosen)
	}
	if f.Valid() {
		t.Error("a wrong value is valid")
	}
	typed(f, "x")
	if got := f.Value("name"); got != "Rex7x" {
		t.Errorf("the first wrong field has no focus: its value is %q", got)
	}
}

func TestFormFocusGoesAround(t *testing.T) {
	f := sample()
	for _, want := range []int{1, 2, 3, 4, 0} {
		f.Update(tab)
		if f.at != want {
			t.Errorf("tab goes to %d, want %d", f.at, want)
		}
	}
	f.Update(back)
	if f.at != 4 {
		t.Errorf("shift+tab goes to %d, want 4", f.at)
	}
	if chosen, _ := f.Update(enter); chosen != 1 {
		t.Errorf("enter on Cancel chose %d", chosen)
	}
	f.Update(left)
	if chosen, _ := f.Update(enter); chosen != 0 {
		t.Errorf("left of Cancel is %d", chosen)
	}
}

func TestFormChoices(t *testing.T) {
	f := sample()
	if got := f.Value("kind"); got != "ollama" {
		t.Fatalf("the choice begins at %q", got)
	}
	f.Update(tab)
	for _, tc := range []struct {
		key  tea.KeyPressMsg
		want string
	}{{right, "sim"}, {right, "openai"}, {left, "sim"}, {tea.KeyPressMsg{Code: 'x', Text: "x"}, "sim"}} {
		f.Update(tc.key)
		if got := f.Value("kind"); got != tc.want {
			t.Errorf("%s chooses %q, want %q", tc.key, got, tc.want)
		}
	}
	if f.Typing() {
		t.Error("a choice is no text field")
	}
}

func TestFormHidesSecrets(t *testing.T) {
	f := sample()
	f.Update(tab)
	f.Update(tab)
	typed(f, "sk-hush")
	if s := shown(f); strings.Contains(s, "hush") || !strings.Contains(s, "•••••••") {
		t.Errorf("the secret is shown:\n%s", s)
	}
	f.Update(reveal)
	if s := shown(f); !strings.Contains(s, "sk-hush") {
		t.Errorf("ctrl+r does not show it:\n%s", s)
	}
	f.Update(reveal)
	f.Update(tab)
	if s := shown(f); strings.Contains(s, "hush") {
		t.Errorf("the secret is shown once the field is left:\n%s", s)
	}
	if got := f.Value("key"); got != "sk-hush" {
		t.Errorf("the value is %q", got)
	}
}

func TestFormPaste(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"two\nlines", "two lines"}, {"  sk-key\r\n", "sk-key"}, {"\x1b[31mred\x1b[0m", "[31mred[0m"}, {"\x00\u202e", ""}, {"ctrl+s\x13", "ctrl+s"}, {"bad\xff", "bad?"},
	} {
		f := NewForm([]*Field{{Name: "x"}}, nil, "Save")
		if chosen, _ := f.Update(tea.PasteMsg{Content: tc.in}); chosen >= 0 {
			t.Errorf("pasting %q chose a button", tc.in)
		}
		if got := f.Value("x"); got != tc.want {
			t.Errorf("pasting %q left %q, want %q", tc.in, got, tc.want)
		}
	}
	f := NewForm([]*Field{{Name: "x"}}, nil, "Save")
	f.Update(tea.PasteMsg{Content: strings.Repeat("宽x\n", 1<<18)})
	if n := len([]rune(f.Value("x"))); n > maxTyped {
		t.Errorf("a megabyte left %d characters", n)
	}
	rectangle(t, f.Draw(themes[0], 60, 6), 60, 6)
}

// What somebody else wrote into a value does not reach the terminal, and is not
// changed by an edit of something else.
func TestFormShowsHostileValuesSafely(t *testing.T) {
	for _, hostile := range nasty {
		for _, at := range []int{0, 1} {
			f := NewForm([]*Field{{Name: "x"}, {Name: "y"}}, map[string]string{"x": hostile, "y": "ok"}, "Save")
			f.focus(at)
			if s := shown(f); strings.ContainsAny(s, "\x1b\r\x07\u202e\u200b\u200d\ufe0f") {
				t.Errorf("focused %d, %q is drawn as %q", at, hostile, s)
			}
			rectangle(t, f.Draw(themes[0], 44, 6), 44, 6)
			if got := f.Value("x"); got != hostile {
				t.Errorf("the value %q became %q", hostile, got)
			}
		}
	}
}

// However small a form is drawn, the line one is typing in and the buttons are
// there.
func TestFormScrolls(t *testing.T) {
	var fields []*Field
	for i := range 12 {
		fields = append(fields, &Field{Name: fmt.Sprint(i), Label: fmt.Sprintf("Field %d", i), Help: strings.Repeat("help ", 30)})
	}
	f := NewForm(fields, nil, "Save", "Cancel")
	for _, height := range []int{4, 5, 7, 30} {
		for i := range 2 * (len(fields) + 2) {
			s := Strip(f.Draw(themes[2], 50, height).String())
			if at := f.at; at < len(fields) && !strings.Contains(s, fields[at].Label+" ") {
				t.Fatalf("height %d, step %d: %s is focused and not shown:\n%s", height, i, fields[at].Label, s)
			}
			if !strings.Contains(s, "Save") {
				t.Fatalf("height %d: the buttons are gone:\n%s", height, s)
			}
			f.Update(tab)
		}
	}
}

func TestFormsAreRectangles(t *testing.T) {
	keys := []tea.Msg{enter, tab, back, left, right, reveal, save, tea.KeyPressMsg{Code: tea.KeyUp}, tea.KeyPressMsg{Code: tea.KeySpace, Text: " "}, tea.KeyPressMsg{Code: tea.KeyBackspace},
		tea.KeyPressMsg{Code: 'a', Text: "a"}, tea.KeyPressMsg{Code: '宽', Text: "宽"}, tea.KeyPressMsg{Code: tea.KeyHome}, tea.PasteMsg{Content: "\x1b[2Jpaste\n"}}
	rapid.Check(t, func(t *rapid.T) {
		var fields []*Field
		for i := range rapid.IntRange(0, 6).Draw(t, "fields") {
			x := &Field{Name: fmt.Sprint(i), Label: Safe(words().Draw(t, "label")), Help: Safe(words().Draw(t, "help")), Secret: rapid.Bool().Draw(t, "secret"), Check: noDigit}
			if rapid.Bool().Draw(t, "choice") {
				x.Choices = []string{"one", "two", Safe(words().Draw(t, "three"))}
			}
			fields = append(fields, x)
		}
		f := NewForm(fields, map[string]string{"0": words().Draw(t, "value")}, "Save", "Cancel")
		for range rapid.IntRange(1, 12).Draw(t, "keys") {
			f.Update(keys[rapid.IntRange(0, len(keys)-1).Draw(t, "key")])
			width, height := rapid.IntRange(0, 100).Draw(t, "width"), rapid.IntRange(0, 30).Draw(t, "height")
			th := anyTheme(t)
			f.Height(th, width)
			rectangle(t, f.Draw(th, width, height), width, height)
		}
	})
}
