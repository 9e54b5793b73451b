package engine

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// Things are named by ID, by slug, or by the name people see; the last only
// where it names one thing.

func findGateway(c *tally.Catalog, name string) (*tally.Gateway, error) {
	var byName []*tally.Gateway
	slugs := make([]string, 0, len(c.Gateways))
	for _, g := range c.Gateways {
		if string(g.ID) == name || g.PublicID == name || g.Slug == name {
			return g, nil
		}
		if strings.EqualFold(g.Name, name) || strings.EqualFold(g.Slug, name) {
			byName = append(byName, g)
		}
		slugs = append(slugs, g.Slug)
	}
	return theOne(byName, "gateway", name, slugs, "tallygate gateways create --name main", func(g *tally.Gateway) string { return g.Slug })
}

// oneGateway finds a gateway that may be left out: then it is the oldest.
func oneGateway(c *tally.Catalog, name string) (*tally.Gateway, error) {
	switch {
	case name != "":
		return findGateway(c, name)
	case len(c.Gateways) == 0:
		return nil, tally.Errorf(tally.NotFound, "there is no gateway yet").WithHint("tallygate init --yes, or tallygate gateways create --name main")
	}
	return slices.MinFunc(c.Gateways, func(a, b *tally.Gateway) int {
		return cmp.Or(a.CreatedAt.Compare(b.CreatedAt), cmp.Compare(a.ID, b.ID))
	}), nil
}

// onlyGateway finds a gateway that may be left out if there is only one, for what
// should not happen to another by mistake.
func onlyGateway(c *tally.Catalog, name string) (*tally.Gateway, error) {
	if name != "" || len(c.Gateways) < 2 {
		return oneGateway(c, name)
	}
	slugs := make([]string, 0, len(c.Gateways))
	for _, g := range c.Gateways {
		slugs = append(slugs, g.Slug)
	}
	return nil, tally.Errorf(tally.Invalid, "there are several gateways").WithHint("say which with --gateway: %s", someOf(slugs, 8))
}

func findClient(c *tally.Catalog, name string) (*tally.Client, error) {
	var byName []*tally.Client
	slugs := make([]string, 0, len(c.Clients))
	for _, cl := range c.Clients {
		if string(cl.ID) == name || cl.Slug == name {
			return cl, nil
		}
		if strings.EqualFold(cl.Name, name) || strings.EqualFold(cl.Slug, name) {
			byName = append(byName, cl)
		}
		slugs = append(slugs, cl.Slug)
	}
	return theOne(byName, "client", name, slugs, "tallygate clients create --name NAME", func(cl *tally.Client) string { return cl.Slug })
}

func findProvider(c *tally.Catalog, name string) (*tally.Provider, error) {
	var same []*tally.Provider
	known := make([]string, 0, len(c.Providers))
	for _, p := range c.Providers {
		if string(p.ID) == name || p.Name == name {
			return p, nil
		}
		if strings.EqualFold(p.Name, name) {
			same = append(same, p)
		}
		known = append(known, p.Name)
	}
	return theOne(same, "provider", name, known, "tallygate providers create --name sim --kind sim", func(p *tally.Provider) string { return p.Name })
}

// findModel finds a model by ID, or by name and, where several providers have
// it, provider.
func findModel(c *tally.Catalog, name, provider string) (*tally.Model, error) {
	if m := c.Model(tally.ID(name)); m != nil {
		return m, nil
	}
	models := c.ModelsNamed(name)
	if provider != "" {
		p, err := findProvider(c, provider)
		if err != nil {
			return nil, err
		}
		for _, m := range models {
			if m.Provider == p.ID {
				return m, nil
			}
		}
		return nil, missing("model", name, modelNames(c, p.ID), "tallygate models import "+tally.ShellWord(p.Name))
	}
	if len(models) == 0 {
		return nil, missing("model", name, modelNames(c, ""), "tallygate models import PROVIDER")
	}
	return theOne(models, "model", name, nil, "", func(m *tally.Model) string { return "--provider " + providerName(c, m.Provider) })
}

