// Package theme names what colours are for. Screens and widgets ask for a role
// and never for a colour, so that dark, light, mono and ascii differ here only.
//
// A role is never the only sign of anything: a status has a sign and a word,
// so that NO_COLOR and colour-blind readers lose nothing. Every role reads at a
// contrast of at least 4.5 to 1 (WCAG 2.2, AA) on the backgrounds it is for; a
// test holds that.
package theme

import (
	"strings"

	"charm.land/lipgloss/v2"
)

// Name is the name of a theme.
type Name string

// The themes. Auto is dark or light as the terminal's background is.
const (
	Auto  Name = "auto"
	Dark  Name = "dark"
	Light Name = "light"
	Mono  Name = "mono"  // no colours: bold, faint, reverse
	ASCII Name = "ascii" // no colours, and nothing beyond ASCII
)

// Names lists the themes.
var Names = []Name{Auto, Dark, Light, Mono, ASCII}

// Role is what a text is for.
type Role int

// The roles.
const (
	Text   Role = iota // what is read
	Muted              // labels, units
	Faint              // rules, borders, empty parts of bars
	Accent             // titles, the focused border, keys
	OK
	Warn
	Bad
	Info
	roles
)

// Theme is a set of styles. It is a value that nobody changes.
type Theme struct {
	Name      Name
	styles    [roles]lipgloss.Style
	plain     [roles]affix   // of the styles, made once: a picture paints thousands of texts
	strong    [roles]affix   // and bold
	Selection lipgloss.Style // the chosen row
	Field     lipgloss.Style // a text field
	FieldOn   lipgloss.Style // the focused text field
	Button    lipgloss.Style
	ButtonOn  lipgloss.Style // the focused button
	Danger    lipgloss.Style // the focused button of something that cannot be undone
	Glyphs    Glyphs
}

// Glyphs are the signs a theme draws with, each one cell wide.
type Glyphs struct {
	Border             lipgloss.Border
	Bar, BarRest       string
	Spark              []string // from empty to full
	Eighths            []string // of a cell, from one to all
	Shade, Dash, Line  string   // what is expected, a level across, a cursor
	On, Half, Off      string   // active, suspended, inactive
	Good, Wrong, Alert string
	Pointer, Ellipsis  string
	Up, Down, Right    string
	Dot, Logo, Mask    string
	Spinner            []string
	Chosen, Unchosen   string // of radio buttons
	Checked, Unchecked string
}

