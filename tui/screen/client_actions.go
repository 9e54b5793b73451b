package screen

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/action"
	"tallygate/tui/widget"
)

func (s *Clients) Actions() []action.Action {
	chosen := func() string {
		if s.selected() == nil {
			return "no client is chosen"
		}
		return ""
	}
	some := func() string { return cmp.Or(s.env.ReadOnly(), chosen()) }
	return []action.Action{
		{ID: "clients.new", Title: "new client", Keys: []string{"n"}, Needs: s.env.ReadOnly, Run: s.create},
		{ID: "clients.edit", Title: "edit: details and limits", Keys: []string{"e"}, Needs: some, Run: s.edit},
		{ID: "clients.key", Title: "add a key", Keys: []string{"a"}, Needs: some, Run: func() tea.Cmd {
			return Ask(Open{newKeyForm(s.env, s.selected().Slug)})
		}},
		{ID: "clients.suspend", Title: "suspend / activate", Keys: []string{"s"}, Needs: some, Run: s.toggle},
		{ID: "clients.order", Title: "sort: spend, budget, last use, name", Keys: []string{"o"}, Run: func() tea.Cmd {
			s.order = (s.order + 1) % len(clientOrders)
			s.refresh()
			return nil
		}},
		{ID: "clients.requests", Title: "requests of this client", Keys: []string{"v"}, Needs: chosen, Run: func() tea.Cmd {
			return Ask(Goto{Screen: "requests", Filter: "client:" + s.selected().Slug})
		}},
		{ID: "clients.delete", Title: "delete: asks first", Keys: []string{"d"}, Danger: true, Needs: some, Run: s.remove},
		{ID: "clients.copy", Title: "copy the id", Keys: []string{"y"}, Needs: chosen, Run: func() tea.Cmd {
			return Ask(Copy{string(s.selected().ID), "The client's id was"})
		}},
	}
}

// clientFields are the questions about a client.
func clientFields() []*widget.Field {
	required := func(v string) error { return tally.CheckName("name", v) }
	return []*widget.Field{
		{Name: "name", Label: "Name", Check: required},
		{Name: "email", Label: "Email"},
		{Name: "company", Label: "Company"},
		{Name: "phone", Label: "Phone"},
		{Name: "limits", Label: "Limits", Check: checkLimits, Help: "METRIC=MAX/WINDOW, spaces between: cost=50/month requests=60/minute tokens=2M/day sessions=300/month"},
		{Name: "markup", Label: "Mark-up %", Help: "credits cost this many percent more than the provider: what you bill"},
		{Name: "flight", Label: "In flight", Check: checkNumber, Help: "requests at the same time; 0 for no cap"},
		{Name: "models", Label: "Models", Help: "names it may use, spaces between; empty means all"},
		{Name: "note", Label: "Note"},
	}
}

// fillClient makes the input's fields from what stands in a form.
func fillClient(value func(string) string, old []tally.Limit) (f control.ClientFields, err error) {
	text := func(name string) *string {
		v := strings.TrimSpace(value(name))
		return &v
	}
	f.Name, f.Email, f.Company, f.Phone, f.Note = text("name"), text("email"), text("company"), text("phone"), text("note")
	models := strings.Fields(value("models"))
	f.Models = &models
	f.Markup = new(control.Percent)
	if m := value("markup"); m != "" {
		if err := f.Markup.UnmarshalText([]byte(m)); err != nil {
			return f, err
		}
	}
	if f.MaxInFlight, err = number[int](value, "flight"); err != nil {
		return f, err
	}
	f.Limits, err = limitEdits(value("limits"), old)
	return f, err
}

