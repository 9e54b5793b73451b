package engine

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

func warns(s control.Status, words ...string) bool {
	return slices.ContainsFunc(s.Warnings, func(w control.Warning) bool {
		for _, word := range words {
			if !strings.Contains(w.Sentence+"; "+w.Detail+": "+w.Next, word) {
				return false
			}
		}
		return true
	})
}

func TestStatus(t *testing.T) {
	w := newWorld(t)
	s := do(w, control.EngineStatus, control.None{})
	if s.Serving || s.BaseURL != "" || s.PID != os.Getpid() || s.Version != "1.2.3" || s.Data == "" || !s.StartedAt.Equal(noon) || len(s.Warnings) != 1 || !warns(s, "tallygate init") {
		t.Errorf("of an empty store: %+v", s)
	}
	w.engine.SetBaseURL("http://127.0.0.1:4283/v1")
	key := w.setUp().Key
	w.served(key, "sim-small")
	w.ask("llm_gw_nonsense", "chat/completions", "{}")
	do(w, control.KeysRevoke, control.PickKey{Key: string(do(w, control.KeysCreate, control.CreateKey{Client: "default"}).ID)})
	s = do(w, control.EngineStatus, control.None{})
	if !s.Serving || s.BaseURL != "http://127.0.0.1:4283/v1" || s.Records != 1 || s.Holds != 0 || s.InFlight != 0 || s.Unknown != 1 || s.Gateways != 1 || s.Clients != 1 || s.Keys != 1 ||
		s.Providers != 1 || s.Models != 3 || s.Last24Hours.Requests != 1 || len(s.Warnings) != 1 || !warns(s, "1 request with a key or token that nobody has") || s.Rev != w.engine.catalog.Load().Rev {
		t.Errorf("of a healthy store: %+v", s)
	}
	w.engine.SetBaseURL("")
	if s := do(w, control.EngineStatus, control.None{}); s.Serving {
		t.Error("it serves without an address")
	}
}

func TestStatusWarnings(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	u := newUpstream(t)
	w.provider("up", u)
	for _, m := range []string{"m1", "m2", "m3", "m4", "m5", "m6", "m7"} {
		do(w, control.ModelsCreate, control.CreateModel{Provider: "up", Name: m})
	}
	do(w, control.KeysCreate, control.CreateKey{Client: "default", Label: "brief", Expires: "6d"})
	do(w, control.KeysCreate, control.CreateKey{Client: "default", Label: "long", Expires: "8d"})
	do(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: "main", GatewayFields: control.GatewayFields{Enabled: to(false)}})
	s := do(w, control.EngineStatus, control.None{})
	for _, want := range [][]string{{"without a price are refused", "m1, m2, m3, m4, m5 and 2 more"}, {"Key brief of default expires in 6 days", "tallygate keys rotate"}, {"Gateway main is switched off"}} {
		if !warns(s, want...) {
			t.Errorf("warnings %+v do not say %q", s.Warnings, want)
		}
	}
	if len(s.Warnings) != 3 {
		t.Errorf("warnings %+v", s.Warnings)
	}
	do(w, control.SettingsSet, control.SettingsFields{Unpriced: to(tally.AllowAtZero)})
	if s := do(w, control.EngineStatus, control.None{}); !warns(s, "count as free") {
		t.Errorf("warnings %+v", s.Warnings)
	}
	do(w, control.ProvidersUpdate, control.UpdateProvider{Provider: "sim", ProviderFields: control.ProviderFields{Enabled: to(false)}})
	do(w, control.ProvidersDelete, control.Named{Name: "up"})
	if s := do(w, control.EngineStatus, control.None{}); !warns(s, "No model can be used") || s.Models != 0 {
		t.Errorf("warnings %+v", s.Warnings)
	}
	do(w, control.ProvidersDelete, control.Named{Name: "sim"})
	if s := do(w, control.EngineStatus, control.None{}); !warns(s, "There is no provider") {
		t.Errorf("warnings %+v", s.Warnings)
	}
	w.wait(-time.Hour)
	s = do(w, control.EngineStatus, control.None{})
	if !warns(s, "The clock is 1h0m0s behind") || s.ClockLag != time.Hour {
		t.Errorf("lag %v, warnings %+v", s.ClockLag, s.Warnings)
	}
}

