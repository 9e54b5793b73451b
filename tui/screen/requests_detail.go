package screen

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// drawDetail explains one request: every check it met, what it counted on its
// limits, what it cost and why, and where the time went.
func (s *Requests) drawDetail(width, height int) widget.Block {
	t := s.env.Theme
	v := s.selected()
	if v == nil {
		return widget.Box{Title: "No request", Focused: s.detail}.Draw(t, width, height, nil)
	}
	inner, rows := widget.Inner(width, height)
	lines := s.explain(v, inner)
	s.top = max(min(s.top, len(lines)-rows), 0)
	s.more = s.top+rows < len(lines)
	shown, hint := lines[s.top:], "more: enter, then ↓"
	if s.detail {
		hint = "more: ↓"
	}
	if s.more && len(shown) > rows {
		shown = append(append([]string(nil), shown[:rows-1]...), t.Paint(theme.Muted, t.Glyphs.Down+" "+hint))
	}
	return widget.Box{Title: "Request", Note: v.At.In(s.env.Zone).Format("Mon 2 Jan 15:04:05.000"), Focused: s.detail}.Draw(t, width, height, shown)
}

func (s *Requests) explain(v *control.RequestView, width int) []string {
	t := s.env.Theme
	facts := func(f ...fact) []string { return factLines(t, f, width) }
	lines := []string{verdict(t, v), ""}
	key := widget.Safe(v.Key)
	if key == "" {
		key = string(v.KeyID)
	}
	lines = append(lines, facts(
		fact{"id", string(v.ID)},
		fact{"client", widget.Safe(v.Client)},
		fact{"key", key},
		fact{"gateway", widget.Safe(v.Gateway)},
		fact{"asked", asksFor(v)},
		fact{"from", strings.TrimSpace(widget.Safe(v.Origin) + " " + widget.Safe(v.Country))},
		fact{"session", session(v)},
	)...)
	if v.Count > 1 {
		lines = append(lines, facts(fact{"times", fmt.Sprintf("%s refusals like it within a minute", tally.Group(v.Count))})...)
	}
	lines = append(lines, "", heading(t, "Checks", "", width))
	lines = append(lines, checkLines(t, v, width)...)
	if len(v.Charges) > 0 {
		lines = append(lines, "", heading(t, "Limits", "used after this request", width))
		for _, c := range v.Charges {
			lines = append(lines, chargeLines(t, &c, width)...)
		}
	}
	if v.InputTokens+v.OutputTokens > 0 || v.CostNanoUSD > 0 {
		lines = append(lines, "", heading(t, "Price", "tokens × USD per million", width))
		lines = append(lines, s.priceLines(v, width)...)
	}
	if v.Provider != "" || v.TotalMS > 0 {
		lines = append(lines, "", heading(t, "Answer", "", width))
		lines = append(lines, facts(
			fact{"provider", widget.Safe(v.Provider)},
			fact{"attempts", attempts(v)},
			fact{"first byte", known(v.FirstByteMS)},
			fact{"whole", known(v.TotalMS)},
		)...)
	}
	return append(lines, "", t.Paint(theme.Faint, "Prompts and answers are not stored."))
}

