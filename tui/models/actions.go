package models

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/action"
	"tallygate/tui/dialog"
	"tallygate/tui/part"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

func (s *Screen) Actions() []action.Action {
	provided := func() string {
		why := s.Env.ReadOnly()
		if why == "" && len(s.Snap.Providers) == 0 {
			return "a model belongs to a provider: add one in Providers first"
		}
		return why
	}
	return slices.Concat([]action.Action{
		{ID: "models.price", Title: "price", Keys: []string{"p"}, Needs: s.Change, Run: s.price},
		{ID: "models.toggle", Title: "on/off", Keys: []string{"space"}, Needs: s.Change, Run: s.toggle},
		{ID: "models.new", Title: "new model", Keys: []string{"n"}, Needs: provided, Run: s.create},
		{ID: "models.edit", Title: "edit: upstream name, context", Keys: []string{"e"}, Needs: s.Change, Run: s.edit},
		{ID: "models.import", Title: "import: what a provider offers, with prices", Keys: []string{"i"}, Needs: provided, Run: func() tea.Cmd {
			return s.pickProvider("Import what of which provider?", s.lookUp, dialog.Choice{ID: priceBook, Text: "prices of the price book", Note: "for models that are here"})
		}},
		{ID: "models.delete", Title: "delete: asks first", Keys: []string{"d"}, Danger: true, Needs: s.Change, Run: s.remove},
		{ID: "models.unpriced", Title: "unpriced: only models without a price", Keys: []string{"f"}, Run: func() tea.Cmd {
			if s.Words() == unpriced {
				s.SetFilter("")
			} else {
				s.SetFilter(unpriced)
			}
			return nil
		}},
		{ID: "models.requests", Title: "requests for this model", Keys: []string{"v"}, Needs: s.Chosen, Run: func() tea.Cmd {
			m := s.Selected()
			return screen.Ask(screen.Goto{
				Screen: "requests", Filter: screen.Is("model", m.Name) + " " + screen.Is("provider", m.ProviderName),
			})
		}},
		{ID: "models.route", Title: "who answers: in which order, and why", Keys: []string{"w"}, Needs: s.Chosen,
			Run: s.whoAnswers},
		{ID: "models.copy", Title: "copy the name", Keys: []string{"y"}, Needs: s.Chosen, Run: func() tea.Cmd {
			return screen.Ask(screen.Copy{Text: s.Selected().Name, What: "The model's name was"})
		}},
	}, s.ListActions())
}

// priceBook stands for the price book among providers.
const priceBook = "book"

// lookUp asks what an import would change; the answer is what a person ticks.
func (s *Screen) lookUp(from string) tea.Cmd {
	s.from = from
	return tea.Batch(s.bring("look", control.ChoosePrices{DryRun: true}), screen.Ask(screen.Say{Text: "Comparing prices…"}))
}

// bring imports from where the last look was.
func (s *Screen) bring(tag string, choice control.ChoosePrices) tea.Cmd {
	if s.from == priceBook {
		return screen.Call(s.Env, s.Name(), tag, 0, control.PricesImport, control.ImportPrices{From: control.FromBook, Name: priceBook, ChoosePrices: choice})
	}
	return screen.Call(s.Env, s.Name(), tag, 0, control.ModelsImport, control.ImportModels{Provider: s.from, ChoosePrices: choice})
}

// looked lets a person tick which prices are taken, if any changes. What is new besides is
// imported in any case.
func (s *Screen) looked(r control.Imported) tea.Cmd {
	take := func(choice control.ChoosePrices) tea.Cmd { return s.bring("import", choice) }
	if d := dialog.TickPrices("New prices: which are taken?", r, take); d != nil {
		return screen.Ask(screen.Open{Dialog: d})
	}
	return take(control.ChoosePrices{})
}

// pickProvider asks for a provider, or for one of what else there is, if there is a choice.
func (s *Screen) pickProvider(heading string, then func(id string) tea.Cmd, more ...dialog.Choice) tea.Cmd {
	if len(s.Snap.Providers) == 1 && len(more) == 0 {
		return then(string(s.Snap.Providers[0].ID))
	}
	at := ""
	if m := s.Selected(); m != nil {
		at = string(m.Provider)
	}
	var choices []dialog.Choice
	for _, p := range s.Snap.Providers {
		choices = append(choices, dialog.Choice{ID: string(p.ID), Text: widget.Safe(p.Name), Note: part.Plural(int64(p.Models), "model")})
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewPick(heading, at, append(choices, more...), then)})
}