// Models that end are told in time, those in use first; so is an old price book.
func TestStatusOfWhatEnds(t *testing.T) {
	w := newWorld(t)
	key := w.setUp().Key
	u := newUpstream(t, `{"id":"gpt-mini"}`, `{"id":"gpt-large"}`, `{"id":"gpt-old"}`)
	w.provider("up", u)
	ends := func(name string, in time.Duration, by string) {
		t.Helper()
		if err := w.engine.change(context.Background(), func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
			m := *c.ModelsNamed(name)[0]
			m.ShutdownAt, m.ReplacedBy, m.Enabled = now.Add(in).Truncate(24*time.Hour), by, true
			return []tally.Change{tally.Put(&m, now)}, nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	ends("gpt-mini", 13*24*time.Hour, "gpt-large")
	ends("gpt-large", 40*24*time.Hour, "")
	s := do(w, control.EngineStatus, control.None{})
	if len(s.Warnings) != 1 || s.Warnings[0].Sentence != "Model gpt-mini is shut down by up on 2026-12-04 (in 12 days)" || s.Warnings[0].Detail != "use gpt-large" {
		t.Errorf("warnings %+v", s.Warnings)
	}
	ends("gpt-old", -time.Hour, "")
	u.set(func(u *upstream) { u.models = u.models[:1] })
	if got := do(w, control.ModelsImport, control.ImportModels{Provider: "up"}); len(got.Missing) != 2 || got.Missing[0].Model != "gpt-large" || !got.Missing[0].Since.Equal(noon.Truncate(time.Second)) {
		t.Errorf("missing %+v", got.Missing)
	}
	if s := do(w, control.EngineStatus, control.None{}); !warns(s, "Model gpt-old was shut down by up on 2026-11-21") || !warns(s, "Model gpt-large is no longer listed by up since 2026-11-21") {
		t.Errorf("warnings %+v", s.Warnings)
	}
	u.set(func(u *upstream) { u.models = append(u.models[:1:1], `{"id":"gpt-large"}`, `{"id":"gpt-old"}`) })
	if got := do(w, control.ModelsImport, control.ImportModels{Provider: "up"}); len(got.Missing) != 0 {
		t.Errorf("missing %+v", got.Missing)
	}
	// Of many, those that are in use are named one by one.
	for i := range 7 {
		name := fmt.Sprintf("m%d", i)
		do(w, control.ModelsCreate, control.CreateModel{Provider: "up", Name: name, ModelFields: control.ModelFields{Prices: []control.PriceField{price("input", "1")}}})
		ends(name, time.Duration(i+1)*24*time.Hour, "")
	}
	w.served(key, "m6")
	s = do(w, control.EngineStatus, control.None{})
	if len(s.Warnings) != 6 || !strings.HasPrefix(s.Warnings[0].Sentence, "Model m6 is shut down by up on 2026-11-28 (in 6 days)") || !warns(s, "nobody asked", "m4, m5") {
		t.Errorf("warnings %+v", s.Warnings)
	}
	if s.Prices != (control.PriceBook{AsOf: "2026-11-01", AgeDays: 20}) {
		t.Errorf("prices %+v", s.Prices)
	}
	w.wait(41 * 24 * time.Hour)
	if s := do(w, control.EngineStatus, control.None{}); s.Prices != (control.PriceBook{AsOf: "2026-11-01", AgeDays: 61, Old: true}) || !warns(s, "built-in prices are from 2026-11-01") {
		t.Errorf("prices %+v, warnings %+v", s.Prices, s.Warnings)
	}
}

// A provider whose keys do not open any more is named, and the others work on.
func TestAProviderThatCannotBeUsed(t *testing.T) {
	w := newWorld(t)
	key := w.setUp().Key
	u := newUpstream(t, `{"id":"gpt-mini"}`)
	made := w.provider("up", u, upstreamKey)
	broken := *w.engine.catalog.Load().Secret(made.ID)
	broken.Sealed = append(tally.Sealed{}, broken.Sealed...)
	broken.Sealed[40] ^= 1
	if err := w.engine.change(context.Background(), func(_ *tally.Catalog, now time.Time) ([]tally.Change, error) {
		return []tally.Change{tally.Put(&broken, now)}, nil
	}); err != nil {
		t.Fatal(err)
	}
	if s := do(w, control.EngineStatus, control.None{}); !warns(s, "Provider up cannot be used", "tallygate providers test up") {
		t.Errorf("warnings %+v", s.Warnings)
	}
	if test := do(w, control.ProvidersTest, control.Named{Name: "up"}); test.OK || !strings.Contains(test.Message, "does not open") || test.Hint == "" {
		t.Errorf("test %+v", test)
	}
	if a := w.chat(key, "gpt-mini"); a.code != tally.CodeNoProvider {
		t.Errorf("%d %s", a.status, a.code)
	}
	w.served(key, "sim-small")
	do(w, control.ProvidersUpdate, control.UpdateProvider{Provider: "up", ProviderFields: control.ProviderFields{APIKeys: []control.Secret{upstreamKey}}})
	w.served(key, "gpt-mini")
}

func TestSettings(t *testing.T) {
	w := newWorld(t)
	if s := do(w, control.SettingsShow, control.None{}); s.Unpriced != tally.RefuseUnpriced || s.DefaultMaxOutput != 0 || s.OnLeave != tally.LeaveAuto || *s.HoldWait != tally.DefaultHoldWait || s.RetentionDays != 0 {
		t.Errorf("defaults %+v", s)
	}
	if s := do(w, control.SettingsSet, control.SettingsFields{RetentionDays: to(400), OnLeave: to(tally.LeaveDrain)}); s.RetentionDays != 400 || s.OnLeave != tally.LeaveDrain || s.DefaultMaxOutput != 0 {
		t.Errorf("set %+v", s)
	}
	if s := do(w, control.SettingsSet, control.SettingsFields{DefaultMaxOutput: to(int64(100)), Unpriced: to(tally.AllowAtZero), RetentionDays: to(0)}); s.RetentionDays != 0 || s.DefaultMaxOutput != 100 || s.OnLeave != tally.LeaveDrain {
		t.Errorf("set %+v", s)
	}
	for _, bad := range []control.SettingsFields{{}, {RetentionDays: to(-1)}, {RetentionDays: to(1 << 30)}, {DefaultMaxOutput: to(int64(-1))}, {HoldWait: to(-time.Second)}, {VisitorWait: to(time.Hour)}, {OnLeave: to(tally.OnLeave("stay"))}, {DefaultMaxOutput: to(int64(1 << 40))}, {Unpriced: to(tally.UnpricedPolicy("maybe"))}} {
		refused(w, control.SettingsSet, bad, tally.Invalid)
	}
	if s := do(w, control.SettingsShow, control.None{}); s.DefaultMaxOutput != 100 {
		t.Errorf("after bad input: %+v", s)
	}
	w.consistent()
}

func TestVerifyReportsWhatTheStoreFinds(t *testing.T) {
	w := newWorld(t)
	key := w.setUp().Key
	w.served(key, "sim-small")
	if r := do(w, control.EngineVerify, control.None{}); !r.OK || r.Records != 1 || r.Holds != 0 || r.Faults == nil || len(r.Faults) != 0 {
		t.Errorf("report %+v", r)
	}
}

// full is a store whose disk is nearly full.
type full struct{ storage.Store }

func (f full) Status(ctx context.Context) (storage.Status, error) {
	s, err := f.Store.Status(ctx)
	s.Admitting, s.FreeBytes = false, 1
	return s, err
}

// troubled is a store on a disk with a fault, in which a check finds something.
type troubled struct{ storage.Store }

func (f troubled) Status(ctx context.Context) (storage.Status, error) {
	s, err := f.Store.Status(ctx)
	s.Admitting, s.Fault = false, "input/output error"
	return s, err
}

func (f troubled) Verify(context.Context, time.Duration) (tally.Report, error) {
	return tally.Report{Faults: []tally.Fault{{Kind: "gap", Subject: "records", Message: "17 are missing"}}}, nil
}

// TestTroubleIsTold: a disk that says no is told everywhere, and so is what the check
// of a night finds, once a night.
func TestTroubleIsTold(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	w.engine.store = troubled{w.engine.store}
	if err := w.engine.ready(); tally.CodeOf(err) != tally.Unavailable || !strings.Contains(err.Error(), "disk") {
		t.Errorf("ready: %v", err)
	}
	step, checks := w.engine.nightly(), 0
	day := time.Date(2026, 11, 29, 0, 0, 0, 0, time.Local)
	for minute := 0; minute < 48*60; minute += 10 {
		w.engine.opts.Clock = func() time.Time { return day.Add(time.Duration(minute) * time.Minute) }
		w.engine.checked.Store(nil)
		if err := step(t.Context()); err != nil {
			t.Fatal(err)
		}
		if w.engine.checked.Load() != nil {
			checks++
		}
	}
	if checks != 2 {
		t.Errorf("%d checks in two days", checks)
	}
	w.engine.checked.Store(&control.Checked{At: day, Faults: 1})
	st := do(w, control.EngineStatus, control.None{})
	if st.Fault == "" || !warns(st, "input/output error") || !warns(st, "faults in the store (1)") || st.Warnings[0].Gravity != control.Bad {
		t.Errorf("status %+v", st)
	}
}

func TestReadiness(t *testing.T) {
	w := newWorld(t)
	if err := w.engine.ready(); tally.CodeOf(err) != tally.Unavailable || !strings.Contains(tally.AsError(err).Hint, "init") {
		t.Errorf("an empty engine is ready: %v", err)
	}
	w.setUp()
	if err := w.engine.ready(); err != nil {
		t.Error(err)
	}
	w.engine.store = full{w.store}
	if err := w.engine.ready(); tally.CodeOf(err) != tally.Unavailable {
		t.Errorf("ready on a full disk: %v", err)
	}
	if s := do(w, control.EngineStatus, control.None{}); !warns(s, "disk is nearly full") || s.FreeBytes != 1 {
		t.Errorf("status %+v", s)
	}
}

// A kind that this version does not have any more stops nothing else, and is
// an error with a name, not a defect.
func TestAKindThatIsGone(t *testing.T) {
	w := newWorld(t)
	key := w.setUp().Key
	made := do(w, control.ProvidersCreate, control.CreateProvider{Name: "old", ProviderKind: "sim"})
	gone := *w.engine.catalog.Load().Provider(made.ID)
	gone.ProviderKind = "telepathy"
	if err := w.engine.change(context.Background(), func(_ *tally.Catalog, now time.Time) ([]tally.Change, error) {
		return []tally.Change{tally.Put(&gone, now)}, nil
	}); err != nil {
		t.Fatal(err)
	}
	if test := do(w, control.ProvidersTest, control.Named{Name: "old"}); test.OK || !strings.Contains(test.Message, "telepathy") {
		t.Errorf("test %+v", test)
	}
	refused(w, control.ModelsImport, control.ImportModels{Provider: "old"}, tally.Invalid, "telepathy")
	refused(w, control.ProvidersUpdate, control.UpdateProvider{Provider: "old", ProviderFields: control.ProviderFields{MaxInFlight: to(1)}}, tally.Invalid, "telepathy")
	w.served(key, "sim-small")
	do(w, control.ProvidersDelete, control.Named{Name: "old"})
	w.consistent()
}
