package engine

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"strings"
	"time"

	"tallygate/engine/auth"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

const firstLabel = "default" // of a key that is given none

func (e *Engine) createKey(ctx context.Context, in control.CreateKey) (control.KeyCreated, error) {
	var made control.KeyCreated
	err := e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		cl, err := findClient(c, in.Client)
		if err != nil {
			return nil, err
		}
		expires, err := in.Expires.At(calendarOf(c, cl.Gateway, now))
		if err != nil {
			return nil, err
		}
		label := strings.TrimSpace(in.Label)
		if label == "" {
			label = freeLabel(c, cl.ID)
		} else if err := checkLabel(c, cl, label, ""); err != nil {
			return nil, err
		}
		k, secret, key := newKey(cl.ID, label, now)
		k.ExpiresAt = expires
		if err := cmp.Or(setLimits(&k.Limits, nil, in.Limits, keyLimits), setTags(&k.Tags, in.Tags)); err != nil {
			return nil, err
		}
		made = control.KeyCreated{ID: k.ID, Key: key, Client: cl.Slug, Label: label, ExpiresAt: expires}
		return []tally.Change{tally.Put(k, now), tally.Put(secret, now)}, nil
	})
	return made, err
}

// setTags puts tags into a key, those that were there going; nil changes nothing, and none
// takes all away.
func setTags(tags *tally.Tags, list *[]string) error {
	if list == nil {
		return nil
	}
	out, err := tally.Tags(""), error(nil)
	if len(*list) != 1 || (*list)[0] != "none" {
		out, err = tally.ParseTags(strings.Join(*list, ","))
	}
	if err == nil {
		*tags = out
	}
	return err
}

// newKey makes a key of a client with its secret, and the key itself, which is
// nowhere but in the answer.
func newKey(client tally.ID, label string, now time.Time) (*tally.Key, *tally.Secret, string) {
	k := &tally.Key{Meta: tally.Meta{ID: tally.NewID("key", now)}, Client: client, Label: label}
	s := &tally.Secret{Meta: tally.Meta{ID: tally.NewID("sec", now)}, Of: k.ID}
	var key string
	key, s.Digest, k.Prefix, k.Suffix = auth.NewClientKey()
	return k, s, key
}

// labelled returns a client's key with a label that is not revoked, other than
// one; nil if there is none.
func labelled(c *tally.Catalog, client tally.ID, label string, but tally.ID) *tally.Key {
	for _, k := range c.KeysOf(client) {
		if k.RevokedAt.IsZero() && k.ID != but && strings.EqualFold(k.Label, label) {
			return k
		}
	}
	return nil
}

func freeLabel(c *tally.Catalog, client tally.ID) string {
	label := firstLabel
	for n := 2; labelled(c, client, label, "") != nil; n++ {
		label = fmt.Sprintf("%s-%d", firstLabel, n)
	}
	return label
}

func checkLabel(c *tally.Catalog, cl *tally.Client, label string, but tally.ID) error {
	if err := tally.CheckName("label", label); err != nil {
		return err
	}
	if k := labelled(c, cl.ID, label, but); k != nil {
		return tally.Errorf(tally.Conflict, "client %q has a key labelled %q already", cl.Slug, k.Label).
			WithHint("give it another label, or replace that key: tallygate keys rotate %q --client %s", k.Label, cl.Slug)
	}
	return nil
}

func (e *Engine) updateKey(ctx context.Context, in control.UpdateKey) (control.KeyView, error) {
	edits := in
	edits.PickKey = control.PickKey{}
	if reflect.ValueOf(edits).IsZero() {
		return control.KeyView{}, nothing("keys")
	}
	return e.editKey(ctx, in.PickKey, func(c *tally.Catalog, k *tally.Key, now time.Time) ([]tally.Change, error) {
		if err := alive(k); err != nil {
			return nil, err
		}
		if err := cmp.Or(setLimits(&k.Limits, &k.Raises, in.Limits, keyLimits), setTags(&k.Tags, in.Tags)); err != nil {
			return nil, err
		}
		if in.Expires != nil {
			expires, err := in.Expires.At(calendarOf(c, c.Client(k.Client).Gateway, now))
			if err != nil {
				return nil, err
			}
			k.ExpiresAt = expires
		}
		if in.Label != nil {
			k.Label = strings.TrimSpace(*in.Label)
			if err := checkLabel(c, c.Client(k.Client), k.Label, k.ID); err != nil {
				return nil, err
			}
		}
		if in.EndGrace {
			return endGrace(c, k, now)
		}
		return nil, nil
	})
}

// endGrace lets the key before this one work no longer.
func endGrace(c *tally.Catalog, k *tally.Key, now time.Time) ([]tally.Change, error) {
	was := c.Secret(k.ID)
	if was == nil || !now.Before(was.PreviousUntil) {
		return nil, tally.Errorf(tally.Conflict, "no old key of %q works any more", k.Label).WithHint("tallygate keys list shows which do")
	}
	s := *was
	s.PreviousUntil = now.UTC()
	return []tally.Change{tally.Put(&s, now)}, nil
}

// revokeKey ends a key for good. Its digest stays, so that whoever still uses
// it is told what happened to it.
func (e *Engine) revokeKey(ctx context.Context, in control.PickKey) (control.KeyView, error) {
	return e.editKey(ctx, in, func(_ *tally.Catalog, k *tally.Key, now time.Time) ([]tally.Change, error) {
		if k.RevokedAt.IsZero() {
			k.RevokedAt = now.UTC()
		}
		return nil, nil
	})
}

