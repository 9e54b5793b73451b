// Package route says which upstreams may answer a request, in which order, and
// keeps a live [providers.Provider] for each that is enabled.
//
// It makes an instance when a provider appears or changes, and closes the old
// one once it is out of the routes: requests under way on it go on. Order is
// the gateway's; a provider that is at its own cap of requests in flight is passed over, and
// what does not answer, refuses its key or asks to be left alone is asked last for a while.
//
// route.go says which upstreams may answer a request, default.go which model is meant
// where none is named. course.go puts them in the order of one request, with their API
// keys. breaker.go and health.go remember how attempts have ended, places.go counts
// requests in flight.
package route

import (
	"cmp"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// Options is what a Router needs.
type Options struct {
	Kinds []providers.Kind
	// Keys returns the API keys of a provider, unsealed.
	Keys   func(provider tally.ID) ([]string, error)
	Logger *slog.Logger
}

// Router keeps the live providers. Its methods may be called concurrently;
// Update by one caller at a time.
type Router struct {
	kinds map[tally.ProviderKind]providers.Kind
	keys  func(tally.ID) ([]string, error)
	log   *slog.Logger

	mu   sync.Mutex // serialises Update and Close
	live atomic.Pointer[map[tally.ID]*Upstream]
}

// Upstream is a live provider.
type Upstream struct {
	providers.Provider
	Kind      providers.Kind
	Config    *tally.Provider
	secretRev int64
	keys      int     // API keys; 1 if it needs none
	seed      uint64  // of its scores; see spread
	places    *places // shared with the instances it replaces: their requests go on
	health    health
}

// Target is one upstream that may answer a request, and the model it would
// answer with.
type Target struct {
	Upstream *Upstream
	Model    *tally.Model
}

// New makes a Router without upstreams.
func New(o Options) *Router {
	r := &Router{kinds: map[tally.ProviderKind]providers.Kind{}, keys: o.Keys, log: o.Logger}
	for _, k := range o.Kinds {
		r.kinds[k.Name] = k
	}
	r.live.Store(&map[tally.ID]*Upstream{})
	return r
}

// Update follows a new catalog. A provider that cannot be made is left out and
// logged; its models cannot be reached until it is mended.
func (r *Router) Update(cat *tally.Catalog) {
	r.mu.Lock()
	defer r.mu.Unlock()
	old, next := *r.live.Load(), map[tally.ID]*Upstream{}
	for _, p := range cat.Providers {
		if !p.Enabled {
			continue
		}
		secretRev := int64(0)
		if s := cat.Secret(p.ID); s != nil {
			secretRev = s.Rev
		}
		before := old[p.ID]
		if before != nil && before.Config.Rev == p.Rev && before.secretRev == secretRev {
			next[p.ID] = before
			continue
		}
		u, err := r.make(p)
		if err != nil {
			r.log.Error("provider cannot be used", "provider", p.Name, "err", err)
			continue
		}
		u.secretRev = secretRev
		if before != nil {
			u.places = before.places
		}
		next[p.ID] = u
	}
	r.live.Store(&next)
	for id, u := range old {
		if next[id] != u {
			r.close(u)
		}
	}
}

func (r *Router) make(p *tally.Provider) (*Upstream, error) {
	kind, ok := r.kinds[p.ProviderKind]
	if !ok {
		return nil, tally.Errorf(tally.Invalid, "kind %q is not built into this version", p.ProviderKind)
	}
	keys, err := r.keys(p.ID)
	if err != nil {
		return nil, err
	}
	impl, err := kind.New(providers.Config{Provider: p, APIKeys: keys})
	if err != nil {
		return nil, err
	}
	n := max(len(keys), 1)
	return &Upstream{
		Provider: impl, Kind: kind, Config: p, keys: n, seed: Hash(0, string(p.ID)), places: &places{},
		health: health{keys: make([]breaker, n)},
	}, nil
}

// Provider returns the live provider of an ID.
func (r *Router) Provider(id tally.ID) (providers.Provider, error) {
	u := (*r.live.Load())[id]
	if u == nil {
		return nil, tally.Errorf(tally.NotFound, "that provider is switched off or cannot be used")
	}
	return u, nil
}

// Close closes every upstream.
func (r *Router) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, u := range *r.live.Swap(&map[tally.ID]*Upstream{}) {
		r.close(u)
	}
}

