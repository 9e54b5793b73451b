package tuitest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (w *World) client(name string) (*control.ClientView, error) {
	return find(w.clients, "client", name, func(c *control.ClientView) []string { return []string{string(c.ID), c.Slug, c.Name} })
}

func (w *World) key(name, client string) (*control.KeyView, error) {
	return find(w.keys, "key", name, func(k *control.KeyView) []string {
		if client != "" && k.ClientSlug != client && string(k.Client) != client {
			return []string{string(k.ID)}
		}
		return []string{string(k.ID), k.Label}
	})
}

func (w *World) answerClients() {
	answer(w, control.ClientsList, func(in control.Listing) ([]*control.ClientView, error) {
		return w.clients, nil
	})
	answer(w, control.ClientsShow, func(in control.Named) (*control.ClientView, error) { return w.client(in.Name) })
	answer(w, control.ClientsCreate, func(in control.CreateClient) (tally.Client, error) {
		g, err := w.oneGateway(in.Gateway)
		if err != nil {
			return tally.Client{}, err
		}
		c := &control.ClientView{GatewaySlug: g.Slug}
		c.Meta, c.Gateway, c.Status, c.Slug = w.meta("cl", 0), g.ID, tally.Active, in.Slug
		if err := w.fillClient(c, in.ClientFields); err != nil {
			return tally.Client{}, err
		}
		if c.Slug == "" {
			c.Slug = tally.Slugify(c.Name)
		}
		if err := firstOf(tally.CheckName("name", c.Name), tally.CheckSlug(c.Slug), w.free(c.Slug)); err != nil {
			return tally.Client{}, err
		}
		w.clients = append(w.clients, c)
		return c.Client, nil
	})
	answer(w, control.ClientsUpdate, func(in control.UpdateClient) (tally.Client, error) {
		c, err := w.client(in.Client)
		if err != nil {
			return tally.Client{}, err
		}
		changed := *c
		if in.NewSlug != "" && in.NewSlug != c.Slug {
			if err := firstOf(tally.CheckSlug(in.NewSlug), w.free(in.NewSlug)); err != nil {
				return tally.Client{}, err
			}
			changed.Slug = in.NewSlug
		}
		set(&changed.Status, in.Status)
		if err := firstOf(w.fillClient(&changed, in.ClientFields), tally.CheckName("name", changed.Name)); err != nil {
			return tally.Client{}, err
		}
		changed.UpdatedAt = w.clock()
		*c = changed
		return c.Client, nil
	})
	answer(w, control.ClientsDelete, func(in control.Named) (control.None, error) {
		c, err := w.client(in.Name)
		if err != nil {
			return control.None{}, err
		}
		w.clients = slices.DeleteFunc(w.clients, func(x *control.ClientView) bool { return x == c })
		w.keys = slices.DeleteFunc(w.keys, func(k *control.KeyView) bool { return k.Client == c.ID })
		return control.None{}, nil
	})
	answer(w, control.ClientsSuspend, func(in control.Named) (tally.Client, error) { return w.setStatus(in.Name, tally.Suspended) })
	answer(w, control.ClientsActivate, func(in control.Named) (tally.Client, error) { return w.setStatus(in.Name, tally.Active) })
}

func (w *World) free(slug string) error {
	if _, err := w.client(slug); err == nil {
		return tally.Errorf(tally.Conflict, "there is a client %q already", slug).WithHint("choose another name")
	}
	return nil
}

func (w *World) setStatus(name string, s tally.Status) (tally.Client, error) {
	c, err := w.client(name)
	if err != nil {
		return tally.Client{}, err
	}
	c.Status, c.UpdatedAt = s, w.clock()
	return c.Client, nil
}

func (w *World) fillClient(c *control.ClientView, f control.ClientFields) (err error) {
	set(&c.Name, f.Name)
	set(&c.Email, f.Email)
	set(&c.Company, f.Company)
	set(&c.Phone, f.Phone)
	set(&c.Note, f.Note)
	set(&c.Origins, f.Origins)
	set(&c.Models, f.Models)
	set(&c.MaxInFlight, f.MaxInFlight)
	set(&c.Session.Length, f.SessionLength)
	set(&c.Session.Mode, f.SessionMode)
	set(&c.Session.Missing, f.SessionMissing)
	if f.Markup != nil {
		c.MarkupBasisPoints = int(*f.Markup)
	}
	if c.Limits, err = tally.EditLimits(c.Limits, f.Limits); err != nil {
		return err
	}
	c.LimitStates = w.states("client", c.Slug, c.Limits, c.LimitStates)
	return nil
}

