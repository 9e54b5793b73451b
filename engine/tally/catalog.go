package tally

import (
	"cmp"
	"crypto/subtle"
	"encoding/hex"
	"iter"
	"maps"
	"net/netip"
	"slices"
	"time"
)

// Catalog is an immutable picture of all entities with the indexes a request
// needs. A change makes a new one, and the engine swaps a pointer; a request
// uses one picture from start to end.
type Catalog struct {
	Rev int64

	Gateways  []*Gateway  // by creation
	Clients   []*Client   // by slug
	Keys      []*Key      // by creation
	Providers []*Provider // by creation
	Models    []*Model    // by name, then creation
	Settings  Settings    // defaults filled in

	Revocations []*Revocation  // by creation
	Minted      []*MintedToken // by creation

	// TrustedProxies are those of the settings, read.
	TrustedProxies []netip.Prefix

	entities map[EntityKind]map[ID]Entity
	secrets  map[ID]*Secret // by owner
	digests  map[Digest]ID  // current and previous digests → owner
	models   map[string][]*Model
	upstream map[upstreamName][]*Model
	zones    map[ID]*time.Location // by gateway
	keysOf   map[ID][]*Key
	sites    map[string]*Gateway // by public ID
	guests   []*Guest            // by creation
	shares   []*Share            // by creation
}

// upstreamName is what one provider calls a model.
type upstreamName struct {
	provider ID
	name     string
}

// NewCatalog indexes entities. A gateway whose zone is unknown is put in UTC;
// operations refuse such a zone before it is stored.
func NewCatalog(rev int64, entities []Entity) *Catalog {
	c := &Catalog{
		Rev:      rev,
		entities: map[EntityKind]map[ID]Entity{},
		secrets:  map[ID]*Secret{},
		digests:  map[Digest]ID{},
		models:   map[string][]*Model{},
		upstream: map[upstreamName][]*Model{},
		zones:    map[ID]*time.Location{},
		keysOf:   map[ID][]*Key{},
		sites:    map[string]*Gateway{},
	}
	for _, e := range entities {
		if e.Kind().Aside() {
			continue
		}
		of := c.entities[e.Kind()]
		if of == nil {
			of = map[ID]Entity{}
			c.entities[e.Kind()] = of
		}
		of[e.Base().ID] = e
		switch e := e.(type) {
		case *Gateway:
			c.Gateways = append(c.Gateways, e)
			loc, err := time.LoadLocation(e.TimeZone)
			if err != nil {
				loc = time.UTC
			}
			c.zones[e.ID] = loc
		case *Client:
			c.Clients = append(c.Clients, e)
		case *Key:
			c.Keys = append(c.Keys, e)
			c.keysOf[e.Client] = append(c.keysOf[e.Client], e)
		case *Provider:
			c.Providers = append(c.Providers, e)
		case *Model:
			for i := range e.Prices {
				e.Prices[i].NameRow(string(e.ID))
			}
			c.Models = append(c.Models, e)
		case *Settings:
			c.Settings = *e
		case *Revocation:
			c.Revocations = append(c.Revocations, e)
		case *MintedToken:
			c.Minted = append(c.Minted, e)
		case *Guest:
			c.guests = append(c.guests, e)
		case *Share:
			c.shares = append(c.shares, e)
		case *Secret:
			c.secrets[e.Of] = e
			for _, d := range [...]Digest{e.Digest, e.Previous} {
				if d != (Digest{}) {
					c.digests[d] = e.Of
				}
			}
		}
	}
	Order(c.Gateways, byCreation)
	for _, g := range c.Gateways {
		c.sites[g.PublicID] = g
	}
	Order(c.Clients, func(a, b *Client) int { return cmp.Compare(a.Slug, b.Slug) })
	Order(c.Keys, byCreation)
	Order(c.Providers, byCreation)
	Order(c.Revocations, byCreation)
	Order(c.Minted, byCreation)
	Order(c.guests, byCreation)
	Order(c.shares, byCreation)
	Order(c.Models, func(a, b *Model) int { return cmp.Or(cmp.Compare(a.Name, b.Name), byCreation(a, b)) })
	for _, keys := range c.keysOf {
		Order(keys, byCreation)
	}
	for _, m := range c.Models {
		c.models[m.Name] = append(c.models[m.Name], m)
		of := upstreamName{m.Provider, m.UpstreamName()}
		c.upstream[of] = append(c.upstream[of], m)
	}
	for _, s := range c.Settings.TrustedProxies {
		if p, err := netip.ParsePrefix(s); err == nil { // operations refuse others before they are stored
			c.TrustedProxies = append(c.TrustedProxies, p)
		}
	}
	c.Settings.Meta.ID = SettingsID
	c.Settings.Unpriced = cmp.Or(c.Settings.Unpriced, RefuseUnpriced)
	c.Settings.OnLeave = cmp.Or(c.Settings.OnLeave, LeaveAuto)
	c.Settings.VisitorMaxOutput = cmp.Or(c.Settings.VisitorMaxOutput, DefaultVisitorMaxOutput)
	c.Settings.VisitorInFlight = cmp.Or(c.Settings.VisitorInFlight, DefaultVisitorInFlight)
	for to, wait := range map[**time.Duration]time.Duration{
		&c.Settings.HoldWait: DefaultHoldWait, &c.Settings.VisitorWait: DefaultVisitorWait,
		&c.Settings.RetryFor: DefaultRetryFor,
	} {
		if *to == nil {
			*to = &wait
		}
	}
	return c
}