// whoAnswers asks as which client, if there is a choice.
func (s *Screen) whoAnswers() tea.Cmd {
	model := s.Selected().Name
	ask := func(client string) tea.Cmd {
		return screen.Call(s.Env, s.Name(), "route", 0, control.ModelsRoute, control.RouteModel{Model: model, Client: client})
	}
	if len(s.Snap.Clients) < 2 {
		return ask("")
	}
	var choices []dialog.Choice
	for i := range s.Snap.Clients {
		c := &s.Snap.Clients[i]
		choices = append(choices, dialog.Choice{ID: c.Slug, Text: widget.Safe(c.Name), Note: widget.Safe(c.Slug)})
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewPick("Who answers "+widget.Safe(model)+": for which client?",
		choices[0].ID, choices, ask)})
}

// many is what is done with all models that are marked.
func many[Out any](s *Screen, marked []*control.ModelView, op control.Op[control.PickModel, Out], do, says string) dialog.Many[control.ModelView] {
	return dialog.Many[control.ModelView]{
		Things: marked, Do: do, What: "model", Says: says, Done: s.Unmark,
		Name: func(m *control.ModelView) string { return widget.Safe(m.Name + " at " + m.ProviderName) },
		Run:  screen.Each(s.Env, op, func(m *control.ModelView) control.PickModel { return control.PickModel{Model: string(m.ID)} }),
	}
}

func (s *Screen) toggle() tea.Cmd {
	if marked := s.Marked(); marked != nil {
		on := slices.DeleteFunc(slices.Clone(marked), func(m *control.ModelView) bool { return !m.Model.Enabled })
		if len(on) == 0 {
			return many(s, marked, control.ModelsEnable, "switch on", "They answer again.").Ask()
		}
		return many(s, on, control.ModelsDisable, "switch off", "Requests for them are refused, or answered by another provider.").Ask()
	}
	m := s.Selected()
	pick := control.PickModel{Model: string(m.ID)}
	if m.Model.Enabled {
		return screen.Do(s.Env, control.ModelsDisable, pick, widget.Safe(m.Name)+" is off: requests for it are refused, or answered by another provider.")
	}
	return screen.Do(s.Env, control.ModelsEnable, pick, widget.Safe(m.Name)+" is on.")
}

// ratesOf are the rates of a price, as a form shows them.
func ratesOf(p *tally.Price) (out []control.PriceField) {
	if p == nil {
		return nil
	}
	for _, c := range tally.AllClasses {
		if rate := control.OwnRate(p, c); rate != nil {
			out = append(out, control.PriceField{Class: c.String(), Amount: *rate})
		}
	}
	if p.Request > 0 {
		out = append(out, control.PriceField{Class: "request", Amount: p.Request})
	}
	for _, piece := range slices.Sorted(maps.Keys(p.Pieces)) {
		if piece.Metered() {
			out = append(out, control.PriceField{Class: string(piece), Amount: p.Pieces[piece]})
		}
	}
	return out
}

// priceHelp says what a price is made of.
const priceHelp = "$ per million tokens, spaces between: input=0.15 output=0.6 cached_input=0.07 cache_write=0.2 reasoning=0.6; request=0.01 for each request, image=0.04, character, second or search for each. What is left out costs as its parent"

func (s *Screen) price() tea.Cmd {
	m, now := *s.Selected(), s.Env.Clock()
	pick := control.SetPrice{PickModel: control.PickModel{Model: string(m.ID)}}
	begin := pick
	begin.Prices = ratesOf(part.PriceInForce(m.Prices, now))
	return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, dialog.FormOf[control.SetPrice, control.PriceSet]{
		Heading: "Price of " + widget.Safe(m.Name) + " at " + widget.Safe(m.ProviderName), Op: control.PricesSet, Save: "Save the price", Change: true,
		Asks: []string{"prices", "from", "until", "tier", "hours", "above_tokens"}, Must: []string{"prices"}, Fixed: pick, Begin: begin,
		Help: map[string]string{"prices": priceHelp, "from": "a date like 2026-12-01, in the zone of the oldest gateway; empty: from now on. Earlier requests keep their price"},
		Says: func(t *theme.Theme, width int, value func(string) string) []string {
			out := append(part.Prices(t, m.Prices, now, width), "")
			return append(out, priceExample(t, value)...)
		},
		Done: func(x control.PriceSet) tea.Cmd {
			return screen.Ask(screen.Say{Text: "The price of " + widget.Safe(x.Name) + " is saved; what was charged before stays."})
		},
	})})
}

