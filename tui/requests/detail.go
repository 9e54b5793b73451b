package requests

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/part"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// explain explains one request: every check it met, what it counted on its
// limits, what it cost and why, and where the time went.
func (s *Screen) explain(v *control.RequestView, width int) []string {
	t := s.Env.Theme
	facts := func(f ...part.Fact) []string { return part.Facts(t, f, width) }
	lines := []string{verdict(t, v)}
	if v.Reason != "" {
		for _, l := range widget.Wrap(widget.Safe(v.Reason), width) {
			lines = append(lines, t.Paint(theme.Text, l))
		}
	}
	lines = append(lines, "")
	key := widget.Safe(v.Key)
	if key == "" {
		key = string(v.KeyID)
	}
	lines = append(lines, facts(
		part.Fact{"id", string(v.ID)},
		part.Fact{"client", widget.Safe(v.ClientName)},
		part.Fact{"key", key},
		part.Fact{"token", widget.Safe(v.Token)},
		part.Fact{"gateway", widget.Safe(v.Gateway)},
		part.Fact{"node", widget.Safe(v.Node)},
		part.Fact{"asked", asksFor(v)},
		part.Fact{"from", strings.TrimSpace(widget.Safe(v.Origin) + " " + widget.Safe(v.Country))},
		part.Fact{"visitor", strings.TrimSpace(widget.Safe(v.VisitorNet) + " " + widget.Safe(v.Visitor))},
		part.Fact{"session", session(v)},
	)...)
	if v.Count > 1 {
		lines = append(lines, facts(part.Fact{"times", fmt.Sprintf("%s refusals with this code and limit within a minute, of which it is the first", tally.Group(v.Count))})...)
	}
	lines = append(lines, "", part.Heading(t, "Checks", "", width))
	lines = append(lines, checkLines(t, v, width)...)
	if v.Reached != nil {
		lines = append(lines, "", part.Heading(t, "Limit it met", "", width))
		lines = append(lines, facts(reachedFacts(v.Reached, s.Env.Zone)...)...)
	}
	if len(v.Charges) > 0 {
		lines = append(lines, "", part.Heading(t, "Limits", "used after this request", width))
		lines = append(lines, part.Charges(t, v.Charges, width)...)
	}
	if v.InputTokens+v.OutputTokens > 0 || v.CostNanoUSD > 0 {
		lines = append(lines, "", part.Heading(t, "Price", "tokens × USD per million", width))
		lines = append(lines, s.priceLines(v, width)...)
	}
	if v.Provider != "" || v.TotalMS > 0 {
		lines = append(lines, "", part.Heading(t, "Answer", "", width))
		lines = append(lines, facts(
			part.Fact{"provider", widget.Safe(v.Provider)},
			part.Fact{"its id", widget.Safe(v.RequestOf)},
			part.Fact{"trace", widget.Safe(v.Trace)}, part.Fact{"tags", widget.Safe(strings.ReplaceAll(string(v.Tags), ",", ", "))},
			part.Fact{"attempts", attempts(v)},
			part.Fact{"answered", answered(v)},
			part.Fact{"waited", waited(v)},
			part.Fact{"first byte", known(v.FirstByteMS)},
			part.Fact{"whole", known(v.TotalMS)},
			part.Fact{"cut", cut(v)},
		)...)
		lines = append(lines, tryLines(t, v, width)...)
	}
	stored := "Prompts and answers are not stored."
	if slices.ContainsFunc(v.Tries, func(a control.AttemptView) bool { return a.Detail != "" }) {
		stored = "Prompts and answers are not stored; a provider's words on a failure may quote one, and go after 7 days."
	}
	if s.wasCaptured(v) {
		stored = "This request was captured: C shows what was sent and what came back, until that ends."
	}
	for i, l := range widget.Wrap(stored, width) {
		if i == 0 {
			lines = append(lines, "")
		}
		lines = append(lines, t.Paint(theme.Faint, l))
	}
	return lines
}

// reachedFacts tell of the limit that a request was refused for.
func reachedFacts(x *tally.Reached, zone *time.Location) []part.Fact {
	kind, _ := x.Subject.Split()
	kind = widget.Safe(kind)
	if x.Metric == "" {
		return []part.Fact{{"of", "the " + kind}, {"places", fmt.Sprintf("%s of %s taken", tally.Group(x.Held), tally.Group(x.Max))}}
	}
	f := x.Metric.Format
	out := []part.Fact{{"of", fmt.Sprintf("the %s: %s %s", kind, x.Metric, widget.Safe(x.Window))}, {"used", f(x.Used) + " of " + f(x.Max)}}
	if x.Metric == tally.Balance {
		out = []part.Fact{{"of", "what the " + kind + " has paid in advance"}, {"left", f(x.Max - x.Used)}}
	}
	if x.Held > 0 {
		out = append(out, part.Fact{"held", f(x.Held) + " by requests in flight"})
	}
	out = append(out, part.Fact{"needed", f(x.Need)})
	if !x.Resets.IsZero() {
		out = append(out, part.Fact{"resets", x.Resets.In(zone).Format("Mon 2 Jan 15:04")})
	}
	return out
}

