package screen

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/action"
	"tallygate/tui/widget"
)

func (s *Providers) Actions() []action.Action {
	chosen := func() string {
		if s.selected() == nil {
			return "no provider is chosen"
		}
		return ""
	}
	some := func() string { return cmp.Or(s.env.ReadOnly(), chosen()) }
	ordered := func() string {
		why := some()
		if why == "" && s.current() == nil {
			return "the order belongs to a gateway, and there is none"
		}
		return why
	}
	idle := func() string {
		why := chosen()
		if why == "" && s.testing != "" {
			return "a probe is under way"
		}
		return why
	}
	return []action.Action{
		{ID: "providers.new", Title: "new provider", Keys: []string{"n"}, Needs: func() string {
			why := s.env.ReadOnly()
			if why == "" && len(s.kinds) == 0 {
				return "the kinds of providers have not been read yet: try again in a moment"
			}
			return why
		}, Run: s.create},
		{ID: "providers.up", Title: "up: asked earlier", Keys: []string{"K"}, Needs: ordered, Run: func() tea.Cmd { return s.move(-1) }},
		{ID: "providers.down", Title: "down: asked later", Keys: []string{"J"}, Needs: ordered, Run: func() tea.Cmd { return s.move(1) }},
		{ID: "providers.test", Title: "test: does it answer, and how fast", Keys: []string{"T"}, Needs: idle, Run: s.test},
		{ID: "providers.edit", Title: "edit: address, keys, timeouts", Keys: []string{"e"}, Needs: some, Run: s.edit},
		{ID: "providers.toggle", Title: "on/off", Keys: []string{"space"}, Needs: some, Run: s.toggle},
		{ID: "providers.import", Title: "import models: what is new, and prices", Keys: []string{"i"}, Needs: some, Run: func() tea.Cmd {
			p := s.selected()
			return tea.Batch(Call(s.env, s.Name(), "import", 0, control.ModelsImport, control.ImportModels{Provider: string(p.ID)}), Ask(Say{Text: "Asking " + widget.Safe(p.Name) + " for its models…"}))
		}},
		{ID: "providers.delete", Title: "delete: asks first", Keys: []string{"d"}, Danger: true, Needs: some, Run: s.remove},
		{ID: "providers.models", Title: "models of this provider", Keys: []string{"v"}, Needs: chosen, Run: func() tea.Cmd {
			return Ask(Goto{Screen: "models", Filter: "provider:" + s.selected().Name})
		}},
		{ID: "providers.gateway", Title: "by gateway: the order of another one", Keys: []string{"b"}, Needs: func() string {
			if len(s.snap.Gateways) < 2 {
				return "there is one gateway only"
			}
			return ""
		}, Run: func() tea.Cmd {
			s.gateway = (s.gateway + 1) % len(s.snap.Gateways)
			s.moved = nil
			s.refresh()
			return nil
		}},
		{ID: "providers.copy", Title: "copy the address", Keys: []string{"y"}, Needs: chosen, Run: func() tea.Cmd {
			return Ask(Copy{cmp.Or(s.selected().BaseURL, s.selected().Name), "The provider's address was"})
		}},
	}
}

// test asks the chosen provider for its models.
func (s *Providers) test() tea.Cmd {
	p := s.selected()
	s.testing = p.ID
	s.refresh()
	return Call(s.env, s.Name(), "test "+string(p.ID), 0, control.ProvidersTest, control.Named{Name: string(p.ID)})
}

func (s *Providers) tested(id tally.ID, a Answer) tea.Cmd {
	s.testing = ""
	if a.Err != nil {
		return Fail(a.Err)
	}
	r := a.Value.(control.ProviderTest)
	s.tests[id] = probe{r, s.env.Clock()}
	if !r.OK {
		return Fail(&tally.Error{Message: r.Message, Hint: r.Hint})
	}
	return Ask(Say{Text: fmt.Sprintf("%s answered in %s and lists %d models.", s.nameOf(id), widget.Latency(r.Latency), r.Models)})
}

