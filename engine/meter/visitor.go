package meter

import (
	"cmp"
	"encoding/base64"
	"net/netip"

	"tallygate/engine/tally"
)

// networkShare is how many addresses' worth of a visitor limit an IPv6 network of /48 may
// use. A site is given a whole /48, and each of its 65,536 networks of /64 counts as one
// address, so that a site could otherwise have 65,536 quotas.
const networkShare = 16

// visitor is what is kept of a visitor's address: keyed hashes, and the network for
// people; and of the name that its site gives it.
type visitor struct {
	address string // of the IPv4 address, or the IPv6 network of /64
	network string // of the IPv6 network of /48; "" for IPv4
	shown   string // "203.0.113.0/24", "2001:db8:1::/48"; "" for no address
	named   string // of what the site calls the visitor; "" if it says nothing
}

func (m *Meter) visitorOf(p *tally.Principal) visitor {
	hash := func(of string) string { return m.hash(p.Gateway.ID, "visitor/"+of) }
	ip, named := p.IP.WithZone(""), m.named(p)
	switch {
	case !ip.IsValid():
		return visitor{address: hash(""), named: named} // all of whom nothing is known are one
	case ip.Is4():
		return visitor{address: hash(ip.String()), shown: prefix(ip, 24), named: named}
	}
	network := prefix(ip, 48)
	return visitor{address: hash(prefix(ip, 64)), network: hash(network), shown: network, named: named}
}

// named is the keyed hash of what a site calls the visitor of a short-lived token.
func (m *Meter) named(p *tally.Principal) string {
	if p.Token == nil || p.Token.Visitor == "" {
		return ""
	}
	return m.hash(p.Gateway.ID, "visitor/name/"+p.Token.Visitor)
}

func prefix(ip netip.Addr, bits int) string {
	p, _ := ip.Prefix(bits) // an error would be of a length that the address has not
	return p.String()
}

// SubjectOf is whose counters tell what a principal itself has used: those of its
// key or token, of a visitor's address at a public gateway, or of the gateway.
func (m *Meter) SubjectOf(p *tally.Principal) tally.Subject {
	switch {
	case p.Key != nil:
		return tally.SubjectOf("key", p.Key.ID)
	case p.Token != nil:
		return tally.SubjectOf("token", tally.ID(p.Token.Name()))
	case p.Visitor:
		return visitorsOf(p.Gateway.ID) + tally.Subject(m.visitorOf(p).address)
	}
	return tally.SubjectOf("gateway", p.Gateway.ID)
}

// attribute writes down who sent a request.
func attribute(rec *tally.Record, p *tally.Principal) {
	rec.Origin, rec.Country = p.Origin, p.Country
	if p.Gateway != nil { // a client can outlive it
		rec.Gateway = p.Gateway.ID
	}
	if p.Client != nil {
		rec.Client = p.Client.ID
	}
	if p.Key != nil {
		rec.Key = p.Key.ID
	}
	if p.Token != nil {
		rec.Token = p.Token.Name()
	}
}

// record is what records keep of a visitor: one whom the site knows is the same at every
// address.
func (v *visitor) record() (network string, who []byte) {
	who, _ = base64.RawURLEncoding.DecodeString(cmp.Or(v.named, v.address)) // the hash is written so
	return v.shown, who
}

// forVisitor puts the visitor's address into the charges of the limits on visitors.
func (pl *plan) forVisitor(list []tally.Charge, v visitor) []tally.Charge {
	out := make([]tally.Charge, 0, len(list)+pl.visitors)
	for _, c := range list[:pl.visitors] {
		of := c.Subject
		c.Subject = of + tally.Subject(v.address)
		out = append(out, c)
		if v.network != "" {
			c.Subject = of + tally.Subject(v.network)
			c.Max = saturatingMul(c.Max, networkShare)
			out = append(out, c)
		}
	}
	return append(out, list[pl.visitors:]...)
}
