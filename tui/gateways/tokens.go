package gateways

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/engine/token"
	"tallygate/tui/action"
	"tallygate/tui/dialog"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// siteActions are what an owner does for the pages of a gateway.
func (s *Screen) siteActions() []action.Action {
	return []action.Action{
		{ID: "gateways.mint", Title: "mint an access token", Keys: []string{"t"}, Needs: s.Change, Run: s.mint},
		{ID: "gateways.tokens", Title: "its access tokens: usage, revoke", Keys: []string{"b"}, Needs: s.Chosen, Run: s.listTokens},
		{ID: "gateways.templates", Title: "its templates: what locked tokens say", Keys: []string{"m"}, Needs: s.Chosen, Run: s.listTemplates},
		{ID: "gateways.visitors", Title: "its visitors", Keys: []string{"w"}, Needs: s.Chosen, Run: s.listVisitors},
		{ID: "gateways.inspect", Title: "explain an access token", Run: s.inspect},
		{ID: "gateways.simulate", Title: "simulate a visitor", Keys: []string{"x"}, Needs: s.Chosen, Run: s.simulate},
	}
}

// tokenChecks say what is wrong with an option of an access token: the package
// that mints is asked for a token with that option alone, which nobody gets to see.
func tokenChecks() map[string]func(string) error {
	check := func(put func(o *token.Options, v string)) func(string) error {
		return func(v string) error {
			var o token.Options
			if v = strings.TrimSpace(v); v != "" {
				put(&o, v)
			}
			_, _, err := token.Mint("sk-webllm-gateway-aaaaaaaaa-a", o, time.Now())
			return err
		}
	}
	return map[string]func(string) error{
		"domains":         check(func(o *token.Options, v string) { o.Domains = strings.Fields(v) }),
		"requests":        check(func(o *token.Options, v string) { o.Requests = v }),
		"ip_quota":        check(func(o *token.Options, v string) { o.IPQuota = v }),
		"cost":            check(func(o *token.Options, v string) { o.Cost = v }),
		"quota":           check(func(o *token.Options, v string) { o.Quota = v }),
		"allow_countries": check(func(o *token.Options, v string) { o.AllowedCountries = strings.Fields(strings.ToUpper(v)) }),
		"templates":       check(func(o *token.Options, v string) { o.Templates = strings.Fields(v) }),
		"block_countries": check(func(o *token.Options, v string) { o.BlockedCountries = strings.Fields(strings.ToUpper(v)) }),
	}
}

func (s *Screen) mint() tea.Cmd {
	g := s.Selected()
	address := strings.TrimSuffix(s.address(g), "/v1")
	var begin control.MintToken
	begin.TokenFields = control.SafeToken()
	if host := hostOf(g.PublicURL); host != "" {
		begin.Domains = []string{host}
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, dialog.FormOf[control.MintToken, control.TokenMinted]{
		Heading: "Mint an access token of " + widget.Safe(g.Slug), Op: control.TokensMint, Save: "Mint it", Busy: "signing it", Fixed: control.MintToken{Gateway: string(g.ID)}, Begin: begin, Checks: tokenChecks(),
		Asks: []string{"domains", "label", "requests", "ip_quota", "cost", "quota", "allow_countries", "block_countries", "models", "max_output", "templates", "mints", "expires", "unlimited"},
		Says: func(t *theme.Theme, width int, _ func(string) string) []string {
			return []string{t.Paint(theme.Muted, widget.Truncate("It may stand in a page: what it allows is all that anybody can do with it.", width)), ""}
		},
		Done: func(out control.TokenMinted) tea.Cmd {
			return screen.Ask(screen.Open{Dialog: &minted{out: out, page: control.PageWith(address, out.Token, len(out.Templates) > 0), line: control.WidgetLine(address, out.Token, g.Name, out.Mints), save: dialog.Saver(s.Env)}})
		},
	})})
}

// hostOf is the host of a gateway's address, which is often that of its pages.
func hostOf(address string) string {
	host, ok := token.HostOf(address)
	if !ok {
		return ""
	}
	return host
}

// minted is the dialog of an access token that was just made. It is no secret, but the
// token itself is stored nowhere.
type minted struct {
	out  control.TokenMinted
	page string
	line string                                // with the chat
	save func(string) (path string, err error) // nil where nothing is written to files
	note string
}