func (s *Clients) create() tea.Cmd {
	fields := clientFields()
	if len(s.snap.Gateways) > 1 {
		gateway := &widget.Field{Name: "gateway", Label: "Gateway", Help: "whose limits hold above its own; space or ←→ changes it"}
		for _, g := range s.snap.Gateways {
			gateway.Choices = append(gateway.Choices, g.Slug)
		}
		fields = slices.Insert(fields, 1, gateway)
	}
	return Ask(Open{NewForm(s.env, FormOf[control.CreateClient, tally.Client]{
		Heading: "New client", Op: control.ClientsCreate, Fields: fields, Save: "Create",
		Values: map[string]string{"limits": "requests=60/minute cost=10/month", "markup": "0", "flight": "0"},
		Fill: func(value func(string) string) (in control.CreateClient, err error) {
			in.Gateway = value("gateway")
			in.ClientFields, err = fillClient(value, nil)
			return in, err
		},
		Done: func(c tally.Client) tea.Cmd {
			return tea.Batch(Ask(Say{Text: "Created " + c.Slug + ". It needs a key: answer the next question, or press esc."}),
				Ask(Open{newKeyForm(s.env, c.Slug)}))
		},
	})})
}

func (s *Clients) edit() tea.Cmd {
	c := s.selected()
	return Ask(Open{NewForm(s.env, FormOf[control.UpdateClient, tally.Client]{
		Heading: "Edit " + widget.Safe(c.Slug), Op: control.ClientsUpdate, Fields: clientFields(), Save: "Save",
		Values: map[string]string{"name": c.Name, "email": c.Email, "company": c.Company, "phone": c.Phone, "note": c.Note, "limits": limitsText(c.Limits),
			"markup": fmt.Sprintf("%d.%02d", c.MarkupBasisPoints/100, c.MarkupBasisPoints%100), "flight": fmt.Sprint(c.MaxInFlight), "models": strings.Join(c.Models, " ")},
		Fill: func(value func(string) string) (in control.UpdateClient, err error) {
			in.Client = string(c.ID)
			in.ClientFields, err = fillClient(value, c.Limits)
			return in, err
		},
		Done: func(c tally.Client) tea.Cmd { return Ask(Say{Text: "Saved " + c.Slug + "."}) },
	})})
}

// toggle suspends an active client, after asking if it is in use, and activates
// any other.
func (s *Clients) toggle() tea.Cmd {
	c := *s.selected()
	if c.Status != tally.Active {
		return Do(s.env, control.ClientsActivate, control.Named{Name: string(c.ID)}, c.Slug+" is served again.")
	}
	suspend := func() tea.Cmd {
		return Do(s.env, control.ClientsSuspend, control.Named{Name: string(c.ID)}, c.Slug+" is suspended: s activates it again.")
	}
	if s.env.Clock().Sub(c.LastUsedAt) > 24*time.Hour {
		return suspend()
	}
	return Ask(Open{NewConfirm(Confirm{
		Heading: "Suspend " + widget.Safe(c.Slug) + "?", Do: "Suspend", Yes: suspend,
		Says: []string{fmt.Sprintf("It was used %s ago. Its next request will be refused with 403, until you activate it again.", widget.Ago(c.LastUsedAt, s.env.Clock()))},
	})})
}

func (s *Clients) remove() tea.Cmd {
	c := *s.selected()
	confirm := Confirm{
		Heading: "Delete client " + widget.Safe(c.Slug) + "?", Do: "Delete",
		Says: []string{fmt.Sprintf("This revokes %d keys. %s", c.Keys, lastUse(c.LastUsedAt, s.env.Clock())), "Usage and cost history stays for reports."},
		Yes: func() tea.Cmd {
			return Do(s.env, control.ClientsDelete, control.Named{Name: string(c.ID)}, "Deleted "+c.Slug+".")
		},
	}
	if c.Status == tally.Active {
		confirm.Instead = "Suspend instead"
		confirm.Rather = func() tea.Cmd {
			return Do(s.env, control.ClientsSuspend, control.Named{Name: string(c.ID)}, c.Slug+" is suspended.")
		}
	}
	if !c.LastUsedAt.IsZero() && s.env.Clock().Sub(c.LastUsedAt) < 24*time.Hour {
		confirm.Name = c.Slug
	}
	return Ask(Open{NewConfirm(confirm)})
}

func lastUse(at, now time.Time) string {
	if at.IsZero() {
		return "It was never used."
	}
	return "It was used " + widget.Ago(at, now) + " ago: its next request will be refused with 401."
}
