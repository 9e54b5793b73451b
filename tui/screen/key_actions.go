package screen

import (
	"cmp"
	"fmt"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/action"
	"tallygate/tui/widget"
)

func (s *Keys) Actions() []action.Action {
	chosen := func() string {
		if s.selected() == nil {
			return "no key is chosen"
		}
		return ""
	}
	change := func() string {
		why := cmp.Or(s.env.ReadOnly(), chosen())
		if why == "" && s.selected().State == "revoked" {
			return "this key was revoked for good: n issues another"
		}
		return why
	}
	issue := func() string {
		why := s.env.ReadOnly()
		if why == "" && len(s.snap.Clients) == 0 {
			return "a key belongs to a client: make one in Clients first"
		}
		return why
	}
	return []action.Action{
		{ID: "keys.new", Title: "new key", Keys: []string{"n"}, Needs: issue, Run: s.create},
		{ID: "keys.rotate", Title: "rotate: a new key in its place", Keys: []string{"r"}, Needs: change, Run: s.rotate},
		{ID: "keys.edit", Title: "edit: label, expiry, limits", Keys: []string{"e"}, Needs: change, Run: s.edit},
		{ID: "keys.requests", Title: "requests with this key", Keys: []string{"v"}, Needs: chosen, Run: func() tea.Cmd {
			return Ask(Goto{Screen: "requests", Filter: "key:" + string(s.selected().ID)})
		}},
		{ID: "keys.revoke", Title: "revoke: asks first", Keys: []string{"d"}, Danger: true, Needs: change, Run: s.revoke},
		{ID: "keys.order", Title: "sort: client, last use, spend, expiry", Keys: []string{"o"}, Run: func() tea.Cmd {
			s.order = (s.order + 1) % len(keyOrders)
			s.refresh()
			return nil
		}},
		{ID: "keys.revoked", Title: "show revoked keys: or hide them", Keys: []string{"space"}, Run: func() tea.Cmd {
			s.revoked = !s.revoked
			s.refresh()
			return nil
		}},
		{ID: "keys.copy", Title: "copy the id: the key itself is gone", Keys: []string{"y"}, Needs: chosen, Run: func() tea.Cmd {
			return Ask(Copy{string(s.selected().ID), "The key's id was"})
		}},
	}
}

// create asks whose the key shall be, if there is a choice.
func (s *Keys) create() tea.Cmd {
	form := func(client string) tea.Cmd {
		return Ask(Open{newKeyForm(s.env, client)})
	}
	if len(s.snap.Clients) == 1 {
		return form(s.snap.Clients[0].Slug)
	}
	at := ""
	if k := s.selected(); k != nil {
		at = k.ClientSlug
	}
	var choices []Choice
	for _, c := range s.snap.Clients {
		choices = append(choices, Choice{c.Slug, widget.Safe(c.Slug), widget.Safe(c.Name)})
	}
	return Ask(Open{NewPick("New key: for which client?", at, choices, form)})
}

func (s *Keys) rotate() tea.Cmd {
	k := *s.selected()
	return Ask(Open{NewForm(s.env, FormOf[control.RotateKey, control.KeyCreated]{
		Heading: "Rotate " + widget.Safe(k.Label) + " of " + widget.Safe(k.ClientSlug), Op: control.KeysRotate, Save: "Make the new key",
		Fields: []*widget.Field{{Name: "grace_ns", Label: "Old key works for", Check: checkSpan,
			Help: "24h gives time to put the new key everywhere; empty stops the old one at once. Limits, label and history stay."}},
		Values: map[string]string{"grace_ns": "24h"},
		Fill: func(value func(string) string) (in control.RotateKey, err error) {
			in.Key = string(k.ID)
			in.Grace, err = filled(value).span("grace_ns")
			return in, err
		},
		Done: func(k control.KeyCreated) tea.Cmd { return Ask(Open{shownKey(s.env, k)}) },
	})})
}

func (s *Keys) edit() tea.Cmd {
	k := *s.selected()
	expires := "never expires"
	if !k.ExpiresAt.IsZero() {
		expires = "expires " + k.ExpiresAt.In(s.env.Zone).Format("2 Jan 2006 15:04")
	}
	return Ask(Open{NewForm(s.env, FormOf[control.UpdateKey, control.KeyView]{
		Heading: "Edit " + widget.Safe(k.Label) + " of " + widget.Safe(k.ClientSlug), Op: control.KeysUpdate, Save: "Save",
		Fields: []*widget.Field{
			{Name: "label", Label: "Label", Check: must("label"), Help: "what it is for: whatsapp-bot, n8n-prod"},
			{Name: "expires", Label: "Expires", Help: "it " + expires + "; empty leaves that. 90d or 12h from now, a date, or never"},
			{Name: "limits", Label: "Limits", Check: checkLimits},
		},
		Values: map[string]string{"label": k.Label, "limits": limitsText(k.Limits)},
		Fill: func(value func(string) string) (in control.UpdateKey, err error) {
			v := filled(value)
			in.Key = string(k.ID)
			in.Label = v.pointer("label")
			if v.text("expires") != "" {
				in.Expires = new(control.Expiry(v.text("expires")))
			}
			in.Limits, err = limitEdits(value("limits"), k.Limits)
			return in, err
		},
		Done: func(k control.KeyView) tea.Cmd { return Ask(Say{Text: "Saved " + widget.Safe(k.Label) + "."}) },
	})})
}

func (s *Keys) revoke() tea.Cmd {
	k, now := *s.selected(), s.env.Clock()
	says := []string{"It was never used."}
	if !k.LastUsedAt.IsZero() {
		says = []string{fmt.Sprintf("%s used it %s ago, and for %s in 30 days. Its next request will be refused with 401.", k.ClientSlug, widget.Ago(k.LastUsedAt, now), plural(k.Last30Days.Requests, "request"))}
	}
	if s.lastOf(k.Client) == 1 && k.State == "active" {
		says = append(says, "It is the only key of "+k.ClientSlug+" that works: without it the client is locked out.")
	}
	says = append(says, "A revoked key never works again. Usage and cost history stays for reports.")
	c := Confirm{
		Heading: "Revoke key " + widget.Safe(k.Label) + " of " + widget.Safe(k.ClientSlug) + "?", Says: says, Do: "Revoke",
		Instead: "Rotate instead", Rather: s.rotate,
		Yes: func() tea.Cmd {
			return Do(s.env, control.KeysRevoke, control.PickKey{Key: string(k.ID)}, "Revoked "+widget.Safe(k.Label)+" of "+widget.Safe(k.ClientSlug)+".")
		},
	}
	if !k.LastUsedAt.IsZero() && now.Sub(k.LastUsedAt) < 24*time.Hour {
		c.Name = k.Label
	}
	return Ask(Open{NewConfirm(c)})
}

// lastOf counts the keys of a client that work.
func (s *Keys) lastOf(client tally.ID) (n int) {
	for i := range s.snap.Keys {
		if k := &s.snap.Keys[i]; k.Client == client && k.State == "active" {
			n++
		}
	}
	return n
}
