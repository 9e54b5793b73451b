package live

import (
	"context"
	"slices"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// list reads the lists when it is time, and when somebody asks for them.
func (s *Source) list(ctx context.Context) {
	var summed time.Time
	base := &Snapshot{}
	for asked := true; ctx.Err() == nil; {
		s.mu.Lock()
		s.changed = false
		s.mu.Unlock()
		listed := s.clock()
		sum := asked || base.Lost != nil || listed.Sub(summed) >= usageEvery
		old := base
		base = s.read(ctx, base, sum)
		if renamed(old, base) {
			s.renew(ctx)
		}
		s.mu.Lock()
		s.base = base
		s.mu.Unlock()
		s.publish()
		if sum {
			summed = listed
		}
		sleep(ctx, readsApart)
		asked = s.rest(ctx, base, listed)
	}
}

// rest waits until the lists are to be read again, and reports whether somebody has
// asked for them.
func (s *Source) rest(ctx context.Context, base *Snapshot, listed time.Time) (asked bool) {
	for {
		s.mu.Lock()
		every := idleEvery
		switch {
		case base.Lost != nil:
			every = lostEvery
		case s.changed:
			every = busyEvery
		}
		s.mu.Unlock()
		due := time.NewTimer(every - s.clock().Sub(listed))
		select {
		case <-s.now:
			asked = true
		case <-due.C:
		case <-ctx.Done():
		case <-s.moved:
			due.Stop()
			continue
		}
		due.Stop()
		return asked
	}
}

// renamed reports whether requests of before are shown by a name that is gone.
func renamed(old, now *Snapshot) bool {
	names := map[tally.ID]string{}
	for i := range old.Clients {
		names[old.Clients[i].ID] = old.Clients[i].Slug
	}
	for i := range old.Keys {
		names[old.Keys[i].ID] = old.Keys[i].Label
	}
	for i := range old.Providers {
		names[old.Providers[i].ID] = old.Providers[i].Name
	}
	is := func(id tally.ID, name string) bool { was, known := names[id]; return known && was != name }
	return slices.ContainsFunc(now.Clients, func(c control.ClientView) bool { return is(c.ID, c.Slug) }) ||
		slices.ContainsFunc(now.Keys, func(k control.KeyView) bool { return is(k.ID, k.Label) }) ||
		slices.ContainsFunc(now.Providers, func(p control.ProviderView) bool { return is(p.ID, p.Name) })
}

// renew asks for the views of the tail anew, as far as one page goes.
func (s *Source) renew(ctx context.Context) {
	page, err := control.RequestsList.Do(ctx, s.caller, control.RequestQuery{Limit: 1000})
	if err != nil {
		return // they keep the names they had
	}
	fresh := map[tally.ID]*control.RequestView{}
	for i := range page.Requests {
		fresh[page.Requests[i].ID] = &page.Requests[i]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, v := range s.tail {
		if v != nil && fresh[v.ID] != nil {
			s.tail[i] = fresh[v.ID]
		}
	}
	s.stale = true
}

// read asks for everything that is kept in lists.
func (s *Source) read(ctx context.Context, old *Snapshot, sums bool) *Snapshot {
	ctx, cancel := context.WithTimeout(ctx, longestRead)
	defer cancel()
	next, begun := *old, s.clock()
	steps := []func() error{
		func() (err error) {
			next.Status, err = control.EngineStatus.Do(ctx, s.caller, control.None{})
			return err
		},
		func() (err error) {
			next.Settings, err = control.SettingsShow.Do(ctx, s.caller, control.None{})
			return err
		},
		func() (err error) {
			next.Gateways, err = control.GatewaysList.Do(ctx, s.caller, control.Listing{})
			return err
		},
		func() (err error) {
			next.Clients, err = control.ClientsList.Do(ctx, s.caller, control.Listing{})
			return err
		},
		func() (err error) {
			next.Keys, err = control.KeysList.Do(ctx, s.caller, control.ListKeys{All: true})
			return err
		},
		func() (err error) {
			next.Providers, err = control.ProvidersList.Do(ctx, s.caller, control.Listing{})
			return err
		},
		func() (err error) {
			next.Models, err = control.ModelsList.Do(ctx, s.caller, control.ListModels{})
			return err
		},
	}
	if sums {
		steps = append(steps,
			func() (err error) {
				next.Hours, err = control.UsageShow.Do(ctx, s.caller, control.UsageQuery{Since: "24h", Every: "hour"})
				return err
			},
			func() (err error) {
				next.Days, err = control.UsageShow.Do(ctx, s.caller, control.UsageQuery{Month: "this", Every: control.Daily})
				return err
			},
			func() (err error) {
				next.Forecast, err = control.ForecastShow.Do(ctx, s.caller, control.ForecastQuery{MonthOnly: true})
				return err
			},
			func() (err error) {
				next.ByModel, err = control.UsageShow.Do(ctx, s.caller, control.UsageQuery{Since: "24h", By: "model"})
				return err
			},
			func() (err error) {
				next.Tokens, err = control.TokensList.Do(ctx, s.caller, control.ListTokens{})
				return err
			},
		)
	}
	for _, step := range steps {
		if err := step(); err != nil {
			lost := *old
			lost.Lost = lostOf(old, err)
			return &lost
		}
	}
	next.Loaded, next.Lost, next.Read = true, nil, begun
	return &next
}