func (s *Providers) nameOf(id tally.ID) string {
	for i := range s.snap.Providers {
		if p := &s.snap.Providers[i]; p.ID == id {
			return widget.Safe(p.Name)
		}
	}
	return "It"
}

func (s *Providers) toggle() tea.Cmd {
	p := s.selected()
	on := !p.Provider.Enabled
	word := widget.Safe(p.Name) + " is off: requests go to the next provider."
	if on {
		word = widget.Safe(p.Name) + " is on."
	}
	in := control.UpdateProvider{Provider: string(p.ID)}
	in.Enabled = &on
	return Do(s.env, control.ProvidersUpdate, in, word)
}

// providerFields are the questions about a provider that has a name and a kind.
func providerFields(kind *control.ProviderKindView) []*widget.Field {
	fields := []*widget.Field{{Name: "name", Label: "Name", Check: must("name")}}
	if kind.BaseURL != "" || !kind.Local {
		fields = append(fields, &widget.Field{Name: "base_url", Label: "Base URL", Check: func(v string) error {
			if v = strings.TrimSpace(v); v == "" {
				return nil
			}
			return tally.CheckBaseURL(v)
		}})
		help := "sealed on disk and never shown again; ctrl+r reveals what you type; several: spaces between"
		if kind.EnvKey != "" {
			help += "; known elsewhere as " + kind.EnvKey
		}
		fields = append(fields, &widget.Field{Name: "api_keys", Label: "API key", Secret: true, Help: help})
	}
	return append(fields,
		&widget.Field{Name: "max_in_flight", Label: "In flight", Check: checkNumber},
		&widget.Field{Name: "connect_timeout_ns", Label: "Connect", Check: checkSpan},
		&widget.Field{Name: "first_byte_timeout_ns", Label: "First byte", Check: checkSpan},
		&widget.Field{Name: "chunk_timeout_ns", Label: "Chunk", Check: checkSpan},
		&widget.Field{Name: "timeout_ns", Label: "Whole answer", Check: checkSpan},
	)
}

// fillProvider makes the input's fields. An empty timeout is the default, empty
// keys leave those there are.
func fillProvider(value func(string) string, was *tally.Provider) (f control.ProviderFields, err error) {
	v := filled(value)
	if url := v.text("base_url"); url != was.BaseURL {
		f.BaseURL = &url
	}
	for _, k := range strings.Fields(value("api_keys")) {
		f.APIKeys = append(f.APIKeys, control.Secret(k))
	}
	if f.MaxInFlight, err = number[int](v, "max_in_flight"); err != nil {
		return f, err
	}
	for _, x := range []struct {
		name string
		was  time.Duration
		to   **time.Duration
	}{
		{"connect_timeout_ns", was.ConnectTimeout, &f.ConnectTimeout}, {"first_byte_timeout_ns", was.FirstByteTimeout, &f.FirstByteTimeout},
		{"chunk_timeout_ns", was.ChunkTimeout, &f.ChunkTimeout}, {"timeout_ns", was.Timeout, &f.Timeout},
	} {
		d, err := v.span(x.name)
		if err != nil {
			return f, err
		}
		if d != x.was {
			*x.to = &d
		}
	}
	return f, nil
}

// create asks for the kind first: it decides what else is asked.
func (s *Providers) create() tea.Cmd {
	var choices []Choice
	for _, k := range s.kinds {
		note := k.BaseURL
		if k.Local {
			note = strings.TrimSpace("local " + note)
		}
		choices = append(choices, Choice{string(k.Kind), widget.Safe(k.Title), widget.Safe(note)})
	}
	return Ask(Open{NewPick("New provider: what does it speak?", "", choices, func(id string) tea.Cmd {
		for i := range s.kinds {
			if string(s.kinds[i].Kind) == id {
				return s.createOf(&s.kinds[i])
			}
		}
		return nil
	})})
}

