package screen

import (
	"cmp"
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/action"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

func (s *Models) Actions() []action.Action {
	chosen := func() string {
		if s.selected() == nil {
			return "no model is chosen"
		}
		return ""
	}
	some := func() string { return cmp.Or(s.env.ReadOnly(), chosen()) }
	provided := func() string {
		why := s.env.ReadOnly()
		if why == "" && len(s.snap.Providers) == 0 {
			return "a model belongs to a provider: add one in Providers first"
		}
		return why
	}
	return []action.Action{
		{ID: "models.price", Title: "price", Keys: []string{"p"}, Needs: some, Run: s.price},
		{ID: "models.toggle", Title: "on/off", Keys: []string{"space"}, Needs: some, Run: s.toggle},
		{ID: "models.new", Title: "new model", Keys: []string{"n"}, Needs: provided, Run: s.create},
		{ID: "models.edit", Title: "edit: upstream name, context", Keys: []string{"e"}, Needs: some, Run: s.edit},
		{ID: "models.import", Title: "import: what a provider offers, with prices", Keys: []string{"i"}, Needs: provided, Run: func() tea.Cmd {
			return s.pickProvider("Import the models of which provider?", func(id string) tea.Cmd {
				return tea.Batch(Call(s.env, s.Name(), "import", 0, control.ModelsImport, control.ImportModels{Provider: id}), Ask(Say{Text: "Asking for its models…"}))
			})
		}},
		{ID: "models.order", Title: "sort: name, spend, price, provider", Keys: []string{"o"}, Run: func() tea.Cmd {
			s.order = (s.order + 1) % len(modelOrders)
			s.refresh()
			return nil
		}},
		{ID: "models.delete", Title: "delete: asks first", Keys: []string{"d"}, Danger: true, Needs: some, Run: s.remove},
		{ID: "models.unpriced", Title: "unpriced: only models without a price", Keys: []string{"f"}, Run: func() tea.Cmd {
			if s.words() == unpricedWord {
				s.filter.SetValue("")
			} else {
				s.filter.SetValue(unpricedWord)
			}
			s.refresh()
			return nil
		}},
		{ID: "models.requests", Title: "requests for this model", Keys: []string{"v"}, Needs: chosen, Run: func() tea.Cmd {
			return Ask(Goto{Screen: "requests", Filter: "model:" + s.selected().Name})
		}},
		{ID: "models.copy", Title: "copy the name", Keys: []string{"y"}, Needs: chosen, Run: func() tea.Cmd {
			return Ask(Copy{s.selected().Name, "The model's name was"})
		}},
	}
}

// pickProvider asks for a provider, if there is a choice.
func (s *Models) pickProvider(heading string, then func(id string) tea.Cmd) tea.Cmd {
	if len(s.snap.Providers) == 1 {
		return then(string(s.snap.Providers[0].ID))
	}
	at := ""
	if m := s.selected(); m != nil {
		at = string(m.Provider)
	}
	var choices []Choice
	for _, p := range s.snap.Providers {
		choices = append(choices, Choice{string(p.ID), widget.Safe(p.Name), plural(int64(p.Models), "model")})
	}
	return Ask(Open{NewPick(heading, at, choices, then)})
}

func (s *Models) toggle() tea.Cmd {
	m := s.selected()
	pick := control.PickModel{Model: string(m.ID)}
	if m.Model.Enabled {
		return Do(s.env, control.ModelsDisable, pick, widget.Safe(m.Name)+" is off: requests for it are refused, or answered by another provider.")
	}
	return Do(s.env, control.ModelsEnable, pick, widget.Safe(m.Name)+" is on.")
}

// priceClasses are the classes of a price, as operations name them.
var priceClasses = []struct{ name, label, help string }{
	{"input", "Input", "$ per million tokens of the prompt"},
	{"output", "Output", "$ per million tokens of the answer; empty: as input"},
	{"cached_input", "Cached input", "$ per million tokens of the prompt that the provider had kept; empty: as input"},
	{"cache_write", "Cache write", "$ per million tokens that the provider keeps for later; empty: as input"},
	{"reasoning", "Reasoning", "$ per million tokens of thinking; empty: as output"},
	{"request", "Per request", "$ for each request, besides its tokens"},
}

// priceFields are the questions about a price.
func priceFields() []*widget.Field {
	var out []*widget.Field
	for _, c := range priceClasses {
		out = append(out, &widget.Field{Name: c.name, Label: c.label, Help: c.help, Check: checkMoney})
	}
	return append(out, &widget.Field{Name: "price_from", Label: "From", Help: "a date like 2026-12-01, in the zone of the oldest gateway; empty: from now on. Earlier requests keep their price"})
}

func checkMoney(v string) error {
	if strings.TrimSpace(v) == "" {
		return nil
	}
	_, err := parseMoney(v)
	return err
}

func parseMoney(v string) (tally.NanoUSD, error) {
	return tally.ParseUSD(strings.TrimPrefix(strings.TrimSpace(v), "$"))
}

// priceValues are the rates of a price by class, as a form shows them.
func priceValues(p *tally.Price) map[string]string {
	out := map[string]string{}
	if p == nil {
		return out
	}
	for _, c := range priceClasses {
		if class, ok := tally.ParseClass(c.name); ok && *p.Rate(class) != nil {
			out[c.name] = (*p.Rate(class)).String()
		}
	}
	if p.Request > 0 {
		out["request"] = p.Request.String()
	}
	return out
}

// priceEdits are the rates that differ from those there were; with all, those
// that do not as well.
func priceEdits(v filled, was map[string]string, all bool) ([]control.PriceField, error) {
	var out []control.PriceField
	for _, c := range priceClasses {
		text := v.text(c.name)
		if text == "" && was[c.name] != "" {
			return nil, tally.Errorf(tally.Invalid, "a rate cannot be taken away: %s was %s", strings.ToLower(c.label), was[c.name]).WithHint("0 makes it free")
		}
		if text == "" || text == was[c.name] && !all {
			continue
		}
		n, err := parseMoney(text)
		if err != nil {
			return nil, err
		}
		out = append(out, control.PriceField{Class: c.name, Amount: n})
	}
	return out, nil
}

func (s *Models) price() tea.Cmd {
	m := *s.selected()
	now := s.env.Clock()
	was := priceValues(priceInForce(m.Prices, now))
	return Ask(Open{NewForm(s.env, FormOf[control.UpdateModel, control.ModelChanged]{
		Heading: "Price of " + widget.Safe(m.Name) + " at " + widget.Safe(m.ProviderName), Op: control.ModelsUpdate, Save: "Save the price",
		Fields: priceFields(), Values: was,
		Says: func(t *theme.Theme, width int, value func(string) string) []string {
			out := append(priceLines(t, m.Prices, now, width), "")
			return append(out, priceExample(t, value)...)
		},
		Fill: func(value func(string) string) (in control.UpdateModel, err error) {
			v := filled(value)
			in.Model, in.PriceFrom = string(m.ID), control.Date(v.text("price_from"))
			in.Prices, err = priceEdits(v, was, in.PriceFrom != "")
			if err == nil && len(in.Prices) == 0 {
				err = tally.Errorf(tally.Invalid, "no rate was changed").WithHint("esc leaves it as it is")
			}
			return in, err
		},
		Done: func(x control.ModelChanged) tea.Cmd {
			return Ask(Say{Text: "The price of " + widget.Safe(x.Name) + " is saved; what was charged before stays."})
		},
	})})
}

// priceExample prices a usual request at the rates that stand in a form.
func priceExample(t *theme.Theme, value func(string) string) []string {
	rate := func(names ...string) tally.NanoUSD {
		for _, name := range names {
			if n, err := parseMoney(value(name)); err == nil {
				return n
			}
		}
		return 0
	}
	r := tally.Rates{Request: rate("request")}
	r.Of[tally.ClassInput], r.Of[tally.ClassOutput] = rate("input"), rate("output", "input")
	cost := r.Cost(tally.Tokens{Input: 2000, Output: 500})
	return []string{t.Paint(theme.Muted, "At what stands here, 2,000 tokens in and 500 out cost ") + t.Strong(theme.Text, cost.Display()), ""}
}

func (s *Models) create() tea.Cmd {
	return s.pickProvider("New model: of which provider?", func(id string) tea.Cmd {
		fields := append([]*widget.Field{
			{Name: "name", Label: "Name", Check: must("name")}, {Name: "upstream", Label: "Upstream"},
			{Name: "context_tokens", Label: "Context", Check: checkNumber, Help: "longest prompt and answer together; empty: as the price book says"},
			{Name: "max_output_tokens", Label: "Longest answer", Check: checkNumber},
		}, priceFields()...)
		return Ask(Open{NewForm(s.env, FormOf[control.CreateModel, control.ModelChanged]{
			Heading: "New model", Op: control.ModelsCreate, Save: "Add", Fields: fields,
			Says: func(t *theme.Theme, width int, _ func(string) string) []string {
				return append(widget.Wrap(t.Paint(theme.Muted, "Without prices here it gets those of the price book, if that knows it."), width), "")
			},
			Fill: func(value func(string) string) (in control.CreateModel, err error) {
				v := filled(value)
				in.Provider, in.Name = id, v.text("name")
				if in.ModelFields, err = fillModel(v); err != nil {
					return in, err
				}
				in.PriceFrom = control.Date(v.text("price_from"))
				in.Prices, err = priceEdits(v, nil, true)
				return in, err
			},
			Done: func(m control.ModelChanged) tea.Cmd {
				if _, ok := tally.PriceAt(m.Prices, s.env.Clock(), 0); !ok && s.snap.Settings.Unpriced != tally.AllowAtZero {
					return Ask(Say{Text: "Added " + widget.Safe(m.Name) + ". It is refused until it has a price: p sets it.", Bad: true})
				}
				return Ask(Say{Text: "Added " + widget.Safe(m.Name) + "."})
			},
		})})
	})
}

// fillModel makes the fields but prices; what is empty is left out.
func fillModel(v filled) (f control.ModelFields, err error) {
	if v.text("upstream") != "" {
		f.Upstream = v.pointer("upstream")
	}
	for _, x := range []struct {
		name string
		to   **int64
	}{{"context_tokens", &f.ContextTokens}, {"max_output_tokens", &f.MaxOutputTokens}} {
		if v.text(x.name) == "" {
			continue
		}
		if *x.to, err = number[int64](v, x.name); err != nil {
			return f, err
		}
	}
	return f, nil
}

func (s *Models) edit() tea.Cmd {
	m := *s.selected()
	return Ask(Open{NewForm(s.env, FormOf[control.UpdateModel, control.ModelChanged]{
		Heading: "Edit " + widget.Safe(m.Name) + " at " + widget.Safe(m.ProviderName), Op: control.ModelsUpdate, Save: "Save",
		Fields: []*widget.Field{
			{Name: "upstream", Label: "Upstream", Check: must("name")}, {Name: "context_tokens", Label: "Context", Check: checkNumber},
			{Name: "max_output_tokens", Label: "Longest answer", Check: checkNumber},
		},
		Values: map[string]string{"upstream": m.UpstreamName(), "context_tokens": fmt.Sprint(m.ContextTokens), "max_output_tokens": fmt.Sprint(m.MaxOutputTokens)},
		Fill: func(value func(string) string) (in control.UpdateModel, err error) {
			in.Model = string(m.ID)
			in.ModelFields, err = fillModel(value)
			return in, err
		},
		Done: func(m control.ModelChanged) tea.Cmd { return Ask(Say{Text: "Saved " + widget.Safe(m.Name) + "."}) },
	})})
}

func (s *Models) remove() tea.Cmd {
	m := *s.selected()
	pick := control.PickModel{Model: string(m.ID)}
	says := []string{"Requests for it at " + m.ProviderName + " are refused from then on, unless another provider has it. An import would bring it back: switching it off would not."}
	if m.Last30Days.Requests > 0 {
		says = append(says, fmt.Sprintf("It answered %s in 30 days, for %s.", plural(m.Last30Days.Requests, "request"), widget.Money(m.Last30Days.CostNanoUSD)))
	}
	c := Confirm{
		Heading: "Delete model " + widget.Safe(m.Name) + "?", Says: append(says, "Usage and cost history stays for reports."), Do: "Delete",
		Yes: func() tea.Cmd {
			return Do(s.env, control.ModelsDelete, pick, "Deleted "+widget.Safe(m.Name)+".")
		},
	}
	if m.Model.Enabled {
		c.Instead, c.Rather = "Switch it off instead", func() tea.Cmd {
			return Do(s.env, control.ModelsDisable, pick, widget.Safe(m.Name)+" is off.")
		}
	}
	for _, r := range s.snap.ByModel.Rows {
		if r.Name == m.Name && r.Requests > 0 {
			c.Name = m.Name
		}
	}
	return Ask(Open{NewConfirm(c)})
}
