package engine

import (
	"cmp"
	"context"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"tallygate/engine/auth"
	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

func (e *Engine) createGateway(ctx context.Context, in control.CreateGateway) (control.GatewayCreated, error) {
	var gw *tally.Gateway
	var key string
	err := e.change(ctx, func(c *tally.Catalog, now time.Time) (changes []tally.Change, err error) {
		var secret *tally.Secret
		if gw, secret, key, err = e.newGateway(c, in.Slug, &in.GatewayFields, now); err != nil {
			return nil, err
		}
		return []tally.Change{tally.Put(gw, now), tally.Put(secret, now)}, nil
	})
	if err != nil {
		return control.GatewayCreated{}, err
	}
	return control.GatewayCreated{Gateway: *gw, PrivateKey: key}, nil
}

// newGateway makes a gateway with its private key.
func (e *Engine) newGateway(c *tally.Catalog, slug string, fields *control.GatewayFields, now time.Time) (*tally.Gateway, *tally.Secret, string, error) {
	taken := gatewaySlugTaken(c, "")
	gw := &tally.Gateway{
		Meta: tally.Meta{ID: tally.NewID("gw", now)}, PublicID: auth.NewPublicID(),
		TimeZone: machineZone(), CycleDay: 1, Access: tally.AccessByToken, Enabled: true,
	}
	for taken(gw.PublicID) {
		gw.PublicID = auth.NewPublicID()
	}
	if fields.Name == nil {
		fields.Name = new(string) // which is refused
	}
	if err := setGateway(c, gw, fields, now); err != nil {
		return nil, nil, "", err
	}
	var err error
	if gw.Slug, err = slugFor("gateway", slug, gw.Name, taken); err != nil {
		return nil, nil, "", err
	}
	s := &tally.Secret{Meta: tally.Meta{ID: tally.NewID("sec", now)}, Of: gw.ID}
	key := e.mintPrivateKey(gw, s)
	return gw, s, key, nil
}

// mintPrivateKey puts a new private key into a gateway's secret.
func (e *Engine) mintPrivateKey(gw *tally.Gateway, s *tally.Secret) (key string) {
	key, s.Digest = auth.NewPrivateKey(gw.PublicID)
	s.Sealed = e.sealer.Seal(gw.ID, []byte(key))
	return key
}

// gatewaySlugTaken counts public IDs as well: both name a gateway.
func gatewaySlugTaken(c *tally.Catalog, by tally.ID) func(string) bool {
	return func(slug string) bool {
		for _, gw := range c.Gateways {
			if gw.ID != by && (gw.Slug == slug || gw.PublicID == slug) {
				return true
			}
		}
		return false
	}
}

// setGateway applies the owner's fields to a gateway.
func setGateway(c *tally.Catalog, gw *tally.Gateway, f *control.GatewayFields, now time.Time) error {
	if f.Aliases != nil {
		aliases, err := checkAliases(c, *f.Aliases)
		if err != nil {
			return err
		}
		gw.Aliases = aliases
	}
	if err := firstError(
		setName(&gw.Name, "name", f.Name),
		set(&gw.TimeZone, (*string)(f.TimeZone), tally.CheckZone),
		set(&gw.CycleDay, f.CycleDay, between("the first day of the month", 1, 31)),
		set(&gw.PublicURL, f.PublicURL, checkPublicURL),
		set(&gw.Access, f.Access, nil),
		setList(&gw.Origins, f.Origins, checkOrigins),
		setList(&gw.Models, f.Models, func(list []string) ([]string, error) { return checkModels(c, list, gw.Aliases) }),
		setLimits(&gw.Limits, &gw.Raises, f.Limits, gatewayLimits),
		setLimits(&gw.VisitorLimits, nil, f.VisitorLimits, plainLimits),
		setList(&gw.AllowedCountries, f.AllowedCountries, checkCountries),
		setList(&gw.BlockedCountries, f.BlockedCountries, checkCountries),
		setNotBefore(&gw.NotBefore, f.NotBefore, now, gw.TimeZone),
		set(&gw.MaxBodyBytes, f.MaxBody, between[int64]("the bytes of a request", 0, tally.MaxBodyBytes)),
		set(&gw.VisitorMaxBodyBytes, f.VisitorMaxBody, between[int64]("the bytes of a visitor's request", 0, tally.MaxBodyBytes)),
		setLanding(c, &gw.Landing, f.LandingBelow, f.LandingModel, gw.Aliases),
		set(&gw.TryLonger, f.TryLonger, nil),
		set(&gw.Enabled, f.Enabled, nil),
	); err != nil {
		return err
	}
	if err := checkVisitors(gw); err != nil {
		return err
	}
	if f.DefaultModel != nil {
		one, err := checkModels(c, []string{*f.DefaultModel}, gw.Aliases)
		if err != nil {
			return err
		}
		gw.DefaultModel = strings.Join(one, "") // none, or one
	}
	if f.Name != nil {
		for _, other := range c.Gateways {
			if other.ID != gw.ID && strings.EqualFold(other.Name, gw.Name) {
				return nameTaken("gateway", other.Name)
			}
		}
	}
	return nil
}

// checkAliases returns the aliases that lead somewhere; one that leads nowhere
// is an error, an empty one is left out.
func checkAliases(c *tally.Catalog, aliases map[string]string) (map[string]string, error) {
	out := map[string]string{}
	for asked, model := range aliases {
		asked, model = strings.TrimSpace(asked), strings.TrimSpace(model)
		if model == "" {
			continue
		}
		if err := checkModelName(asked); err != nil {
			return nil, err
		}
		if len(c.ModelsNamed(model)) == 0 {
			return nil, missing("model", model, modelNames(c, ""), "tallygate models import PROVIDER")
		}
		out[asked] = model
	}
	if len(out) > maxListed {
		return nil, tally.Errorf(tally.Invalid, "there are more than %d aliases", maxListed)
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

func (e *Engine) updateGateway(ctx context.Context, in control.UpdateGateway) (tally.Gateway, error) {
	if in.NewSlug == "" && reflect.ValueOf(in.GatewayFields).IsZero() {
		return tally.Gateway{}, nothing("gateways")
	}
	var gw tally.Gateway
	err := e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		old, err := findGateway(c, in.Gateway)
		if err != nil {
			return nil, err
		}
		gw = *old
		gw.Aliases = maps.Clone(old.Aliases)
		if err := setGateway(c, &gw, &in.GatewayFields, now); err != nil {
			return nil, err
		}
		if in.NewSlug != "" {
			if gw.Slug, err = slugFor("gateway", in.NewSlug, "", gatewaySlugTaken(c, gw.ID)); err != nil {
				return nil, err
			}
		}
		return []tally.Change{tally.Put(&gw, now)}, nil
	})
	return gw, err
}

func (e *Engine) deleteGateway(ctx context.Context, in control.Named) (control.None, error) {
	return control.None{}, e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		gw, err := findGateway(c, in.Name)
		if err != nil {
			return nil, err
		}
		return dropGateway(c, gw, now)
	})
}