// priceExample prices a usual request at the rates that stand in a form.
func priceExample(t *theme.Theme, value func(string) string) []string {
	of := map[string]tally.NanoUSD{}
	for _, word := range strings.Fields(value("prices")) {
		if p, err := control.ParsePrice(word); err == nil {
			of[p.Class] = p.Amount
		}
	}
	r := tally.Rates{Request: of["request"]}
	r.Of[tally.ClassInput], r.Of[tally.ClassOutput] = of["input"], cmp.Or(of["output"], of["input"])
	cost := r.Cost(tally.Tokens{Input: 2000, Output: 500})
	return []string{t.Paint(theme.Muted, "At what stands here, 2,000 tokens in and 500 out cost ") + t.Strong(theme.Text, cost.Display()), ""}
}

func (s *Screen) create() tea.Cmd {
	return s.pickProvider("New model: of which provider?", func(id string) tea.Cmd {
		return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, dialog.FormOf[control.CreateModel, control.ModelChanged]{
			Heading: "New model", Op: control.ModelsCreate, Save: "Add", Fixed: control.CreateModel{Provider: id}, Change: true, Must: []string{"name"},
			Asks: []string{"name", "upstream", "context_tokens", "max_output_tokens", "image_tokens", "prices", "price_from"}, Help: map[string]string{"prices": priceHelp},
			Says: func(t *theme.Theme, width int, _ func(string) string) []string {
				return append(widget.Wrap(t.Paint(theme.Muted, "Without prices here it gets those of the price book, if that knows it."), width), "")
			},
			Done: func(m control.ModelChanged) tea.Cmd {
				if _, ok := tally.PriceAt(m.Prices, s.Env.Clock(), 0); !ok && s.Snap.Settings.Unpriced != tally.AllowAtZero {
					return screen.Ask(screen.Say{Text: "Added " + widget.Safe(m.Name) + ". It is refused until it has a price: p sets it.", Bad: true})
				}
				return screen.Ask(screen.Say{Text: "Added " + widget.Safe(m.Name) + "."})
			},
		})})
	})
}

func (s *Screen) edit() tea.Cmd {
	m := s.Selected()
	return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, dialog.FormOf[control.UpdateModel, control.ModelChanged]{
		Heading: "Edit " + widget.Safe(m.Name) + " at " + widget.Safe(m.ProviderName), Op: control.ModelsUpdate, Save: "Save", Change: true,
		Asks: []string{
			"upstream", "context_tokens", "max_output_tokens", "image_tokens", "caps", "max_in_flight", "allow_extras",
		},
		Fixed: control.UpdateModel{PickModel: control.PickModel{Model: string(m.ID)}},
		Begin: control.UpdateModel{ModelFields: control.CurrentModel(&m.Model)},
		Done: func(m control.ModelChanged) tea.Cmd {
			return screen.Ask(screen.Say{Text: "Saved " + widget.Safe(m.Name) + "."})
		},
	})})
}

func (s *Screen) remove() tea.Cmd {
	if marked := s.Marked(); marked != nil {
		all := many(s, marked, control.ModelsDelete, "delete", "Requests for them are refused from then on, unless another provider has them. Usage and cost history stays for reports.")
		all.Typed = true
		return all.Ask()
	}
	m := *s.Selected()
	pick := control.PickModel{Model: string(m.ID)}
	says := []string{"Requests for it at " + m.ProviderName + " are refused from then on, unless another provider has it. An import would bring it back: switching it off would not."}
	if m.Last30Days.Requests > 0 {
		says = append(says, fmt.Sprintf("It answered %s in 30 days, for %s.", part.Plural(m.Last30Days.Requests, "request"), widget.Money(m.Last30Days.CostNanoUSD)))
	}
	c := dialog.Confirm{
		Heading: "Delete model " + widget.Safe(m.Name) + "?", Says: append(says, "Usage and cost history stays for reports."), Do: "Delete",
		Yes: func() tea.Cmd {
			return screen.Do(s.Env, control.ModelsDelete, pick, "Deleted "+widget.Safe(m.Name)+".")
		},
	}
	if m.Model.Enabled {
		c.Instead, c.Rather = "Switch it off instead", func() tea.Cmd {
			return screen.Do(s.Env, control.ModelsDisable, pick, widget.Safe(m.Name)+" is off.")
		}
	}
	for _, r := range s.Snap.ByModel.Rows {
		if r.Name == m.Name && r.Requests > 0 && m.Last30Days.Requests > 0 {
			c.Name = m.Name
		}
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewConfirm(c)})
}