// verdict is how a request ended, in one line.
func verdict(t *theme.Theme, v *control.RequestView) string {
	role, sign := part.OutcomeRole(v.Outcome), t.Glyphs.Wrong
	text := map[tally.Outcome]string{
		tally.OK: "answered", tally.OutcomeDenied: "refused", tally.OutcomeLimited: "refused by a limit", tally.OutcomeFailed: "the providers failed",
		tally.Canceled: "the client left early", tally.Lost: "tallygate stopped before it knew the end",
	}[v.Outcome]
	switch v.Outcome {
	case tally.OK:
		sign = t.Glyphs.Good
	case tally.OutcomeLimited, tally.Canceled:
		sign = t.Glyphs.Alert
	}
	line := t.Strong(role, fmt.Sprintf("%s %s %s", sign, part.Status(v), text))
	if v.Code != "" {
		line += t.Paint(theme.Muted, "  "+widget.Safe(v.Code))
	}
	return line
}

func asksFor(v *control.RequestView) string {
	out := widget.Safe(v.Endpoint)
	if v.Model != "" {
		out += "  " + widget.Safe(v.Model)
	}
	if v.Upstream != "" && v.Upstream != v.Model {
		out += " as " + widget.Safe(v.Upstream)
	}
	if v.Asked != "" {
		out += ", soft landing from " + widget.Safe(v.Asked)
	}
	if v.Stream {
		out += ", stream"
	}
	return strings.TrimSpace(out)
}

func session(v *control.RequestView) string {
	switch {
	case v.Session == "":
		return ""
	case v.NewSession:
		return widget.Safe(v.Session) + ", begun by this request"
	}
	return widget.Safe(v.Session) + ", under way before"
}

// checks are what a request meets on its way, in order, with the codes of those
// it can stop at.
var checks = []struct {
	name  string
	codes []string
}{
	{"key", []string{tally.CodeInvalidKey, tally.CodeKeyExpired, tally.CodeKeyRevoked, tally.CodeTokenExpired, tally.CodeTokenRevoked}},
	{"client", []string{tally.CodeClientSuspended, tally.CodeClientInactive}},
	{"gateway", []string{tally.CodeGatewayDisabled, tally.CodeTokenRefused, tally.CodeTokenMints}},
	{"origin", []string{tally.CodeOrigin, tally.CodeCountry}},
	{"request", []string{
		tally.CodeBadRequest, tally.CodeTooLarge, tally.CodeUnknownPath, tally.CodeMethod, tally.CodeTokenLocked, tally.CodeMintRefused,
	}},
	{"model", []string{tally.CodeTemplate, tally.CodeModelNotFound, tally.CodeModelNotAllowed, tally.CodeModelUnpriced}},
	{"limits", []string{tally.CodeRate, tally.CodeConcurrency, tally.CodeBudgetHeld, tally.CodeSessionMissing, tally.CodeVisitorQuota}},
	{"provider", []string{tally.CodeNoProvider, tally.CodeProviderDown, tally.CodeProviderTimeout, tally.CodeProviderBusy, tally.CodeProviderCap, tally.CodeProviderError,
		tally.CodeProviderQuota, tally.CodeProviderAuth, tally.CodeRefusedUpstream}},
}

// stoppedAt is the check that a request stopped at, len(checks) if it passed
// all, and -1 if the code tells of none of them.
func stoppedAt(v *control.RequestView) int {
	if v.Code == "" || v.Outcome == tally.OK || v.Outcome == tally.Canceled {
		return len(checks)
	}
	for i, c := range checks {
		for _, code := range c.codes {
			if code == v.Code {
				return i
			}
		}
	}
	switch {
	case v.Outcome == tally.OutcomeLimited, strings.HasSuffix(v.Code, "_limit"):
		return len(checks) - 2
	case v.Outcome == tally.OutcomeFailed:
		return len(checks) - 1
	}
	return -1
}

func checkLines(t *theme.Theme, v *control.RequestView, width int) []string {
	stop := stoppedAt(v)
	if stop < 0 {
		return []string{t.Paint(theme.Bad, t.Glyphs.Wrong+" ") + widget.Safe(part.Words(v.Code))}
	}
	parts := make([]string, 0, len(checks))
	for i, c := range checks {
		switch {
		case i < stop:
			parts = append(parts, t.Paint(theme.OK, t.Glyphs.Good)+" "+c.name)
		case i == stop:
			parts = append(parts, t.Paint(theme.Bad, t.Glyphs.Wrong)+" "+t.Strong(theme.Bad, c.name))
		default:
			parts = append(parts, t.Paint(theme.Faint, "- "+c.name))
		}
	}
	var out []string
	line := ""
	for _, p := range parts {
		if line != "" && widget.Width(line)+2+widget.Width(p) > width {
			out, line = append(out, line), ""
		}
		if line != "" {
			line += "  "
		}
		line += p
	}
	out = append(out, line)
	if stop < len(checks) {
		out = append(out, t.Paint(theme.Bad, "stopped at "+checks[stop].name+": ")+widget.Safe(part.Words(v.Code)))
	}
	return out
}
