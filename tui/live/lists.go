package live

import (
	"context"
	"time"

	"tallygate/engine/control"
)

// list reads the lists when it is time, and when somebody asks for them.
func (s *Source) list(ctx context.Context) {
	var listed, summed time.Time
	base := &Snapshot{}
	for ctx.Err() == nil {
		now := s.clock()
		asked := false
		select {
		case <-s.now:
			asked = true
		default:
		}
		s.mu.Lock()
		changed := s.changed
		s.mu.Unlock()
		if asked || !base.Loaded || base.Lost != nil || changed && now.Sub(listed) >= busyEvery || now.Sub(listed) >= idleEvery {
			s.mu.Lock()
			s.changed = false
			s.mu.Unlock()
			sum := asked || base.Lost != nil || now.Sub(summed) >= usageEvery
			base = s.read(ctx, base, sum)
			s.mu.Lock()
			s.base = base
			s.mu.Unlock()
			s.publish()
			if listed = now; sum {
				summed = now
			}
			sleep(ctx, readsApart)
		}
		wait(ctx, tick, s.now)
	}
}

// read asks for everything that is kept in lists.
func (s *Source) read(ctx context.Context, old *Snapshot, sums bool) *Snapshot {
	ctx, cancel := context.WithTimeout(ctx, longestRead)
	defer cancel()
	next := *old
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
				next.ByModel, err = control.UsageShow.Do(ctx, s.caller, control.UsageQuery{Since: "24h", By: "model"})
				return err
			},
			func() (err error) {
				next.ByCode, err = control.UsageShow.Do(ctx, s.caller, control.UsageQuery{Since: "24h", By: "code"})
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
			lost.Lost = err
			return &lost
		}
	}
	next.Loaded, next.Lost = true, nil
	return &next
}
