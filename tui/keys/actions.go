package keys

import (
	"fmt"
	"slices"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/action"
	"tallygate/tui/dialog"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/widget"
)

func (s *Screen) Actions() []action.Action {
	change := func() string {
		why := s.Change()
		if why == "" && s.Marked() == nil && s.Selected().State == "revoked" {
			return "this key was revoked for good: n issues another"
		}
		return why
	}
	issue := func() string {
		why := s.Env.ReadOnly()
		if why == "" && len(s.Snap.Clients) == 0 {
			return "a key belongs to a client: make one in Clients first"
		}
		return why
	}
	return slices.Concat([]action.Action{
		{ID: "keys.new", Title: "new key", Keys: []string{"n"}, Needs: issue, Run: s.create},
		{ID: "keys.rotate", Title: "rotate: a new key in its place", Keys: []string{"r"}, Needs: change, Run: s.rotate},
		{ID: "keys.edit", Title: "edit: label, expiry, limits", Keys: []string{"e"}, Needs: change, Run: s.edit},
		{ID: "keys.raise", Title: "raise a limit until a date", Keys: []string{"R"}, Needs: s.One(change), Run: func() tea.Cmd {
			return dialog.Raise(s.Env, s.Snap, "key", s.Selected().ID, "")
		}},
		{ID: "keys.requests", Title: "requests with this key", Keys: []string{"v"}, Needs: s.Chosen, Run: func() tea.Cmd {
			return screen.Ask(screen.Goto{Screen: "requests", Filter: "key_id:=" + string(s.Selected().ID)})
		}},
		{ID: "keys.revoke", Title: "revoke: asks first", Keys: []string{"d"}, Danger: true, Needs: change, Run: s.revoke},
		{ID: "keys.revoked", Title: "show revoked keys: or hide them", Keys: []string{"space"}, Run: func() tea.Cmd {
			s.revoked = !s.revoked
			s.Refresh()
			return nil
		}},
		{ID: "keys.capture", Title: "capture what is sent with it: for a while, or stop", Keys: []string{"C"}, Needs: s.One(change), Run: s.capture},
		{ID: "keys.copy", Title: "copy the id: the key itself is gone", Keys: []string{"y"}, Needs: s.Chosen, Run: func() tea.Cmd {
			return screen.Ask(screen.Copy{Text: string(s.Selected().ID), What: "The key's id was"})
		}},
	}, s.ListActions())
}

// create asks whose the key shall be, if there is a choice.
func (s *Screen) create() tea.Cmd {
	form := func(client string) tea.Cmd {
		return screen.Ask(screen.Open{Dialog: NewForm(s.Env, client)})
	}
	if len(s.Snap.Clients) == 1 {
		return form(s.Snap.Clients[0].Slug)
	}
	at := ""
	if k := s.Selected(); k != nil {
		at = k.ClientSlug
	}
	var choices []dialog.Choice
	for _, c := range s.Snap.Clients {
		choices = append(choices, dialog.Choice{ID: c.Slug, Text: widget.Safe(c.Slug), Note: widget.Safe(c.Name)})
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewPick("New key: for which client?", at, choices, form)})
}

func (s *Screen) rotate() tea.Cmd {
	k := *s.Selected()
	return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, dialog.FormOf[control.RotateKey, control.KeyCreated]{
		Heading: "Rotate " + widget.Safe(k.Label) + " of " + widget.Safe(k.ClientName), Op: control.KeysRotate, Save: "Make the new key",
		Asks:  []string{"grace_ns"},
		Help:  map[string]string{"grace_ns": "24h gives time to put the new key everywhere; empty stops the old one at once. Limits, label and history stay."},
		Fixed: control.RotateKey{PickKey: control.PickKey{Key: string(k.ID)}}, Begin: control.RotateKey{Grace: 24 * time.Hour},
		Done: func(k control.KeyCreated) tea.Cmd { return screen.Ask(screen.Open{Dialog: ShownOnce(s.Env, k)}) },
	})})
}