func byCreation[T Entity](a, b T) int {
	return cmp.Or(a.Base().CreatedAt.Compare(b.Base().CreatedAt), cmp.Compare(a.Base().ID, b.Base().ID))
}

// With returns the catalog after changes that the store has accepted as rev.
func (c *Catalog) With(rev int64, changes ...Change) *Catalog {
	next := map[EntityKind]map[ID]Entity{}
	for kind, of := range c.entities {
		next[kind] = of
	}
	for _, ch := range changes {
		of := maps.Clone(next[ch.Kind])
		if of == nil {
			of = map[ID]Entity{}
		}
		if ch.Entity == nil {
			delete(of, ch.ID)
		} else {
			of[ch.ID] = ch.Entity
		}
		next[ch.Kind] = of
	}
	var all []Entity
	for _, of := range next {
		all = slices.AppendSeq(all, maps.Values(of))
	}
	return NewCatalog(rev, all)
}

// Same reports whether a catalog has the same entities at the same revisions.
func (c *Catalog) Same(other *Catalog) bool {
	same := func(a, b map[ID]Entity) bool {
		return maps.EqualFunc(a, b, func(a, b Entity) bool { return a.Base().Rev == b.Base().Rev })
	}
	return maps.EqualFunc(c.entities, other.entities, same)
}

// Entity returns an entity, nil if there is none.
func (c *Catalog) Entity(kind EntityKind, id ID) Entity { return c.entities[kind][id] }

func find[T Entity](c *Catalog, kind EntityKind, id ID) T {
	e, _ := c.entities[kind][id].(T)
	return e
}

// Gateway returns a gateway by ID, nil if there is none. The methods below do the same
// for their kinds.
func (c *Catalog) Gateway(id ID) *Gateway   { return find[*Gateway](c, KindGateway, id) }
func (c *Catalog) Client(id ID) *Client     { return find[*Client](c, KindClient, id) }
func (c *Catalog) Key(id ID) *Key           { return find[*Key](c, KindKey, id) }
func (c *Catalog) Provider(id ID) *Provider { return find[*Provider](c, KindProvider, id) }
func (c *Catalog) Model(id ID) *Model       { return find[*Model](c, KindModel, id) }
func (c *Catalog) Share(id ID) *Share       { return find[*Share](c, KindShare, id) }

// Raises are the raises of a subject's limits, those that are over included, and since when
// the subject is there.
func (c *Catalog) Raises(of Subject) (raises []Raise, since time.Time) {
	switch kind, id := of.Split(); kind {
	case "gateway":
		if gw := c.Gateway(id); gw != nil {
			return gw.Raises, gw.CreatedAt
		}
	case "client":
		if cl := c.Client(id); cl != nil {
			return cl.Raises, cl.CreatedAt
		}
	case "key":
		if k := c.Key(id); k != nil {
			return k.Raises, k.CreatedAt
		}
	}
	return nil, time.Time{}
}

// Deleted is the name that a deleted thing had, "" if it is not known.
func (c *Catalog) Deleted(id ID) string {
	if t := c.Tombstone(id); t != nil {
		return t.Name
	}
	return ""
}

// Tombstone is what is kept of a thing that was deleted, nil if there is none.
func (c *Catalog) Tombstone(id ID) *Tombstone { return find[*Tombstone](c, KindTombstone, id) }

// DeletedAs is the ID of the thing that had a name when it was deleted, "" if there is
// none; of several the latest.
func (c *Catalog) DeletedAs(of EntityKind, name string) ID {
	var last *Tombstone
	for t := range c.Tombstones(of) {
		if t.Name == name && (last == nil || byCreation(t, last) > 0) {
			last = t
		}
	}
	if last == nil {
		return ""
	}
	return last.ID
}

