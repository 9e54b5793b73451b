package engine

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

const upstreamKey = "sk-proj-Hn7Wq2Lx9Vc4f3a9"

// provider adds an OpenAI-shaped provider.
func (w *world) provider(name string, u *upstream, keys ...control.Secret) control.ProviderCreated {
	w.Helper()
	return do(w, control.ProvidersCreate, control.CreateProvider{Name: name, ProviderKind: "openai", ProviderFields: control.ProviderFields{BaseURL: to(u.base() + "/"), APIKeys: keys}})
}

func TestCreatingAProviderImportsItsModels(t *testing.T) {
	w := newWorld(t)
	key := w.setUp().Key
	u := newUpstream(t, `{"id":"gpt-mini"}`, `{"id":"embed-small"}`, `{"id":"gpt-old"}`, `{"id":"gpt-mystery"}`, `{"id":"gpt-mini"}`, `{"id":"a b"}`)
	made := w.provider("up", u, upstreamKey, upstreamKey, "  sk-short ")
	if !slices.Equal(made.KeyHints, []string{"sk-p…f3a9", "…"}) || made.BaseURL != u.base() || !made.Enabled {
		t.Errorf("made %+v", made.Provider)
	}
	if i := made.Import; i.Offered < 5 || i.Added != 4 || i.Priced != 3 || !slices.Equal(i.Unpriced, []string{"gpt-mystery"}) || i.Warning != "" {
		t.Errorf("imported %+v", i)
	}
	if auth, _ := u.seen(); !slices.Equal(auth, []string{"Bearer " + upstreamKey}) {
		t.Errorf("the upstream saw %q", auth)
	}
	mini := do(w, control.ModelsShow, control.PickModel{Model: "gpt-mini"})
	if !mini.Priced || mini.InputUSD != "0.15" || mini.OutputUSD != "0.6" || len(mini.Prices) != 2 || mini.ContextTokens != 128000 || mini.MaxOutputTokens != 16384 || mini.Mode != "chat" ||
		!strings.HasPrefix(mini.Prices[0].Source, "price book: its page") {
		t.Errorf("gpt-mini %+v", mini)
	}
	if old := do(w, control.ModelsShow, control.PickModel{Model: "gpt-old"}); old.Enabled {
		t.Error("a retired model is offered")
	}
	a := w.served(key, "gpt-mini")
	if a.text != "hello from upstream" {
		t.Errorf("answer %q", a.text)
	}
	if got := w.chat(key, "gpt-mystery"); got.code != tally.CodeModelUnpriced {
		t.Errorf("a model without a price got %d %s", got.status, got.code)
	}
	v := do(w, control.ProvidersShow, control.Named{Name: "UP"})
	if v.Models != 4 || !v.Enabled || v.Local || v.Last30Days.Requests != 1 || v.Last30Days.CostNanoUSD != 156_000 {
		t.Errorf("shown %+v", v)
	}
	if test := do(w, control.ProvidersTest, control.Named{Name: "up"}); !test.OK || test.Models < 5 || test.Latency <= 0 {
		t.Errorf("test %+v", test)
	}
	w.consistent()
}

// An upstream that is down, or wants another key, can still be added: the owner
// is told what to do.
func TestCreatingAProviderThatFails(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	for status, says := range map[int][]string{
		401: {"does not accept the API key", "tallygate providers update up-401 --api-key-stdin"},
		402: {"used up", "credit"}, 404: {"status 404", "/v1/models"}, 429: {"too much to do"}, 503: {"503"}, 500: {"failed with status 500"},
	} {
		u := newUpstream(t)
		u.set(func(u *upstream) { u.status = status })
		made := w.provider(fmt.Sprintf("up-%d", status), u, upstreamKey)
		for _, word := range says {
			if !strings.Contains(made.Import.Warning, word) {
				t.Errorf("%d: warning %q does not say %q", status, made.Import.Warning, word)
			}
		}
		if strings.Contains(made.Import.Warning, upstreamKey) {
			t.Errorf("%d: the warning repeats the key", status)
		}
		if test := do(w, control.ProvidersTest, control.Named{Name: made.Name}); test.OK || test.Message == "" || strings.Contains(test.Message+test.Hint, upstreamKey) {
			t.Errorf("%d: test %+v", status, test)
		}
		refused(w, control.ModelsImport, control.ImportModels{Provider: made.Name}, tally.Upstream, says...)
	}
	gone := newUpstream(t)
	gone.Close()
	if made := w.provider("gone", gone, upstreamKey); !strings.Contains(made.Import.Warning, "cannot be reached") {
		t.Errorf("warning %q", made.Import.Warning)
	}
	if made := do(w, control.ProvidersCreate, control.CreateProvider{Name: "unasked", ProviderKind: "custom", NoImport: true, ProviderFields: control.ProviderFields{BaseURL: to(gone.base())}}); made.Import.Warning != "" {
		t.Errorf("it was asked: %q", made.Import.Warning)
	}
	w.consistent()
}

