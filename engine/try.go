package engine

import (
	"context"
	"fmt"
	"time"

	"tallygate/engine/auth"
	"tallygate/engine/control"
	"tallygate/engine/meter"
	"tallygate/engine/route"
	"tallygate/engine/tally"
)

// longestPrompt bounds what a try may ask, in bytes.
const longestPrompt = 64 << 10

// The checks on the road of a request, in order.
const (
	stepKey      = "key"
	stepClient   = "client"
	stepGateway  = "gateway"
	stepModel    = "model"
	stepProvider = "provider"
	stepLimits   = "limits"
	stepRequest  = "request"
)

// attempt walks the road of a request, and explains each check. After one that
// fails the others are not reached.
type attempt struct {
	*Engine
	c    *tally.Catalog
	now  time.Time
	in   control.Try
	p    *tally.Principal
	to   []route.Target
	out  control.Tried
	stop string // the check that failed
}

// try explains every check that a request of a client meets, and sends one: the
// same road as that of a client app, for the same price. One that is refused leaves no
// record: a refusal costs nothing, and those that are counted are of callers.
func (e *Engine) try(ctx context.Context, in control.Try) (control.Tried, error) {
	a := &attempt{Engine: e, c: e.catalog.Load(), now: e.clock(), in: in}
	if len(in.Prompt) > longestPrompt {
		return control.Tried{}, tally.Errorf(tally.Invalid, "the prompt is longer than %d bytes", longestPrompt)
	}
	if err := a.choose(); err != nil {
		return control.Tried{}, err
	}
	a.check(stepKey, a.key)
	a.check(stepClient, a.client)
	a.check(stepGateway, a.gatewayOn)
	a.check(stepModel, func() (bool, string) { return a.model(ctx) })
	if err := a.explainProviders(ctx); err != nil {
		return control.Tried{}, err
	}
	if err := a.explainLimits(ctx); err != nil {
		return control.Tried{}, err
	}
	if err := a.send(ctx); err != nil {
		return control.Tried{}, err
	}
	a.out.OK = a.stop == ""
	return a.out, nil
}

// choose finds the client to try as, and the key it would use: the first that
// works, or the first at all.
func (a *attempt) choose() error {
	var cl *tally.Client
	if a.in.Client != "" {
		var err error
		if cl, err = findClient(a.c, a.in.Client); err != nil {
			return err
		}
	} else {
		for _, other := range a.c.Clients {
			if cl == nil || cl.Status != tally.Active && other.Status == tally.Active {
				cl = other
			}
		}
	}
	if cl == nil {
		return tally.Errorf(tally.NotFound, "there is no client to try as").WithHint("tallygate init --yes, or tallygate clients create --name NAME")
	}
	a.p = &tally.Principal{Gateway: gatewayOf(a.c, cl), Client: cl}
	for _, k := range a.c.KeysOf(cl.ID) {
		if a.p.Key == nil || keyState(a.p.Key, a.now) != "active" && keyState(k, a.now) == "active" {
			a.p.Key = k
		}
	}
	return nil
}

// step adds what a check found.
func (a *attempt) step(name string, ok bool, detail string) {
	if !ok && a.stop == "" {
		a.stop = name
	}
	a.out.Steps = append(a.out.Steps, control.TryStep{Name: name, OK: ok, Detail: detail})
}

// check runs a check, unless one before it has failed.
func (a *attempt) check(name string, run func() (ok bool, detail string)) {
	if a.stop != "" {
		a.step(name, false, "not reached: a request stops at the check "+a.stop)
		return
	}
	ok, detail := run()
	a.step(name, ok, detail)
}

func (a *attempt) key() (bool, string) {
	k := a.p.Key
	if k == nil {
		return false, fmt.Sprintf("client %s has no key: tallygate keys create --client %s", a.p.Client.Slug, a.p.Client.Slug)
	}
	text := fmt.Sprintf("%s %s", k.Label, k.Masked())
	zone := a.c.Zone(a.p.Client.Gateway)
	switch {
	case !k.RevokedAt.IsZero():
		return false, fmt.Sprintf("%s was revoked on %s", text, tally.Civil(k.RevokedAt, zone))
	case k.ExpiresAt.IsZero():
		return true, text + ", works forever"
	case keyState(k, a.now) == "expired":
		return false, fmt.Sprintf("%s expired on %s", text, tally.Civil(k.ExpiresAt, zone))
	}
	return true, fmt.Sprintf("%s, works until %s", text, tally.Civil(k.ExpiresAt, zone))
}

func (a *attempt) client() (bool, string) {
	c := a.p.Client
	text := fmt.Sprintf("%s (%s) is %s", c.Slug, c.Name, c.Status)
	if a.in.Client == "" && c.Status == tally.Active {
		text += "; none was named, so it is asked as the first that is"
	}
	return c.Status == tally.Active, text
}