// findKey finds a key by ID, or by client and label. A label that was given
// again after a revocation means the key that works.
func findKey(c *tally.Catalog, name, client string) (*tally.Key, error) {
	k := c.Key(tally.ID(name))
	if client == "" {
		if k == nil {
			return nil, tally.Errorf(tally.NotFound, "there is no key %q", shown(name)).
				WithHint("name it by its id, or by its label with --client; see: tallygate keys list")
		}
		return k, nil
	}
	cl, err := findClient(c, client)
	switch {
	case err != nil:
		return nil, err
	case k != nil && k.Client != cl.ID:
		return nil, tally.Errorf(tally.NotFound, "client %q has no key %q", cl.Slug, name).WithHint("it is of client %s", clientSlug(c, k.Client))
	case k != nil:
		return k, nil
	}
	var found *tally.Key
	var labels []string
	for _, k := range c.KeysOf(cl.ID) {
		if strings.EqualFold(k.Label, name) && (found == nil || k.RevokedAt.IsZero()) {
			found = k
		}
		labels = append(labels, k.Label)
	}
	if found == nil {
		return nil, missing("key", name, labels, "tallygate keys create --client "+cl.Slug)
	}
	return found, nil
}

// theOne returns the only element, or says why there is not one.
func theOne[T any](found []*T, what, name string, known []string, create string, call func(*T) string) (*T, error) {
	switch len(found) {
	case 0:
		return nil, missing(what, name, known, create)
	case 1:
		return found[0], nil
	}
	calls := make([]string, 0, len(found))
	for _, f := range found {
		calls = append(calls, call(f))
	}
	return nil, tally.Errorf(tally.Invalid, "several %ss are called %q", what, name).WithHint("say which: %s", someOf(calls, 8))
}

// modelNames lists the names of a provider's models, or of all.
func modelNames(c *tally.Catalog, provider tally.ID) []string {
	var out []string
	for _, m := range c.Models {
		if (provider == "" || m.Provider == provider) && (len(out) == 0 || out[len(out)-1] != m.Name) {
			out = append(out, m.Name)
		}
	}
	return out
}

// The names that people see of things that may have been deleted since: what they
// were called then, their IDs where that is not known.

func providerName(c *tally.Catalog, id tally.ID) string {
	if p := c.Provider(id); p != nil {
		return p.Name
	}
	return deletedOr(c, id)
}

func clientSlug(c *tally.Catalog, id tally.ID) string {
	if cl := c.Client(id); cl != nil {
		return cl.Slug
	}
	return deletedOr(c, id)
}

func clientName(c *tally.Catalog, id tally.ID) string {
	if cl := c.Client(id); cl != nil {
		return cl.Name
	}
	return deletedOr(c, id)
}

func gatewaySlug(c *tally.Catalog, id tally.ID) string {
	if g := c.Gateway(id); g != nil {
		return g.Slug
	}
	return deletedOr(c, id)
}

func keyLabel(c *tally.Catalog, id tally.ID) string {
	if k := c.Key(id); k != nil {
		return k.Label
	}
	name := deletedOr(c, id)
	if _, label, ok := strings.Cut(name, "/"); ok {
		return label
	}
	return name
}

// keyName is a key among those of all clients.
func keyName(c *tally.Catalog, k *tally.Key) string { return clientSlug(c, k.Client) + "/" + k.Label }

func deletedOr(c *tally.Catalog, id tally.ID) string { return cmp.Or(c.Deleted(id), string(id)) }

// bury makes the change that keeps what a thing was called which is deleted with
// it: its figures stay.
func bury(e tally.Entity, name string, now time.Time) tally.Change {
	t := &tally.Tombstone{Meta: tally.Meta{ID: e.Base().ID}, Of: e.Kind(), Name: name}
	switch e := e.(type) {
	case *tally.Key:
		t.Owner = e.Client
	case *tally.Client:
		t.Owner, t.Title, t.Tariffs = e.Gateway, e.Name, e.Tariffs
	}
	return tally.Put(t, now)
}
