package providers

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

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
	ordered := func() string {
		why := s.Change()
		if why == "" && s.current() == nil {
			return "the order belongs to a gateway, and there is none"
		}
		return why
	}
	idle := func() string {
		why := s.Chosen()
		if why == "" && s.testing != "" {
			return "a probe is under way"
		}
		return why
	}
	return slices.Concat([]action.Action{
		{ID: "providers.new", Title: "new provider", Keys: []string{"n"}, Needs: func() string {
			why := s.Env.ReadOnly()
			if why == "" && len(s.kinds) == 0 {
				return "the kinds of providers have not been read yet: try again in a moment"
			}
			return why
		}, Run: s.create},
		{ID: "providers.up", Title: "up: asked earlier", Keys: []string{"K"}, Needs: ordered, Run: func() tea.Cmd { return s.move(-1) }},
		{ID: "providers.down", Title: "down: asked later", Keys: []string{"J"}, Needs: ordered, Run: func() tea.Cmd { return s.move(1) }},
		{ID: "providers.test", Title: "test: does it answer, and how fast", Keys: []string{"T"}, Needs: idle, Run: s.test},
		{ID: "providers.edit", Title: "edit: address, keys, timeouts", Keys: []string{"e"}, Needs: s.Change, Run: s.edit},
		{ID: "providers.toggle", Title: "on/off", Keys: []string{"space"}, Needs: s.Change, Run: s.toggle},
		{ID: "providers.import", Title: "import models: what is new, and prices", Keys: []string{"i"}, Needs: s.Change, Run: func() tea.Cmd {
			p := s.Selected()
			return tea.Batch(screen.Call(s.Env, s.Screen, "import", 0, control.ModelsImport, control.ImportModels{Provider: string(p.ID)}), screen.Ask(screen.Say{Text: "Asking " + widget.Safe(p.Name) + " for its models…"}))
		}},
		{ID: "providers.delete", Title: "delete: asks first", Keys: []string{"d"}, Danger: true, Needs: s.Change, Run: s.remove},
		{ID: "providers.models", Title: "models of this provider", Keys: []string{"v"}, Needs: s.Chosen, Run: func() tea.Cmd {
			return screen.Ask(screen.Goto{Screen: "models", Filter: "provider:=" + s.Selected().Name})
		}},
		{ID: "providers.gateway", Title: "by gateway: the order of another one", Keys: []string{"b"}, Needs: func() string {
			if len(s.Snap.Gateways) < 2 {
				return "there is one gateway only"
			}
			return ""
		}, Run: func() tea.Cmd {
			s.gateway = (s.gateway + 1) % len(s.Snap.Gateways)
			s.moved = nil
			s.reorder()
			return nil
		}},
		{ID: "providers.copy", Title: "copy the address", Keys: []string{"y"}, Needs: s.Chosen, Run: func() tea.Cmd {
			return screen.Ask(screen.Copy{Text: cmp.Or(s.Selected().BaseURL, s.Selected().Name), What: "The provider's address was"})
		}},
	}, s.ListActions())
}

// test asks the chosen provider for its models.
func (s *Screen) test() tea.Cmd {
	p := s.Selected()
	s.testing = p.ID
	return screen.Call(s.Env, s.Screen, "test "+string(p.ID), 0, control.ProvidersTest, control.Named{Name: string(p.ID)})
}

func (s *Screen) tested(id tally.ID, a screen.Answer) tea.Cmd {
	s.testing = ""
	if a.Err != nil {
		return screen.Fail(a.Err)
	}
	r := a.Value.(control.ProviderTest)
	s.tests[id] = probe{r, s.Env.Clock()}
	if !r.OK {
		return screen.Fail(&tally.Error{Message: r.Message, Hint: r.Hint})
	}
	return screen.Ask(screen.Say{Text: fmt.Sprintf("%s answered in %s and lists %d models.", s.nameOf(id), widget.Latency(r.Latency), r.Models)})
}

func (s *Screen) nameOf(id tally.ID) string {
	for i := range s.Snap.Providers {
		if p := &s.Snap.Providers[i]; p.ID == id {
			return widget.Safe(p.Name)
		}
	}
	return "It"
}

func (s *Screen) toggle() tea.Cmd {
	p := s.Selected()
	on := !p.Provider.Enabled
	word := widget.Safe(p.Name) + " is off: requests go to the next provider."
	if on {
		word = widget.Safe(p.Name) + " is on."
	}
	in := control.UpdateProvider{Provider: string(p.ID)}
	in.Enabled = &on
	return screen.Do(s.Env, control.ProvidersUpdate, in, word)
}

// providerAsks are the questions about a provider that has a name and a kind.
func providerAsks(kind *control.ProviderKindView) []string {
	asks := []string{"name"}
	if kind.BaseURL != "" || !kind.Local {
		asks = append(asks, "base_url", "api_keys")
	}
	return append(asks, "max_in_flight", "connect_timeout_ns", "first_byte_timeout_ns", "chunk_timeout_ns", "timeout_ns",
		"cost_by", "weight")
}

