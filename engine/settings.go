package engine

import (
	"context"
	"reflect"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (e *Engine) showSettings(context.Context, control.None) (tally.Settings, error) {
	return e.catalog.Load().Settings, nil
}

func (e *Engine) setSettings(ctx context.Context, in control.SettingsFields) (tally.Settings, error) {
	if reflect.ValueOf(in).IsZero() {
		return tally.Settings{}, tally.Errorf(tally.Invalid, "nothing to change was given").WithHint("see: tallygate settings set --help")
	}
	err := e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		// As stored: a default that is filled in must stay free to change.
		s := tally.Settings{Meta: tally.Meta{ID: tally.SettingsID}}
		if old, ok := c.Entity(tally.KindSettings, tally.SettingsID).(*tally.Settings); ok {
			s = *old
		}
		if err := firstError(
			set(&s.Unpriced, in.Unpriced, oneOf("a policy for models without a price", tally.RefuseUnpriced, tally.AllowAtZero)),
			set(&s.DefaultMaxOutput, in.DefaultMaxOutput, between[int64]("the default of output tokens", 1, maxOutputByRule)),
			set(&s.DrainOnCancel, in.DrainOnCancel, nil),
			set(&s.RetentionDays, in.RetentionDays, between("the days to keep records", 0, maxRetention)),
		); err != nil {
			return nil, err
		}
		return []tally.Change{tally.Put(&s, now)}, nil
	})
	return e.catalog.Load().Settings, err
}
