package engine

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"tallygate/engine/auth"
	"tallygate/engine/control"
	"tallygate/engine/geo"
	"tallygate/engine/tally"
	"tallygate/storage"
)

const (
	visitorSpan  = 24 * time.Hour
	mostVisitors = 200    // that are listed
	mostRecords  = 50_000 // that are looked at for them
)

// The checks that a visitor meets before those of every request, in order.
const (
	stepSignature  = "signature"
	stepTime       = "time"
	stepRevocation = "revocation"
	stepPage       = "page"
	stepCountry    = "country"
	stepTemplate   = "template"
)

// simulateVisit walks the road of a visitor's request with the very checks of
// the gateway. Nothing is counted, nothing is sent.
func (e *Engine) simulateVisit(ctx context.Context, in control.SimulateVisit) (control.Simulated, error) {
	v := &visit{attempt: attempt{Engine: e, c: e.catalog.Load(), now: e.clock(), in: control.Try{Model: in.Model}}, page: auth.Page{Origin: in.Origin}}
	var country string
	var ip netip.Addr
	if in.Address != "" {
		var err error
		if ip, err = netip.ParseAddr(strings.TrimSpace(in.Address)); err != nil {
			return control.Simulated{}, tally.Errorf(tally.Invalid, "%q is not an IP address", in.Address).WithHint("like 203.0.113.7 or 2001:db8::7")
		}
		ip = ip.Unmap()
		country = e.country(ip)
	}
	if in.Country != "" {
		if country = strings.ToUpper(strings.TrimSpace(in.Country)); !geo.IsCountry(country) {
			return control.Simulated{}, tally.Errorf(tally.Invalid, "%q is not a country", in.Country).WithHint("two letters of ISO 3166-1, like US or PT")
		}
	}
	if err := v.enter(in); err != nil {
		return control.Simulated{}, err
	}
	if v.p != nil {
		v.p.IP, v.p.Country, v.p.Origin = ip, country, in.Origin
	}
	if v.stop == "" {
		v.fails(stepPage, v.fromPage(), auth.CheckPage(v.p, v.page))
		v.fails(stepCountry, v.fromCountry(), auth.CheckCountry(v.p))
	}
	if v.stop == "" && v.p.Token != nil && v.p.Token.Locked() {
		found, refusal := auth.TemplateOf(v.p, in.Model)
		detail := ""
		if refusal == nil {
			detail, in.Model = fmt.Sprintf("%s says what the model is told", found.Name), found.Model
		}
		v.fails(stepTemplate, detail, refusal)
	}
	if v.stop == "" {
		targets, refusal := e.router.Plan(v.c, v.p, in.Model, v.now)
		detail := ""
		if refusal == nil {
			detail = targets[0].Model.Name
		}
		v.fails(stepModel, detail, refusal)
	}
	if v.stop == "" {
		if err := v.limits(ctx); err != nil {
			return control.Simulated{}, err
		}
	}
	out := control.Simulated{Passes: v.stop == "", Country: country, Status: http.StatusOK, Steps: v.out.Steps}
	if r := v.refusal; r != nil {
		out.Status, out.Code, out.Message = r.Status, r.Code, r.Message
	}
	return out, nil
}

// visit is an attempt of a visitor.
type visit struct {
	attempt
	page    auth.Page
	refusal *tally.Refusal // of the check that failed
}

// fails adds what a check found, which is nothing if refusal is nil.
func (v *visit) fails(name, detail string, refusal *tally.Refusal) {
	switch {
	case v.stop != "":
		return
	case refusal != nil:
		v.refusal, detail = refusal, refusal.Message
	}
	v.step(name, refusal == nil, detail)
}

// enter checks the credential, or finds the public gateway.
func (v *visit) enter(in control.SimulateVisit) error {
	if in.Token == "" {
		return v.enterPublic(in)
	}
	var refusal *tally.Refusal
	v.p, refusal = v.verifier.Verify(v.c, strings.TrimSpace(in.Token), in.Origin, v.now)
	failed := ""
	if refusal != nil {
		switch refusal.Code {
		case tally.CodeTokenExpired:
			failed = stepTime
		case tally.CodeTokenRevoked:
			failed = stepRevocation
		case tally.CodeGatewayDisabled, tally.CodeTokenRefused:
			failed = stepGateway
		default:
			failed = stepSignature
			if v.p != nil && v.p.Token != nil { // it works only later
				failed = stepTime
			}
		}
	}
	if v.p != nil && !v.p.Visitor {
		return tally.Errorf(tally.Invalid, "that is a key, and not the access token of a page").WithHint("tallygate tokens mint makes one")
	}
	for _, name := range []string{stepSignature, stepTime, stepRevocation, stepGateway} {
		if name == failed {
			v.fails(name, "", refusal)
			return nil
		}
		v.step(name, true, v.passed(name))
	}
	return nil
}

// passed says what a check of the token has found in order.
func (v *visit) passed(name string) string {
	t, gw := v.p.Token, v.p.Gateway
	zone := v.c.Zone(gw.ID)
	switch name {
	case stepSignature:
		return fmt.Sprintf("%s was signed by gateway %s", v.tokenID(), gw.Slug)
	case stepTime:
		if t.ExpiresAt.IsZero() {
			return "it never expires"
		}
		return "it works until " + tally.Civil(t.ExpiresAt, zone)
	case stepRevocation:
		return "it was not revoked"
	}
	return fmt.Sprintf("%s (%s) is on and takes access tokens", gw.Slug, gw.Name)
}