func TestBadProviders(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	u := newUpstream(t)
	before := w.engine.catalog.Load()
	base := func(s string) control.ProviderFields { return control.ProviderFields{BaseURL: &s} }
	for _, tc := range []struct {
		in   control.CreateProvider
		code tally.Code
		says string
	}{
		{control.CreateProvider{Name: "x", ProviderKind: "opneai"}, tally.Invalid, `did you mean "openai"?`},
		{control.CreateProvider{Name: "x"}, tally.Invalid, "one of openai"},
		{control.CreateProvider{Name: "", ProviderKind: "sim"}, tally.Invalid, "name"},
		{control.CreateProvider{Name: "a b", ProviderKind: "sim"}, tally.Invalid, "letters"},
		{control.CreateProvider{Name: "x\r\nSet-Cookie: a", ProviderKind: "sim"}, tally.Invalid, "letters"},
		{control.CreateProvider{Name: "SIM", ProviderKind: "sim"}, tally.Conflict, "sim"},
		{control.CreateProvider{Name: "x", ProviderKind: "sim", ProviderFields: base("http://localhost/v1")}, tally.Invalid, "no address"},
		{control.CreateProvider{Name: "x", ProviderKind: "custom"}, tally.Invalid, "--base-url"},
		{control.CreateProvider{Name: "x", ProviderKind: "openai"}, tally.Invalid, "OPENAI_API_KEY"},
		{control.CreateProvider{Name: "x", ProviderKind: "custom", ProviderFields: base("ftp://example.com")}, tally.Invalid, "base URL"},
		{control.CreateProvider{Name: "x", ProviderKind: "custom", ProviderFields: base("https://user:pass@example.com/v1")}, tally.Invalid, "password"},
		{control.CreateProvider{Name: "x", ProviderKind: "custom", ProviderFields: base("https://example.com/v1?key=1")}, tally.Invalid, "query"},
		{control.CreateProvider{Name: "x", ProviderKind: "openai", ProviderFields: control.ProviderFields{APIKeys: []control.Secret{"sk-a\nb-canary"}}}, tally.Invalid, "line breaks"},
		{control.CreateProvider{Name: "x", ProviderKind: "openai", ProviderFields: control.ProviderFields{APIKeys: []control.Secret{" "}}}, tally.Invalid, "empty"},
		{control.CreateProvider{Name: "x", ProviderKind: "sim", ProviderFields: control.ProviderFields{Timeout: to(-time.Second)}}, tally.Invalid, "timeout"},
		{control.CreateProvider{Name: "x", ProviderKind: "sim", ProviderFields: control.ProviderFields{ChunkTimeout: to(48 * time.Hour)}}, tally.Invalid, "24h"},
		{control.CreateProvider{Name: "x", ProviderKind: "sim", ProviderFields: control.ProviderFields{MaxInFlight: to(1 << 40)}}, tally.Invalid, "between 0 and"},
	} {
		if e := refused(w, control.ProvidersCreate, tc.in, tc.code, tc.says); strings.Contains(e.Message+e.Hint, "canary") {
			t.Errorf("the key is repeated: %q", e.Message)
		}
	}
	refused(w, control.ProvidersUpdate, control.UpdateProvider{Provider: "sim"}, tally.Invalid, "nothing to change")
	refused(w, control.ProvidersUpdate, control.UpdateProvider{Provider: "sim", ProviderFields: base(u.base())}, tally.Invalid, "no address")
	refused(w, control.ProvidersShow, control.Named{Name: "sims"}, tally.NotFound, `did you mean "sim"?`)
	refused(w, control.ProvidersDelete, control.Named{Name: "nope"}, tally.NotFound)
	refused(w, control.ProvidersTest, control.Named{Name: "nope"}, tally.NotFound)
	refused(w, control.ModelsImport, control.ImportModels{Provider: "nope"}, tally.NotFound)
	refused(w, control.ProvidersList, control.Listing{Gateway: "nope"}, tally.NotFound)
	if w.engine.catalog.Load() != before {
		t.Error("something was stored")
	}
	if auth, _ := u.seen(); len(auth) > 0 {
		t.Error("an upstream was asked on bad input")
	}
}

