package engine

import (
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

// mostTokens is how many access tokens are listed: those most used.
const mostTokens = 500

// tokenID is the ID in an access token's name, which is what people know it by.
func tokenID(name string) string {
	_, id := tally.SplitTokenName(name)
	return id
}

// tokenName is the name of an access token that people call by its ID, its label,
// its name or by the whole of it. Of several gateways with a token of that ID it is
// that of the one that was used last.
func (e *Engine) tokenName(ctx context.Context, c *tally.Catalog, called string) (string, error) {
	called = strings.TrimSpace(called)
	if m := tokenLabelled(c, "", called); m != nil {
		return string(m.ID), nil
	}
	if t := token.Inspect(called, nil, e.clock()).Token; t != nil {
		return t.Name(), nil
	}
	if gid, _ := tally.SplitTokenName(called); c.GatewayByPublicID(gid) != nil {
		return called, nil
	}
	var names []string
	var subjects []tally.Subject
	for _, gw := range c.Gateways {
		names = append(names, tally.TokenName(gw.PublicID, called))
		subjects = append(subjects, tally.SubjectOf("token", tally.ID(names[len(names)-1])))
	}
	used, err := e.store.LastUsed(ctx, subjects...)
	if err != nil || len(names) == 0 {
		return called, err
	}
	latest := 0
	for i := range used {
		if used[i].After(used[latest]) {
			latest = i
		}
	}
	return names[latest], nil
}

// TokenOptions reads what the owner wants of an access token.
func TokenOptions(f control.TokenFields, now time.Time, zone *time.Location) (token.Options, error) {
	o := token.Options{
		Requests: f.Requests, IPQuota: f.IPQuota, Cost: f.Cost, Quota: f.Quota,
		Domains: f.Domains, AllowedCountries: capitals(f.AllowCountries), BlockedCountries: capitals(f.BlockCountries), Models: f.Models,
		MaxOutput: f.MaxOutput, Templates: f.Templates, Mints: f.Mints,
	}
	now = now.Truncate(time.Second) // as the token tells when it was issued
	ends, err := f.Expires.At(control.Calendar{Now: now, Zone: zone})
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
func Minted(credential string, t *tally.AccessToken, now time.Time) control.TokenMinted {
	return control.TokenMinted{Token: credential, ID: t.ID, ExpiresAt: t.ExpiresAt, Gateway: t.Gateway, Templates: t.Templates, Mints: t.Mints, Allows: token.Inspect(credential, nil, now).Lines}
}

// Mint makes an access token with a private key, at an instant and as it is asked for.
// gateway are the limits of its gateway, as far as they are known: where neither they nor
// the token bound what its visitors may use together, and it is not said that nothing
// shall, the safe cap on cost does.
func Mint(key string, in control.MintToken, gateway []tally.Limit, at time.Time, zone *time.Location) (string, *tally.AccessToken, error) {
	in.Fill()
	mint := func() (string, *tally.AccessToken, error) {
		o, err := TokenOptions(in.TokenFields, at, zone)
		if err != nil {
			return "", nil, err
		}
		return token.Mint(key, o, at)
	}
	credential, t, err := mint()
	refuses := func(l tally.Limit) bool { return !l.Warn }
	if err == nil && len(t.Limits) == 0 && !in.Unlimited && !slices.ContainsFunc(gateway, refuses) {
		in.Cost = control.SafeToken().Cost
		return mint()
	}
	return credential, t, err
}

// mintToken makes an access token and keeps what it says, so that it is listed before
// anybody has used it.
func (e *Engine) mintToken(ctx context.Context, in control.MintToken) (control.TokenMinted, error) {
	var out control.TokenMinted
	err := e.act(ctx, func(c *tally.Catalog, by *tally.Act) ([]tally.Change, error) {
		gw, err := oneGateway(c, in.Gateway)
		if err != nil {
			return nil, err
		}
		label := strings.TrimSpace(in.Label)
		if label != "" {
			if err := checkTokenLabel(c, gw, label); err != nil {
				return nil, err
			}
		}
		key, err := e.verifier.PrivateKey(c, gw)
		if err != nil {
			return nil, err
		}
		issued := by.At
		if issued.Truncate(time.Second).Before(gw.NotBefore) {
			issued = gw.NotBefore // or it would count as revoked
		}
		credential, t, err := Mint(string(key), in, gw.Limits, issued, c.Zone(gw.ID))
		if err != nil {
			return nil, err
		}
		for _, name := range t.Templates {
			if gw.Template(name) == nil {
				return nil, missing("template", name, templateNames(gw), control.TemplateTable.Make)
			}
		}
		out = Minted(credential, t, by.At)
		out.Label = label
		name := e.router.DefaultModel(c, &tally.Principal{Gateway: gw, Token: t, Visitor: true}, by.At)
		if name != "" && !t.Locked() { // templates say which model answers
			out.Allows = append(out.Allows, "a request that names no model is answered by "+name+chosenBy(gw, name))
		}
		m := &tally.MintedToken{Meta: tally.Meta{ID: tally.ID(t.Name())}, Gateway: gw.ID, Label: label, By: by.Actor, Token: *t}
		return []tally.Change{tally.Put(m, by.At)}, nil
	})
	return out, err
}

// chosenBy says why a model is the default.
func chosenBy(gw *tally.Gateway, name string) string {
	if name == gw.DefaultModel {
		return ", the gateway's default"
	}
	return ", the cheapest that chats"
}

// tokenLabelled is the access token of a gateway, or of any with "", that has a label and
// was not revoked; of several the latest. It is nil if there is none.
func tokenLabelled(c *tally.Catalog, gateway tally.ID, label string) (found *tally.MintedToken) {
	for _, m := range c.Minted {
		if (gateway == "" || m.Gateway == gateway) && m.Label != "" && strings.EqualFold(m.Label, label) && c.Revocation(string(m.ID)) == nil {
			found = m
		}
	}
	return found
}

func checkTokenLabel(c *tally.Catalog, gw *tally.Gateway, label string) error {
	if err := tally.CheckName("label", label); err != nil {
		return err
	}
	if strings.HasPrefix(label, "tok_") || strings.HasPrefix(label, "wlm-") {
		return tally.Errorf(tally.Invalid, "a label does not begin like an id: %q", label)
	}
	if m := tokenLabelled(c, gw.ID, label); m != nil {
		return tally.Errorf(tally.Conflict, "gateway %q has an access token labelled %q already", gw.Slug, m.Label).
			WithHint("give it another label, or revoke that one: tallygate tokens revoke %s", tally.ShellWord(m.Label))
	}
	return nil
}

func (e *Engine) inspectToken(ctx context.Context, in control.InspectToken) (control.TokenReport, error) {
	c, now := e.catalog.Load(), e.clock()
	credential := strings.TrimSpace(in.Token)
	out := Inspected(token.Inspect(credential, nil, now))
	gid, ok := token.GatewayOf(credential)
	gw := c.GatewayByPublicID(gid)
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
	if _, refusal := e.verifier.Verify(c, credential, "", now); refusal != nil && len(out.Wrong) == 0 { // it checks the times first, and the report has told of those
		out.Wrong, out.Works = append(out.Wrong, refusal.Message), false
	}
	out.Limits, _, err = e.limitStates(ctx, c, gw, "token", tally.ID(t.Name()), t.ID, t.Limits, now)
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

func (e *Engine) revokeToken(ctx context.Context, in control.RevokeToken) (control.TokensRevoked, error) {
	in.Token = strings.TrimSpace(in.Token)
	var seen map[string]bool
	if in.Token != "" && !in.Force {
		var err error
		if seen, err = e.tokensSeen(ctx); err != nil {
			return control.TokensRevoked{}, err
		}
	}
	if in.All == (in.Token != "") {
		return control.TokensRevoked{}, tally.Errorf(tally.Invalid, "say which access token to revoke, or all").WithHint("tallygate tokens revoke tok_…, or tallygate tokens revoke --all --gateway SLUG")
	}
	var out control.TokensRevoked
	err := e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		in, id := in, in.Token
		if gid, ok := token.GatewayOf(id); ok { // the whole token
			r := token.Inspect(id, nil, now)
			gw := c.GatewayByPublicID(gid)
			if r.Token == nil || gw == nil {
				return nil, tally.Errorf(tally.Invalid, "that access token is not of a gateway here, so it does not work anyway").WithHint("tallygate tokens inspect TOKEN says more")
			}
			id, in.Gateway = r.Token.ID, gw.Slug
			seen[r.Token.OwnName()] = true // whoever has it knows that it is there
		} else if m := e.tokenCalled(c, in.Gateway, id, seen); m != "" {
			gid, tid := tally.SplitTokenName(m)
			id, in.Gateway = tid, c.GatewayByPublicID(gid).Slug
		}
		if in.Gateway == "" && !in.All { // the gateway that has seen it
			name, err := e.tokenName(ctx, c, id)
			if err != nil {
				return nil, err
			}
			used, err := e.store.LastUsed(ctx, tally.SubjectOf("token", tally.ID(name)))
			if err != nil {
				return nil, err
			}
			if gid, tid := tally.SplitTokenName(name); !used[0].IsZero() || c.Revocation(name) != nil || tid != id {
				in.Gateway, id = gid, tid
			}
		}
		gw, err := onlyGateway(c, in.Gateway)
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
			return nil, tally.Errorf(tally.Invalid, "%q is not the id of an access token", id).WithHint("like tok_4f…, as tallygate tokens list shows it, a label, or the whole token wlm-…")
		}
		name := tally.TokenName(gw.PublicID, id)
		if r := c.Revocation(name); r != nil {
			return nil, tally.Errorf(tally.Conflict, "access token %s was revoked on %s already", id,
				tally.Civil(r.CreatedAt, c.Zone(gw.ID)))
		}
		if !in.Force && !seen[name] {
			return nil, tally.Errorf(tally.NotFound, "access token %s was never seen at gateway %q: it was not minted here, and nobody has used it", id, gw.Slug).
				WithHint("see tallygate tokens list; one that was minted elsewhere with the private key is revoked with --force")
		}
		out.Token = id
		return []tally.Change{tally.Put(&tally.Revocation{Meta: tally.Meta{ID: tally.ID(name)}, Gateway: gw.ID}, now)}, nil
	})
	return out, err
}

