package meter

import (
	"context"
	"slices"
	"time"

	"tallygate/engine/tally"
)

// Caps are of a model at one provider, whoever asks. They are counted in UTC, since the
// provider knows nothing of the gateways' zones.

func capsOf(m *tally.Model) tally.Subject { return tally.SubjectOf("model", m.ID) }

// Join charges what the request holds on the caps of a model that was chosen to answer it,
// once for each model. A request that goes on to another model stays counted there: what
// the provider has counted is not known. The error is a *tally.LimitError if there is no
// room.
func (t *Ticket) Join(ctx context.Context, m *tally.Model) error {
	if len(m.Caps) == 0 && m.MaxInFlight <= 0 || slices.Contains(t.joined, m.ID) {
		return nil
	}
	r, of := t.request, capsOf(m)
	var charges []tally.Charge
	for _, l := range m.Caps {
		if !l.Warn {
			period := t.meter.periods.at(l.Window, r.At, time.UTC, 1)
			charges = append(charges, tally.Charge{
				Counter: tally.Counter{Subject: of, Metric: l.Metric, Period: period}, Max: l.Max,
			})
		}
	}
	var places []tally.Place
	if m.MaxInFlight > 0 {
		places = []tally.Place{{Subject: of, Max: int64(m.MaxInFlight)}}
	}
	if err := t.meter.store.Join(ctx, r.ID, charges, places); err != nil {
		return err
	}
	t.joined = append(t.joined, m.ID)
	return nil
}

// Caps tell where the caps of a model stand at an instant, in their order.
func (m *Meter) Caps(ctx context.Context, of *tally.Model, now time.Time) ([]Standing, error) {
	out := make([]Standing, len(of.Caps))
	for i, l := range of.Caps {
		out[i] = Standing{Limit: l, Base: l.Max, Subject: capsOf(of), Period: m.periods.at(l.Window, now, time.UTC, 1)}
	}
	return out, m.use(ctx, out)
}