// providerChecks say what is wrong with an answer beyond its form.
var providerChecks = map[string]func(string) error{"base_url": func(v string) error {
	if v = strings.TrimSpace(v); v == "" {
		return nil
	}
	return tally.CheckBaseURL(v)
}}

// create asks for the kind first: it decides what else is asked.
func (s *Screen) create() tea.Cmd {
	var choices []dialog.Choice
	for _, k := range s.kinds {
		note := k.BaseURL
		if k.Local {
			note = strings.TrimSpace("local " + note)
		}
		choices = append(choices, dialog.Choice{ID: string(k.Kind), Text: widget.Safe(k.Title), Note: widget.Safe(note)})
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewPick("New provider: what does it speak?", "", choices, func(id string) tea.Cmd {
		for i := range s.kinds {
			if string(s.kinds[i].Kind) == id {
				return s.createOf(&s.kinds[i])
			}
		}
		return nil
	})})
}

func (s *Screen) createOf(kind *control.ProviderKindView) tea.Cmd {
	begin := control.CreateProvider{Name: s.freeName(string(kind.Kind))}
	begin.BaseURL = &kind.BaseURL
	help := "sealed on disk and never shown again; ctrl+r reveals what you type; several: spaces between"
	if kind.EnvKey != "" {
		help += "; known elsewhere as " + kind.EnvKey
	}
	if kind.KeyURL != "" {
		help += "; made at " + kind.KeyURL
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, dialog.FormOf[control.CreateProvider, control.ProviderCreated]{
		Heading: "New provider: " + widget.Safe(kind.Title), Op: control.ProvidersCreate, Save: "Add and import its models", Busy: "asking it for its models",
		Asks: providerAsks(kind), Must: []string{"name"}, Fixed: control.CreateProvider{ProviderKind: kind.Kind}, Begin: begin, Checks: providerChecks,
		Help: map[string]string{"api_keys": help},
		Done: func(p control.ProviderCreated) tea.Cmd {
			s.Grid.Select(string(p.ID))
			return screen.Ask(screen.Open{Dialog: dialog.Imported("Added "+widget.Safe(p.Name), p.Import)})
		},
	})})
}

// freeName is a name that no provider has yet.
func (s *Screen) freeName(kind string) string {
	taken := func(name string) bool {
		for i := range s.Snap.Providers {
			if strings.EqualFold(s.Snap.Providers[i].Name, name) {
				return true
			}
		}
		return false
	}
	name := kind
	for n := 2; taken(name); n++ {
		name = fmt.Sprintf("%s-%d", kind, n)
	}
	return name
}

func (s *Screen) edit() tea.Cmd {
	p := s.Selected().Provider
	kind := control.ProviderKindView{BaseURL: p.BaseURL}
	for _, k := range s.kinds {
		if k.Kind == p.ProviderKind {
			kind = k
		}
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, dialog.FormOf[control.UpdateProvider, tally.Provider]{
		Heading: "Edit " + widget.Safe(p.Name), Op: control.ProvidersUpdate, Save: "Save", Change: true,
		Asks: providerAsks(&kind), Must: []string{"name"}, Checks: providerChecks,
		Fixed: control.UpdateProvider{Provider: string(p.ID)},
		Begin: control.UpdateProvider{NewName: p.Name, ProviderFields: control.CurrentProvider(&p)},
		Help:  map[string]string{"api_keys": fmt.Sprintf("empty keeps the %s it has; else what you type replaces them. Spaces between several, ctrl+r reveals", part.Plural(int64(len(p.KeyHints)), "key"))},
		Done: func(p tally.Provider) tea.Cmd {
			return screen.Ask(screen.Say{Text: "Saved " + widget.Safe(p.Name) + ". T tests whether it answers."})
		},
	})})
}

func (s *Screen) remove() tea.Cmd {
	p := *s.Selected()
	day := p.Last24Hours
	says := []string{fmt.Sprintf("Its %s go with it, and so do its keys. Clients that ask for those models are answered by other providers that have them, or refused.", part.Plural(int64(p.Models), "model"))}
	if day.Requests > 0 {
		says = append(says, fmt.Sprintf("It answered %s in the last 24 hours.", part.Plural(day.Requests, "request")))
	}
	says = append(says, "Usage and cost history stays for reports.")
	c := dialog.Confirm{
		Heading: "Delete provider " + widget.Safe(p.Name) + "?", Says: says, Do: "Delete",
		Yes: func() tea.Cmd {
			return screen.Do(s.Env, control.ProvidersDelete, control.Named{Name: string(p.ID)}, "Deleted "+widget.Safe(p.Name)+".")
		},
	}
	if p.Provider.Enabled {
		off := control.UpdateProvider{Provider: string(p.ID)}
		off.Enabled = new(false)
		c.Instead, c.Rather = "Switch it off instead", func() tea.Cmd {
			return screen.Do(s.Env, control.ProvidersUpdate, off, widget.Safe(p.Name)+" is off.")
		}
	}
	if day.Requests > 0 {
		c.Name = p.Name
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewConfirm(c)})
}
