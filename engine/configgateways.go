package engine

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"tallygate/engine/auth"
	"tallygate/engine/config"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (p *configPlan) gateways() error {
	for i := range p.file.Gateways {
		f := &p.file.Gateways[i]
		gw, err := p.gateway(f)
		if err != nil {
			return err
		}
		for j := range f.Clients {
			if err := p.client(gw, &f.Clients[j]); err != nil {
				return err
			}
		}
	}
	return nil
}

var publicIDPattern = regexp.MustCompile(`^[a-z0-9]{9}$`)

func (p *configPlan) gateway(f *config.Gateway) (*tally.Gateway, error) {
	at := slices.IndexFunc(p.c.Gateways, func(o *tally.Gateway) bool { return o.Slug == f.Slug })
	if at < 0 {
		if err := p.newGateway(f); err != nil {
			return nil, err
		}
		at = slices.IndexFunc(p.c.Gateways, func(o *tally.Gateway) bool { return o.Slug == f.Slug })
	}
	gw := *p.c.Gateways[at]
	gw.Aliases = maps.Clone(gw.Aliases)
	is, by := control.CurrentGateway(&gw), p.by.Gateway
	by.Name, by.TimeZone = nil, nil // there is no default of these
	fields, _ := differing(&f.GatewayFields, &is, base(p, by))
	if err := edit(f.Lines, &gw, &fields, func(gw *tally.Gateway, fields *control.GatewayFields) error {
		return setGateway(p.c, gw, fields, p.now)
	}); err != nil {
		return nil, err
	}
	names := f.Providers
	if names == nil && p.prune {
		names = &[]string{}
	}
	if names != nil {
		gw.Providers = nil
		for _, name := range *names {
			pr, err := findProvider(p.c, name)
			if err == nil && slices.Contains(gw.Providers, pr.ID) {
				err = tally.Errorf(tally.Invalid, "provider %q is named twice", pr.Name)
			}
			if err != nil {
				return nil, f.Lines.Error("providers", err)
			}
			gw.Providers = append(gw.Providers, pr.ID)
		}
	}
	if err := p.templates(&gw, f.Templates); err != nil {
		return nil, err
	}
	if err := p.put(tally.Put(&gw, p.now)); err != nil {
		return nil, err
	}
	return &gw, p.privateKey(f, &gw)
}

// newGateway makes a gateway with a private key of its own; its fields follow.
func (p *configPlan) newGateway(f *config.Gateway) error {
	name := &f.Slug
	if f.Name != nil {
		name = f.Name
	}
	gw, secret, key, err := p.e.newGateway(p.c, f.Slug, &control.GatewayFields{Name: name}, p.now)
	if err != nil {
		return f.Lines.Error("", err)
	}
	if f.ID != "" {
		if !publicIDPattern.MatchString(f.ID) || gatewaySlugTaken(p.c, "")(f.ID) {
			return f.Lines.Error("gateway_id", tally.Errorf(tally.Invalid, "%.100q is not the ID of a gateway, or another one has it", f.ID).
				WithHint("leave it out: the gateway gets one of its own"))
		}
		gw.PublicID = f.ID
		key = p.e.mintPrivateKey(gw, secret) // which names the ID
	}
	gw.CreatedAt = p.later().UTC()
	if p.secrets == nil || p.secrets.Gateways[f.Slug] == "" {
		p.out.Gateways = append(p.out.Gateways, control.GatewayCreated{Gateway: *gw, PrivateKey: key})
	}
	return p.put(tally.Put(gw, p.now), tally.Put(secret, p.now))
}

// privateKey gives a gateway the private key that the file's secrets have for it.
func (p *configPlan) privateKey(f *config.Gateway, gw *tally.Gateway) error {
	if p.secrets == nil || p.secrets.Gateways[f.Slug] == "" {
		return nil
	}
	key := p.secrets.Gateways[f.Slug]
	s := *p.c.Secret(gw.ID)
	if s.Digest == auth.DigestOf(key) {
		return nil
	}
	if id, ok := auth.GatewayOf(key); !ok || id != gw.PublicID {
		return f.Lines.Error("gateway_id", tally.Errorf(tally.Conflict, "the private key in the file's secrets is of the gateway %s, and this one is %s", id, gw.PublicID).
			WithHint("leave the secrets out: --without-secrets; or delete this gateway first, and it is made as the file has it"))
	}
	s.Digest, s.Sealed = auth.DigestOf(key), p.e.sealer.Seal(gw.ID, []byte(key))
	return p.put(tally.Put(&s, p.now))
}

