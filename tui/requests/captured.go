package requests

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

const (
	widestCaptured = 110
	// longestCaptured is how much of one text is drawn, in bytes; commands have all of it.
	longestCaptured = 128 << 10
)

// captured is the dialog of what a client has really sent, and what came back.
type captured struct {
	s     *Screen
	id    tally.ID
	out   *control.CapturedRequest // nil until it has come
	err   error
	raw   bool // the bodies, not the conversation
	note  string
	lines widget.Scroll
	drawn []string // for width, "" if they must be made
	width int
}

// openCaptured shows what was captured of the request that is chosen.
func (s *Screen) openCaptured() tea.Cmd {
	d := &captured{s: s, id: s.Selected().ID}
	return tea.Sequence(screen.Ask(screen.Open{Dialog: d}), func() tea.Msg {
		out, err := screen.Run(screen.Patience, s.Env, control.CaptureShow, control.PickCaptured{Request: string(d.id)})
		return screen.Reply{Take: func() tea.Cmd {
			if d.err = err; err == nil {
				d.out = &out
			}
			return nil
		}}
	})
}

// notCaptured says why nothing was captured of the request that is chosen.
func (s *Screen) notCaptured() string {
	why := cmp.Or(s.Env.ReadOnly(), s.Chosen())
	if why == "" && !s.wasCaptured(s.Selected()) {
		return "it was not captured: in Keys, C starts that for a key"
	}
	return why
}

// wasCaptured reports whether the key of a request was captured when it came.
func (s *Screen) wasCaptured(v *control.RequestView) bool {
	return slices.ContainsFunc(s.Snap.Keys, func(k control.KeyView) bool {
		return k.ID == v.KeyID && !k.CapturedSince.IsZero() && !v.At.Before(k.CapturedSince) && v.At.Before(k.CapturedUntil)
	})
}

// Title implements Dialog, as do the methods below.
func (d *captured) Title() string { return "Captured " + string(d.id) }
func (d *captured) Typing() bool  { return false }
func (d *captured) Esc() tea.Cmd  { return screen.Ask(screen.Close{Dialog: d}) }

func (d *captured) Update(msg tea.Msg) tea.Cmd {
	key, ok := msg.(tea.KeyPressMsg)
	if !ok || d.lines.Key(key.String()) {
		return nil
	}
	switch key.String() {
	case "enter", "q", "C":
		return d.Esc()
	case "r":
		d.raw, d.drawn, d.lines = !d.raw, nil, widget.Scroll{}
	case "y":
		return d.curl()
	}
	return nil
}

// curl copies the command line that sends the request again.
func (d *captured) curl() tea.Cmd {
	return func() tea.Msg {
		out, err := screen.Run(screen.Patience, d.s.Env, control.CaptureCurl, control.PickCaptured{Request: string(d.id)})
		return screen.Reply{Take: func() tea.Cmd {
			if err != nil {
				d.note = tally.AsError(err).Message
				return nil
			}
			d.note = "The curl was sent to the terminal's clipboard; its key is $TALLYGATE_KEY."
			return tea.SetClipboard(out.Curl)
		}}
	}
}

func (d *captured) Draw(t *theme.Theme, width, height int) widget.Block {
	width = min(width, widestCaptured)
	lines := []string{""}
	switch {
	case d.err != nil:
		lines = append(lines, widget.Wrap(t.Paint(theme.Bad, widget.Safe(d.err.Error())), width)...)
	case d.out == nil:
		lines = append(lines, t.Paint(theme.Muted, "looking …"))
	default:
		if d.drawn == nil || d.width != width {
			d.drawn, d.width = d.text(t, width), width
		}
		lines = d.drawn
	}
	can := "↑↓ scroll   r the bodies as they passed   y copy a curl   esc closes"
	if d.raw {
		can = "↑↓ scroll   r the conversation   y copy a curl   esc closes"
	}
	return part.Scrolled(t, &d.lines, lines, can, d.note, width, height)
}

// text is all that there is to read.
func (d *captured) text(t *theme.Theme, width int) []string {
	v := d.out
	status := "no answer"
	if v.Status != 0 {
		status = strconv.Itoa(v.Status)
	}
	lines := append([]string{""}, part.Facts(t, []part.Fact{
		{"asked", widget.Safe(v.Method + " " + v.Path)}, {"model", widget.Safe(v.Model)},
		{"at", v.At.In(d.s.Env.Zone).Format("Mon 2 Jan 15:04:05")}, {"took", known(v.TookMS)},
		{"sent", control.SizeOf(v.RequestBytes).Long(d.s.Env.Zone)},
		{"answered", strings.TrimSuffix(status+", "+control.SizeOf(v.AnswerBytes).Long(d.s.Env.Zone), ", ")},
		{"not as it was", v.Marks()},
	}, width)...)
	say := func(heading, text string) {
		lines = append(lines, "", part.Heading(t, widget.Safe(heading), "", width))
		if len(text) > longestCaptured {
			text = strings.ToValidUTF8(text[:longestCaptured], "") + "\n… tallygate capture show " + string(d.id) + " --raw has the rest"
		}
		for line := range strings.Lines(text) {
			lines = append(lines, widget.Wrap(widget.Safe(strings.TrimRight(line, "\r\n")), width)...)
		}
	}
	if d.raw || len(v.Spoken) == 0 {
		say("Headers of the request", headerText(v.RequestHeader))
		say("Request", v.RequestBody)
		say("Headers of the answer", headerText(v.AnswerHeader))
		say("Answer", v.AnswerBody)
		return lines
	}
	for _, s := range v.Spoken {
		say(s.Who, s.Text)
	}
	return lines
}

func headerText(h map[string][]string) string {
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(h)) {
		out.WriteString(name + ": " + strings.Join(h[name], ", ") + "\n")
	}
	return out.String()
}
