package route

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
)

var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// fake is a provider that remembers what it was made from.
type fake struct {
	providers.Config
	closed atomic.Int64
}

func (*fake) Do(context.Context, providers.Call) (*providers.Reply, error) {
	return nil, errors.ErrUnsupported
}
func (*fake) Models(context.Context) ([]providers.ModelInfo, error) { return nil, nil }
func (f *fake) Close() error                                        { f.closed.Add(1); return nil }

// net is a router over fake providers, and the entities it follows.
type net struct {
	t         testing.TB
	gateway   tally.Gateway
	client    tally.Client
	settings  tally.Settings
	providers []*tally.Provider
	models    []*tally.Model
	secrets   []*tally.Secret

	router *Router
	cat    *tally.Catalog
	made   []*fake
	broken map[tally.ID]error // of asking for its keys
	keys   map[tally.ID][]string
	log    bytes.Buffer
}

// newNet makes a gateway with two providers, a and b, that both have model m at
// a price.
func newNet(t testing.TB) *net {
	n := &net{t: t, broken: map[tally.ID]error{}, keys: map[tally.ID][]string{},
		gateway: tally.Gateway{Meta: tally.Meta{ID: "gw_1"}, Name: "Main", Enabled: true},
		client:  tally.Client{Meta: tally.Meta{ID: "cl_1"}, Gateway: "gw_1", Name: "Hotel Aurora"},
	}
	n.provider("a")
	n.provider("b")
	n.model("m", "a")
	n.model("m", "b")
	n.router = New(Options{
		Kinds: []providers.Kind{{Name: "fake", New: n.make}},
		Keys: func(id tally.ID) ([]string, error) {
			if keys := n.keys[id]; keys != nil {
				return keys, nil
			}
			return []string{"key of " + string(id)}, n.broken[id]
		},
		Logger: slog.New(slog.NewTextHandler(&n.log, nil)),
	})
	t.Cleanup(n.router.Close)
	return n
}

func (n *net) make(c providers.Config) (providers.Provider, error) {
	f := &fake{Config: c}
	n.made = append(n.made, f)
	return f, nil
}

func (n *net) provider(id tally.ID) *tally.Provider {
	p := &tally.Provider{Meta: tally.Meta{ID: id, Rev: 1, CreatedAt: noon.Add(time.Duration(len(n.providers)) * time.Second)}, Name: string(id), ProviderKind: "fake", Enabled: true}
	n.providers = append(n.providers, p)
	return p
}

func (n *net) model(name string, provider tally.ID) *tally.Model {
	m := &tally.Model{Meta: tally.Meta{ID: tally.ID(name + "@" + string(provider)), CreatedAt: noon.Add(time.Duration(len(n.models)) * time.Second)},
		Name: name, Provider: provider, Prices: []tally.Price{{Input: new(tally.Dollar)}}, Enabled: true}
	n.models = append(n.models, m)
	return m
}

// use puts the entities as they are in force.
func (n *net) use() *net {
	all := []tally.Entity{new(n.gateway), new(n.client), new(n.settings)}
	for _, p := range n.providers {
		all = append(all, new(*p))
	}
	for _, m := range n.models {
		all = append(all, new(*m))
	}
	for _, s := range n.secrets {
		all = append(all, new(*s))
	}
	n.cat = tally.NewCatalog(1, all)
	n.router.Update(n.cat)
	return n
}

func (n *net) principal() *tally.Principal {
	return &tally.Principal{Gateway: n.cat.Gateway("gw_1"), Client: n.cat.Client("cl_1")}
}

// plan returns the targets as "model@provider", or a refusal's code and text.
func (n *net) plan(asked string) (string, *tally.Refusal) {
	n.t.Helper()
	targets, refusal := n.router.Plan(n.cat, n.principal(), asked, noon)
	if refusal != nil {
		return refusal.Code, refusal
	}
	var out []string
	for _, t := range targets {
		if t.Upstream.Config.ID != t.Model.Provider {
			n.t.Errorf("model %s is asked of provider %s", t.Model.ID, t.Upstream.Config.ID)
		}
		out = append(out, string(t.Model.ID))
	}
	return strings.Join(out, " "), nil
}