func (r *Router) close(u *Upstream) {
	if err := u.Close(); err != nil {
		r.log.Warn("close provider", "provider", u.Config.Name, "err", err)
	}
}

// Plan returns the upstreams that may answer a principal's request for a
// model, in the order to ask them; at least one. An empty name means
// [Router.DefaultModel].
func (r *Router) Plan(cat *tally.Catalog, p *tally.Principal, asked string, now time.Time) ([]Target, *tally.Refusal) {
	name := asked
	if name == "" {
		if name = r.DefaultModel(cat, p, now); name == "" {
			return nil, &tally.Refusal{Status: http.StatusNotFound, Type: tally.TypeInvalid, Code: tally.CodeModelNotFound, Param: "model",
				Message: "No model can be used here yet: the owner must add a provider, and prices for its models."}
		}
		asked = name
	}
	name = resolve(p.Gateway, name)
	if len(cat.ModelsNamed(name)) > 0 && !Allowed(p, asked, name) {
		return nil, &tally.Refusal{Status: http.StatusForbidden, Type: tally.TypePermission, Code: tally.CodeModelNotAllowed, Param: "model",
			Message: fmt.Sprintf("%s may not use model %q. GET /v1/models lists those it may use.", p.Who(), asked)}
	}
	targets, off, unpriced := r.targets(cat, p.Gateway, name, now)
	switch {
	case len(targets) > 0:
		return targets, nil
	case unpriced:
		return nil, &tally.Refusal{Status: http.StatusForbidden, Type: tally.TypePermission, Code: tally.CodeModelUnpriced, Param: "model",
			Message: fmt.Sprintf("Model %q has no price yet, so it cannot be kept within a budget. The owner can set one: tallygate models update %s --price input=… --price output=…", name, tally.ShellWord(name))}
	case off:
		return nil, &tally.Refusal{Status: http.StatusBadGateway, Type: tally.TypeUpstream, Code: tally.CodeNoProvider, Param: "model",
			Message: fmt.Sprintf("Every provider of model %q is switched off or cannot be used.", name)}
	}
	return nil, &tally.Refusal{Status: http.StatusNotFound, Type: tally.TypeInvalid, Code: tally.CodeModelNotFound, Param: "model",
		Message: fmt.Sprintf("There is no model %q here.%s GET /v1/models lists what there is.", name,
			suggestion(r.Usable(cat, p, now), name))}
}

// Landing returns the upstreams of a model that the owner lets answer in the place of
// another one, whatever the lists of the caller say; none if it cannot be used.
func (r *Router) Landing(cat *tally.Catalog, g *tally.Gateway, name string, now time.Time) []Target {
	targets, _, _ := r.targets(cat, g, resolve(g, name), now)
	return targets
}

// targets returns the upstreams of a model in the gateway's order. off and unpriced say
// whether any was left out for that.
func (r *Router) targets(cat *tally.Catalog, g *tally.Gateway, name string,
	now time.Time) (targets []Target, off, unpriced bool) {
	targets = make([]Target, 0, 4)
	live := *r.live.Load()
	for _, m := range cat.ModelsNamed(name) {
		if !m.Enabled {
			continue
		}
		if !payable(cat, m, now) {
			unpriced = true
			continue
		}
		if u := live[m.Provider]; u != nil {
			targets = append(targets, Target{u, m})
		} else {
			off = true
		}
	}
	if len(targets) > 1 {
		slices.SortStableFunc(targets, func(a, b Target) int { return rank(cat, g, a) - rank(cat, g, b) })
	}
	return targets, off, unpriced
}