func TestUpdatingAProvider(t *testing.T) {
	w := newWorld(t)
	key := w.setUp().Key
	u := newUpstream(t, `{"id":"gpt-mini"}`)
	w.provider("up", u, upstreamKey)
	w.served(key, "gpt-mini")
	const next = "sk-next-Zk3Wq2Lx9Vc4b1b2"
	got := do(w, control.ProvidersUpdate, control.UpdateProvider{Provider: "up", NewName: "upstream", ProviderFields: control.ProviderFields{
		APIKeys: []control.Secret{next}, Timeout: to(time.Minute), MaxInFlight: to(7)}})
	if got.Name != "upstream" || !slices.Equal(got.KeyHints, []string{"sk-n…b1b2"}) || got.Timeout != time.Minute || got.MaxInFlight != 7 || got.BaseURL != u.base() {
		t.Errorf("updated %+v", got)
	}
	w.served(key, "gpt-mini")
	auth, _ := u.seen()
	if want := []string{"Bearer " + upstreamKey, "Bearer " + upstreamKey, "Bearer " + next}; !slices.Equal(auth, want) {
		t.Errorf("the upstream saw %q, want %q", auth, want)
	}
	do(w, control.ProvidersUpdate, control.UpdateProvider{Provider: "upstream", ProviderFields: control.ProviderFields{Timeout: to(2 * time.Minute)}})
	w.served(key, "gpt-mini") // the keys stay
	do(w, control.ProvidersUpdate, control.UpdateProvider{Provider: "upstream", ProviderFields: control.ProviderFields{Enabled: to(false)}})
	if a := w.chat(key, "gpt-mini"); a.code != tally.CodeNoProvider {
		t.Errorf("a provider that is off: %d %s", a.status, a.code)
	}
	if test := do(w, control.ProvidersTest, control.Named{Name: "upstream"}); !test.OK {
		t.Errorf("a provider that is off cannot be tested: %+v", test)
	}
	// A provider that had no key gets one.
	do(w, control.ProvidersCreate, control.CreateProvider{Name: "bare", ProviderKind: "custom", ProviderFields: control.ProviderFields{BaseURL: to(u.base())}})
	do(w, control.ProvidersUpdate, control.UpdateProvider{Provider: "bare", ProviderFields: control.ProviderFields{APIKeys: []control.Secret{next}}})
	do(w, control.ProvidersTest, control.Named{Name: "bare"})
	if auth, _ := u.seen(); auth[len(auth)-1] != "Bearer "+next {
		t.Errorf("the upstream saw %q", auth[len(auth)-1])
	}
	w.consistent()
}