// dropGateway makes the changes that delete a gateway which has no clients.
func dropGateway(c *tally.Catalog, gw *tally.Gateway, now time.Time) ([]tally.Change, error) {
	var clients []string
	for _, cl := range c.Clients {
		if cl.Gateway == gw.ID {
			clients = append(clients, cl.Slug)
		}
	}
	if len(clients) > 0 {
		return nil, tally.Errorf(tally.InUse, "gateway %q has clients: %s", gw.Slug, someOf(clients, 5)).WithHint("delete them first: tallygate clients delete %s", clients[0])
	}
	changes := []tally.Change{tally.Delete(gw), bury(gw, gw.Slug, now)}
	if s := c.Secret(gw.ID); s != nil {
		changes = append(changes, tally.Delete(s))
	}
	for _, r := range c.Revocations { // its tokens do not work without it
		if r.Gateway == gw.ID {
			changes = append(changes, tally.Delete(r))
		}
	}
	for _, m := range c.Minted {
		if m.Gateway == gw.ID {
			changes = append(changes, tally.Delete(m))
		}
	}
	return changes, nil
}

// rotateGateway replaces a private key. With a grace, the old one and the
// tokens it signed work on for so long.
func (e *Engine) rotateGateway(ctx context.Context, in control.RotateGateway) (control.GatewayCreated, error) {
	if err := checkGrace(in.Grace); err != nil {
		return control.GatewayCreated{}, err
	}
	var made control.GatewayCreated
	err := e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		gw, err := findGateway(c, in.Gateway)
		if err != nil {
			return nil, err
		}
		s := tally.Secret{Meta: tally.Meta{ID: tally.NewID("sec", now)}, Of: gw.ID}
		if was := c.Secret(gw.ID); was != nil {
			s = *was
		}
		s.Previous, s.PreviousUntil, s.SealedBefore = s.Digest, now.Add(in.Grace).UTC(), nil
		if in.Grace > 0 {
			s.SealedBefore = s.Sealed
		}
		made = control.GatewayCreated{Gateway: *gw, PrivateKey: e.mintPrivateKey(gw, &s)}
		return []tally.Change{tally.Put(&s, now)}, nil
	})
	return made, err
}