func alive(k *tally.Key) error {
	if !k.RevokedAt.IsZero() {
		return tally.Errorf(tally.Invalid, "key %q was revoked for good", k.Label).WithHint("issue another: tallygate keys create")
	}
	return nil
}

// editKey changes a copy of a key, stores it with what else edit changes, and tells how
// it stands then.
func (e *Engine) editKey(ctx context.Context, in control.PickKey, edit func(*tally.Catalog, *tally.Key, time.Time) ([]tally.Change, error)) (control.KeyView, error) {
	var k tally.Key
	if err := e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		old, err := findKey(c, in.Key, in.Client)
		if err != nil {
			return nil, err
		}
		k = *old
		more, err := edit(c, &k, now)
		if err != nil {
			return nil, err
		}
		return append([]tally.Change{tally.Put(&k, now)}, more...), nil
	}); err != nil {
		return control.KeyView{}, err
	}
	views, err := e.viewKeys(ctx, e.catalog.Load(), string(k.ID), []*tally.Key{&k})
	if err != nil {
		return control.KeyView{}, err
	}
	return views[0], nil
}

// rotateKey gives a key new characters. Only the latest of its former ones can
// have a grace: those before it stop at once.
func (e *Engine) rotateKey(ctx context.Context, in control.RotateKey) (control.KeyCreated, error) {
	if err := checkGrace(in.Grace); err != nil {
		return control.KeyCreated{}, err
	}
	var made control.KeyCreated
	err := e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		old, err := findKey(c, in.Key, in.Client)
		if err != nil {
			return nil, err
		}
		if err := alive(old); err != nil {
			return nil, err
		}
		if keyState(old, now) == "expired" {
			return nil, tally.Errorf(tally.Invalid, "key %q has expired, and a new one would have, too", old.Label).
				WithHint("first give it a new expiry: tallygate keys update %s --expires 90d", old.ID)
		}
		k, s := *old, tally.Secret{Meta: tally.Meta{ID: tally.NewID("sec", now)}, Of: old.ID}
		if was := c.Secret(old.ID); was != nil {
			s = *was
		}
		s.Previous, s.PreviousUntil = s.Digest, now.Add(in.Grace).UTC()
		made = control.KeyCreated{ID: k.ID, Client: clientSlug(c, k.Client), Label: k.Label, ExpiresAt: k.ExpiresAt}
		if in.Grace > 0 {
			made.OldUntil = s.PreviousUntil
		}
		made.Key, s.Digest, k.Prefix, k.Suffix = auth.NewClientKey()
		return []tally.Change{tally.Put(&k, now), tally.Put(&s, now)}, nil
	})
	return made, err
}

func checkGrace(d time.Duration) error {
	return during("the time that the old key still works", time.Second, maxGrace)(d)
}

func (e *Engine) listKeys(ctx context.Context, in control.ListKeys) ([]control.KeyView, error) {
	c := e.catalog.Load()
	keys := c.Keys
	if in.Client != "" {
		cl, err := findClient(c, in.Client)
		if err != nil {
			return nil, err
		}
		keys = c.KeysOf(cl.ID)
	}
	var found []*tally.Key
	for _, k := range keys {
		if in.All || k.RevokedAt.IsZero() {
			found = append(found, k)
		}
	}
	views, err := e.viewKeys(ctx, c, "", found)
	if err != nil {
		return nil, err
	}
	return control.Select(control.KeyTable, views, in.Rows, commonCalendar(c, e.clock()))
}

// viewKeys tells how keys stand; only is the ID of the one, if it is one.
func (e *Engine) viewKeys(ctx context.Context, c *tally.Catalog, only string, keys []*tally.Key) ([]control.KeyView, error) {
	now := e.clock()
	calendar, all := calendars(c, now)
	sums, err := e.spending(ctx, tally.ByKey, only, now, all...)
	if err != nil {
		return nil, err
	}
	used, err := lastUsed(ctx, e, "key", keys)
	if err != nil {
		return nil, err
	}
	refusing := e.refusing(c, now)
	out := make([]control.KeyView, 0, len(keys))
	for i, k := range keys {
		gw := &tally.Gateway{}
		if cl := c.Client(k.Client); cl != nil {
			gw = gatewayOf(c, cl)
		}
		states, standings, err := e.limitStates(ctx, c, gw, "key", k.ID, k.Label, k.Limits, now)
		if err != nil {
			return nil, err
		}
		v := control.KeyView{
			Key: *k, ClientSlug: clientSlug(c, k.Client), ClientName: clientName(c, k.Client), Masked: k.Masked(), State: keyState(k, now),
			LimitStates: states, LastUsedAt: used[i],
		}
		if t, on := e.captures.Of(k.ID, k.Client); on {
			v.CapturedSince, v.CapturedUntil = t.Since, t.Until
			v.CaptureOf, _ = t.Of.Split()
		}
		of := sums(calendar(gw.ID), string(k.ID))
		v.MonthSince, v.Month, v.Last30Days = of.since, of.month, of.last
		if v.Refused, err = refusing.key(ctx, gw, k, standings); err != nil {
			return nil, err
		}
		if s := c.Secret(k.ID); s != nil && v.State == "active" && now.Before(s.PreviousUntil) {
			v.OldUntil = s.PreviousUntil
		}
		out = append(out, v)
	}
	return out, nil
}
