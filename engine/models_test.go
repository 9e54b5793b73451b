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

func price(class string, usd string) control.PriceField {
	n, err := tally.ParseUSD(usd)
	if err != nil {
		panic(err)
	}
	return control.PriceField{Class: class, Amount: n}
}

// written is a model's prices as people compare them.
func written(m *tally.Model) (out []string) {
	rate := func(n *tally.NanoUSD) string {
		if n == nil {
			return "-"
		}
		return n.String()
	}
	for _, p := range m.Prices {
		from := "always"
		if !p.From.IsZero() {
			from = p.From.Format(time.DateOnly)
		}
		out = append(out, fmt.Sprintf("%s >%d in %s cached %s write %s out %s reason %s call %s by %.5s", from, p.AboveTokens,
			rate(p.Input), rate(p.CachedInput), rate(p.CacheWrite), rate(p.Output), rate(p.Reasoning), p.Request, p.Source))
	}
	return out
}

func TestPricesByHand(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	u := newUpstream(t, `{"id":"gpt-mini"}`, `{"id":"gpt-mystery"}`)
	w.provider("up", u)
	set := func(model, from string, prices ...control.PriceField) *tally.Model {
		t.Helper()
		m := do(w, control.ModelsUpdate, control.UpdateModel{PickModel: control.PickModel{Model: model}, ModelFields: control.ModelFields{Prices: prices, PriceFrom: from}})
		return &m
	}
	same := func(m *tally.Model, want ...string) {
		t.Helper()
		if got := written(m); !slices.Equal(got, want) {
			t.Errorf("%s:\n%s\nwant\n%s", m.Name, strings.Join(got, "\n"), strings.Join(want, "\n"))
		}
	}
	// One figure is corrected: the others, and the long-prompt band, stay.
	same(set("gpt-mini", "", price("cached_input", "0.05")),
		"always >0 in 0.15 cached 0.05 write - out 0.6 reason - call 0 by owner",
		"always >100000 in 0.3 cached - write - out 1.2 reason - call 0 by owner")
	// A price from a date leaves those before and after.
	same(set("gpt-mini", "2027-02-01", price("input", "0.2"), price("request", "0.001")),
		"always >0 in 0.15 cached 0.05 write - out 0.6 reason - call 0 by owner",
		"always >100000 in 0.3 cached - write - out 1.2 reason - call 0 by owner",
		"2027-02-01 >0 in 0.2 cached 0.05 write - out 0.6 reason - call 0.001 by owner",
		"2027-02-01 >100000 in 0.3 cached - write - out 1.2 reason - call 0 by owner")
	// The same date again replaces what was set for it.
	m := set("gpt-mini", "2027-02-01", price("input", "0.25"))
	if got := written(m); len(got) != 4 || !strings.HasPrefix(got[2], "2027-02-01 >0 in 0.25 cached 0.05") {
		t.Errorf("replaced: %q", got)
	}
	// Rates that are not given are those in force on the date, not today's.
	for from, want := range map[string]string{"2027-03-01": "2027-03-01 >0 in 0.25 cached 0.05 write - out 9", "2026-12-01": "2026-12-01 >0 in 0.15 cached 0.05 write - out 9"} {
		m := set("gpt-mini", from, price("output", "9"))
		if !slices.ContainsFunc(written(m), func(p string) bool { return strings.HasPrefix(p, want) }) {
			t.Errorf("from %s: %q, want %q", from, written(m), want)
		}
	}
	// Without a date it is the only one.
	if m := set("gpt-mini", "", price("input", "1"), price("output", "2")); len(m.Prices) != 2 || *m.Prices[0].Input != tally.Dollar {
		t.Errorf("replaced: %q", written(m))
	}
	same(set("gpt-mystery", "", price("input", "0"), price("output", "0"), price("request", "0.01")), "always >0 in 0 cached - write - out 0 reason - call 0.01 by owner")

	// An import keeps what the owner set.
	if again := do(w, control.ModelsImport, control.Named{Name: "up"}); again.Added != 0 || again.Offered != 2 {
		t.Errorf("imported again: %+v", again)
	}
	if m := do(w, control.ModelsShow, control.PickModel{Model: "gpt-mini"}); m.InputUSD != "1" || m.OutputUSD != "2" {
		t.Errorf("the import changed a price by hand: %q", written(&m.Model))
	}
	for _, tc := range []struct {
		model  string
		from   string
		prices []control.PriceField
		says   string
	}{
		{"gpt-mini", "", []control.PriceField{{Class: "input", Amount: -1}}, "between $0"},
		{"gpt-mini", "", []control.PriceField{{Class: "input", Amount: 1 << 62}}, "between $0"},
		{"gpt-mini", "", []control.PriceField{{Class: "ouput", Amount: 1}}, "one of input"},
		{"gpt-mini", "", []control.PriceField{price("input", "1"), price("input", "2")}, "twice"},
		{"gpt-mini", "2027-02-31", []control.PriceField{price("input", "1")}, "not a date"},
		{"gpt-mini", "90d", []control.PriceField{price("input", "1")}, "not a date"},
		{"gpt-mini", "2027-02-01", nil, "no price"},
	} {
		refused(w, control.ModelsUpdate, control.UpdateModel{PickModel: control.PickModel{Model: tc.model}, ModelFields: control.ModelFields{Prices: tc.prices, PriceFrom: tc.from}}, tally.Invalid, tc.says)
	}
	refused(w, control.ModelsCreate, control.CreateModel{Provider: "up", Name: "calls", ModelFields: control.ModelFields{Prices: []control.PriceField{price("request", "0.01")}}}, tally.Invalid, "input=0")
	w.consistent()
}

