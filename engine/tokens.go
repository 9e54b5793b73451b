package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/engine/token"
	"tallygate/storage"
)

const (
	mostTokens = 500 // that are listed: those most used
	// findPatience is how long a list looks through the records for the gateways
	// of tokens that were not used since the start.
	findPatience = 200 * time.Millisecond
)

// TokenOptions reads what the owner wants of an access token.
func TokenOptions(f control.TokenFields, now time.Time, zone *time.Location) (token.Options, error) {
	o := token.Options{
		Requests: f.Requests, IPQuota: f.IPQuota, Cost: f.Cost, Quota: f.Quota,
		Domains: f.Domains, AllowedCountries: capitals(f.AllowCountries), BlockedCountries: capitals(f.BlockCountries), Models: f.Models,
	}
	now = now.Truncate(time.Second) // as the token tells when it was issued
	ends, err := parseExpiry(f.Expires, now, zone)
	if err == nil && !ends.IsZero() {
		o.ExpiresIn = ends.Sub(now)
	}
	return o, err
}

// capitals writes countries as codes are written: nobody means another by "us".
func capitals(codes []string) []string {
	var out []string
	for _, code := range codes {
		out = append(out, strings.ToUpper(strings.TrimSpace(code)))
	}
	return out
}

// Minted describes a new access token.
func Minted(credential string, t *tally.Token, now time.Time) control.TokenMinted {
	return control.TokenMinted{Token: credential, ID: t.ID, ExpiresAt: t.ExpiresAt, Gateway: t.Gateway, Allows: token.Inspect(credential, nil, now).Lines}
}

func (e *Engine) mintToken(_ context.Context, in control.MintToken) (control.TokenMinted, error) {
	c, now := e.catalog.Load(), e.clock()
	gw, err := oneGateway(c, in.Gateway)
	if err != nil {
		return control.TokenMinted{}, err
	}
	o, err := TokenOptions(in.TokenFields, now, c.Zone(gw.ID))
	if err != nil {
		return control.TokenMinted{}, err
	}
	key, err := e.verifier.PrivateKey(c, gw)
	if err != nil {
		return control.TokenMinted{}, err
	}
	issued := now
	if issued.Truncate(time.Second).Before(gw.NotBefore) {
		issued = gw.NotBefore // or it would count as revoked
	}
	credential, t, err := token.Mint(string(key), o, issued)
	if err != nil {
		return control.TokenMinted{}, err
	}
	return Minted(credential, t, now), nil
}

func (e *Engine) inspectToken(ctx context.Context, in control.InspectToken) (control.TokenReport, error) {
	c, now := e.catalog.Load(), e.clock()
	credential := strings.TrimSpace(in.Token)
	out := Inspected(token.Inspect(credential, nil, now))
	gid, ok := token.GatewayOf(credential)
	gw := c.Site(gid)
	if gw == nil {
		if ok {
			out.Wrong, out.Works = append(out.Wrong, fmt.Sprintf("gateway %s is not here, so its signature cannot be checked", gid)), false
		}
		return out, nil
	}
	out.Gateway = gw.Slug
	t, err := e.verifier.Read(c, gw, credential, now)
	switch tally.CodeOf(err) {
	case "":
		out.Signature = token.SignatureValid
	case tally.Invalid: // which the report says
		out.Signature = token.SignatureValid
		return out, nil
	case tally.Denied:
		out.Signature, out.Works = token.SignatureWrong, false
		out.Wrong = append(out.Wrong, "it was not signed with the private key of gateway "+gw.Slug+", or it was changed")
		return out, nil
	default:
		return out, err
	}
	if _, refusal := e.verifier.Verify(c, credential, "", now); refusal != nil && refusal.Code != tally.CodeTokenExpired { // of which the report says as much
		out.Wrong, out.Works = append(out.Wrong, refusal.Message), false
	}
	out.Limits, err = e.limitStates(ctx, c, gw, "token", tally.ID(t.ID), t.ID, t.Limits, now)
	return out, err
}

// Inspected is what an access token says by itself.
func Inspected(r token.Report) control.TokenReport {
	out := control.TokenReport{Signature: r.Signature, Says: r.Lines, Wrong: r.Faults, Claims: r.Claims, Works: len(r.Faults) == 0 && r.Token != nil}
	if r.Token != nil {
		out.ID = r.Token.ID
	}
	return out
}

// listTokens lists the tokens that were used in a span, that were used since
// the start or that were revoked. What a token may do is known only of those
// that were used since the start: nothing but its usage is stored.
func (e *Engine) listTokens(ctx context.Context, in control.ListTokens) ([]control.TokenView, error) {
	c, now := e.catalog.Load(), e.clock()
	var only *tally.Gateway
	if in.Gateway != "" {
		var err error
		if only, err = findGateway(c, in.Gateway); err != nil {
			return nil, err
		}
	}
	since, err := parseSince(in.Since, shownSpan, now, commonZone(c))
	if err != nil {
		return nil, err
	}
	points, err := e.store.Series(ctx, storage.SeriesQuery{Family: tally.ByToken, Edges: []time.Time{bucketDown(since), bucketDown(now).Add(tally.Bucket)}})
	if err != nil {
		return nil, err
	}
	views := map[string]*tokenView{}
	add := func(id string) *tokenView {
		if views[id] == nil {
			views[id] = &tokenView{TokenView: control.TokenView{ID: id, State: "unknown", Limits: []control.LimitState{}, Used: control.NewSums(&tally.Sums{})}}
		}
		return views[id]
	}
	for i := range points {
		add(points[i].Dim[0]).Used = control.NewSums(&points[i].Sums)
	}
	for _, gw := range c.Gateways {
		for id, t := range e.verifier.Tokens(c, gw) {
			v := add(id)
			v.gateway, v.token, v.State, v.ExpiresAt, v.Domains = gw, t, "active", t.ExpiresAt, t.Domains
			if !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt) {
				v.State = "expired"
			}
			if t.IssuedAt.Before(gw.NotBefore) {
				v.State, v.RevokedAt = "revoked", gw.NotBefore
			}
		}
	}
	for _, r := range c.Revocations {
		v := add(string(r.ID))
		v.State, v.RevokedAt = "revoked", r.CreatedAt
		if gw := c.Gateway(r.Gateway); v.gateway == nil && gw != nil {
			v.gateway = gw
		}
	}
	return e.viewTokens(ctx, c, only, views, now)
}

