package token

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// Bounds on short-lived tokens.
const (
	LongestChild = 24 * time.Hour
	maxVisitor   = 128 // bytes of what a site calls its visitor
	maxLabel     = 200 // bytes
)

// ChildOptions are what a short-lived token is made with. Empty limits are left out: those
// of the parent hold in any case.
type ChildOptions struct {
	Requests string // "5/day": of Visitor, or of each visitor's address if that is ""
	IPQuota  string // of each visitor's address
	Cost     string
	Quota    string

	Templates []string // nil: the parent's
	Visitor   string   // as the site calls whom it is for, which the token does not tell; "" if it does not say
	Label     string   // for people who inspect it

	ExpiresIn time.Duration // in whole seconds, at most [LongestChild]
}

// childClaims are what a short-lived token says, in their fixed order. Parent are the
// claims of the token that it was made of, as they stand there: what they say holds.
type childClaims struct {
	TID       string          `json:"tid"`
	GID       string          `json:"gid"`
	IAT       int64           `json:"iat"`
	EXP       int64           `json:"exp"`
	Requests  *amount         `json:"requests,omitempty"`
	IPQuota   *amount         `json:"ipQuota,omitempty"`
	Cost      *amount         `json:"cost,omitempty"`
	Quota     *amount         `json:"quota,omitempty"`
	Templates []string        `json:"templates,omitempty"`
	Visitor   string          `json:"visitor,omitempty"`
	Name      string          `json:"name,omitempty"`
	Parent    json.RawMessage `json:"parent"`
}

// MintChild makes a short-lived token of one whose signature was found good, which must be
// allowed to make some. It ends with its parent, and no later than until if that is not
// zero. The error is Invalid and names the option that is wrong, or that asks for more than
// the parent has.
func MintChild(secretKey, parent string, o ChildOptions, until, now time.Time) (string, *tally.AccessToken, error) {
	gid, _, encoded, _, ok := split(parent)
	if keyed, known := GatewayOfKey(secretKey); !ok || !known || keyed != gid {
		return "", nil, tally.Errorf(tally.Invalid, "the private key is not that of the access token's gateway")
	}
	text, err := encoding.DecodeString(encoded)
	if err != nil {
		return "", nil, tally.Errorf(tally.Invalid, "its claims are not written in base64url")
	}
	p, err := read(gid, text)
	if err != nil {
		return "", nil, err
	}
	c, err := o.claims(p, text)
	if err != nil {
		return "", nil, err
	}
	c.Visitor = visitorName(secretKey, o.Visitor)
	issued := now
	if p.IssuedAt.After(now) { // by a clock that is a little ahead
		issued = p.IssuedAt
	}
	end := now.Add(o.ExpiresIn)
	for _, bound := range []time.Time{p.ExpiresAt, until} {
		if !bound.IsZero() && bound.Before(end) {
			end = bound
		}
	}
	var random [16]byte
	rand.Read(random[:]) // never fails since Go 1.24
	c.TID, c.GID, c.IAT, c.EXP = "tok_"+base64.RawURLEncoding.EncodeToString(random[:]), gid, issued.Unix(), end.Unix()
	return sign(secretKey, gid, c)
}

// visitorName is how a token calls a visitor: always the same for one name, and without the
// name, which may be a session's secret, or an address: the page can read its token.
func visitorName(secretKey, name string) string {
	if name == "" {
		return ""
	}
	h := hmac.New(sha256.New, []byte(secretKey))
	h.Write([]byte("visitor/" + name))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:16])
}