// verdict is how a request ended, in one line.
func verdict(t *theme.Theme, v *control.RequestView) string {
	role, sign := outcomeRole(v.Outcome), t.Glyphs.Wrong
	text := map[tally.Outcome]string{
		tally.OK: "answered", tally.OutcomeDenied: "refused", tally.OutcomeLimited: "refused by a limit", tally.OutcomeFailed: "the providers failed",
		tally.Canceled: "the client left; what was delivered is billed", tally.Lost: "tallygate stopped before it knew the end",
	}[v.Outcome]
	switch v.Outcome {
	case tally.OK:
		sign = t.Glyphs.Good
	case tally.OutcomeLimited, tally.Canceled:
		sign = t.Glyphs.Alert
	}
	line := t.Strong(role, fmt.Sprintf("%s %s %s", sign, status(v), text))
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

func attempts(v *control.RequestView) string {
	switch {
	case v.Attempts == 0:
		return ""
	case v.Attempts == 1:
		return "1"
	case v.Outcome == tally.OK:
		return fmt.Sprintf("%d: those before the last failed", v.Attempts)
	}
	return fmt.Sprintf("%d, none of them answered", v.Attempts)
}

func known(ms float64) string {
	if ms <= 0 {
		return ""
	}
	return widget.Latency(millis(ms))
}

// checks are what a request meets on its way, in order, with the codes of those
// it can stop at.
var checks = []struct {
	name  string
	codes []string
}{
	{"key", []string{tally.CodeInvalidKey, tally.CodeKeyExpired, tally.CodeKeyRevoked}},
	{"client", []string{tally.CodeClientSuspended, tally.CodeClientInactive}},
	{"gateway", []string{tally.CodeGatewayDisabled}},
	{"origin", []string{tally.CodeOrigin}},
	{"request", []string{tally.CodeBadRequest, tally.CodeTooLarge, tally.CodeUnknownPath, tally.CodeMethod}},
	{"model", []string{tally.CodeModelNotFound, tally.CodeModelNotAllowed, tally.CodeModelUnpriced}},
	{"limits", []string{tally.CodeRate, tally.CodeConcurrency, tally.CodeBudgetHeld, tally.CodeSessionMissing}},
	{"provider", []string{tally.CodeNoProvider, tally.CodeProviderDown, tally.CodeProviderTimeout, tally.CodeProviderBusy, tally.CodeProviderError,
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
		return []string{t.Paint(theme.Bad, t.Glyphs.Wrong+" ") + widget.Safe(words(v.Code))}
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
		out = append(out, t.Paint(theme.Bad, "stopped at "+checks[stop].name+": ")+widget.Safe(words(v.Code)))
	}
	return out
}

// chargeLines are a limit with what it had used once this request was settled.
func chargeLines(t *theme.Theme, c *tally.Charged, width int) []string {
	kind, _ := c.Subject.Split()
	share := widget.Share(c.Used, c.Max)
	figures := fmt.Sprintf("%s of %s", widget.Amount(c.Metric, c.Used), widget.Amount(c.Metric, c.Max))
	this := "+" + widget.Amount(c.Metric, c.Amount)
	label := kind + " " + string(c.Metric)
	bar := max(min(width-17-6-widget.Width(figures)-2, 16), 4)
	first := widget.Pad(label, 17) + widget.Bar(t, share, bar, widget.Budget(share)) + t.Paint(widget.Budget(share), fmt.Sprintf(" %4s ", usedText(share))) + figures
	return []string{first, t.Paint(theme.Muted, "  "+this+" by this request, "+period(c.Window))}
}

// period writes the label of a period for people.
func period(label string) string {
	switch {
	case label == string(tally.Total):
		return "for good"
	case strings.HasPrefix(label, "m"):
		return "month of " + civil(label[1:])
	case strings.HasPrefix(label, "w"):
		return "week of " + civil(label[1:])
	case strings.Contains(label, "T"):
		return "from " + widget.Safe(label[strings.Index(label, "T")+1:min(16, len(label))])
	}
	return civil(label)
}

// civil writes a date for people.
func civil(date string) string {
	if d, err := time.Parse(time.DateOnly, date); err == nil {
		return d.Format("2 Jan")
	}
	return widget.Safe(date)
}

// priceLines show how the cost came about: tokens of each class times their
// rate.
func (s *Requests) priceLines(v *control.RequestView, width int) []string {
	t := s.env.Theme
	total := widget.Between(t.Strong(theme.Text, "cost"), t.Strong(theme.Text, "$"+v.CostNanoUSD.String()), width)
	basis := map[tally.Basis]string{
		tally.Exact: "Tokens as the provider reported them.", tally.Estimated: "Tokens counted from the bytes delivered: the provider reported none.",
		tally.Held: "The most it could have cost, as tallygate stopped before it knew.",
	}[v.Basis]
	rates, ok := s.rates(v)
	var lines []string
	type class struct {
		name string
		n    int64
		rate tally.NanoUSD
		one  tally.Rates
		of   tally.Tokens
	}
	for _, c := range []class{
		{"input", v.Tokens.Input, rates.Input, tally.Rates{Input: rates.Input}, tally.Tokens{Input: v.Tokens.Input}},
		{"cached input", v.Tokens.CachedInput, rates.CachedInput, tally.Rates{CachedInput: rates.CachedInput}, tally.Tokens{CachedInput: v.Tokens.CachedInput}},
		{"cache write", v.Tokens.CacheWrite, rates.CacheWrite, tally.Rates{CacheWrite: rates.CacheWrite}, tally.Tokens{CacheWrite: v.Tokens.CacheWrite}},
		{"output", v.Tokens.Output, rates.Output, tally.Rates{Output: rates.Output}, tally.Tokens{Output: v.Tokens.Output}},
		{"reasoning", v.Tokens.Reasoning, rates.Reasoning, tally.Rates{Reasoning: rates.Reasoning}, tally.Tokens{Reasoning: v.Tokens.Reasoning}},
	} {
		if c.n == 0 {
			continue
		}
		left := widget.Pad(c.name, 13) + widget.PadLeft(tally.Group(c.n), 9)
		right := ""
		if ok {
			left += t.Paint(theme.Muted, " × $"+c.rate.String())
			right = "$" + c.one.Cost(c.of).String()
		}
		lines = append(lines, widget.Between(left, right, width))
	}
	if ok && rates.Request > 0 {
		lines = append(lines, widget.Between("per call", "$"+rates.Request.String(), width))
	}
	lines = append(lines, total)
	if v.CreditsNano != v.CostNanoUSD {
		lines = append(lines, widget.Between("credits, with mark-up", "$"+v.CreditsNano.String(), width))
	}
	say := func(role theme.Role, text string) {
		for _, l := range widget.Wrap(text, width) {
			lines = append(lines, t.Paint(role, l))
		}
	}
	switch {
	case !ok:
		say(theme.Muted, "The model has no price any more, so the rates cannot be shown.")
	case rates.Cost(v.Tokens) != v.CostNanoUSD:
		say(theme.Warn, "The model's price has been changed since: what was booked stays.")
	}
	if basis != "" {
		say(theme.Muted, basis)
	}
	return lines
}

// rates are those that the model had when the request came in, as far as its
// prices tell.
func (s *Requests) rates(v *control.RequestView) (tally.Rates, bool) {
	for i := range s.snap.Models {
		m := &s.snap.Models[i]
		if m.ProviderName == v.Provider && (m.UpstreamName() == v.Upstream || m.Name == v.Model) {
			return tally.PriceAt(m.Prices, v.At, v.Tokens.Prompt())
		}
	}
	return tally.Rates{}, false
}

// requestSheet exports the requests that pass a filter, page by page.
func requestSheet(e *Env, f requestFilter) sheet {
	return sheet{
		header: []string{"id", "at", "gateway", "client", "key", "key_id", "model", "upstream_model", "provider", "endpoint", "origin", "country", "session", "new_session",
			"status", "outcome", "stream", "basis", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens",
			"cost_usd", "cost_nano_usd", "credits_usd", "credits_nano_usd", "first_byte_ms", "total_ms", "attempts", "code", "count"},
		rows: func(ctx context.Context, yield func([]string, any) error) error {
			q := f.query
			for q.Limit = 1000; ; {
				page, err := control.RequestsList.Do(ctx, e.Caller, q)
				if err != nil {
					return err
				}
				for i := range page.Requests {
					if v := &page.Requests[i]; f.match(v) {
						if err := yield(requestCells(v), v); err != nil {
							return err
						}
					}
				}
				if q.After = page.Next; q.After == "" {
					return nil
				}
			}
		},
	}
}

func requestCells(r *control.RequestView) []string {
	n := func(n int64) string { return strconv.FormatInt(n, 10) }
	ms := func(ms float64) string { return strconv.FormatFloat(ms, 'f', -1, 64) }
	return []string{string(r.ID), r.At.UTC().Format(time.RFC3339Nano), r.Gateway, r.Client, r.Key, string(r.KeyID), r.Model, r.Upstream, r.Provider, r.Endpoint,
		r.Origin, r.Country, r.Session, strconv.FormatBool(r.NewSession), strconv.Itoa(r.Status), string(r.Outcome), strconv.FormatBool(r.Stream), string(r.Basis),
		n(r.InputTokens), n(r.Tokens.CachedInput), n(r.Tokens.CacheWrite), n(r.OutputTokens), n(r.Tokens.Reasoning),
		r.CostUSD, n(int64(r.CostNanoUSD)), r.CreditsUSD, n(int64(r.CreditsNano)), ms(r.FirstByteMS), ms(r.TotalMS), strconv.Itoa(r.Attempts), r.Code, n(r.Count)}
}
