package engine

import (
	"context"
	"slices"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// maxTariffs is how many rows the tariff of a client has at most, and how many fixed prices
// one of them.
const (
	maxTariffs = 200
	maxFixed   = 500
)

// setTariff adds a row to what a client pays. It is what the client pays at that time, with
// what the owner changes of it.
func (e *Engine) setTariff(ctx context.Context, in control.SetTariff) (tally.Client, error) {
	if in.Percent == nil && in.Minimum == nil && len(in.Prices) == 0 {
		return tally.Client{}, tally.Errorf(tally.Invalid, "say what changes").
			WithHint("--percent 20, --minimum 50 or --price gpt-4o:input=3,output=12; what it pays now: tallygate clients show %s", tally.ShellWord(in.Client))
	}
	return e.editClient(ctx, in.Client, func(c *tally.Catalog, cl *tally.Client, now time.Time) error {
		from := beginning(cl, now)
		if in.From != "" {
			var err error
			if from, err = in.From.At(calendarOf(c, cl.Gateway, now)); err != nil {
				return err
			}
		}
		row := cl.TariffAt(from)
		row.From = from
		if in.Percent != nil {
			row.Added = int(*in.Percent)
		}
		if in.Minimum != nil {
			row.Minimum = tally.NanoUSD(*in.Minimum)
		}
		var err error
		if row.Fixed, err = fixedPrices(c, row.Fixed, in.Prices, now, true); err != nil {
			return err
		}
		return addTariff(cl, row)
	})
}

// beginning is from when on a change of what a client pays counts that names no date: from
// now on, and always for a client that is just made.
func beginning(cl *tally.Client, now time.Time) time.Time {
	if cl.Rev == 0 {
		return time.Time{}
	}
	return now.UTC().Truncate(time.Second)
}

// setTariffs applies what the owner's fields say of what a client pays: all rows, or a
// percentage from now on.
func setTariffs(c *tally.Catalog, cl *tally.Client, f *control.ClientFields, now time.Time) error {
	switch {
	case f.Tariffs != nil:
		cl.Tariffs = nil
		for _, r := range *f.Tariffs {
			fixed, err := fixedPrices(c, nil, r.Fixed, now, false)
			if err != nil {
				return err
			}
			if err := addTariff(cl, tally.Tariff{From: r.From, Added: int(r.Percent), Minimum: r.Minimum, Fixed: fixed}); err != nil {
				return err
			}
		}
	case f.Markup != nil && int(*f.Markup) != cl.TariffAt(now).Added:
		row := cl.TariffAt(now)
		row.From, row.Added = beginning(cl, now), int(*f.Markup)
		return addTariff(cl, row)
	}
	return nil
}

// addTariff adds a row. Of several of the same instant the last counts.
func addTariff(cl *tally.Client, row tally.Tariff) error {
	switch {
	case row.Added < int(control.MinPercent) || row.Added > int(control.MaxPercent):
		return tally.Errorf(tally.Invalid, "%s is not a percentage that can be added", control.Percent(row.Added)).WithHint("from -100 to 1000")
	case row.Minimum < 0 || row.Minimum > tally.MaxMoney:
		return tally.Errorf(tally.Invalid, "the minimum of a month must be between $0 and %s", tally.MaxMoney.Display())
	case len(cl.Tariffs) >= maxTariffs:
		return tally.Errorf(tally.Invalid, "a client has at most %d rows of tariffs", maxTariffs).
			WithHint("a client that is made anew begins with none")
	case len(row.Fixed) > maxFixed:
		return tally.Errorf(tally.Invalid, "a tariff has at most %d fixed prices", maxFixed)
	}
	cl.Tariffs = tally.WithTariff(cl.Tariffs, row)
	return nil
}

// fixedPrices are the fixed prices of a tariff with what the owner changes of them. A figure
// that is not given stays. Models that are not known any more are refused where known is true.
func fixedPrices(c *tally.Catalog, was []tally.FixedPrice, edits []control.ModelPrice, now time.Time, known bool) ([]tally.FixedPrice, error) {
	out := slices.Clone(was)
	for _, edit := range edits {
		at := slices.IndexFunc(out, func(p tally.FixedPrice) bool { return p.Model == edit.Model })
		if len(edit.Prices) == 0 {
			if at < 0 {
				return nil, tally.Errorf(tally.NotFound, "model %s has no fixed price", shown(edit.Model))
			}
			out = slices.Delete(out, at, at+1)
			continue
		}
		models := c.ModelsNamed(edit.Model)
		if len(models) == 0 && known {
			return nil, missing("model", edit.Model, modelNames(c, ""), "tallygate models import PROVIDER")
		}
		if at < 0 {
			at, out = len(out), append(out, tally.FixedPrice{Model: edit.Model})
		}
		if err := editPrice(&out[at].Price, edit.Prices); err != nil {
			return nil, err
		}
		for _, m := range models {
			rows := tally.InForce(m.Prices, now)
			if len(rows) > 0 && rows[0].PricesTokens() && !out[at].PricesTokens() {
				return nil, tally.Errorf(tally.Invalid, "model %s is billed by tokens, and the fixed price has none for them", m.Name).
					WithHint("like %s:input=3,output=12", m.Name)
			}
			if len(rows) > 0 && known && (rows[0].Input != nil && *rows[0].Input > 0 && out[at].Input == nil || rows[0].Output != nil && *rows[0].Output > 0 && out[at].Output == nil) && out[at].PricesTokens() {
				return nil, tally.Errorf(tally.Invalid, "model %s is billed for input and for output, and the fixed price has one of both", m.Name).
					WithHint("like %s:input=3,output=12", m.Name)
			}
			if len(rows) > 0 && !rows[0].PricesTokens() && out[at].PricesTokens() {
				return nil, tally.Errorf(tally.Invalid, "model %s is billed by the piece, and not by tokens", m.Name).
					WithHint("like %s", tally.ShellWord(m.Name)+":image=0.08; see: tallygate models show "+tally.ShellWord(m.Name))
			}
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}
