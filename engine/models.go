package engine

import (
	"context"
	"reflect"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/providers"
)

// createModel adds a model by hand. What the owner does not say is taken from
// the price book, if that knows the model.
func (e *Engine) createModel(ctx context.Context, in control.CreateModel) (control.ModelChanged, error) {
	var m *tally.Model
	var zone *time.Location
	err := e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		p, err := findProvider(c, in.Provider)
		if err != nil {
			return nil, err
		}
		if err := checkModelName(in.Name); err != nil {
			return nil, err
		}
		for _, other := range c.ModelsNamed(in.Name) {
			if other.Provider == p.ID {
				return nil, tally.Errorf(tally.Conflict, "provider %q has a model %q already", p.Name, in.Name).
					WithHint("change it: tallygate models update %s --provider %s", tally.ShellWord(in.Name), tally.ShellWord(p.Name))
			}
		}
		upstream := in.Name
		if in.Upstream != nil && *in.Upstream != "" {
			upstream = *in.Upstream
		}
		m = e.offeredModel(p, &providers.ModelInfo{Name: upstream}, now)
		m.Name, m.Upstream, m.Enabled = in.Name, "", true
		zone = ownerZone(c)
		if err := setModel(m, &in.ModelFields, zone, now); err != nil {
			return nil, err
		}
		return []tally.Change{tally.Put(m, now)}, nil
	})
	if err != nil {
		return control.ModelChanged{}, err
	}
	return control.ModelChanged{Model: *m, Zone: zone.String()}, nil
}

// setModel applies the owner's fields to a model.
func setModel(m *tally.Model, f *control.ModelFields, zone *time.Location, now time.Time) error {
	upstreamName := func(s string) error {
		if s == "" {
			return nil
		}
		return checkModelName(s)
	}
	if err := firstError(
		set(&m.Upstream, f.Upstream, upstreamName),
		set(&m.ContextTokens, f.ContextTokens, between[int64]("the context", 0, maxModelTokens)),
		set(&m.MaxOutputTokens, f.MaxOutputTokens, between[int64]("the longest answer", 0, maxModelTokens)),
		set(&m.ImageTokens, f.ImageTokens, between[int64]("the tokens of a picture", 0, maxModelTokens)),
		setCaps(m, f.Caps),
		set(&m.MaxInFlight, f.MaxInFlight, between("the requests at the same time", 0, maxInFlight)),
		set(&m.AllowExtras, f.AllowExtras, nil),
		set(&m.Enabled, f.Enabled, nil),
	); err != nil {
		return err
	}
	if m.Upstream == m.Name {
		m.Upstream = ""
	}
	return setPrices(m, priceEdit{figures: f.Prices, from: f.PriceFrom}, zone, now)
}

// setCaps applies edits to what a model's provider allows: nobody's money counts there.
func setCaps(m *tally.Model, edits []tally.LimitEdit) error {
	for _, e := range edits {
		if e.Metric != tally.Requests && e.Metric != tally.TokensIO || e.Warn {
			return tally.Errorf(tally.Invalid, "%s is not a cap of a provider", e).
				WithHint("caps are of requests and tokens, like requests=30/minute or tokens=500k/day")
		}
	}
	return setLimits(&m.Caps, nil, edits, plainLimits)
}

func (e *Engine) updateModel(ctx context.Context, in control.UpdateModel) (control.ModelChanged, error) {
	if reflect.ValueOf(in.ModelFields).IsZero() {
		return control.ModelChanged{}, nothing("models")
	}
	zone := ownerZone(e.catalog.Load())
	m, err := e.editModel(ctx, in.PickModel, func(m *tally.Model, now time.Time) error { return setModel(m, &in.ModelFields, zone, now) })
	return control.ModelChanged{Model: m, Zone: zone.String()}, err
}