func (a *attempt) gatewayOn() (bool, string) {
	if _, refusal := auth.PrincipalOf(a.c, a.p.Key, a.now); refusal != nil {
		return false, refusal.Message
	}
	return true, fmt.Sprintf("%s (%s) is on, time zone %s", a.p.Gateway.Slug, a.p.Gateway.Name, a.c.Zone(a.p.Gateway.ID))
}

func (a *attempt) model(ctx context.Context) (bool, string) {
	name, why, err := a.landsOn(ctx, a.c, a.p, a.in.Model, a.now)
	if err != nil {
		return false, tally.AsError(err).Message
	}
	if why != "" {
		a.to = a.router.Landing(a.c, a.p.Gateway, name, a.now)
		return true, name + ", " + why
	}
	to, refusal := a.router.Plan(a.c, a.p, a.in.Model, a.now)
	if refusal != nil {
		return false, refusal.Message
	}
	a.to = to
	name = to[0].Model.Name
	switch asked := a.in.Model; {
	case asked == "" && name == a.p.Gateway.DefaultModel:
		return true, name + ", the gateway's default; the client may use it"
	case asked == "":
		return true, name + ", chosen because none was named; the client may use it"
	case asked != name:
		return true, fmt.Sprintf("%s stands for %s; the client may use it", asked, name)
	}
	return true, name + ", the client may use it"
}

// explainProviders tells who would be asked, in which order and at what price.
func (a *attempt) explainProviders(ctx context.Context) error {
	if a.stop != "" {
		a.check(stepProvider, nil)
		return nil
	}
	routes, err := a.routesOf(ctx, a.c, a.to, route.Affinity(a.p, ""), a.now)
	for _, r := range routes {
		text, price := r.Provider, "no price: counts as free"
		if r.Price != "" {
			price = r.Price
		}
		if r.Key != "" && a.hasKeys(r.Provider) > 1 {
			text += " with key " + r.Key
		}
		if r.Place == 1 || r.State == stateWell || r.State == control.HealthClosed {
			text += ", " + placeText(r.Place)
		}
		switch r.State {
		case stateWell:
		case control.HealthClosed: // it counts as well
			text += " (" + r.Why + ")"
		default:
			text += ", " + r.State + " (" + r.Why + ")"
		}
		if r.Translated != "" {
			text += ", translated to " + r.Translated
		}
		a.step(stepProvider, true, fmt.Sprintf("%s, as %s: %s", text, r.Model, price))
	}
	return err
}

func (a *attempt) hasKeys(provider string) int {
	for _, p := range a.c.Providers {
		if p.Name == provider {
			return len(p.KeyHints)
		}
	}
	return 0
}

// explainLimits tells where every limit stands that the request is held
// against.
func (a *attempt) explainLimits(ctx context.Context) error {
	if a.stop != "" {
		a.check(stepLimits, nil)
		return nil
	}
	standings, err := a.meter.StandingsOf(ctx, a.c, a.p, a.now)
	if err != nil {
		return err
	}
	if len(standings) == 0 {
		a.step(stepLimits, true, "there is none: nothing bounds what this client spends")
	}
	zone, wait := a.c.Zone(a.p.Gateway.ID), *a.c.Settings.HoldWait
	for _, s := range standings {
		ok, text := limitText(s, zone, wait)
		a.step(stepLimits, ok, text)
	}
	if c := a.p.Client; c.MaxInFlight > 0 {
		n := a.meter.InFlight(c.ID)
		text, free := fmt.Sprintf("%d of at most %d requests in flight", n, c.MaxInFlight), n < c.MaxInFlight
		if !free {
			text += heldText(wait)
		}
		a.step(stepLimits, free || wait > 0, text)
	}
	return nil
}

// limitText tells where a limit stands, and whether it lets a request in, now or
// once others in flight have given back what they do not use.
func limitText(s meter.Standing, zone *time.Location, wait time.Duration) (ok bool, text string) {
	of, _ := s.Subject.Split()
	text = fmt.Sprintf("%s of the %s: %s", limitName(s, zone), of, standingText(s, zone))
	switch {
	case s.Warn || s.Left() > 0:
		return true, text
	case s.Used < s.Max:
		return wait > 0, text + heldText(wait)
	}
	return false, text
}

// heldText says what becomes of a request that only others in flight stand in the
// way of.
func heldText(wait time.Duration) string {
	if wait <= 0 {
		return "; others in flight hold it, and requests do not wait (hold wait is 0s)"
	}
	return fmt.Sprintf("; others in flight hold it, and the request would wait up to %s for it", wait)
}

func standingText(s meter.Standing, zone *time.Location) string {
	format := s.Metric.Format
	text := fmt.Sprintf("%s used | %s held | %s left", format(s.Used), format(s.Held), format(s.Left()))
	if end := resetsAt(s); !end.IsZero() {
		text += ", resets on " + tally.Civil(end, zone)
	}
	if s.Warn {
		text += ", only warns"
	}
	return text
}