func TestOrderAndDeletionOfProviders(t *testing.T) {
	w := newWorld(t)
	key := w.setUp().Key
	a, b := newUpstream(t, `{"id":"gpt-mini"}`), newUpstream(t, `{"id":"gpt-mini"}`)
	w.wait(time.Second)
	w.provider("a", a)
	w.wait(time.Second)
	w.provider("b", b)
	asked := func() string {
		x, _ := a.seen()
		y, _ := b.seen()
		w.served(key, "gpt-mini")
		if after, _ := a.seen(); len(after) > len(x) {
			return "a"
		}
		if after, _ := b.seen(); len(after) > len(y) {
			return "b"
		}
		return ""
	}
	if got := asked(); got != "a" {
		t.Errorf("asked %q first, want the older", got)
	}
	if got := do(w, control.ProvidersOrder, control.OrderProviders{Providers: []string{"B"}}); !slices.Equal(got, []string{"b", "sim", "a"}) {
		t.Errorf("order %q", got)
	}
	if got := asked(); got != "b" {
		t.Errorf("asked %q, want b", got)
	}
	refused(w, control.ProvidersOrder, control.OrderProviders{Providers: []string{"b", "a", "b"}}, tally.Invalid, "twice")
	refused(w, control.ProvidersOrder, control.OrderProviders{}, tally.Invalid, "no provider")
	refused(w, control.ProvidersOrder, control.OrderProviders{Providers: []string{"c"}}, tally.NotFound)

	refused(w, control.ModelsShow, control.PickModel{Model: "gpt-mini"}, tally.Invalid, "--provider a", "--provider b")
	do(w, control.ProvidersDelete, control.Named{Name: "b"})
	if got := asked(); got != "a" {
		t.Errorf("asked %q, want a", got)
	}
	if gw := w.engine.catalog.Load().Gateways[0]; len(gw.Providers) != 0 {
		t.Errorf("the order still names it: %v", gw.Providers)
	}
	do(w, control.ModelsShow, control.PickModel{Model: "gpt-mini"}) // one is left
	w.consistent()
	do(w, control.ProvidersDelete, control.Named{Name: "a"})
	if got := w.chat(key, "gpt-mini"); got.code != tally.CodeModelNotFound {
		t.Errorf("a model of a deleted provider: %d %s", got.status, got.code)
	}
	w.consistent()
	// Its requests keep its name, and are found by it.
	page := do(w, control.RequestsList, control.RequestQuery{Outcome: "ok", Limit: 1})
	if r := page.Requests[0]; r.Provider != "a" || len(do(w, control.RequestsList, control.RequestQuery{Provider: "a"}).Requests) == 0 {
		t.Errorf("request %+v", r)
	}
}

func TestProviderKinds(t *testing.T) {
	w := newWorld(t)
	kinds := do(w, control.ProvidersKinds, control.None{})
	if len(kinds) < 5 || kinds[0].Kind != "openai" || kinds[0].EnvKey != "OPENAI_API_KEY" || kinds[0].BaseURL == "" || kinds[len(kinds)-1].Kind != "sim" || !kinds[len(kinds)-1].Local {
		t.Errorf("kinds %+v", kinds)
	}
}

// Asking for models leaves no connection behind.
func TestAskingForModelsLeavesNothingOpen(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	u := newUpstream(t, `{"id":"gpt-mini"}`)
	w.provider("up", u)
	do(w, control.ProvidersTest, control.Named{Name: "up"})
	do(w, control.ModelsImport, control.ImportModels{Provider: "up"})
	for deadline := time.Now().Add(5 * time.Second); u.open.Load() > 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections are open", u.open.Load())
		}
	}
}

// While an upstream takes its time, the owner can go on.
func TestASlowUpstreamHoldsNobodyUp(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	u := newUpstream(t, `{"id":"gpt-mini"}`)
	release := make(chan struct{})
	u.set(func(u *upstream) { u.delay = release })
	made := make(chan error, 1)
	go func() {
		_, err := control.ProvidersCreate.Do(t.Context(), w.owner, control.CreateProvider{Name: "slow", ProviderKind: "custom", ProviderFields: control.ProviderFields{BaseURL: to(u.base())}})
		made <- err
	}()
	for {
		if auth, _ := u.seen(); len(auth) > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	do(w, control.ClientsCreate, control.CreateClient{ClientFields: control.ClientFields{Name: to("Meanwhile")}})
	do(w, control.ProvidersCreate, control.CreateProvider{Name: "SLOW", ProviderKind: "sim"})
	close(release)
	if err := <-made; tally.CodeOf(err) != tally.Conflict {
		t.Errorf("the name was taken meanwhile, and the answer is %v", err)
	}
	w.consistent()
}