// tokensSeen are the names of all access tokens that were used, lately or ever.
func (e *Engine) tokensSeen(ctx context.Context) (map[string]bool, error) {
	c := e.catalog.Load()
	points, err := e.store.Series(ctx, storage.SeriesQuery{Family: tally.ByToken, Edges: []time.Time{time.Unix(0, 0).UTC(), bucketDown(e.clock()).Add(tally.Bucket)}})
	if err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for i := range points {
		seen[points[i].Dim[0]] = true
	}
	for _, gw := range c.Gateways {
		for name := range e.tokensOf(c, gw) {
			seen[name] = true
		}
	}
	return seen, nil
}

// tokenCalled is the name of the access token that is meant by a label, or by an ID that
// was seen at one gateway only; "" if that cannot be told. It is of a gateway, if that is
// named.
func (e *Engine) tokenCalled(c *tally.Catalog, gateway, called string, seen map[string]bool) string {
	var only tally.ID
	if gateway != "" {
		gw, err := findGateway(c, gateway)
		if err != nil {
			return ""
		}
		only = gw.ID
	}
	if m := tokenLabelled(c, only, called); m != nil {
		return string(m.ID)
	}
	var found []string
	for _, gw := range c.Gateways {
		if name := tally.TokenName(gw.PublicID, called); seen[name] && (only == "" || gw.ID == only) {
			found = append(found, name)
		}
	}
	if len(found) != 1 {
		return ""
	}
	return found[0]
}