// states keeps what limits have used when they are edited.
func (w *World) states(of, name string, limits []tally.Limit, old []control.LimitState) []control.LimitState {
	out := []control.LimitState{}
	for _, l := range limits {
		period := l.Window.Period(w.clock(), time.UTC, 1)
		s := control.LimitState{Limit: l, Of: of, Name: name, Text: l.String(), Period: period.Label, ResetsAt: period.End, Left: l.Max}
		if !period.Ends() {
			s.ResetsAt = time.Time{}
		}
		for _, o := range old {
			if o.Metric == l.Metric && o.Window == l.Window {
				s.Used, s.Held = o.Used, o.Held
				s.Left = l.Max - o.Used - o.Held
			}
		}
		out = append(out, s)
	}
	return out
}

func (w *World) answerKeys() {
	answer(w, control.KeysList, func(in control.ListKeys) ([]*control.KeyView, error) {
		out := []*control.KeyView{}
		for _, k := range w.keys {
			if (in.All || k.State != "revoked") && (in.Client == "" || in.Client == k.ClientSlug || in.Client == string(k.Client)) {
				out = append(out, k)
			}
		}
		return out, nil
	})
	answer(w, control.KeysCreate, func(in control.CreateKey) (control.KeyCreated, error) {
		c, err := w.client(in.Client)
		if err != nil {
			return control.KeyCreated{}, err
		}
		if in.Label == "" {
			in.Label = "default"
		}
		for _, k := range w.keys {
			if k.Client == c.ID && k.State != "revoked" && strings.EqualFold(k.Label, in.Label) {
				return control.KeyCreated{}, tally.Errorf(tally.Conflict, "client %q has a key labelled %q already", c.Slug, in.Label).WithHint("choose another label")
			}
		}
		expires, err := w.expiry(string(in.Expires))
		if err != nil {
			return control.KeyCreated{}, err
		}
		limits, err := tally.EditLimits(nil, in.Limits)
		if err != nil {
			return control.KeyCreated{}, err
		}
		k := w.addKey(c, in.Label, 0)
		k.ExpiresAt, k.Limits, k.LimitStates = expires, limits, w.states("key", in.Label, limits, nil)
		return w.created(k), nil
	})
	answer(w, control.KeysUpdate, func(in control.UpdateKey) (*control.KeyView, error) {
		k, err := w.key(in.Key, in.Client)
		if err != nil {
			return nil, err
		}
		set(&k.Label, in.Label)
		if in.Expires != nil {
			if k.ExpiresAt, err = w.expiry(string(*in.Expires)); err != nil {
				return nil, err
			}
		}
		if k.Limits, err = tally.EditLimits(k.Limits, in.Limits); err != nil {
			return nil, err
		}
		k.LimitStates = w.states("key", k.Label, k.Limits, k.LimitStates)
		return k, nil
	})
	answer(w, control.KeysRotate, func(in control.RotateKey) (control.KeyCreated, error) {
		k, err := w.key(in.Key, in.Client)
		if err != nil {
			return control.KeyCreated{}, err
		}
		made := w.created(k)
		if in.Grace > 0 {
			k.OldUntil = w.clock().Add(in.Grace)
			made.OldUntil = k.OldUntil
		}
		return made, nil
	})
	answer(w, control.KeysRevoke, func(in control.PickKey) (*control.KeyView, error) {
		k, err := w.key(in.Key, in.Client)
		if err != nil {
			return nil, err
		}
		k.State, k.RevokedAt = "revoked", w.clock()
		if c, err := w.client(k.ClientSlug); err == nil {
			c.Keys = max(c.Keys-1, 0)
		}
		return k, nil
	})
}

func (w *World) expiry(text string) (time.Time, error) {
	days, isDays := strings.CutSuffix(text, "d")
	n, err := strconv.Atoi(days)
	switch {
	case text == "" || text == "never":
		return time.Time{}, nil
	case isDays && err == nil && n > 0:
		return w.clock().AddDate(0, 0, n), nil
	}
	if long, err := time.ParseDuration(text); err == nil && long > 0 {
		return w.clock().Add(long), nil
	}
	if at, err := time.Parse(time.DateOnly, text); err == nil {
		return at, nil
	}
	return time.Time{}, tally.Errorf(tally.Invalid, "%q is not an expiry", text).WithHint("like 90d, 12h or 2027-01-31")
}

func (w *World) addKey(c *control.ClientView, label string, age time.Duration) *control.KeyView {
	k := &control.KeyView{ClientSlug: c.Slug, State: "active", LimitStates: []control.LimitState{}}
	k.Meta, k.Client, k.Label = w.meta("key", age), c.ID, label
	k.Prefix, k.Suffix = "llm_gw_"+fmt.Sprintf("%04x", 0x7a10+w.ids*37), fmt.Sprintf("%04x", 0xf3a9-w.ids*61)
	k.Masked = k.Key.Masked()
	c.Keys++
	w.keys = append(w.keys, k)
	return k
}

// created is a key with its secret, as it is shown once.
func (w *World) created(k *control.KeyView) control.KeyCreated {
	return control.KeyCreated{ID: k.ID, Key: k.Prefix + strings.Repeat("x7Qz", 8) + k.Suffix, Client: k.ClientSlug, Label: k.Label, ExpiresAt: k.ExpiresAt}
}