func (v *visit) tokenID() string {
	if v.p.Token == nil {
		return "the token"
	}
	return v.p.Token.ID
}

// enterPublic is for a visitor without a token.
func (v *visit) enterPublic(in control.SimulateVisit) error {
	if in.Gateway != "" {
		gw, err := findGateway(v.c, in.Gateway)
		if err != nil {
			return err
		}
		if gw.Access != tally.AccessPublic {
			return tally.Errorf(tally.Invalid, "gateway %q is not public: its visitors need an access token", gw.Slug).WithHint("give the token to simulate with it, or see: tallygate gateways update --access public")
		}
	}
	p, refusal := v.verifier.Verify(v.c, "", in.Origin, v.now)
	v.p = p
	detail := ""
	if refusal == nil {
		detail = fmt.Sprintf("%s (%s) is open to the public", p.Gateway.Slug, p.Gateway.Name)
	}
	v.fails(stepGateway, detail, refusal)
	return nil
}

func (v *visit) fromPage() string {
	t := v.p.Token
	switch {
	case t != nil && len(t.Domains) > 0:
		return fmt.Sprintf("%s is on %s", v.page.Origin, strings.Join(t.Domains, ", "))
	case len(v.p.Gateway.Origins) > 0:
		return v.page.Origin + " is an origin of the gateway"
	}
	return "any page may use it"
}

func (v *visit) fromCountry() string {
	where := v.p.Country
	if where == "" {
		where = "an unknown country"
	}
	return where + " is served"
}

// limits tells where every limit stands that the visit is held against.
func (v *visit) limits(ctx context.Context) error {
	standings, err := v.meter.StandingsOf(ctx, v.c, v.p, v.now)
	if err != nil {
		return err
	}
	if len(standings) == 0 {
		v.step(stepLimits, true, "there is none: nothing bounds what visitors spend")
	}
	zone := v.c.Zone(v.p.Gateway.ID)
	for _, s := range standings {
		ok, detail := limitText(s, zone, *v.c.Settings.VisitorWait)
		if ok {
			v.step(stepLimits, true, detail)
			continue
		}
		if v.refusal == nil {
			v.refusal = &tally.Refusal{Status: http.StatusTooManyRequests, Code: s.Code(), Message: detail}
		}
		v.step(stepLimits, false, detail)
	}
	return nil
}

// listVisitors adds up the latest records by visitor. Only a network and a hash
// are kept of an address, for as long as the records are.
func (e *Engine) listVisitors(ctx context.Context, in control.ListVisitors) (control.Visitors, error) {
	c, now := e.catalog.Load(), e.clock()
	q := storage.RecordQuery{Limit: 1000}
	if in.Token != "" {
		var err error
		if q.Token, err = e.tokenName(ctx, c, in.Token); err != nil {
			return control.Visitors{}, err
		}
	}
	if in.Gateway != "" {
		gw, err := findGateway(c, in.Gateway)
		if err != nil {
			return control.Visitors{}, err
		}
		q.Gateway = gw.ID
	}
	var err error
	if q.Since, err = in.Since.At(commonCalendar(c, now), visitorSpan); err != nil {
		return control.Visitors{}, err
	}
	out := control.Visitors{Since: q.Since.UTC(), Visitors: []control.Visitor{}}
	found := map[string]*control.Visitor{}
	for {
		records, next, err := e.store.Records(ctx, q)
		if err != nil {
			return out, err
		}
		for i := range records {
			addVisit(found, &records[i])
		}
		out.Records += len(records)
		if q.After = next; next == "" {
			break
		}
		if out.Records >= mostRecords {
			out.Partial = true
			break
		}
	}
	for _, v := range found {
		v.CostUSD = tally.NanoUSD(v.CostNano).String()
		out.Visitors = append(out.Visitors, *v)
	}
	tally.Order(out.Visitors, func(a, b control.Visitor) int {
		return cmp.Or(cmp.Compare(b.Requests+b.Refused, a.Requests+a.Refused), b.LastSeen.Compare(a.LastSeen), cmp.Compare(a.Visitor, b.Visitor))
	})
	out.Visitors, err = control.Select(control.VisitorTable, out.Visitors, in.Rows, commonCalendar(c, now))
	if err != nil {
		return out, err
	}
	out.Visitors = out.Visitors[:min(len(out.Visitors), mostVisitors)]
	return out, nil
}

func addVisit(found map[string]*control.Visitor, r *tally.Record) {
	if len(r.Visitor) == 0 {
		return
	}
	id := base64.RawURLEncoding.EncodeToString(r.Visitor)
	v := found[id]
	if v == nil { // the latest comes first
		v = &control.Visitor{Network: r.VisitorNet, Visitor: id, Country: r.Country, LastSeen: r.At}
		found[id] = v
	}
	v.FirstSeen = r.At
	if r.Outcome.Refused() {
		v.Refused += r.Count
		return
	}
	v.Requests++
	v.CostNano = tally.AddSat(v.CostNano, int64(r.Cost))
}
