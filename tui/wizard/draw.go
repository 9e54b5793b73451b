package wizard

import (
	"fmt"
	"strings"

	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// Draw draws how far the user is, the step, and what is wrong or waited for.
func (w *Wizard) Draw(t *theme.Theme, width, height int) widget.Block {
	width = min(width, 92)
	lines := []string{w.progress(t, width), ""}
	below := w.below(t, width)
	rows := height - len(lines) - len(below)
	body := w.body(t, width, rows)
	return widget.Below(widget.NewBlock(width, len(lines), lines...), body, widget.NewBlock(width, len(below), below...))
}

// progress is the line of steps: those that are done, the one at hand, those to
// come.
func (w *Wizard) progress(t *theme.Theme, width int) string {
	at := map[wizardStep]int{wizardData: 0, wizardProvider: 1, wizardAccount: 1, wizardClient: 2, wizardTry: 3}[w.step]
	var out []string
	for i, name := range []string{"Data", "Provider", "First client", "Try it"} {
		text := fmt.Sprintf("%d %s", i+1, name)
		switch {
		case i < at:
			out = append(out, t.Paint(theme.OK, text+" "+t.Glyphs.Good))
		case i == at:
			out = append(out, t.Strong(theme.Accent, text))
		default:
			out = append(out, t.Paint(theme.Faint, text))
		}
	}
	return widget.Pad(strings.Join(out, "   "), width)
}

// below is what stands under a step: what went before, what is waited for or
// wrong, and the keys.
func (w *Wizard) below(t *theme.Theme, width int) []string {
	lines := []string{""}
	say := func(role theme.Role, sign, text string) {
		for _, l := range widget.Wrap(widget.Safe(text), width-2) {
			lines = append(lines, t.Paint(role, sign+" "+l))
			sign = " "
		}
	}
	for _, d := range w.done {
		if w.step != wizardTry {
			say(theme.OK, t.Glyphs.Good, d)
		}
	}
	switch {
	case w.doing != "":
		say(theme.Info, t.Glyphs.Ellipsis, fmt.Sprintf("%s (%d s; esc gives up)", w.doing, int(w.env.Clock().Sub(w.since).Seconds())))
	case w.problem != "":
		say(theme.Bad, t.Glyphs.Wrong, w.problem)
	}
	keys := map[wizardStep]string{
		wizardData:     "enter continue   esc look around first",
		wizardProvider: "↑↓ move   G the last ones   enter choose   esc back",
		wizardAccount:  "tab next field   ctrl+r reveal   ctrl+s check it   esc back",
		wizardClient:   "tab next field   ctrl+s make it   esc back",
	}[w.step]
	if keys == "" {
		return lines
	}
	return append(lines, t.Paint(theme.Muted, keys))
}

func (w *Wizard) body(t *theme.Theme, width, rows int) widget.Block {
	switch w.step {
	case wizardProvider:
		return w.list.Draw(t, width, min(rows, len(w.kinds)+2))
	case wizardTry:
		if w.tried != nil {
			return w.tried.Draw(t, width, rows)
		}
		return w.shown.Draw(t, width, rows)
	}
	var lines []string
	for _, s := range w.says() {
		lines = append(lines, widget.Wrap(widget.Safe(s), width)...)
		lines = append(lines, "")
	}
	need := min(max(w.form.Height(t, width), 3), rows)
	lines = lines[:min(len(lines), max(rows-need, 0))]
	return widget.Below(widget.NewBlock(width, len(lines), lines...), w.form.Draw(t, width, need))
}

// says is what a step says above its fields.
func (w *Wizard) says() []string {
	switch s := w.env.Source.Snapshot(); w.step {
	case wizardData:
		return []string{
			"tallygate hands out access to AI models, keeps the tally, and never lets anyone spend more than you said. In a minute you have a key that works.",
			"Your data lives in " + s.Status.Data + ", which only you can read. API keys of providers are encrypted before they are written; prompts and answers are not stored unless you capture them.",
			w.of.Elsewhere,
		}
	case wizardAccount:
		return []string{"The key is tried before it is kept, and kept encrypted. You can add more providers, and a fallback order, later."}
	}
	return []string{"A client is whoever gets a key. Its limits hold from the first request: at most 1,000 requests and $5 a month, 60 requests a minute, unless you change them here or later."}
}