func (e *Engine) listGateways(ctx context.Context, in control.Listing) ([]control.GatewayView, error) {
	c := e.catalog.Load()
	found := c.Gateways
	if in.Gateway != "" {
		only, err := findGateway(c, in.Gateway)
		if err != nil {
			return nil, err
		}
		found = []*tally.Gateway{only}
	}
	views, err := e.viewGateways(ctx, c, "", found)
	if err != nil {
		return nil, err
	}
	return control.Select(control.GatewayTable, views, in.Rows, commonCalendar(c, e.clock()))
}

func (e *Engine) showGateway(ctx context.Context, in control.Named) (control.GatewayView, error) {
	c := e.catalog.Load()
	gw, err := findGateway(c, in.Name)
	if err != nil {
		return control.GatewayView{}, err
	}
	views, err := e.viewGateways(ctx, c, string(gw.ID), []*tally.Gateway{gw})
	if err != nil {
		return control.GatewayView{}, err
	}
	return views[0], nil
}

// viewGateways tells how gateways stand; only is the ID of the one, if it is
// one.
func (e *Engine) viewGateways(ctx context.Context, c *tally.Catalog, only string, gateways []*tally.Gateway) ([]control.GatewayView, error) {
	now := e.clock()
	calendar, all := calendars(c, now)
	sums, err := e.spending(ctx, tally.ByGateway, only, now, all...)
	if err != nil {
		return nil, err
	}
	countries, err := e.sharesBy(ctx, tally.ByGatewayCountry, only, now)
	if err != nil {
		return nil, err
	}
	codes, err := e.sharesBy(ctx, tally.ByGatewayCode, only, now)
	if err != nil {
		return nil, err
	}
	refusing := e.refusing(c, now)
	out := make([]control.GatewayView, 0, len(gateways))
	for _, gw := range gateways {
		states, standings, err := e.limitStates(ctx, c, gw, "gateway", gw.ID, gw.Slug, gw.Limits, now)
		if err != nil {
			return nil, err
		}
		first, err := oneGateway(c, "")
		if err != nil {
			return nil, err
		}
		v := control.GatewayView{Gateway: *gw, Default: first.ID == gw.ID, ProviderNames: orderOf(c, gw), LimitStates: states,
			Countries: countries[string(gw.ID)], Refusals: slices.DeleteFunc(codes[string(gw.ID)], func(s control.Part) bool { return s.Refused == 0 })}
		of := sums(calendar(gw.ID), string(gw.ID))
		v.MonthSince, v.Month, v.Last30Days = of.since, of.month, of.last
		v.DefaultModelUsed = e.defaults(c, now).of(gw, nil)
		if v.Refused, err = refusing.gateway(ctx, gw, standings); err != nil {
			return nil, err
		}
		for _, cl := range c.Clients {
			if cl.Gateway == gw.ID {
				v.Clients++
			}
		}
		out = append(out, v)
	}
	return out, nil
}

// sharesBy adds up the last 24 hours of a family of pairs: for each gateway, by
// the second part, the busiest first.
func (e *Engine) sharesBy(ctx context.Context, family tally.Family, only string, now time.Time) (map[string][]control.Part, error) {
	points, err := e.store.Series(ctx, storage.SeriesQuery{Family: family, First: only, Edges: []time.Time{bucketDown(now.Add(-24 * time.Hour)), bucketDown(now).Add(tally.Bucket)}})
	if err != nil {
		return nil, err
	}
	out := map[string][]control.Part{}
	for i := range points {
		p := &points[i]
		out[p.Dim[0]] = append(out[p.Dim[0]], control.Part{Name: p.Dim[1], Requests: p.Requests, Refused: p.Refused})
	}
	for _, shares := range out {
		tally.Order(shares, func(a, b control.Part) int {
			return cmp.Or(cmp.Compare(b.Requests+b.Refused, a.Requests+a.Refused), cmp.Compare(a.Name, b.Name))
		})
	}
	return out, nil
}