// claims checks what a site wants of a short-lived token.
func (o *ChildOptions) claims(p *tally.AccessToken, parent []byte) (c childClaims, err error) {
	all := Options{Requests: o.Requests, IPQuota: o.IPQuota, Cost: o.Cost, Quota: o.Quota, Templates: o.Templates}
	limits, err := all.claims()
	switch {
	case !p.Mints:
		return c, tally.Errorf(tally.Invalid, "access token %s may not make others", p.ID).
			WithHint("one that may is made with: tallygate tokens mint --mints")
	case err != nil:
		return c, err
	case o.ExpiresIn < time.Second || o.ExpiresIn > LongestChild:
		return c, tally.Errorf(tally.Invalid, "expires_in is from 1 to %d seconds", LongestChild/time.Second)
	case len(o.Visitor) > maxVisitor || tally.Unprintable(o.Visitor):
		return c, tally.Errorf(tally.Invalid, "visitor is up to %d bytes that can be printed", maxVisitor)
	case len(o.Label) > maxLabel || tally.Unprintable(o.Label):
		return c, tally.Errorf(tally.Invalid, "label is up to %d bytes that can be printed", maxLabel)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, parent); err != nil {
		return c, tally.Errorf(tally.Invalid, "its claims are not written in JSON")
	}
	return childClaims{
		Requests: limits.Requests, IPQuota: limits.IPQuota, Cost: limits.Cost, Quota: limits.Quota,
		Templates: limits.Templates, Visitor: o.Visitor, Name: o.Label, Parent: compact.Bytes(),
	}, nil
}

// child reads the claims of a token that was made of another one: t is what it says of
// itself, and said the names of its claims. It has everything of its parent, and is never
// wider, whatever it says.
func child(gid string, t *tally.AccessToken, said []string, parent value) (*tally.AccessToken, error) {
	for _, name := range said {
		if !slices.Contains(childNames, name) {
			return nil, fmt.Errorf("has %s beside parent, and only its parent says that", quoted(name))
		}
	}
	p, err := readValue(gid, parent)
	if err != nil {
		return nil, fmt.Errorf("has a parent: %w", err)
	}
	lasts := t.ExpiresAt.Sub(t.IssuedAt)
	switch {
	case p.Parent != "":
		err = errors.New("was made of a token that was made of another one")
	case !p.Mints:
		err = errors.New("was made of a token that may not make others")
	case t.ExpiresAt.IsZero() || lasts > LongestChild:
		err = fmt.Errorf("works for longer than %d hours", LongestChild/time.Hour)
	case !p.ExpiresAt.IsZero() && t.ExpiresAt.After(p.ExpiresAt):
		err = errors.New("works for longer than the one that it was made of")
	case t.IssuedAt.Before(p.IssuedAt):
		err = errors.New("was made before the one that it was made of")
	case t.ID == p.ID:
		err = errors.New("has the ID of the one that it was made of")
	}
	if err == nil && p.Locked() {
		for _, name := range t.Templates {
			if !slices.Contains(p.Templates, name) {
				err = fmt.Errorf("has the template %s, which the one that it was made of has not", quoted(name))
			}
		}
	}
	own := append(slices.Clone(t.Limits), t.VisitorLimits...)
	for _, l := range append(slices.Clone(p.Limits), p.VisitorLimits...) {
		if i := slices.IndexFunc(own, func(o tally.Limit) bool {
			return o.Metric == l.Metric && o.Window == l.Window && o.Max > l.Max
		}); err == nil && i >= 0 {
			err = fmt.Errorf("has a limit of %s, and the one that it was made of has %s", upTo(own[i]), upTo(l))
		}
	}
	if err != nil {
		return nil, err
	}
	out := *p
	out.ID, out.Parent, out.Visitor, out.Mints = t.ID, p.ID, t.Visitor, false
	out.IssuedAt, out.ParentIssuedAt, out.ExpiresAt = t.IssuedAt, p.IssuedAt, t.ExpiresAt
	if t.Locked() {
		out.Templates = t.Templates
	}
	out.VisitorLimits = narrowed(p.VisitorLimits, t.VisitorLimits)
	if t.Visitor != "" {
		out.NamedLimits = narrowed(nil, t.Limits)
	} else {
		out.VisitorLimits = narrowed(out.VisitorLimits, t.Limits)
	}
	return &out, nil
}

// narrowed are limits with more of them: of two on one counter the lower one.
func narrowed(limits, more []tally.Limit) []tally.Limit {
	out := slices.Clone(limits)
	for _, l := range more {
		i := slices.IndexFunc(out, func(o tally.Limit) bool { return o.Metric == l.Metric && o.Window == l.Window })
		switch {
		case i < 0:
			out = append(out, l)
		case l.Max < out[i].Max:
			out[i] = l
		}
	}
	return out
}

// childNames are the claims that a short-lived token may have of its own.
var childNames = strings.Fields("tid gid iat exp requests ipQuota cost quota templates visitor name parent")