// Title implements Dialog, as do the methods below.
func (m *minted) Title() string { return "Access token " + widget.Safe(m.out.ID) }
func (m *minted) Typing() bool  { return false }
func (m *minted) Esc() tea.Cmd  { return screen.Ask(screen.Close{Dialog: m}) }

func (m *minted) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case dialog.Written:
		if m.note = "Written to " + msg.Path + "."; msg.Err != nil {
			m.note = msg.Err.Error()
		}
	case tea.KeyPressMsg:
		switch msg.String() {
		case "enter":
			return screen.Ask(screen.Close{Dialog: m})
		case "y":
			m.note = "Sent to the terminal's clipboard. Not every terminal takes it: paste it once to be sure."
			return tea.SetClipboard(m.out.Token)
		case "Y":
			if m.out.Mints {
				return nil // it belongs into no page
			}
			m.note = "A page that uses it was sent to the terminal's clipboard."
			return tea.SetClipboard(m.page)
		case "c":
			m.note = "The line of the chat was sent to the terminal's clipboard."
			if m.out.Mints {
				m.note += " It asks your server for tokens."
			}
			return tea.SetClipboard(m.line)
		case "w":
			if m.save == nil || m.out.Mints {
				return nil
			}
			save, page := m.save, m.page
			return func() tea.Msg {
				path, err := save(page)
				return dialog.Written{Path: path, Err: err}
			}
		}
	}
	return nil
}

func (m *minted) Draw(t *theme.Theme, width, height int) widget.Block {
	width = min(width, 84)
	lines := []string{""}
	for _, l := range m.out.Allows {
		lines = append(lines, widget.Wrap(t.Paint(theme.OK, t.Glyphs.Good)+" "+widget.Safe(l), width)...)
	}
	lines = append(lines, "")
	for rest := widget.Safe(m.out.Token); rest != ""; { // it is ASCII without a blank
		n := min(len(rest), width)
		lines = append(lines, t.Strong(theme.Text, rest[:n]))
		rest = rest[n:]
	}
	can := "enter close   y copy   c the line of the chat   Y a page"
	switch {
	case m.out.Mints:
		lines = append(lines, "", t.Paint(theme.Warn, widget.Truncate("It makes other tokens: it belongs on the site's server, and into no page.", width)))
		can = "enter close   y copy   c the line of the chat"
	case m.save != nil:
		can += "   w the page to a file"
	}
	foot := []string{"", t.Paint(theme.Muted, can)}
	if m.note != "" {
		foot[0] = t.Paint(theme.OK, widget.Truncate(widget.Safe(m.note), width))
	}
	lines = lines[:min(len(lines), max(height-len(foot), 1))]
	return widget.Below(widget.NewBlock(width, len(lines), lines...), widget.NewBlock(width, len(foot), foot...))
}

// tokens are the access tokens of a gateway, as far back as the snapshot goes.
func (s *Screen) tokens(g *control.GatewayView) (out []control.TokenView) {
	for _, v := range s.Snap.Tokens {
		if v.Gateway == g.Slug {
			out = append(out, v)
		}
	}
	return out
}

// listTokens shows the access tokens of a gateway as a table.
func (s *Screen) listTokens() tea.Cmd {
	g, t := s.Selected(), s.Env.Theme
	all := s.tokens(g)
	if len(all) == 0 {
		return screen.Ask(screen.Say{Text: "There is no access token of " + g.Slug + " yet: t mints one."})
	}
	d := screen.NewRows(s.Env, control.Pointers(all), screen.ListOf[*control.TokenView]{
		Screen: "tokens", Heading: "Access tokens of " + widget.Safe(g.Slug), Table: control.TokenTable,
		Columns: []string{"label", "state", "requests", "refused", "used", "cost", "expires", "last"}, Empty: func() []string { return nil },
		Cell: func(v *control.TokenView, column string) (string, bool) {
			switch {
			case column == "label" && v.Label == "":
				return t.Paint(theme.Muted, widget.Safe(v.ID)), true
			case column == "expires" && !v.ExpiresAt.IsZero():
				return v.ExpiresAt.In(s.Env.Zone).Format("2 Jan"), true
			}
			return "", false
		},
	})
	d.Does = []action.Action{
		{Title: "visits, cost, lines for a page", Keys: []string{"enter"}, Needs: d.Chosen, Run: func() tea.Cmd { return s.explainToken(*d.Selected()) }},
		{Title: "its requests", Keys: []string{"v"}, Needs: d.Chosen, Run: func() tea.Cmd {
			return tea.Sequence(screen.Ask(screen.Close{Dialog: d}), screen.Ask(screen.Goto{Screen: "requests", Filter: "token:=" + d.Selected().ID}))
		}},
		{Title: "revoke", Keys: []string{"d"}, Needs: func() string {
			if why := d.Change(); why != "" {
				return why
			}
			if d.Selected().State == "revoked" {
				return "it was revoked already"
			}
			return ""
		}, Run: func() tea.Cmd { return s.revokeToken(*d.Selected()) }},
	}
	return screen.Ask(screen.Open{Dialog: d})
}