func (p *configPlan) client(gw *tally.Gateway, f *config.Client) error {
	at := slices.IndexFunc(p.c.Clients, func(o *tally.Client) bool { return o.Slug == f.Slug })
	var cl tally.Client
	if at >= 0 {
		if cl = *p.c.Clients[at]; cl.Gateway != gw.ID {
			return f.Lines.Error("", tally.Errorf(tally.Conflict, "it is a client of gateway %s, and does not move", gatewayOf(p.c, &cl).Slug).
				WithHint("give the other one a slug of its own"))
		}
	} else {
		if f.Name == nil {
			f.Name = &f.Slug
		}
		made, err := newClient(p.c, gw, f.Slug, &control.ClientFields{Name: f.Name}, p.now)
		if err != nil {
			return f.Lines.Error("", err)
		}
		cl = *made
		cl.CreatedAt = p.later().UTC()
	}
	is, by := control.CurrentClient(&cl, p.now), p.by.Client
	by.Name = nil
	switch { // one of both says what it pays
	case f.Tariffs != nil:
		by.Markup = nil
	case f.Markup != nil:
		by.Tariffs = nil
	}
	fields, _ := differing(&f.ClientFields, &is, base(p, by))
	if err := edit(f.Lines, &cl, &fields, func(cl *tally.Client, fields *control.ClientFields) error {
		return setClient(p.c, gw, cl, fields, p.now)
	}); err != nil {
		return err
	}
	switch {
	case f.Status != nil && *f.Status != "":
		cl.Status = *f.Status
	case p.prune:
		cl.Status = tally.Active
	}
	if err := p.put(tally.Put(&cl, p.now)); err != nil {
		return err
	}
	for i := range f.Keys {
		if err := p.key(&cl, &f.Keys[i]); err != nil {
			return err
		}
	}
	if !p.prune || f.Keys == nil {
		return nil
	}
	for _, old := range p.c.KeysOf(cl.ID) {
		named := func(k config.Key) bool { return strings.EqualFold(k.Label, old.Label) }
		if keyState(old, p.now) == "active" && !slices.ContainsFunc(f.Keys, named) {
			k := *old
			k.RevokedAt = p.now.UTC()
			if err := p.put(tally.Put(&k, p.now)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *configPlan) key(cl *tally.Client, f *config.Key) error {
	var k tally.Key
	var secret *tally.Secret
	given := p.keySecret(cl.Slug, f.Label)
	if old := labelled(p.c, cl.ID, f.Label, ""); old != nil {
		k = *old
		if s := p.c.Secret(k.ID); s != nil {
			was := *s
			secret = &was
		}
	} else {
		if err := checkLabel(p.c, cl, f.Label, ""); err != nil {
			return f.Lines.Error("", err)
		}
		made, s, text := newKey(cl.ID, f.Label, p.now)
		k, secret = *made, s
		k.CreatedAt = p.later().UTC()
		if given == nil {
			p.out.Keys = append(p.out.Keys, control.KeyCreated{ID: k.ID, Key: text, Client: cl.Slug, Label: k.Label})
		}
	}
	if given != nil && secret != nil && secret.Digest != given.Digest {
		if owner, taken := p.c.Owner(given.Digest, p.now); taken && owner != k.ID {
			return f.Lines.Error("", tally.Errorf(tally.Conflict, "its key is known here already, as that of another").
				WithHint("leave the secrets out: --without-secrets"))
		}
		secret.Digest, secret.Previous, secret.PreviousUntil = given.Digest, given.Previous, given.PreviousUntil
		k.Prefix, k.Suffix = given.Prefix, given.Suffix
	}
	is := control.CurrentKey(&k)
	expires := f.Expires
	if expires == nil && p.prune {
		expires = new(control.Expiry) // never
	}
	if expires != nil && *expires != *is.Expires {
		at, err := expires.At(calendarOf(p.c, cl.Gateway, p.now))
		if err != nil {
			return f.Lines.Error("expires", err)
		}
		k.ExpiresAt = at
	}
	if f.Limits != nil || p.prune {
		if err := setLimits(&k.Limits, &k.Raises, exactly(f.Limits, is.Limits), keyLimits); err != nil {
			return f.Lines.Error("limits", err)
		}
	}
	if tags := f.Tags; tags != nil || p.prune {
		if tags == nil {
			tags = new([]string)
		}
		if err := setTags(&k.Tags, tags); err != nil {
			return f.Lines.Error("tags", err)
		}
	}
	if n := len(p.out.Keys); n > 0 && p.out.Keys[n-1].ID == k.ID {
		p.out.Keys[n-1].ExpiresAt = k.ExpiresAt
	}
	changes := []tally.Change{tally.Put(&k, p.now)}
	if secret != nil {
		changes = append(changes, tally.Put(secret, p.now))
	}
	return p.put(changes...)
}

func (p *configPlan) keySecret(client, label string) *config.KeySecret {
	if p.secrets != nil {
		for i, k := range p.secrets.Keys {
			if k.Client == client && k.Label == label {
				return &p.secrets.Keys[i]
			}
		}
	}
	return nil
}

// tokens takes over what is known of access tokens, for the private keys that came along
// make them valid here: one that was revoked stays so.
func (p *configPlan) tokens() error {
	if p.secrets == nil {
		return nil
	}
	gateway := func(name tally.ID) tally.ID {
		id, _ := tally.SplitTokenName(string(name))
		if gw := p.c.GatewayByPublicID(id); gw != nil && p.secrets.Gateways[gw.Slug] != "" {
			return gw.ID
		}
		return ""
	}
	var changes []tally.Change
	for _, m := range p.secrets.Tokens {
		if m.Gateway = gateway(m.ID); m.Gateway != "" && p.c.MintedToken(string(m.ID)) == nil {
			m.Rev = 0
			changes = append(changes, tally.Put(&m, p.now))
		}
	}
	for _, r := range p.secrets.Revoked {
		if r.Gateway = gateway(r.ID); r.Gateway != "" && p.c.Revocation(string(r.ID)) == nil {
			r.Rev = 0
			changes = append(changes, tally.Put(&r, p.now))
		}
	}
	return p.put(changes...)
}
