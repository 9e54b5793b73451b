package clients

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/action"
	"tallygate/tui/calendar"
	"tallygate/tui/dialog"
	"tallygate/tui/keys"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/widget"
)

func (s *Screen) Actions() []action.Action {
	return slices.Concat([]action.Action{
		{ID: "clients.new", Title: "new client", Keys: []string{"n"}, Needs: s.Env.ReadOnly, Run: s.create},
		{ID: "clients.edit", Title: "edit: details and limits", Keys: []string{"e"}, Needs: s.Change, Run: s.edit},
		{ID: "clients.key", Title: "add a key", Keys: []string{"a"}, Needs: s.Change, Run: func() tea.Cmd {
			return screen.Ask(screen.Open{Dialog: keys.NewForm(s.Env, s.Selected().Slug)})
		}},
		{ID: "clients.raise", Title: "raise a limit until a date", Keys: []string{"R"}, Needs: s.One(s.Change), Run: func() tea.Cmd {
			return dialog.Raise(s.Env, s.Snap, "client", s.Selected().ID, "")
		}},
		{ID: "clients.suspend", Title: "suspend / activate", Keys: []string{"s"}, Needs: s.Change, Run: s.toggle},
		{ID: "clients.requests", Title: "requests of this client", Keys: []string{"v"}, Needs: s.Chosen, Run: func() tea.Cmd {
			return screen.Ask(screen.Goto{Screen: "requests", Filter: "client:=" + s.Selected().Slug})
		}},
		{ID: "clients.topup", Title: "payment in advance: book one", Keys: []string{"b"}, Needs: s.One(s.Change), Run: func() tea.Cmd {
			return dialog.Funds(s.Env, s.Selected())
		}},
		{ID: "clients.adjust", Title: "adjust what it was charged", Keys: []string{"B"}, Needs: s.One(s.Change), Run: func() tea.Cmd {
			return dialog.Adjust(s.Env, s.Selected())
		}},
		{ID: "clients.money", Title: "money: what it owes, month by month", Keys: []string{"$"}, Needs: s.One(s.Chosen), Run: s.openMoney},
		{ID: "clients.share", Title: "link to its own page: make one", Keys: []string{"S"}, Needs: s.One(s.Change), Run: s.share},
		{ID: "clients.delete", Title: "delete: asks first", Keys: []string{"d"}, Danger: true, Needs: s.Change, Run: s.remove},
		{ID: "clients.copy", Title: "copy the id", Keys: []string{"y"}, Needs: s.Chosen, Run: func() tea.Cmd {
			return screen.Ask(screen.Copy{Text: string(s.Selected().ID), What: "The client's id was"})
		}},
		{ID: "clients.earlier", Title: "day before: in the chart of spend", Keys: []string{"h"}, Needs: s.noDays,
			Run: s.point(-1)},
		{ID: "clients.later", Title: "day after: in the chart of spend", Keys: []string{"l"}, Needs: s.noDays,
			Run: s.point(1)},
		{ID: "clients.calendar", Title: "calendar of spend", Keys: []string{"C"}, Needs: s.Chosen, Run: func() tea.Cmd {
			c := s.Selected()
			return calendar.Open(s.Env, c.Slug, c.Name, part.BudgetOf(c.LimitStates))
		}},
	}, s.ListActions())
}

// noDays says why there is no spend to point at.
func (s *Screen) noDays() string {
	if why := s.Chosen(); why != "" {
		return why
	}
	if _, ok := s.spent.Month(); !ok {
		return "its spend is still being added up"
	}
	return ""
}

// point moves the cursor of the spend.
func (s *Screen) point(by int) func() tea.Cmd {
	return func() tea.Cmd {
		m, _ := s.spent.Month()
		s.spent.Cursor.Move(by, len(m.Days))
		return nil
	}
}

func (s *Screen) create() tea.Cmd {
	var begin control.CreateClient
	begin.Limits = limitsOf("requests=60/minute cost=10/month")
	var asks []string
	if len(s.Snap.Gateways) > 1 {
		asks, begin.Gateway = []string{"gateway"}, s.Snap.Gateways[0].Slug
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, dialog.FormOf[control.CreateClient, tally.Client]{
		Heading: "New client", Op: control.ClientsCreate, Save: "Create", Begin: begin, Must: []string{"name"},
		Asks: append(append([]string{"name"}, asks...), clientAsks...),
		Done: func(c tally.Client) tea.Cmd {
			return tea.Batch(screen.Ask(screen.Say{Text: "Created " + c.Slug + ". It needs a key: answer the next question, or press esc."}),
				screen.Ask(screen.Open{Dialog: keys.NewForm(s.Env, c.Slug)}))
		},
	})})
}