// tokenView is a view under way.
type tokenView struct {
	control.TokenView
	gateway *tally.Gateway
	token   *tally.Token
}

// viewTokens completes the views of the tokens of a gateway, or of all.
func (e *Engine) viewTokens(ctx context.Context, c *tally.Catalog, only *tally.Gateway, views map[string]*tokenView, now time.Time) ([]control.TokenView, error) {
	busiest := make([]*tokenView, 0, len(views))
	for _, v := range views {
		if only == nil || v.gateway == nil || v.gateway == only {
			busiest = append(busiest, v)
		}
	}
	slices.SortFunc(busiest, func(a, b *tokenView) int {
		return cmp.Or(cmp.Compare(b.Used.Requests+b.Used.Refused, a.Used.Requests+a.Used.Refused), cmp.Compare(a.ID, b.ID))
	})
	finding, cancel := context.WithTimeout(ctx, findPatience)
	defer cancel()
	out := []control.TokenView{}
	for _, v := range busiest {
		if len(out) == mostTokens {
			break
		}
		if err := e.completeToken(ctx, finding, c, v, now); err != nil {
			return nil, err
		}
		if only == nil || v.gateway == only {
			out = append(out, v.TokenView)
		}
	}
	return out, nil
}

// completeToken adds what the store knows: when it was used, what its limits
// have left and, of one that was not used since the start, whose it is.
func (e *Engine) completeToken(ctx, finding context.Context, c *tally.Catalog, v *tokenView, now time.Time) error {
	used, err := e.store.LastUsed(ctx, tally.SubjectOf("token", tally.ID(v.ID)))
	if err != nil {
		return err
	}
	v.LastUsedAt = used[0]
	if v.gateway == nil && !v.LastUsedAt.IsZero() && finding.Err() == nil {
		records, _, err := e.store.Records(finding, storage.RecordQuery{Token: v.ID, Since: v.LastUsedAt, Until: v.LastUsedAt.Add(time.Second), Limit: 1})
		switch {
		case err != nil && finding.Err() == nil:
			return err
		case len(records) > 0:
			v.gateway = c.Gateway(records[0].Gateway)
		}
	}
	if v.gateway == nil {
		return nil
	}
	v.Gateway = v.gateway.Slug
	if v.token != nil {
		v.Limits, err = e.limitStates(ctx, c, v.gateway, "token", tally.ID(v.ID), v.ID, v.token.Limits, now)
	}
	return err
}

func (e *Engine) revokeToken(ctx context.Context, in control.RevokeToken) (control.TokensRevoked, error) {
	in.Token = strings.TrimSpace(in.Token)
	if in.All == (in.Token != "") {
		return control.TokensRevoked{}, tally.Errorf(tally.Invalid, "say which access token to revoke, or all").WithHint("tallygate tokens revoke tok_…, or tallygate tokens revoke --all --gateway SLUG")
	}
	var out control.TokensRevoked
	err := e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		id := in.Token
		if gid, ok := token.GatewayOf(id); ok { // the whole token
			r := token.Inspect(id, nil, now)
			gw := c.Site(gid)
			if r.Token == nil || gw == nil {
				return nil, tally.Errorf(tally.Invalid, "that access token is not of a gateway here, so it does not work anyway").WithHint("tallygate tokens inspect TOKEN says more")
			}
			id, in.Gateway = r.Token.ID, gw.Slug
		}
		gw, err := oneGateway(c, in.Gateway)
		if err != nil {
			return nil, err
		}
		out.Gateway = gw.Slug
		if in.All {
			changed := *gw
			changed.NotBefore = afterAllIssued(now)
			out.IssuedBy = changed.NotBefore
			return []tally.Change{tally.Put(&changed, now)}, nil
		}
		if !token.IsID(id) {
			return nil, tally.Errorf(tally.Invalid, "%q is not the id of an access token", id).WithHint("like tok_4f…, as tallygate tokens list shows it, or the whole token wlm-…")
		}
		if r := c.Revocation(id); r != nil {
			return nil, tally.Errorf(tally.Conflict, "access token %s was revoked on %s already", id, civil(r.CreatedAt, c.Zone(gw.ID)))
		}
		out.Token = id
		return []tally.Change{tally.Put(&tally.Revocation{Meta: tally.Meta{ID: tally.ID(id)}, Gateway: gw.ID}, now)}, nil
	})
	return out, err
}