// A price that begins later counts from then on, to the nano-dollar.
func TestPriceFromADate(t *testing.T) {
	w := newWorld(t)
	key := w.setUp().Key
	u := newUpstream(t)
	w.provider("up", u)
	do(w, control.ModelsCreate, control.CreateModel{Provider: "up", Name: "m", ModelFields: control.ModelFields{Prices: []control.PriceField{price("input", "1"), price("output", "1")}}})
	do(w, control.ModelsUpdate, control.UpdateModel{PickModel: control.PickModel{Model: "m"}, ModelFields: control.ModelFields{PriceFrom: "2026-11-22", Prices: []control.PriceField{price("output", "101")}}})
	cost := func() tally.NanoUSD {
		return do(w, control.RequestsShow, control.PickRequest{ID: w.served(key, "m").id}).CostNanoUSD
	}
	if got, want := cost(), 1_010_000; got != tally.NanoUSD(want) {
		t.Errorf("before: %d, want %d", got, want)
	}
	w.wait(12 * time.Hour) // 00:07 UTC
	if got, want := cost(), 1_000_000+1_010_000; got != tally.NanoUSD(want) {
		t.Errorf("after: %d, want %d", got, want)
	}
}

func TestModels(t *testing.T) {
	w := newWorld(t)
	key := w.setUp().Key
	u := newUpstream(t, `{"id":"gpt-mini"}`)
	w.provider("up", u)
	// What the book knows need not be said; a local upstream costs nothing.
	large := do(w, control.ModelsCreate, control.CreateModel{Provider: "up", Name: "big", ModelFields: control.ModelFields{Upstream: to("gpt-large")}})
	if large.Upstream != "gpt-large" || large.ContextTokens != 400000 || len(large.Prices) != 1 || *large.Prices[0].Input != 2_500_000_000 {
		t.Errorf("big %+v", large)
	}
	w.served(key, "big")
	if _, bodies := u.seen(); !strings.Contains(bodies[len(bodies)-1], `"gpt-large"`) {
		t.Errorf("the upstream was asked %s", bodies[len(bodies)-1])
	}
	if free := do(w, control.ModelsCreate, control.CreateModel{Provider: "sim", Name: "free"}); len(free.Prices) != 1 || *free.Prices[0].Input != 0 {
		t.Errorf("free %+v", free)
	}
	bare := do(w, control.ModelsCreate, control.CreateModel{Provider: "up", Name: "bare", ModelFields: control.ModelFields{ContextTokens: to(int64(1000)), MaxOutputTokens: to(int64(100)), Enabled: to(false)}})
	if bare.ContextTokens != 1000 || bare.MaxOutputTokens != 100 || bare.Enabled || bare.Prices != nil {
		t.Errorf("bare %+v", bare)
	}
	refused(w, control.ModelsCreate, control.CreateModel{Provider: "up", Name: "big"}, tally.Conflict, "big", "tallygate models update")
	do(w, control.ModelsCreate, control.CreateModel{Provider: "sim", Name: "big"}) // another provider's
	refused(w, control.ModelsCreate, control.CreateModel{Provider: "nope", Name: "x"}, tally.NotFound)
	for _, name := range []string{"", "a b", `a"b`, "a\nb", strings.Repeat("x", 201)} {
		refused(w, control.ModelsCreate, control.CreateModel{Provider: "up", Name: name}, tally.Invalid, "name")
	}
	for _, f := range []control.ModelFields{{ContextTokens: to(int64(-1))}, {MaxOutputTokens: to(int64(1 << 60))}, {Upstream: to("a b")}, {}} {
		refused(w, control.ModelsUpdate, control.UpdateModel{PickModel: control.PickModel{Model: "bare"}, ModelFields: f}, tally.Invalid)
	}
	pick := control.PickModel{Model: "big", Provider: "up"}
	if m := do(w, control.ModelsDisable, pick); m.Enabled {
		t.Errorf("disabled %+v", m)
	}
	if a := w.served(key, "big"); a.text == "hello from upstream" {
		t.Error("a disabled model answered")
	}
	do(w, control.ModelsEnable, pick)
	names := func(in control.ListModels) (out []string) {
		for _, m := range do(w, control.ModelsList, in) {
			out = append(out, m.ProviderName+"/"+m.Name)
		}
		slices.Sort(out)
		return out
	}
	for _, tc := range []struct {
		in   control.ListModels
		want []string
	}{
		{control.ListModels{Provider: "up"}, []string{"up/bare", "up/big", "up/gpt-mini"}},
		{control.ListModels{Provider: "up", Usable: true}, []string{"up/big", "up/gpt-mini"}},
		{control.ListModels{Filter: "BIG"}, []string{"sim/big", "up/big"}},
		{control.ListModels{Filter: "gpt-large"}, []string{"up/big"}},
		{control.ListModels{Filter: "nothing"}, nil},
	} {
		if got := names(tc.in); !slices.Equal(got, tc.want) {
			t.Errorf("%+v: %q, want %q", tc.in, got, tc.want)
		}
	}
	do(w, control.ModelsEnable, control.PickModel{Model: "bare"})
	if got := names(control.ListModels{Usable: true, Filter: "bare"}); got != nil {
		t.Errorf("a model without a price is usable: %q", got)
	}
	do(w, control.SettingsSet, control.SettingsFields{Unpriced: to(tally.AllowAtZero)})
	if got := names(control.ListModels{Usable: true, Filter: "bare"}); len(got) != 1 {
		t.Error("with the policy to allow, a model without a price is not usable")
	}
	do(w, control.ModelsDelete, pick)
	refused(w, control.ModelsShow, pick, tally.NotFound, "gpt-mini")
	if v := do(w, control.ModelsShow, control.PickModel{Model: "big"}); v.ProviderName != "sim" || v.Month.Requests != 2 {
		t.Errorf("shown %+v", v)
	}
	w.consistent()
}