func TestPlan(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(n *net)
		asked  string
		want   string // targets, or a code
		status int    // of a refusal
		says   string // a part of its message
	}{
		{name: "in the order of creation", asked: "m", want: "m@a m@b"},
		{name: "in the gateway's order", change: func(n *net) { n.gateway.Providers = []tally.ID{"b", "a"} }, asked: "m", want: "m@b m@a"},
		{name: "those not named come last", change: func(n *net) { n.provider("c"); n.model("m", "c"); n.gateway.Providers = []tally.ID{"c"} }, asked: "m", want: "m@c m@a m@b"},
		{name: "providers that are gone do not matter", change: func(n *net) { n.gateway.Providers = []tally.ID{"z", "b"} }, asked: "m", want: "m@b m@a"},
		{name: "a disabled model is passed over", change: func(n *net) { n.models[0].Enabled = false }, asked: "m", want: "m@b"},
		{name: "a disabled provider is passed over", change: func(n *net) { n.providers[0].Enabled = false }, asked: "m", want: "m@b"},
		{name: "a provider that cannot be used is passed over", change: func(n *net) { n.broken["a"] = errors.New("sealed") }, asked: "m", want: "m@b"},
		{name: "an unpriced model is passed over", change: func(n *net) { n.models[0].Prices = nil }, asked: "m", want: "m@b"},
		{name: "or free, by the owner's policy", change: func(n *net) { n.models[0].Prices = nil; n.settings.Unpriced = tally.AllowAtZero }, asked: "m", want: "m@a m@b"},
		{name: "a price of tomorrow is none today", change: func(n *net) { n.models[0].Prices[0].From = noon.AddDate(0, 0, 1) }, asked: "m", want: "m@b"},
		{name: "an alias", change: func(n *net) { n.gateway.Aliases = map[string]string{"fast": "m"} }, asked: "fast", want: "m@a m@b"},
		{name: "no name: the default", change: func(n *net) { n.model("a-first", "a"); n.gateway.DefaultModel = "m" }, want: "m@a m@b"},
		{name: "the default may be an alias", change: func(n *net) { n.gateway.DefaultModel = "fast"; n.gateway.Aliases = map[string]string{"fast": "m"} }, want: "m@a m@b"},
		{name: "no name, no default: the first usable", change: func(n *net) { n.model("a-first", "a").Prices = nil; n.model("b-second", "a") }, want: "b-second@a"},
		{name: "no name, no default: one that chats", change: func(n *net) { n.model("a-embed", "a").Mode = "embedding"; n.model("b-chat", "a").Mode = "chat" }, want: "b-chat@a"},
		{name: "providers in the order of creation, not their models", change: func(n *net) { n.model("x", "b"); n.model("x", "a") }, asked: "x", want: "x@a x@b"},
		{name: "a default that the client may not use", change: func(n *net) { n.model("x", "a"); n.gateway.DefaultModel = "m"; n.client.Models = []string{"x"} }, want: "x@a"},
		{name: "a client with nothing but an alias", change: func(n *net) {
			n.gateway.Aliases = map[string]string{"fast": "m"}
			n.client.Models = []string{"fast"}
		}, want: "m@a m@b"},

		{name: "unknown", asked: "gpt", want: "model_not_found", status: 404, says: `There is no model "gpt" here. GET /v1/models lists what there is.`},
		{name: "unknown but near", change: func(n *net) { n.model("GPT-4o-mini", "a") }, asked: "gpt-4o-mini-2024-07-18", want: "model_not_found", status: 404,
			says: `There is no model "gpt-4o-mini-2024-07-18" here. Did you mean "GPT-4o-mini"?`},
		{name: "disabled is as good as unknown", change: func(n *net) { n.models = n.models[:1]; n.models[0].Enabled = false }, asked: "m", want: "model_not_found", status: 404},
		{name: "not on the gateway's list", change: func(n *net) { n.gateway.Models = []string{"x"} }, asked: "m", want: "model_not_allowed", status: 403,
			says: `Client "Hotel Aurora" may not use model "m". GET /v1/models lists those it may use.`},
		{name: "not on the client's list", change: func(n *net) { n.client.Models = []string{"x"} }, asked: "m", want: "model_not_allowed", status: 403},
		{name: "a list may name the alias", change: func(n *net) { n.gateway.Aliases = map[string]string{"fast": "m"}; n.client.Models = []string{"fast"} }, asked: "fast", want: "m@a m@b"},
		{name: "but then not the model itself", change: func(n *net) { n.gateway.Aliases = map[string]string{"fast": "m"}; n.client.Models = []string{"fast"} }, asked: "m", want: "model_not_allowed", status: 403},
		{name: "both lists must name it", change: func(n *net) { n.gateway.Models = []string{"x"}; n.client.Models = []string{"m"} }, asked: "m", want: "model_not_allowed", status: 403},
		{name: "unpriced everywhere", change: func(n *net) { n.models[0].Prices, n.models[1].Prices = nil, nil }, asked: "m", want: "model_unpriced", status: 403,
			says: `Model "m" has no price yet, so it cannot be kept within a budget. The owner can set one: tallygate models update m --price input=… --price output=…`},
		{name: "every provider is off", change: func(n *net) { n.providers[0].Enabled, n.providers[1].Enabled = false, false }, asked: "m", want: "no_provider", status: 502,
			says: `Every provider of model "m" is switched off or cannot be used.`},
		{name: "nothing to choose from", change: func(n *net) { n.models = nil }, want: "model_not_found", status: 404,
			says: "No model can be used here yet: the owner must add a provider, and prices for its models."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			n := newNet(t)
			if tc.change != nil {
				tc.change(n)
			}
			got, refusal := n.use().plan(tc.asked)
			if got != tc.want {
				t.Errorf("Plan(%q) = %q, want %q", tc.asked, got, tc.want)
			}
			if refusal != nil && (refusal.Status != tc.status || refusal.Param != "model" || !strings.Contains(refusal.Message, tc.says)) {
				t.Errorf("refusal is %+v, want status %d, %q", refusal, tc.status, tc.says)
			}
		})
	}
}