var rich = Glyphs{
	Border: lipgloss.RoundedBorder(), Bar: "━", BarRest: "─",
	Spark:   []string{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"},
	Eighths: []string{"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}, Shade: "░", Dash: "┄", Line: "┊",
	On: "●", Half: "◐", Off: "○", Good: "✓", Wrong: "✗", Alert: "!", Pointer: "▸", Ellipsis: "…",
	Up: "▲", Down: "▼", Right: "→", Dot: "·", Logo: "▲", Mask: "•",
	Spinner: []string{"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"},
	Chosen:  "(•)", Unchosen: "( )", Checked: "[x]", Unchecked: "[ ]",
}

var plain = Glyphs{
	Border: lipgloss.ASCIIBorder(), Bar: "=", BarRest: "-",
	Spark:   []string{"_", "_", ".", ".", "-", "-", "^", "^"},
	Eighths: []string{"_", "_", "_", "#", "#", "#", "#", "#"}, Shade: ":", Dash: "-", Line: "|",
	On: "*", Half: "%", Off: "o", Good: "v", Wrong: "x", Alert: "!", Pointer: ">", Ellipsis: "~",
	Up: "^", Down: "v", Right: ">", Dot: "-", Logo: "#", Mask: "*",
	Spinner: []string{"|", "/", "-", `\`},
	Chosen:  "(*)", Unchosen: "( )", Checked: "[x]", Unchecked: "[ ]",
}

// palette is the colours of a theme; the order of ink is that of the roles.
type palette struct {
	ink                 [roles]string
	selection, selected string // background and text of the chosen row
	field, fieldOn      string // backgrounds
	button, buttonOn    string // backgrounds
	onAccent, danger    string // text on an accent; background of danger
	backgrounds         []string
}

// The backgrounds that terminals commonly have, from which the contrast test
// takes the hardest.
var (
	dark = palette{
		ink:       [roles]string{"#e6e6ea", "#a3a6b5", "#9094a8", "#b39dfa", "#7fd88f", "#f0c05a", "#ff8f8f", "#7cc4ff"},
		selection: "#3a3560", selected: "#ffffff", field: "#2a2b36", fieldOn: "#363350", button: "#33343f", buttonOn: "#b39dfa",
		onAccent: "#16131f", danger: "#ff8f8f", backgrounds: []string{"#000000", "#1e1e2e", "#282a36"},
	}
	light = palette{
		ink:       [roles]string{"#1c1b22", "#55566a", "#66687c", "#5b35c4", "#1a6b2d", "#7a5200", "#b3202a", "#1457a8"},
		selection: "#ddd6fb", selected: "#1c1b22", field: "#e9e9ef", fieldOn: "#e2dcf8", button: "#e0e0e8", buttonOn: "#5b35c4",
		onAccent: "#ffffff", danger: "#b3202a", backgrounds: []string{"#ffffff", "#fafafa", "#f5f5f5"},
	}
)

// New makes a theme. Auto must be resolved first, see [Resolve].
func New(n Name) *Theme {
	switch n {
	case Light:
		return colours(n, light)
	case Mono, ASCII:
		return mono(n)
	}
	return colours(Dark, dark)
}

// Resolve turns Auto into a theme that suits the terminal.
func Resolve(n Name, darkBackground, colour bool) Name {
	switch {
	case n != Auto && n != "":
		return n
	case !colour:
		return Mono
	case darkBackground:
		return Dark
	}
	return Light
}

func colours(n Name, p palette) *Theme {
	t := &Theme{Name: n, Glyphs: rich}
	style := func(ink, paper string) lipgloss.Style {
		s := lipgloss.NewStyle().Foreground(lipgloss.Color(ink))
		if paper != "" {
			s = s.Background(lipgloss.Color(paper))
		}
		return s
	}
	for r, ink := range p.ink {
		t.styles[r] = style(ink, "")
	}
	t.Selection = style(p.selected, p.selection).Bold(true)
	t.Field, t.FieldOn = style(p.ink[Text], p.field), style(p.ink[Text], p.fieldOn)
	t.Button, t.ButtonOn = style(p.ink[Text], p.button), style(p.onAccent, p.buttonOn).Bold(true)
	t.Danger = style(p.onAccent, p.danger).Bold(true)
	return t.ready()
}

func mono(n Name) *Theme {
	t := &Theme{Name: n, Glyphs: rich}
	if n == ASCII {
		t.Glyphs = plain
	}
	base := lipgloss.NewStyle()
	for r := range t.styles {
		t.styles[r] = base
	}
	t.styles[Muted], t.styles[Faint] = base.Faint(true), base.Faint(true)
	t.styles[Accent], t.styles[Warn], t.styles[Bad] = base.Bold(true), base.Bold(true), base.Bold(true)
	t.Selection, t.FieldOn, t.ButtonOn, t.Danger = base.Reverse(true), base.Underline(true), base.Reverse(true), base.Reverse(true).Bold(true)
	t.Field, t.Button = base.Underline(true), base
	return t.ready()
}

// affix is what stands before and after a text to style it.
type affix struct{ before, after string }

func affixOf(s lipgloss.Style) affix {
	const text = "x"
	before, after, _ := strings.Cut(s.Render(text), text)
	return affix{before, after}
}

// Render writes a text, one line, in a style. Blanks are styled as letters are,
// which lipgloss does not do for all.
func Render(s lipgloss.Style, text string) string {
	if text == "" {
		return ""
	}
	a := affixOf(s)
	return a.before + text + a.after
}

// ready makes the affixes once the styles are set.
func (t *Theme) ready() *Theme {
	for r, s := range t.styles {
		t.plain[r], t.strong[r] = affixOf(s), affixOf(s.Bold(true))
	}
	return t
}

// Style is the style of a role.
func (t *Theme) Style(r Role) lipgloss.Style { return t.styles[r] }

// Paint writes a text, one line, in a role. The text must be safe to show; see
// widget.Safe.
func (t *Theme) Paint(r Role, s string) string {
	if s == "" {
		return ""
	}
	return t.plain[r].before + s + t.plain[r].after
}

// Strong writes a text, one line, in a role and bold.
func (t *Theme) Strong(r Role, s string) string {
	if s == "" {
		return ""
	}
	return t.strong[r].before + s + t.strong[r].after
}