func (s *Screen) edit() tea.Cmd {
	if marked := s.Marked(); marked != nil {
		return s.limitAll(marked)
	}
	k := *s.Selected()
	return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, dialog.FormOf[control.UpdateKey, control.KeyView]{
		Heading: "Edit " + widget.Safe(k.Label) + " of " + widget.Safe(k.ClientName), Op: control.KeysUpdate, Save: "Save", Change: true,
		Asks: []string{"label", "expires", "limits"}, Must: []string{"label"},
		Fixed: control.UpdateKey{PickKey: control.PickKey{Key: string(k.ID)}}, Begin: control.CurrentKey(&k.Key),
		Done: func(k control.KeyView) tea.Cmd {
			return screen.Ask(screen.Say{Text: "Saved " + widget.Safe(k.Label) + "."})
		},
	})})
}

// nameOf is a key for people.
func nameOf(k *control.KeyView) string { return widget.Safe(k.Label + " of " + k.ClientSlug) }

// limitAll sets the expiry and the limits of all marked keys.
func (s *Screen) limitAll(marked []*control.KeyView) tea.Cmd {
	names := make([]string, len(marked))
	for i, k := range marked {
		names[i] = nameOf(k)
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, dialog.FormOf[control.UpdateKey, control.KeyView]{
		Heading: fmt.Sprintf("Limits of %d keys", len(marked)), Op: control.KeysUpdate, Save: "Set", Change: true, Asks: []string{"expires", "limits"}, Of: names,
		Each: func(in control.UpdateKey, i int) control.UpdateKey {
			in.Key = string(marked[i].ID)
			return in
		},
	})})
}

func (s *Screen) revoke() tea.Cmd {
	if marked := s.Marked(); marked != nil {
		return dialog.Many[control.KeyView]{
			Things: marked, Do: "revoke", What: "key", Typed: true, Name: nameOf, Done: s.Unmark,
			Says: "A revoked key never works again. Usage and cost history stays for reports.",
			Run:  screen.Each(s.Env, control.KeysRevoke, func(k *control.KeyView) control.PickKey { return control.PickKey{Key: string(k.ID)} }),
		}.Ask()
	}
	k, now := *s.Selected(), s.Env.Clock()
	says := []string{"It was never used."}
	if !k.LastUsedAt.IsZero() {
		says = []string{fmt.Sprintf("%s used it %s ago, and for %s in 30 days. Its next request will be refused with 401.", k.ClientName, widget.Ago(k.LastUsedAt, now), part.Plural(k.Last30Days.Requests, "request"))}
	}
	if s.lastOf(k.Client) == 1 && k.State == "active" {
		says = append(says, "It is the only key of "+k.ClientName+" that works: without it the client is locked out.")
	}
	says = append(says, "A revoked key never works again. Usage and cost history stays for reports.")
	c := dialog.Confirm{
		Heading: "Revoke key " + widget.Safe(k.Label) + " of " + widget.Safe(k.ClientName) + "?", Says: says, Do: "Revoke",
		Instead: "Rotate instead", Rather: s.rotate,
		Yes: func() tea.Cmd {
			return screen.Do(s.Env, control.KeysRevoke, control.PickKey{Key: string(k.ID)}, "Revoked "+widget.Safe(k.Label)+" of "+widget.Safe(k.ClientName)+".")
		},
	}
	if !k.LastUsedAt.IsZero() && now.Sub(k.LastUsedAt) < 24*time.Hour {
		c.Name = k.Label
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewConfirm(c)})
}

// lastOf counts the keys of a client that work.
func (s *Screen) lastOf(client tally.ID) (n int) {
	for i := range s.Snap.Keys {
		if k := &s.Snap.Keys[i]; k.Client == client && k.State == "active" {
			n++
		}
	}
	return n
}
