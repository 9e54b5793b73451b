package engine

import (
	"context"
	"strings"
	"time"

	"tallygate/engine/auth"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

const (
	usualShare   = 30 * day
	longestShare = 366 * day
	maxShares    = 100 // of a client
)

// createShare makes a link to a client's own page. Its secret is in the answer and nowhere
// else.
func (e *Engine) createShare(ctx context.Context, in control.CreateShare) (out control.ShareCreated, err error) {
	err = e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		cl, err := findClient(c, in.Client)
		if err != nil {
			return nil, err
		}
		x := &tally.Share{Meta: tally.Meta{ID: tally.NewID("shr", now)}, Client: cl.ID,
			ExpiresAt: now.Add(usualShare).UTC().Truncate(time.Second)}
		if in.Expires != "" {
			if x.ExpiresAt, err = in.Expires.At(calendarOf(c, cl.Gateway, now)); err != nil {
				return nil, err
			}
		}
		if x.ExpiresAt.IsZero() || x.ExpiresAt.After(now.Add(longestShare)) {
			return nil, tally.Errorf(tally.Invalid, "a link works for at most a year").WithHint("--expires 365d")
		}
		var changes []tally.Change
		others := 0
		for _, s := range c.Shares() {
			switch {
			case s.Client != cl.ID:
			case s.Works(now):
				others++
			default: // it makes room
				changes = append(changes, dropShare(c, s)...)
			}
		}
		if others >= maxShares {
			return nil, tally.Errorf(tally.Invalid, "client %s has %d links already", cl.Slug, others).
				WithHint("end one: tallygate share list --client %s", tally.ShellWord(cl.Slug))
		}
		s := &tally.Secret{Meta: tally.Meta{ID: tally.NewID("sec", now)}, Of: x.ID}
		var secret string
		secret, s.Digest, x.Hint = auth.NewShareSecret()
		out = control.ShareCreated{URL: e.shareURL(gatewayOf(c, cl)) + "#" + secret}
		changes = append(changes, tally.Put(x, now), tally.Put(s, now))
		out.ShareView = viewShare(c, x, now)
		return changes, nil
	})
	return out, err
}

// shareURL is where the page is that a link leads to.
func (e *Engine) shareURL(gw *tally.Gateway) string {
	base := gw.PublicURL
	if base == "" {
		base, _ = e.publicURL()
		base = strings.TrimSuffix(base, "/v1")
	}
	return strings.TrimSuffix(base, "/") + "/share"
}

func viewShare(c *tally.Catalog, s *tally.Share, now time.Time) control.ShareView {
	v := control.ShareView{ID: s.ID, ClientSlug: clientSlug(c, s.Client), ClientName: clientName(c, s.Client),
		Hint: s.Hint, State: "active", CreatedAt: s.CreatedAt, ExpiresAt: s.ExpiresAt}
	if !s.Works(now) {
		v.State = "expired"
	}
	return v
}

func (e *Engine) listShares(_ context.Context, in control.ListShares) ([]control.ShareView, error) {
	c, now := e.catalog.Load(), e.clock()
	var only tally.ID
	if in.Client != "" {
		cl, err := findClient(c, in.Client)
		if err != nil {
			return nil, err
		}
		only = cl.ID
	}
	out := []control.ShareView{}
	for _, s := range c.Shares() {
		if only == "" || s.Client == only {
			out = append(out, viewShare(c, s, now))
		}
	}
	return control.Select(control.ShareTable, out, in.Rows, commonCalendar(c, now))
}

// revokeShare answers with what was revoked.
func (e *Engine) revokeShare(ctx context.Context, in control.PickShare) (was control.ShareView, err error) {
	err = e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		var known []string
		for _, s := range c.Shares() {
			if string(s.ID) == in.ID {
				was = viewShare(c, s, now)
				return dropShare(c, s), nil
			}
			known = append(known, string(s.ID))
		}
		return nil, missing("link", in.ID, known, control.ShareTable.Make)
	})
	return was, err
}

// dropShare makes the changes that end a link.
func dropShare(c *tally.Catalog, s *tally.Share) []tally.Change {
	changes := []tally.Change{tally.Delete(s)}
	if secret := c.Secret(s.ID); secret != nil {
		changes = append(changes, tally.Delete(secret))
	}
	return changes
}