// resolve follows an alias.
func resolve(g *tally.Gateway, name string) string {
	if to, ok := g.Aliases[name]; ok {
		return to
	}
	return name
}

// rank is the place of a target's provider in the gateway's order; providers that the
// order does not name come last, by creation.
func rank(cat *tally.Catalog, g *tally.Gateway, t Target) int {
	if i := slices.Index(g.Providers, t.Model.Provider); i >= 0 {
		return i
	}
	return len(g.Providers) + slices.Index(cat.Providers, cat.Provider(t.Model.Provider))
}

// Allowed reports whether the lists of the gateway, and of the client or the access
// token, let a principal use a model. asked is the name in the request, and name the
// model that an alias makes of it; a list may have either.
func Allowed(p *tally.Principal, asked, name string) bool {
	in := func(list []string) bool {
		return len(list) == 0 || slices.Contains(list, name) || slices.Contains(list, asked)
	}
	return in(p.Gateway.Models) && (p.Client == nil || in(p.Client.Models)) && (p.Token == nil || in(p.Token.Models))
}

// Usable lists the names that a principal may ask for now, sorted: of models
// with a live provider, and aliases that lead to them.
func (r *Router) Usable(cat *tally.Catalog, p *tally.Principal, now time.Time) []string {
	live := *r.live.Load()
	var names []string
	for _, m := range cat.Models {
		if !m.Enabled || live[m.Provider] == nil || !payable(cat, m, now) {
			continue
		}
		if _, hidden := p.Gateway.Aliases[m.Name]; !hidden && Allowed(p, m.Name, m.Name) {
			names = append(names, m.Name)
		}
		for alias, to := range p.Gateway.Aliases {
			if to == m.Name && Allowed(p, alias, to) {
				names = append(names, alias)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// payable reports whether a model has a price now, or needs none by the owner's
// policy.
func payable(cat *tally.Catalog, m *tally.Model, now time.Time) bool {
	_, priced := tally.PriceAt(m.Prices, now, 0)
	return priced || cat.Settings.Unpriced == tally.AllowAtZero
}

// CostBy says whose figure is the cost where the upstream tells its own.
func (u *Upstream) CostBy() tally.CostBy {
	return cmp.Or(u.Config.CostBy, u.Kind.CostBy, tally.CostMax)
}

// Keys is how many API keys the provider has; 1 if it needs none.
func (u *Upstream) Keys() int { return u.keys }

// Enter takes one of the upstream's places in flight; false if all are taken, or
// others wait for one. Leave gives it back.
func (u *Upstream) Enter() bool { return u.places.enter(u.Config.MaxInFlight) }

// Leave gives back a place that Enter or [WaitAny] took.
func (u *Upstream) Leave() { u.places.leave() }

// suggestion names the usable models that begin most like the one asked for, at most
// three: most mistaken names lack a date at their end, or have one too many.
func suggestion(usable []string, name string) string {
	type near struct {
		name string
		same int // bytes at the beginning
	}
	var all []near
	for _, u := range usable {
		n := 0
		for n < min(len(u), len(name)) && lower(u[n]) == lower(name[n]) {
			n++
		}
		if n > 2 {
			all = append(all, near{u, n})
		}
	}
	slices.SortStableFunc(all, func(a, b near) int { return b.same - a.same })
	var names []string
	for _, x := range all[:min(len(all), 3)] {
		if 2*x.same > all[0].same {
			names = append(names, strconv.Quote(x.name))
		}
	}
	switch n := len(names); n {
	case 0:
		return ""
	case 1:
		return fmt.Sprintf(" Did you mean %s?", names[0])
	default:
		return fmt.Sprintf(" Did you mean %s or %s?", strings.Join(names[:n-1], ", "), names[n-1])
	}
}

func lower(c byte) byte {
	if c >= 'A' && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