func TestPlanForAPrivateKey(t *testing.T) {
	n := newNet(t)
	n.client.Models = []string{"x"}
	n.use()
	p := &tally.Principal{Gateway: n.cat.Gateway("gw_1")}
	if targets, refusal := n.router.Plan(n.cat, p, "m", noon); len(targets) != 2 {
		t.Errorf("Plan = %v, %v; want both targets", targets, refusal)
	}
	n.gateway.Models = []string{"x"}
	n.use()
	p.Gateway = n.cat.Gateway("gw_1")
	if _, refusal := n.router.Plan(n.cat, p, "m", noon); refusal == nil || !strings.HasPrefix(refusal.Message, `Gateway "Main" may not use`) {
		t.Errorf("refusal is %+v", refusal)
	}
}

func TestUsable(t *testing.T) {
	n := newNet(t)
	n.model("z", "a")
	n.model("off", "a").Enabled = false
	n.model("unpriced", "a").Prices = nil
	n.provider("dark").Enabled = false
	n.model("in the dark", "dark")
	n.gateway.Aliases = map[string]string{"fast": "m", "gone": "nothing", "z": "m"}
	n.use()
	if got, want := n.router.Usable(n.cat, n.principal(), noon), []string{"fast", "m", "z"}; !slices.Equal(got, want) {
		t.Errorf("Usable = %q, want %q", got, want)
	}
	n.client.Models = []string{"fast", "unpriced"}
	n.use()
	if got, want := n.router.Usable(n.cat, n.principal(), noon), []string{"fast"}; !slices.Equal(got, want) {
		t.Errorf("with a list: Usable = %q, want %q", got, want)
	}
	for _, name := range n.router.Usable(n.cat, n.principal(), noon) {
		if _, refusal := n.plan(name); refusal != nil {
			t.Errorf("%q is listed and refused: %s", name, refusal.Message)
		}
	}
}

// An instance lives as long as its provider and its keys stay what they are.
func TestUpdateKeepsInstances(t *testing.T) {
	n := newNet(t)
	n.secrets = []*tally.Secret{{Meta: tally.Meta{ID: "se_b", Rev: 1}, Of: "b"}}
	n.use()
	n.model("another", "a")
	n.client.Name = "Somebody else"
	n.use()
	if len(n.made) != 2 {
		t.Fatalf("%d instances after a change of other things, want 2", len(n.made))
	}
	a, b := n.made[0], n.made[1]
	if a.Provider.ID != "a" || !slices.Equal(a.APIKeys, []string{"key of a"}) {
		t.Errorf("the first is made from %+v", a.Config)
	}
	steps := []struct {
		what         string
		change       func()
		closed, made int64
		of           *fake
	}{
		{"its settings change", func() { n.providers[0].Rev = 2; n.providers[0].BaseURL = "https://b.example" }, 1, 3, a},
		{"its keys change", func() { n.secrets[0].Rev = 2 }, 1, 4, b},
	}
	for _, s := range steps {
		s.change()
		n.use()
		if s.of.closed.Load() != s.closed || int64(len(n.made)) != s.made {
			t.Errorf("%s: closed %d times, %d made; want %d, %d", s.what, s.of.closed.Load(), len(n.made), s.closed, s.made)
		}
	}
	n.providers[0].Enabled = false
	n.providers = append(n.providers[:1:1], n.providers[2:]...) // b is deleted
	n.use()
	for _, f := range n.made {
		if f.closed.Load() != 1 {
			t.Errorf("an instance of %s was closed %d times, want once", f.Provider.ID, f.closed.Load())
		}
	}
	for _, id := range []tally.ID{"a", "b"} {
		if _, err := n.router.Provider(id); tally.CodeOf(err) != tally.NotFound {
			t.Errorf("Provider(%s) = %v, want not_found", id, err)
		}
	}
}