func (s *Providers) createOf(kind *control.ProviderKindView) tea.Cmd {
	return Ask(Open{NewForm(s.env, FormOf[control.CreateProvider, control.ProviderCreated]{
		Heading: "New provider: " + widget.Safe(kind.Title), Op: control.ProvidersCreate, Save: "Add and import its models", Busy: "asking it for its models",
		Fields: providerFields(kind),
		Values: map[string]string{"name": s.freeName(string(kind.Kind)), "base_url": kind.BaseURL, "max_in_flight": "0"},
		Fill: func(value func(string) string) (in control.CreateProvider, err error) {
			in.Name, in.ProviderKind = strings.TrimSpace(value("name")), kind.Kind
			in.ProviderFields, err = fillProvider(value, &tally.Provider{BaseURL: kind.BaseURL})
			return in, err
		},
		Done: func(p control.ProviderCreated) tea.Cmd {
			s.table.Select(string(p.ID))
			return Ask(Open{importedNote("Added "+widget.Safe(p.Name), p.Import)})
		},
	})})
}

// freeName is a name that no provider has yet.
func (s *Providers) freeName(kind string) string {
	taken := func(name string) bool {
		for i := range s.snap.Providers {
			if strings.EqualFold(s.snap.Providers[i].Name, name) {
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

func (s *Providers) edit() tea.Cmd {
	p := s.selected().Provider
	kind := control.ProviderKindView{BaseURL: p.BaseURL}
	for _, k := range s.kinds {
		if k.Kind == p.ProviderKind {
			kind = k
		}
	}
	fields := providerFields(&kind)
	for _, f := range fields {
		if f.Name == "api_keys" {
			f.Help = fmt.Sprintf("empty keeps the %s it has; else what you type replaces them. Spaces between several, ctrl+r reveals", plural(int64(len(p.KeyHints)), "key"))
		}
	}
	return Ask(Open{NewForm(s.env, FormOf[control.UpdateProvider, tally.Provider]{
		Heading: "Edit " + widget.Safe(p.Name), Op: control.ProvidersUpdate, Save: "Save", Fields: fields,
		Values: map[string]string{"name": p.Name, "base_url": p.BaseURL, "max_in_flight": fmt.Sprint(p.MaxInFlight), "connect_timeout_ns": spanText(p.ConnectTimeout),
			"first_byte_timeout_ns": spanText(p.FirstByteTimeout), "chunk_timeout_ns": spanText(p.ChunkTimeout), "timeout_ns": spanText(p.Timeout)},
		Fill: func(value func(string) string) (in control.UpdateProvider, err error) {
			in.Provider, in.NewName = string(p.ID), strings.TrimSpace(value("name"))
			if in.NewName == p.Name {
				in.NewName = ""
			}
			in.ProviderFields, err = fillProvider(value, &p)
			return in, err
		},
		Done: func(p tally.Provider) tea.Cmd {
			return Ask(Say{Text: "Saved " + widget.Safe(p.Name) + ". T tests whether it answers."})
		},
	})})
}

func (s *Providers) remove() tea.Cmd {
	p, day := *s.selected(), s.day[s.selected().ID]
	says := []string{fmt.Sprintf("Its %s go with it, and so do its keys. Clients that ask for those models are answered by other providers that have them, or refused.", plural(int64(p.Models), "model"))}
	if day.Requests > 0 {
		says = append(says, fmt.Sprintf("It answered %s in the last 24 hours.", plural(day.Requests, "request")))
	}
	says = append(says, "Usage and cost history stays for reports.")
	c := Confirm{
		Heading: "Delete provider " + widget.Safe(p.Name) + "?", Says: says, Do: "Delete",
		Yes: func() tea.Cmd {
			return Do(s.env, control.ProvidersDelete, control.Named{Name: string(p.ID)}, "Deleted "+widget.Safe(p.Name)+".")
		},
	}
	if p.Provider.Enabled {
		off := control.UpdateProvider{Provider: string(p.ID)}
		off.Enabled = new(false)
		c.Instead, c.Rather = "Switch it off instead", func() tea.Cmd {
			return Do(s.env, control.ProvidersUpdate, off, widget.Safe(p.Name)+" is off.")
		}
	}
	if day.Requests > 0 {
		c.Name = p.Name
	}
	return Ask(Open{NewConfirm(c)})
}