// Tombstones are those of one kind of things, in no order.
func (c *Catalog) Tombstones(of EntityKind) iter.Seq[*Tombstone] {
	return func(yield func(*Tombstone) bool) {
		for _, e := range c.entities[KindTombstone] {
			if t := e.(*Tombstone); t.Of == of && !yield(t) {
				return
			}
		}
	}
}

// Revocation returns what ended the access token of a name, nil if nothing has.
func (c *Catalog) Revocation(name string) *Revocation {
	return find[*Revocation](c, KindRevocation, ID(name))
}

// MintedToken returns what is kept of the access token of a name, nil if it was not
// minted here.
func (c *Catalog) MintedToken(name string) *MintedToken {
	return find[*MintedToken](c, KindMinted, ID(name))
}

// GatewayByPublicID returns a gateway by its public ID, nil if there is none.
func (c *Catalog) GatewayByPublicID(publicID string) *Gateway { return c.sites[publicID] }

// Secret returns the secret of an owner, nil if it has none.
func (c *Catalog) Secret(of ID) *Secret { return c.secrets[of] }

// Secrets are all secrets, by their owners.
func (c *Catalog) Secrets() iter.Seq[*Secret] {
	return func(yield func(*Secret) bool) {
		for _, of := range slices.Sorted(maps.Keys(c.secrets)) {
			if !yield(c.secrets[of]) {
				return
			}
		}
	}
}

// ModelsNamed returns the models of all providers that clients know by a name,
// enabled or not, in order of creation.
func (c *Catalog) ModelsNamed(name string) []*Model { return c.models[name] }

// ModelsOf returns the models of a provider that it knows by a name.
func (c *Catalog) ModelsOf(provider ID, upstream string) []*Model {
	return c.upstream[upstreamName{provider, upstream}]
}

// KeysOf returns a client's keys in order of creation.
func (c *Catalog) KeysOf(client ID) []*Key { return c.keysOf[client] }

// Zone returns the time zone of a gateway, UTC if there is no such gateway.
func (c *Catalog) Zone(gateway ID) *time.Location {
	if loc := c.zones[gateway]; loc != nil {
		return loc
	}
	return time.UTC
}

// Zones returns the time zones of the gateways, each once.
func (c *Catalog) Zones() (out []*time.Location) {
	for _, zone := range c.zones {
		if !slices.ContainsFunc(out, func(other *time.Location) bool { return other.String() == zone.String() }) {
			out = append(out, zone)
		}
	}
	return out
}

// Owner returns the owner of a credential by its digest: the ID of a key or a
// gateway. A previous digest counts until its grace ends. The comparison takes
// the same time whatever the digest.
func (c *Catalog) Owner(d Digest, now time.Time) (ID, bool) {
	of, found := c.digests[d]
	if !found {
		return "", false
	}
	s := c.secrets[of]
	current := subtle.ConstantTimeCompare(s.Digest[:], d[:]) == 1
	previous := subtle.ConstantTimeCompare(s.Previous[:], d[:]) == 1 && now.Before(s.PreviousUntil)
	return of, current || previous
}

// Change is one change of an entity: put Entity, or delete it if nil.
type Change struct {
	Kind   EntityKind
	ID     ID
	Entity Entity
	// IfRev is the revision the entity must have; 0 means it must not exist
	// yet. A mismatch is a Conflict and nothing is changed.
	IfRev int64
	// Name is what people call it, for the audit log.
	Name string
}

// Put makes a change that stores e over the revision it was read at (0 for a
// new one), and stamps its times.
func Put(e Entity, now time.Time) Change {
	m := e.Base()
	if m.CreatedAt.IsZero() {
		m.CreatedAt = now.UTC()
	}
	m.UpdatedAt = now.UTC()
	return Change{Kind: e.Kind(), ID: m.ID, Entity: e, IfRev: m.Rev}
}

// Delete makes a change that removes e at the revision it was read at.
func Delete(e Entity) Change {
	return Change{Kind: e.Kind(), ID: e.Base().ID, IfRev: e.Base().Rev}
}

func hexEncode(b []byte) []byte { return hex.AppendEncode(nil, b) }

func hexDecode(dst, src []byte) error {
	if hex.DecodedLen(len(src)) != len(dst) {
		return Errorf(Corrupt, "a digest has the wrong length")
	}
	_, err := hex.Decode(dst, src)
	return err
}
