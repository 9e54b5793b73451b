package engine

import (
	"context"
	"fmt"
	"slices"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/gateway"
	"tallygate/engine/tally"
)

// ready says why requests cannot be served, nil if they can. It is asked by load
// balancers: nothing in it takes long.
func (e *Engine) ready() error {
	for _, p := range e.health(context.Background()) {
		if p.Essential && !p.OK {
			return tally.Errorf(tally.Unavailable, "%s", p.State).WithHint("%s", p.Next)
		}
	}
	return nil
}

// health says how the parts are that serving needs. It is told to anybody who asks
// /readyz?verbose, so it names nothing of the owner's.
func (e *Engine) health(ctx context.Context) []control.HealthPart {
	c, now := e.catalog.Load(), e.clock()
	setup := control.HealthPart{Name: "setup", Essential: true, OK: len(c.Gateways) > 0, State: "there is a gateway"}
	if !setup.OK {
		setup.State, setup.Next = "nothing is set up yet", "tallygate init --yes"
	}
	disk := control.HealthPart{Name: "disk", Essential: true}
	sync := control.HealthPart{Name: "sync", Essential: true, OK: true, State: "the disk keeps what it is given"}
	switch s, err := e.store.Status(ctx); {
	case err != nil:
		disk.State, disk.Next = tally.AsError(err).Message, "tallygate status says why"
	case s.Fault != "":
		disk.OK, disk.State = true, "there is room"
		sync.OK, sync.State, sync.Next = false, "the disk does not keep what it is given: new requests are refused", "tallygate status says why"
	case !s.Admitting:
		disk.State, disk.Next = "the disk is nearly full: new requests are refused", "free some space"
	default:
		disk.OK, disk.State = true, "there is room"
	}
	return append([]control.HealthPart{setup, disk, sync, e.providersHealth(c), e.clockHealth(now)}, e.certificatesHealth(ctx)...)
}

// parts is health for callers of the public plane.
func (e *Engine) parts(ctx context.Context) (out []gateway.Part) {
	for _, p := range e.health(ctx) {
		out = append(out, gateway.Part{Name: p.Name, OK: p.OK, State: p.State})
	}
	return out
}

// providersHealth says how many providers can be asked.
func (e *Engine) providersHealth(c *tally.Catalog) control.HealthPart {
	on, ready := 0, e.providersReady(c)
	for _, p := range c.Providers {
		if p.Enabled {
			on++
		}
	}
	p := control.HealthPart{Name: "providers", OK: ready > 0, State: fmt.Sprintf("%d of %d can be asked", ready, on)}
	if !p.OK {
		p.Next = "tallygate providers list"
	}
	return p
}

// providersReady counts the providers that are on and well.
func (e *Engine) providersReady(c *tally.Catalog) (n int) {
	for _, p := range c.Providers {
		if p.Enabled && e.isReady(c, p) {
			n++
		}
	}
	return n
}

// isReady reports whether a provider that is on can be asked, and is well.
func (e *Engine) isReady(c *tally.Catalog, p *tally.Provider) bool {
	_, err := e.router.Provider(p.ID)
	ill := func(h control.HealthView) bool { return h.State != control.HealthClosed }
	return err == nil && !slices.ContainsFunc(e.healthOf(c, p), ill)
}

func (e *Engine) clockHealth(now time.Time) control.HealthPart {
	p := control.HealthPart{Name: "clock", OK: true, State: "as it was"}
	if lag := now.Sub(e.opts.Clock()); lag > lagWorthy {
		p.OK, p.State, p.Next = false, "behind what was seen by "+control.FormatSpan(lag.Truncate(time.Second)), "set the machine's clock; tallygate status says what follows"
	}
	return p
}

func (e *Engine) certificatesHealth(ctx context.Context) []control.HealthPart {
	if e.opts.Certificates == nil {
		return nil
	}
	list := e.opts.Certificates(ctx)
	if len(list) == 0 {
		return nil
	}
	p := control.HealthPart{Name: "certificates", OK: true}
	var ends time.Time
	for _, c := range list {
		switch {
		case c.Problem != "":
			p.OK, p.Next = false, "tallygate doctor"
		case c.Ends && c.File == "": // it should have been renewed by itself
			p.OK, p.Next = false, "tallygate doctor"
		case c.Ends:
			p.OK, p.Next = false, "renew it and send SIGHUP"
		}
		if !c.Until.IsZero() && (ends.IsZero() || c.Until.Before(ends)) {
			ends = c.Until
		}
	}
	if p.State = "none yet"; !ends.IsZero() {
		p.State = "until " + ends.Format(time.DateOnly)
	}
	return []control.HealthPart{p}
}