// revokeToken asks first, and tells how the token stands.
func (s *Screen) revokeToken(v control.TokenView) tea.Cmd {
	return screen.Ask(screen.Open{Dialog: dialog.NewConfirm(dialog.Confirm{
		Heading: "Revoke access token " + widget.Safe(v.ID) + "?", Says: append(tokenSays(&v, s.Env), limitSays(&v)...), Do: "Revoke it", Stay: "Leave it",
		Yes: func() tea.Cmd {
			return screen.Do(s.Env, control.TokensRevoke, control.RevokeToken{Token: v.ID, Gateway: v.Gateway}, "Revoked "+v.ID+": its pages are refused from now on.")
		},
	})})
}

func tokenSays(v *control.TokenView, e *screen.Env) []string {
	at := func(when time.Time) string { return when.In(e.Zone).Format("2 Jan 2006 15:04") }
	state := map[string]string{"active": "It is active", "used up": "It is used up", "expired": "It has expired", "revoked": "It was revoked", "unknown": "It was not used since the start, so what it may do is not known"}[v.State]
	switch {
	case !v.RevokedAt.IsZero():
		state += " on " + at(v.RevokedAt)
	case !v.ExpiresAt.IsZero():
		state += ", until " + at(v.ExpiresAt)
	}
	says := []string{state + ".", fmt.Sprintf("This month %s, %s refused, %s.", part.Plural(v.Month.Requests, "request"), tally.Group(v.Month.Refused), widget.Money(v.Month.CostNanoUSD))}
	if v.Label != "" {
		says = append([]string{widget.Safe(v.Label)}, says...)
	}
	if v.Refused != nil && v.Refused.Limit != "" {
		says = append(says, part.Upper(v.Refused.Says(e.Zone))+".")
	}
	if len(v.Templates) > 0 {
		says = append(says, "Locked to "+widget.Safe(strings.Join(v.Templates, ", "))+".")
	}
	if v.Mints {
		says = append(says, "It makes short-lived tokens on the site's server, and works in no page.")
	}
	if len(v.Domains) > 0 {
		says = append(says, "For pages of "+widget.Safe(strings.Join(v.Domains, ", "))+".")
	}
	if !v.LastUsedAt.IsZero() {
		says = append(says, "Last used on "+at(v.LastUsedAt)+".")
	}
	return says
}

// limitSays are how much of each limit of a token is used.
func limitSays(v *control.TokenView) (says []string) {
	for _, l := range v.Limits {
		span := "this " + string(l.Window.Unit)
		if l.Window.Unit == tally.Total {
			span = "in its life"
		}
		what := string(l.Metric) + " "
		if l.Metric.Money() {
			what = ""
		}
		says = append(says, fmt.Sprintf("%s of %s %sused %s.", l.Metric.Format(l.Used), l.Metric.Format(l.Max), what, span))
	}
	return says
}

func (s *Screen) revokeAll() tea.Cmd {
	g := *s.Selected()
	return screen.Ask(screen.Open{Dialog: dialog.NewConfirm(dialog.Confirm{
		Heading: "Revoke every access token of " + widget.Safe(g.Slug) + "?", Do: "Revoke them all",
		Says: []string{"All access tokens that were issued until now stop working at once: pages that have one are refused until they get a new one.", "Keys of clients and the private key are not touched."},
		Yes: func() tea.Cmd {
			return screen.Do(s.Env, control.TokensRevoke, control.RevokeToken{All: true, Gateway: string(g.ID)}, "Revoked all access tokens of "+g.Slug+".")
		},
	})})
}