func TestProvidersThatCannotBeMade(t *testing.T) {
	n := newNet(t)
	n.providers[0].ProviderKind = "telepathy"
	n.broken["b"] = errors.New("does not open")
	n.use()
	for _, say := range []string{`"telepathy\" is not built into this version"`, "does not open"} {
		if !strings.Contains(n.log.String(), say) {
			t.Errorf("the log does not say %s: %s", say, n.log.String())
		}
	}
	n.broken["b"] = nil
	n.use()
	if got, err := n.router.Provider("b"); err != nil || got.(*Upstream).Provider != providers.Provider(n.made[0]) {
		t.Errorf("once mended: Provider = %v, %v", got, err)
	}
}

func TestClose(t *testing.T) {
	n := newNet(t)
	n.use()
	n.router.Close()
	n.router.Close()
	for _, f := range n.made {
		if f.closed.Load() != 1 {
			t.Errorf("closed %d times, want once", f.closed.Load())
		}
	}
	if got, _ := n.plan("m"); got != "no_provider" {
		t.Errorf("Plan after Close = %q, want no_provider", got)
	}
}

func TestInFlightCap(t *testing.T) {
	n := newNet(t)
	n.providers[0].MaxInFlight = 2
	n.use()
	u := n.upstream("a")
	if n := entered(u, 3); n != 2 {
		t.Fatalf("a cap of 2 let in %d", n)
	}
	// Requests under way go on when the provider changes, and still count.
	n.providers[0].Rev, n.providers[0].MaxInFlight = 2, 3
	n.use()
	renewed := n.upstream("a")
	if renewed == u {
		t.Fatal("the provider changed and its instance did not")
	}
	if !renewed.Enter() || renewed.Enter() {
		t.Error("a cap raised to 3 with 2 under way did not let in exactly one")
	}
	u.Leave()
	if !renewed.Enter() {
		t.Error("the place of a request that began before the change is not free")
	}
	if got := entered(n.upstream("b"), 3); got != 3 {
		t.Errorf("a provider without a cap let in %d of 3", got)
	}
}

// entered tries to take so many places in flight, and says how many it got.
func entered(u *Upstream, tries int) (n int) {
	for range tries {
		if u.Enter() {
			n++
		}
	}
	return n
}

func (n *net) upstream(id tally.ID) *Upstream {
	n.t.Helper()
	p, err := n.router.Provider(id)
	if err != nil {
		n.t.Fatal(err)
	}
	return p.(*Upstream)
}

func (u *Upstream) taken() int {
	u.places.mu.Lock()
	defer u.places.mu.Unlock()
	return u.places.taken
}

func TestInFlightCapIsExact(t *testing.T) {
	n := newNet(t)
	n.providers[0].MaxInFlight = 3
	n.use()
	u := n.upstream("a")
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() {
			for range 1000 {
				entered := u.Enter()
				if now := u.taken(); now > 3 {
					t.Errorf("%d in flight, cap 3", now)
				}
				if entered {
					u.Leave()
				}
			}
		})
	}
	all.Wait()
	if now := u.taken(); now != 0 {
		t.Errorf("%d in flight at the end", now)
	}
}

// Requests are planned while the owner changes providers; each request finds a
// live one that fits its own picture of the catalog.
func TestPlanWhileProvidersChange(t *testing.T) {
	n := newNet(t)
	n.use()
	cat, p := n.cat, n.principal()
	var readers sync.WaitGroup
	stop := make(chan struct{})
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				targets, refusal := n.router.Plan(cat, p, "m", noon)
				if refusal != nil || len(targets) == 0 {
					t.Errorf("Plan = %v, %+v", targets, refusal)
					return
				}
				if u := targets[0].Upstream; u.Enter() {
					u.Leave()
				}
				n.router.Usable(cat, p, noon)
			}
		})
	}
	for i := range 200 {
		n.providers[i%2].Rev++
		n.use()
	}
	close(stop)
	readers.Wait()
}

func BenchmarkPlan(b *testing.B) {
	n := newNet(b)
	n.gateway.Providers = []tally.ID{"b", "a"}
	n.use()
	p := n.principal()
	b.ReportAllocs()
	for b.Loop() {
		n.router.Plan(n.cat, p, "m", noon)
	}
}
