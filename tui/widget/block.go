package widget

import (
	"strings"

	"github.com/charmbracelet/x/ansi"

	"tallygate/tui/theme"
)

// Block is a rectangle of text: lines that are all equally wide.
type Block struct {
	lines []string
	width int
}

// NewBlock makes a block of exactly a width and a height from lines: what is
// too much is cut, what is missing is blank.
func NewBlock(width, height int, lines ...string) Block {
	width, height = max(width, 0), max(height, 0)
	b := Block{lines: make([]string, height), width: width}
	for i := range b.lines {
		if i < len(lines) {
			b.lines[i] = Pad(lines[i], width)
		} else {
			b.lines[i] = spaces(width)
		}
	}
	return b
}

// Size is the block's width and height in cells.
func (b Block) Size() (width, height int) { return b.width, len(b.lines) }

// Lines are the block's lines.
func (b Block) Lines() []string { return b.lines }

// String joins the lines.
func (b Block) String() string { return strings.Join(b.lines, "\n") }

// Unmarked is the block without its spots.
func (b Block) Unmarked() Block {
	out := Block{lines: make([]string, len(b.lines)), width: b.width}
	for i, l := range b.lines {
		out.lines[i], _ = Spots(l)
	}
	return out
}

// Beside puts blocks next to each other. All get the height of the tallest.
func Beside(blocks ...Block) Block {
	height, width := 0, 0
	for _, b := range blocks {
		height, width = max(height, len(b.lines)), width+b.width
	}
	out := Block{lines: make([]string, height), width: width}
	var line strings.Builder
	for i := range out.lines {
		line.Reset()
		for _, b := range blocks {
			if i < len(b.lines) {
				line.WriteString(b.lines[i])
			} else {
				line.WriteString(spaces(b.width))
			}
		}
		out.lines[i] = line.String()
	}
	return out
}

// Below puts blocks under each other. All get the width of the widest.
func Below(blocks ...Block) Block {
	out := Block{}
	for _, b := range blocks {
		out.width = max(out.width, b.width)
	}
	for _, b := range blocks {
		for _, l := range b.lines {
			if b.width < out.width {
				l += spaces(out.width - b.width)
			}
			out.lines = append(out.lines, l)
		}
	}
	return out
}

// Over puts one block on top of another, its upper left cell at x and y.
func Over(below, above Block, x, y int) Block {
	out := Block{lines: append([]string(nil), below.lines...), width: below.width}
	for i, l := range above.lines {
		if at := y + i; at >= 0 && at < len(out.lines) {
			rest := max(below.width-x-above.width, 0)
			right := ansi.TruncateLeft(below.lines[at], below.width-rest, "")
			if Width(right) > rest { // a wide letter is half covered
				right = ansi.TruncateLeft(below.lines[at], below.width-rest+1, "")
			}
			out.lines[at] = Pad(Pad(ansi.Truncate(below.lines[at], x, ""), x)+l+PadLeft(right, rest), below.width)
		}
	}
	return out
}

// Box is a frame with a title at its top left and a note at its top right.
type Box struct {
	Title, Note string // Note gives way to Title
	Focused     bool
	// NotePainted is whether Note carries its own styles.
	NotePainted bool
}

// Inner is the size that is left inside a box of a size.
func Inner(width, height int) (int, int) { return max(width-4, 0), max(height-2, 0) }

// Draw frames a content, which is cut or filled to fit with a blank cell on
// either side.
func (x Box) Draw(t *theme.Theme, width, height int, content []string) Block {
	if width < 4 || height < 2 {
		return NewBlock(width, height)
	}
	edge := theme.Faint
	if x.Focused {
		edge = theme.Accent
	}
	g := t.Glyphs.Border
	inner, rows := Inner(width, height)
	body := NewBlock(inner, rows, content...)
	out := Block{width: width, lines: make([]string, 0, height)}
	out.lines = append(out.lines, x.top(t, edge, width))
	left, right := t.Paint(edge, g.Left)+" ", " "+t.Paint(edge, g.Right)
	for _, l := range body.lines {
		out.lines = append(out.lines, left+l+right)
	}
	out.lines = append(out.lines, t.Paint(edge, g.BottomLeft+strings.Repeat(g.Bottom, width-2)+g.BottomRight))
	return out
}

func (x Box) top(t *theme.Theme, edge theme.Role, width int) string {
	g := t.Glyphs.Border
	rule := func(n int) string { return t.Paint(edge, strings.Repeat(g.Top, max(n, 0))) }
	room := width - 4 // corners and one piece of rule on either side
	title, note := Truncate(x.Title, room-2), x.Note
	if title != "" {
		title = " " + title + " "
	}
	if left := room - Width(title) - 1; note != "" && left >= 6 {
		note = " " + Truncate(note, left-2) + " "
	} else {
		note = ""
	}
	fill := room - Width(title) - Width(note)
	if !x.NotePainted {
		note = t.Paint(theme.Muted, note)
	}
	return t.Paint(edge, g.TopLeft+g.Top) + t.Strong(theme.Accent, title) + rule(fill) + note + t.Paint(edge, g.Top+g.TopRight)
}
