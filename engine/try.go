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
// same road as that of a client app, for the same price.
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
	a.check(stepModel, a.model)
	a.explainProviders()
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
		return false, fmt.Sprintf("%s was revoked on %s", text, civil(k.RevokedAt, zone))
	case k.ExpiresAt.IsZero():
		return true, text + ", works forever"
	case keyState(k, a.now) == "expired":
		return false, fmt.Sprintf("%s expired on %s", text, civil(k.ExpiresAt, zone))
	}
	return true, fmt.Sprintf("%s, works until %s", text, civil(k.ExpiresAt, zone))
}

func civil(t time.Time, zone *time.Location) string {
	return fmt.Sprintf("%s (%s)", t.In(zone).Format("2006-01-02 15:04"), zone)
}

func (a *attempt) client() (bool, string) {
	return a.p.Client.Status == tally.Active, fmt.Sprintf("%s (%s) is %s", a.p.Client.Slug, a.p.Client.Name, a.p.Client.Status)
}

func (a *attempt) gatewayOn() (bool, string) {
	if _, refusal := auth.PrincipalOf(a.c, a.p.Key, a.now); refusal != nil {
		return false, refusal.Message
	}
	return true, fmt.Sprintf("%s (%s) is on, time zone %s", a.p.Gateway.Slug, a.p.Gateway.Name, a.c.Zone(a.p.Gateway.ID))
}

func (a *attempt) model() (bool, string) {
	to, refusal := a.router.Plan(a.c, a.p, a.in.Model, a.now)
	if refusal != nil {
		return false, refusal.Message
	}
	a.to = to
	name := to[0].Model.Name
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
func (a *attempt) explainProviders() {
	if a.stop != "" {
		a.check(stepProvider, nil)
		return
	}
	for i, t := range a.to {
		order := "asked first"
		if i > 0 {
			order = "asked if those before it fail"
		}
		price := "no price: counts as free"
		if rates, ok := tally.PriceAt(t.Model.Prices, a.now, 0); ok {
			price = fmt.Sprintf("$%s in, $%s out per million tokens", rates.Of[tally.ClassInput], rates.Of[tally.ClassOutput])
			if rates.Request > 0 {
				price += fmt.Sprintf(", $%s per call", rates.Request)
			}
		}
		a.step(stepProvider, true, fmt.Sprintf("%s, %s, as %s: %s", t.Upstream.Config.Name, order, t.Model.UpstreamName(), price))
	}
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
		text += ", resets on " + civil(end, zone)
	}
	if s.Warn {
		text += ", only warns"
	}
	return text
}