// share makes a link to the client's own page, and shows it once.
func (s *Screen) share() tea.Cmd {
	c := s.Selected()
	return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, dialog.FormOf[control.CreateShare, control.ShareCreated]{
		Heading: "Link to the page of " + widget.Safe(c.Slug), Op: control.ShareCreate, Save: "Make the link",
		Asks: []string{"expires"}, Fixed: control.CreateShare{Client: string(c.ID)},
		Done: func(out control.ShareCreated) tea.Cmd {
			return screen.Ask(screen.Open{Dialog: &dialog.Shown{
				Heading: "Link of " + widget.Safe(out.ClientSlug), Secret: out.URL, Save: dialog.Saver(s.Env),
				Says: []string{"Whoever has it sees what the client has used, what is left and its statements, until " +
					out.ExpiresAt.In(s.Env.Zone).Format("2 Jan 2006") + ". This is the only time that it is shown; tallygate share revoke ends it."},
			}})
		},
	})})
}

// clientAsks are the questions about a client besides its name.
var clientAsks = []string{
	"email", "company", "phone", "limits", "markup_percent", "max_in_flight", "models", "note", "origins",
	"max_body_bytes", "landing_below", "landing_model", "alert_at", "session_length_ns", "session_mode", "session_missing",
}

// limitsOf are limits that a form begins with.
func limitsOf(text string) (out []tally.LimitEdit) {
	for _, word := range strings.Fields(text) {
		if e, err := tally.ParseLimit(word); err == nil {
			out = append(out, e)
		}
	}
	return out
}

func (s *Screen) edit() tea.Cmd {
	if marked := s.Marked(); marked != nil {
		return s.limitAll(marked)
	}
	c := s.Selected()
	return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, dialog.FormOf[control.UpdateClient, tally.Client]{
		Heading: "Edit " + widget.Safe(c.Slug), Op: control.ClientsUpdate, Save: "Save", Change: true, Must: []string{"name"},
		Asks:  append([]string{"name", "slug"}, clientAsks...),
		Fixed: control.UpdateClient{Client: string(c.ID)},
		Begin: control.UpdateClient{NewSlug: c.Slug, ClientFields: control.CurrentClient(&c.Client, s.Env.Clock())},
		Done:  s.saved,
	})})
}

// saved says that a client was, and whether it is refused from then on.
func (s *Screen) saved(c tally.Client) tea.Cmd {
	return func() tea.Msg {
		now, err := screen.Run(screen.Patience, s.Env, control.ClientsShow, control.Named{Name: string(c.ID)})
		word := screen.Say{Text: "Saved " + c.Slug + "."}
		if stops := part.Stops(now.LimitStates); err == nil && stops != "" {
			word = screen.Say{Text: word.Text + " " + stops, Bad: true}
		}
		return word
	}
}

// toggle suspends an active client, after asking if it is in use, and activates
// any other.
func (s *Screen) toggle() tea.Cmd {
	if marked := s.Marked(); marked != nil {
		return s.toggleAll(marked)
	}
	c := *s.Selected()
	if c.Status != tally.Active {
		return screen.Do(s.Env, control.ClientsActivate, control.Named{Name: string(c.ID)}, c.Slug+" is served again.")
	}
	suspend := func() tea.Cmd {
		return screen.Do(s.Env, control.ClientsSuspend, control.Named{Name: string(c.ID)}, c.Slug+" is suspended: s activates it again.")
	}
	if s.Env.Clock().Sub(c.LastUsedAt) > 24*time.Hour {
		return suspend()
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewConfirm(dialog.Confirm{
		Heading: "Suspend " + widget.Safe(c.Slug) + "?", Do: "Suspend", Yes: suspend,
		Says: []string{fmt.Sprintf("It was used %s ago. Its next request will be refused with 403, until you activate it again.", widget.Ago(c.LastUsedAt, s.Env.Clock()))},
	})})
}

func (s *Screen) remove() tea.Cmd {
	if marked := s.Marked(); marked != nil {
		m := many(s, marked, control.ClientsDelete, "delete", "This revokes their keys. Usage and cost history stays for reports.")
		m.Typed = true
		return m.Ask()
	}
	c := *s.Selected()
	confirm := dialog.Confirm{
		Heading: "Delete client " + widget.Safe(c.Slug) + "?", Do: "Delete",
		Says: []string{
			fmt.Sprintf("This revokes %s. %s", part.Plural(int64(c.Keys), "key"), lastUse(c.LastUsedAt, s.Env.Clock())),
			"Usage and cost history stays for reports.",
		},
		Yes: func() tea.Cmd {
			return screen.Do(s.Env, control.ClientsDelete, control.Named{Name: string(c.ID)}, "Deleted "+c.Slug+".")
		},
	}
	if c.Status == tally.Active {
		confirm.Instead = "Suspend instead"
		confirm.Rather = func() tea.Cmd {
			return screen.Do(s.Env, control.ClientsSuspend, control.Named{Name: string(c.ID)}, c.Slug+" is suspended.")
		}
	}
	if !c.LastUsedAt.IsZero() && s.Env.Clock().Sub(c.LastUsedAt) < 24*time.Hour {
		confirm.Name = c.Slug
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewConfirm(confirm)})
}

func lastUse(at, now time.Time) string {
	if at.IsZero() {
		return "It was never used."
	}
	return "It was used " + widget.Ago(at, now) + " ago: its next request will be refused with 401."
}