// An import learns what is new and what has become dearer, and leaves the
// owner's choices alone.
func TestImportingAgain(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	u := newUpstream(t, `{"id":"vendor/m","context_length":1000,"pricing":{"prompt":"0.000001","completion":"0.000002"}}`, `{"id":"vendor/n","pricing":{"prompt":"0.000001","completion":"0.000002"}}`)
	do(w, control.ProvidersCreate, control.CreateProvider{Name: "up", ProviderKind: "openrouter", ProviderFields: control.ProviderFields{BaseURL: to(u.base())}})
	m := do(w, control.ModelsShow, control.PickModel{Model: "vendor/m"})
	if m.InputUSD != "1" || m.OutputUSD != "2" || m.Prices[0].Source != "told by the upstream on 2026-11-21" || m.ContextTokens != 1000 {
		t.Errorf("imported %+v", m)
	}
	do(w, control.ModelsDisable, control.PickModel{Model: "vendor/m"})
	do(w, control.ModelsUpdate, control.UpdateModel{PickModel: control.PickModel{Model: "vendor/n"}, ModelFields: control.ModelFields{Prices: []control.PriceField{price("input", "9")}}})
	rev := w.engine.catalog.Load().Rev
	do(w, control.ModelsImport, control.Named{Name: "up"})
	if w.engine.catalog.Load().Rev != rev {
		t.Error("an import that brings nothing new is a change")
	}
	u.set(func(u *upstream) {
		u.models = []string{`{"id":"vendor/m","pricing":{"prompt":"0.000003","completion":"0.000004"}}`, `{"id":"vendor/n","context_length":500,"pricing":{"prompt":"0.000003","completion":"0.000004"}}`, `{"id":"vendor/o"}`}
	})
	got := do(w, control.ModelsImport, control.Named{Name: "up"})
	if got.Added != 1 || got.Priced != 0 || !slices.Equal(got.Unpriced, []string{"vendor/o"}) {
		t.Errorf("imported %+v", got)
	}
	if m := do(w, control.ModelsShow, control.PickModel{Model: "vendor/m"}); m.Enabled || m.InputUSD != "3" || m.ContextTokens != 1000 {
		t.Errorf("vendor/m %+v", m)
	}
	if n := do(w, control.ModelsShow, control.PickModel{Model: "vendor/n"}); n.InputUSD != "9" || n.OutputUSD != "2" || n.ContextTokens != 500 {
		t.Errorf("vendor/n %+v", n)
	}
	w.consistent()
}

func TestImportIsBounded(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	u := newUpstream(t)
	u.set(func(u *upstream) {
		for i := range 300 {
			u.models = append(u.models, fmt.Sprintf(`{"id":"junk-%d"}`, i))
		}
	})
	got := w.provider("up", u).Import
	if got.Offered != 300 || got.Added != maxUnpriced || len(got.Unpriced) != maxNamed || !strings.Contains(got.Warning, "200 more models were left out") {
		t.Errorf("offered %d, added %d, named %d, warning %q", got.Offered, got.Added, len(got.Unpriced), got.Warning)
	}
}