// modelSwitch makes the operation that offers a model, or no longer does.
func (e *Engine) modelSwitch(on bool) func(context.Context, control.PickModel) (tally.Model, error) {
	return func(ctx context.Context, in control.PickModel) (tally.Model, error) {
		return e.editModel(ctx, in, func(m *tally.Model, _ time.Time) error {
			m.Enabled = on
			return nil
		})
	}
}

// editModel changes a copy of a model and stores it.
func (e *Engine) editModel(ctx context.Context, in control.PickModel, edit func(*tally.Model, time.Time) error) (tally.Model, error) {
	var m tally.Model
	err := e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		old, err := findModel(c, in.Model, in.Provider)
		if err != nil {
			return nil, err
		}
		m = *old
		if err := edit(&m, now); err != nil {
			return nil, err
		}
		return []tally.Change{tally.Put(&m, now)}, nil
	})
	return m, err
}

func (e *Engine) deleteModel(ctx context.Context, in control.PickModel) (control.None, error) {
	return control.None{}, e.change(ctx, func(c *tally.Catalog, _ time.Time) ([]tally.Change, error) {
		m, err := findModel(c, in.Model, in.Provider)
		if err != nil {
			return nil, err
		}
		return []tally.Change{tally.Delete(m)}, nil
	})
}

func (e *Engine) listModels(ctx context.Context, in control.ListModels) ([]control.ModelView, error) {
	c, now := e.catalog.Load(), e.clock()
	var only tally.ID
	if in.Provider != "" {
		p, err := findProvider(c, in.Provider)
		if err != nil {
			return nil, err
		}
		only = p.ID
	}
	var found []*tally.Model
	for _, m := range c.Models {
		if (only == "" || m.Provider == only) && (!in.Usable || usable(c, m, now)) {
			found = append(found, m)
		}
	}
	views, err := e.viewModels(ctx, c, nil, found)
	if err != nil {
		return nil, err
	}
	return control.Select(control.ModelTable, views, in.Rows, commonCalendar(c, now))
}

// usable reports whether requests for a model can be answered: it is offered,
// has a price or needs none, and its provider is switched on.
func usable(c *tally.Catalog, m *tally.Model, now time.Time) bool {
	p := c.Provider(m.Provider)
	return m.Enabled && p != nil && p.Enabled && (priced(m, now) || c.Settings.Unpriced == tally.AllowAtZero)
}

func priced(m *tally.Model, now time.Time) bool {
	_, ok := tally.PriceAt(m.Prices, now, 0)
	return ok
}

func (e *Engine) showModel(ctx context.Context, in control.PickModel) (control.ModelView, error) {
	c := e.catalog.Load()
	m, err := findModel(c, in.Model, in.Provider)
	if err != nil {
		return control.ModelView{}, err
	}
	views, err := e.viewModels(ctx, c, m, []*tally.Model{m})
	if err != nil {
		return control.ModelView{}, err
	}
	return views[0], nil
}

// viewModels tells how models stand; only is the one, if it is one.
func (e *Engine) viewModels(ctx context.Context, c *tally.Catalog, only *tally.Model,
	models []*tally.Model) ([]control.ModelView, error) {
	now := e.clock()
	month := thisMonth(commonCalendar(c, now))
	sums, err := e.modelSums(ctx, only, now, month, now.Add(-shownSpan))
	if err != nil {
		return nil, err
	}
	zone := ownerZone(c).String()
	out := make([]control.ModelView, 0, len(models))
	for _, m := range models {
		v := control.ModelView{Model: *m, ProviderName: providerName(c, m.Provider), Zone: zone, MonthSince: month}
		v.Month, v.Last30Days = control.NewSums(sums[0].of(m)), control.NewSums(sums[1].of(m))
		v.ElsewhereNanoUSD = sums[1].elsewhere(m).Cost
		if q := tally.QuoteAt(m.Prices, now, "", 0); q.Row != nil {
			if v.Priced = true; q.Row.PricesTokens() {
				v.InputUSD, v.OutputUSD = q.Of[tally.ClassInput].String(), q.Of[tally.ClassOutput].String()
			}
		}
		out = append(out, v)
	}
	return out, nil
}
