package providers

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

func (s *Screen) explain(p *control.ProviderView, inner, rows int) screen.Detail {
	t := s.Env.Theme
	tone := control.ProviderTable.Tone(p)
	sign, state := part.ToneSign(t, tone), t.Paint(part.ToneRole(tone), p.State())
	kind := widget.Safe(string(p.ProviderKind))
	if p.Local {
		kind += t.Paint(theme.Muted, ", runs on your machine")
	}
	address := widget.Safe(p.BaseURL)
	if address == "" {
		address = t.Paint(theme.Muted, "built in")
	}
	keys := t.Paint(theme.Muted, "none")
	if len(p.KeyHints) > 0 {
		keys = widget.Safe(strings.Join(p.KeyHints, "  "))
	}
	flight := t.Paint(theme.Muted, "no cap")
	if p.MaxInFlight > 0 {
		flight = fmt.Sprintf("at most %d", p.MaxInFlight)
	}
	facts := []part.Fact{{"state", sign + " " + state}, {"kind", kind}, {"address", address}, {"keys", keys}, {"models", s.offers(p)}, {"in flight", flight}, {"timeouts", timeouts(t, p)},
		{"probe", s.probed(p)}}
	if p.Weight > 0 {
		facts = append(facts, part.Fact{"weight", fmt.Sprintf("%d, beside neighbours with one", p.Weight)})
	}
	lines := part.Facts(t, facts, inner)
	lines = append(lines, s.health(p, inner)...)
	day := p.Last24Hours
	lines = append(lines, "", part.Heading(t, "24 hours", widget.Money(day.CostNanoUSD), inner))
	lines = append(lines, part.Sums(t, &day, inner)...)
	lines = append(lines, s.failedLines(p, inner)...)
	lines = append(lines, "", part.Heading(t, "This month", part.Charged(&p.Month), inner))
	lines = append(lines, part.Sums(t, &p.Month, inner)...)
	lines = append(lines, "", part.Heading(t, "Last requests", "", inner))
	lines = append(lines, s.Latest.Lines(s.Snap, inner, max(rows-len(lines), 5), func(r *control.RequestView) string { return r.Model })...)
	return screen.Detail{Title: widget.Safe(p.Name), Note: "since " + p.CreatedAt.In(s.Env.Zone).Format("2 Jan 2006"), Lines: lines}
}

// health tells what of the provider is not well, and until when it is left alone.
func (s *Screen) health(p *control.ProviderView, width int) []string {
	t := s.Env.Theme
	if len(p.Health) == 0 {
		return nil
	}
	out := []string{"", part.Heading(t, "Not well", "", width)}
	for i := range p.Health {
		h := &p.Health[i]
		role, text := theme.Warn, ""
		switch h.State {
		case control.HealthCooling:
			role, text = theme.Bad, "cooling until "+h.Until.In(s.Env.Zone).Format("15:04:05")+", asked last: "
		case control.HealthHalfOpen:
			text = "half open, the next attempt tries it: "
		}
		what := t.Paint(role, t.Glyphs.Wrong+" "+cmp.Or(widget.Safe(h.Of), "all of it"))
		out = append(out, widget.Wrap(what+" "+t.Paint(theme.Muted, text+widget.Safe(h.Why())), width)...)
	}
	return out
}

// failedLines tell of attempts that failed, also where another provider has then
// answered.
func (s *Screen) failedLines(p *control.ProviderView, width int) []string {
	t := s.Env.Theme
	if len(p.Failures) == 0 && p.LastFailure == nil {
		return nil
	}
	var out []string
	if len(p.Failures) > 0 {
		out = append(out, t.Paint(theme.Bad, t.Glyphs.Wrong+" "+tally.Group(p.Failures.Total()))+t.Paint(theme.Muted, " attempts failed: ")+widget.Safe(p.Failures.String()))
	}
	if f := p.LastFailure; f != nil {
		for _, l := range widget.Wrap(widget.Ago(f.At, s.Env.Clock())+" ago: "+widget.Safe(f.Why()), width) {
			out = append(out, t.Paint(theme.Muted, l))
		}
	}
	return out
}

// offers counts the models of a provider: known, offered, without a price.
func (s *Screen) offers(p *control.ProviderView) string {
	t := s.Env.Theme
	var on, unpriced int
	for i := range s.Snap.Models {
		if m := &s.Snap.Models[i]; m.Provider == p.ID && m.Model.Enabled {
			on++
			if !m.Priced {
				unpriced++
			}
		}
	}
	out := fmt.Sprintf("%d known, %d on", p.Models, on)
	if unpriced > 0 && s.Snap.Settings.Unpriced != tally.AllowAtZero {
		out += t.Paint(theme.Warn, fmt.Sprintf(", %d refused: no price", unpriced))
	}
	return out
}

func timeouts(t *theme.Theme, p *control.ProviderView) string {
	var out []string
	for _, x := range []struct {
		name      string
		set, left time.Duration
	}{{"connect", p.ConnectTimeout, 10 * time.Second}, {"first byte", p.FirstByteTimeout, 0}, {"chunk", p.ChunkTimeout, 3 * time.Minute}, {"answer", p.Timeout, 10 * time.Minute}} {
		if d := cmp.Or(x.set, x.left); d > 0 {
			out = append(out, t.Paint(theme.Muted, x.name+" ")+control.FormatSpan(d))
		}
	}
	return strings.Join(out, "  ")
}

// probed tells how the last probe of this screen went.
func (s *Screen) probed(p *control.ProviderView) string {
	t := s.Env.Theme
	if s.testing == p.ID {
		return t.Paint(theme.Info, "asking"+t.Glyphs.Ellipsis)
	}
	r, ok := s.tests[p.ID]
	if !ok {
		return t.Paint(theme.Muted, "T asks it for its models, which costs nothing")
	}
	when := t.Paint(theme.Muted, "  "+widget.Ago(r.at, s.Env.Clock())+" ago")
	if !r.OK {
		text := r.Message
		if r.Hint != "" {
			text += " — " + r.Hint
		}
		return t.Paint(theme.Bad, t.Glyphs.Wrong+" "+widget.Safe(text)) + when
	}
	return t.Paint(theme.OK, t.Glyphs.Good) + fmt.Sprintf(" answered in %s, lists %d models", widget.Latency(r.Latency), r.Models) + when
}
