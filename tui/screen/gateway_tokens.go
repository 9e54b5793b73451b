package screen

import (
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/engine/token"
	"tallygate/tui/action"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// siteActions are what an owner does for the pages of a gateway.
func (s *Gateways) siteActions(chosen, some func() string) []action.Action {
	return []action.Action{
		{ID: "gateways.mint", Title: "mint an access token", Keys: []string{"t"}, Needs: some, Run: s.mint},
		{ID: "gateways.tokens", Title: "its access tokens: usage, revoke", Keys: []string{"b"}, Needs: chosen, Run: s.pickToken},
		{ID: "gateways.visitors", Title: "its visitors", Keys: []string{"w"}, Needs: chosen, Run: s.listVisitors},
		{ID: "gateways.inspect", Title: "explain an access token", Run: s.inspect},
		{ID: "gateways.simulate", Title: "simulate a visitor", Keys: []string{"x"}, Needs: chosen, Run: s.simulate},
	}
}

// tokenFields are the questions about an access token. What is wrong with an
// answer is said by the package that mints: it is asked for a token with that
// option alone, which nobody gets to see.
func tokenFields() []*widget.Field {
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
	return []*widget.Field{
		{Name: "domains", Label: "Pages of", Check: check(func(o *token.Options, v string) { o.Domains = strings.Fields(v) }),
			Help: "hosts, spaces between: mysite.com *.mysite.com localhost; empty for any page"},
		{Name: "requests", Label: "Requests", Check: check(func(o *token.Options, v string) { o.Requests = v }), Help: "of all visitors together: 10000/month, or 500 for its whole life"},
		{Name: "ip_quota", Label: "Each visitor", Check: check(func(o *token.Options, v string) { o.IPQuota = v })},
		{Name: "cost", Label: "Cost", Check: check(func(o *token.Options, v string) { o.Cost = v })},
		{Name: "quota", Label: "Quota", Check: check(func(o *token.Options, v string) { o.Quota = v }), Help: "a limit on tokens or requests more: tokens=1000000/week"},
		{Name: "allow_countries", Label: "Countries", Check: check(func(o *token.Options, v string) { o.AllowedCountries = strings.Fields(strings.ToUpper(v)) }),
			Help: "of visitors that are served, spaces between: US CA; empty for all"},
		{Name: "block_countries", Label: "Not from", Check: check(func(o *token.Options, v string) { o.BlockedCountries = strings.Fields(strings.ToUpper(v)) })},
		{Name: "models", Label: "Models"},
		{Name: "max_output", Label: "Longest", Check: checkNumber},
		{Name: "expires", Label: "Expires"},
	}
}

func (s *Gateways) mint() tea.Cmd {
	g := *s.selected()
	return Ask(Open{NewForm(s.env, FormOf[control.MintToken, control.TokenMinted]{
		Heading: "Mint an access token of " + widget.Safe(g.Slug), Op: control.TokensMint, Save: "Mint it", Busy: "signing it", Fields: tokenFields(),
		Values: map[string]string{"requests": "10000/month", "ip_quota": "20/day", "cost": "10", "expires": "90d", "domains": hostOf(g.PublicURL)},
		Says: func(t *theme.Theme, width int, _ func(string) string) []string {
			return []string{t.Paint(theme.Muted, widget.Truncate("It may stand in a page: what it allows is all that anybody can do with it.", width)), ""}
		},
		Fill: func(value func(string) string) (control.MintToken, error) {
			v := filled(value)
			in := control.MintToken{Gateway: string(g.ID)}
			in.Requests, in.IPQuota, in.Cost, in.Quota, in.Expires = v.text("requests"), v.text("ip_quota"), v.text("cost"), v.text("quota"), control.Expiry(v.text("expires"))
			in.Domains, in.AllowCountries, in.BlockCountries, in.Models = v.list("domains"), v.list("allow_countries"), v.list("block_countries"), v.list("models")
			if v.text("max_output") == "" {
				return in, nil
			}
			var err error
			in.MaxOutput, err = number[int64](v, "max_output")
			return in, err
		},
		Done: func(out control.TokenMinted) tea.Cmd {
			return Ask(Open{&minted{out: out, page: pageWith(strings.TrimSuffix(s.address(&g), "/v1"), out.Token)}})
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

// pageWith is a page that uses a token, ready to be tried.
func pageWith(address, credential string) string {
	return `<p id="answer">…</p>
<script type="module">
  import { WebLLMClient } from '` + address + `/sdk/webllm.js'
  const ai = new WebLLMClient({ gatewayToken: '` + credential + `' })
  const { text } = await ai.generateText({ prompt: 'Say hello to my visitors.' })
  document.querySelector('#answer').textContent = text
</script>
`
}

// minted is the dialog of an access token that was just made. It is no secret,
// but it is stored nowhere.
type minted struct {
	out  control.TokenMinted
	page string
	note string
}

// Title implements Dialog, as do the methods below.
func (m *minted) Title() string { return "Access token " + widget.Safe(m.out.ID) }
func (m *minted) Typing() bool  { return false }
func (m *minted) Esc() tea.Cmd  { return Ask(Close{m}) }

func (m *minted) Update(msg tea.Msg) tea.Cmd {
	switch msg := msg.(type) {
	case written:
		if m.note = "Written to " + msg.path + "."; msg.err != nil {
			m.note = msg.err.Error()
		}
	case tea.KeyPressMsg:
		switch msg.String() {
		case "enter":
			return Ask(Close{m})
		case "y":
			m.note = "Sent to the terminal's clipboard. Not every terminal takes it: paste it once to be sure."
			return tea.SetClipboard(m.out.Token)
		case "Y":
			m.note = "A page that uses it was sent to the terminal's clipboard."
			return tea.SetClipboard(m.page)
		case "w":
			page := m.page
			return func() tea.Msg {
				path, err := saveSecret(page)
				return written{path, err}
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
	foot := []string{"", t.Paint(theme.Muted, "enter close   y copy   Y copy a page that uses it   w write that page to a file")}
	if m.note != "" {
		foot[0] = t.Paint(theme.OK, widget.Truncate(widget.Safe(m.note), width))
	}
	lines = lines[:min(len(lines), max(height-len(foot), 1))]
	return widget.Below(widget.NewBlock(width, len(lines), lines...), widget.NewBlock(width, len(foot), foot...))
}

// tokens are the access tokens of a gateway that were used or revoked lately.
func (s *Gateways) tokens(g *control.GatewayView) (out []control.TokenView) {
	for _, v := range s.snap.Tokens {
		if v.Gateway == g.Slug {
			out = append(out, v)
		}
	}
	return out
}

func (s *Gateways) pickToken() tea.Cmd {
	g := s.selected()
	all := s.tokens(g)
	if len(all) == 0 {
		return Ask(Say{Text: "No access token of " + g.Slug + " was used yet: t mints one."})
	}
	choices := make([]Choice, len(all))
	for i, v := range all {
		choices[i] = Choice{ID: v.ID, Text: widget.Safe(v.ID), Note: v.State + ", " + plural(v.Used.Requests, "request") + ", " + widget.Money(v.Used.CostNanoUSD)}
	}
	return Ask(Open{NewPick("Access tokens of "+widget.Safe(g.Slug), all[0].ID, choices, func(id string) tea.Cmd {
		for _, v := range all {
			if v.ID == id {
				return s.showToken(v)
			}
		}
		return nil
	})})
}

// showToken tells how a token stands, and offers to revoke it.
func (s *Gateways) showToken(v control.TokenView) tea.Cmd {
	says := tokenSays(&v, s.env)
	if v.State == "revoked" || s.env.ReadOnly() != "" {
		return Ask(Open{&Note{Heading: "Access token " + widget.Safe(v.ID), Lines: func(*theme.Theme) []string { return says }}})
	}
	return Ask(Open{NewConfirm(Confirm{
		Heading: "Access token " + widget.Safe(v.ID), Says: says, Do: "Revoke it", Stay: "Leave it",
		Yes: func() tea.Cmd {
			return Do(s.env, control.TokensRevoke, control.RevokeToken{Token: v.ID, Gateway: v.Gateway}, "Revoked "+v.ID+": its pages are refused from now on.")
		},
	})})
}

func tokenSays(v *control.TokenView, e *Env) []string {
	at := func(when time.Time) string { return when.In(e.Zone).Format("2 Jan 2006 15:04") }
	state := map[string]string{"active": "It is active", "expired": "It has expired", "revoked": "It was revoked", "unknown": "It was not used since the start, so what it may do is not known"}[v.State]
	switch {
	case !v.RevokedAt.IsZero():
		state += " on " + at(v.RevokedAt)
	case !v.ExpiresAt.IsZero():
		state += ", until " + at(v.ExpiresAt)
	}
	says := []string{state + ".", fmt.Sprintf("In 30 days %s, %s refused, %s.", plural(v.Used.Requests, "request"), tally.Group(v.Used.Refused), widget.Money(v.Used.CostNanoUSD))}
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
	if len(v.Domains) > 0 {
		says = append(says, "For pages of "+widget.Safe(strings.Join(v.Domains, ", "))+".")
	}
	if !v.LastUsedAt.IsZero() {
		says = append(says, "Last used on "+at(v.LastUsedAt)+".")
	}
	return says
}

func (s *Gateways) revokeAll() tea.Cmd {
	g := *s.selected()
	return Ask(Open{NewConfirm(Confirm{
		Heading: "Revoke every access token of " + widget.Safe(g.Slug) + "?", Do: "Revoke them all",
		Says: []string{"All access tokens that were issued until now stop working at once: pages that have one are refused until they get a new one.", "Keys of clients and the private key are not touched."},
		Yes: func() tea.Cmd {
			return Do(s.env, control.TokensRevoke, control.RevokeToken{All: true, Gateway: string(g.ID)}, "Revoked all access tokens of "+g.Slug+".")
		},
	})})
}
