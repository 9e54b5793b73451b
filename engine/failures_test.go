package engine

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/route"
	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/storage"
)

// A provider that always fails is told of though another one answers for it.
func TestProvidersThatFail(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	sim, err := findProvider(w.engine.catalog.Load(), "sim")
	if err != nil {
		t.Fatal(err)
	}
	for name := range map[string]bool{"first": true, "fine": true} {
		do(w, control.ProvidersCreate, control.CreateProvider{Name: name, ProviderKind: "custom", NoImport: true, ProviderFields: control.ProviderFields{BaseURL: to("http://127.0.0.1:9/v1")}})
	}
	id := func(name string) tally.ID { p, _ := findProvider(w.engine.catalog.Load(), name); return p.ID }
	tries := func(provider tally.ID, cause string) func(*tally.Record) {
		return func(r *tally.Record) {
			r.Provider = sim.ID
			r.Tries = []tally.Attempt{{Provider: provider, Cause: cause, Status: 503, Detail: `"a prompt"`}, {Provider: sim.ID, Status: 200}}
		}
	}
	w.settled(30, tries(id("first"), "timeout"))
	w.settled(11, tries(id("first"), "busy"))
	w.settled(50, tries(id("first"), "canceled")) // callers who left
	w.settled(4, tries(id("fine"), "busy"))       // too few to tell
	w.settled(20, tries(sim.ID, "refused"))       // the callers' fault
	w.tells("failed", "first failed 41 times since 11:45, and others answered", "fine failed 4 times since 11:45, and others answered")
	if s := do(w, control.EngineStatus, control.None{}); !warns(s, "attempts: 30 timeout, 11 busy", "tallygate providers test first") {
		t.Errorf("warnings %+v", s.Warnings)
	}
	if v := do(w, control.ProvidersShow, control.Named{Name: "first"}); v.Failures.String() != "30 timeout, 11 busy" || v.Failures.Total() != 41 {
		t.Errorf("failures: %v", v.Failures)
	}
	rows := map[string]string{}
	for _, r := range do(w, control.UsageShow, control.UsageQuery{By: "provider"}).Rows {
		rows[r.Name] = r.Failures.String()
	}
	if rows["first"] != "30 timeout, 11 busy" || rows["fine"] != "4 busy" || rows["sim"] != "20 refused" {
		t.Errorf("usage: %v", rows)
	}
	w.wait(2 * time.Hour)
	w.tells("failed", "Provider first has failed 41 times") // none lately
	if s := do(w, control.EngineStatus, control.None{}); !warns(s, "in 24 h: 30 timeout, 11 busy", "tallygate providers show first") {
		t.Errorf("warnings %+v", s.Warnings)
	}
	// By the hour as well, each with its own.
	w.settled(3, tries(id("first"), "server"))
	seen := 0
	for _, r := range do(w, control.UsageShow, control.UsageQuery{By: "provider", Every: "hour", Since: "4h"}).Rows {
		if r.Name == "first" {
			seen++
			if want := map[bool]string{true: "3 server", false: "30 timeout, 11 busy"}[r.At.After(w.clock().Add(-time.Hour))]; r.Failures.String() != want {
				t.Errorf("at %v: %v", r.At, r.Failures)
			}
		}
	}
	if seen != 2 {
		t.Errorf("%d hours", seen)
	}
}

// A provider whose requests fail now is told of once, and as grave from a fifth of them on.
func TestProvidersThatFailNow(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	sim, err := findProvider(w.engine.catalog.Load(), "sim")
	if err != nil {
		t.Fatal(err)
	}
	answers := func(n int, failed bool) {
		w.settled(n, func(r *tally.Record) {
			if r.Provider = sim.ID; failed {
				r.Outcome, r.Status, r.Code = tally.OutcomeFailed, 504, tally.CodeProviderTimeout
				r.Tries = []tally.Attempt{{Provider: sim.ID, Cause: "timeout"}}
			}
		})
		w.wait(attentionEvery)
	}
	gravity := func() (out control.Tone) {
		for _, x := range do(w, control.EngineStatus, control.None{}).Warnings {
			if x.Kind == control.WarnFailing {
				out = x.Gravity
			}
		}
		return out
	}
	answers(99, false)
	answers(1, true)
	if s := do(w, control.EngineStatus, control.None{}); len(s.Warnings) > 0 {
		t.Errorf("of one failure: %+v", s.Warnings)
	}
	answers(11, true)
	w.tells("failed", "sim: 12 of 111 requests failed since 11:45")
	if got := gravity(); got != control.Warn {
		t.Errorf("a tenth is %s", got)
	}
	answers(30, true)
	w.tells("failed", "sim: 42 of 141 requests failed since 11:45")
	if got := gravity(); got != control.Bad {
		t.Errorf("more than a fifth is %s", got)
	}
	do(w, control.ProvidersUpdate, control.UpdateProvider{Provider: "sim", ProviderFields: control.ProviderFields{Enabled: to(false)}})
	w.wait(attentionEvery)
	w.tells("failed") // it is not asked any more
}

// A provider that does not answer is told of as that, and not as one that fails.
func TestASilentProviderIsToldOf(t *testing.T) {
	w := newWorld(t)
	key := w.setUp().Key
	do(w, control.ProvidersCreate, control.CreateProvider{Name: "dead", ProviderKind: "custom", NoImport: true, ProviderFields: control.ProviderFields{BaseURL: to("http://127.0.0.1:1/v1")}})
	do(w, control.ModelsCreate, control.CreateModel{Provider: "dead", Name: "m", ModelFields: control.ModelFields{Prices: []control.PriceField{price("input", "1"), price("output", "1")}}})
	for range 3 {
		if a := w.chat(key, "m"); a.status < 500 {
			t.Fatalf("answered %d %s", a.status, a.code)
		}
	}
	w.wait(attentionEvery)
	w.tells("answer", "Provider dead does not answer")
	w.tells("failed")
	if s := do(w, control.EngineStatus, control.None{}); !warns(s, "the latest: "+do(w, control.ProvidersShow, control.Named{Name: "dead"}).LastFailure.Why(), "tallygate providers test dead") {
		t.Errorf("warnings %+v", s.Warnings)
	}
}

// What upstreams say of failures is gone after a week, and at once if the owner does
// not want it; status and cause stay.
func TestDetailsAreForgotten(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	prune := w.engine.pruner()
	step := func() {
		t.Helper()
		if err := prune(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	detail := func() string {
		t.Helper()
		page := do(w, control.RequestsList, control.RequestQuery{})
		last := page.Requests[len(page.Requests)-1]
		if last.Tries[0].Cause != "busy" || last.Tries[0].Status != 429 {
			t.Errorf("attempts %+v", last.Tries)
		}
		return last.Tries[0].Detail
	}
	fails := func(r *tally.Record) {
		r.Tries = []tally.Attempt{{Provider: "pr_1", Cause: "busy", Status: 429, Detail: `"a prompt"`}}
	}
	w.settled(1, fails)
	w.wait(tally.KeptDetails)
	step()
	if detail() == "" {
		t.Error("gone too early")
	}
	w.wait(time.Second) // before the store forgets a whole day
	if d := detail(); d != "" {
		t.Errorf("it says %q after a week", d)
	}
	w.wait(24 * time.Hour)
	step()
	if recs := w.kept(); strings.Contains(recs, "a prompt") {
		t.Error("the store keeps it")
	}
	w.settled(1, fails)
	do(w, control.SettingsSet, control.SettingsFields{DropWords: to(true)})
	if recs := w.kept(); strings.Contains(recs, "a prompt") {
		t.Error("the store keeps what the owner does not want")
	}
}

// The owner reads until when a provider that has asked to be left alone is asked last.
func TestLeftAlone(t *testing.T) {
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer up.Close()
	w := newWorld(t)
	w.setUp()
	do(w, control.ProvidersCreate, control.CreateProvider{Name: "up", ProviderKind: "custom", NoImport: true, ProviderFields: control.ProviderFields{BaseURL: &up.URL}})
	do(w, control.ModelsCreate, control.CreateModel{Provider: "up", Name: "m", ModelFields: control.ModelFields{Prices: []control.PriceField{price("input", "1"), price("output", "1")}}})
	_, key := w.client("Small")
	w.chat(key.Key, "m")
	if v := do(w, control.ProvidersShow, control.Named{Name: "up"}); v.State() != "cooling" || len(v.Health) != 1 || !v.Health[0].Asked || time.Until(v.Health[0].Until) > time.Minute || v.Health[0].Of != "model m" {
		t.Errorf("%+v", v.Health)
	}
}

// What was said of the latest failure is dropped for good, too.
func TestLastFailureIsForgotten(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	do(w, control.ProvidersCreate, control.CreateProvider{Name: "up", ProviderKind: "custom", NoImport: true, ProviderFields: control.ProviderFields{BaseURL: to("http://127.0.0.1:9/v1")}})
	do(w, control.ModelsCreate, control.CreateModel{Provider: "up", Name: "m", ModelFields: control.ModelFields{Prices: []control.PriceField{price("input", "1"), price("output", "1")}}})
	_, key := w.client("Small")
	w.chat(key.Key, "m")
	detail := func() string {
		t.Helper()
		v := do(w, control.ProvidersShow, control.Named{Name: "up"})
		if v.LastFailure == nil || v.LastFailure.Cause != "unreachable" {
			t.Fatalf("%+v", v.LastFailure)
		}
		return v.LastFailure.Detail
	}
	if detail() == "" {
		t.Error("nothing is said of it")
	}
	for _, drop := range []bool{true, false} {
		do(w, control.SettingsSet, control.SettingsFields{DropWords: &drop})
		if d := detail(); d != "" {
			t.Errorf("words dropped %v: %q", drop, d)
		}
	}
}

// kept is all that the store says of attempts.
func (w *world) kept() (out string) {
	w.Helper()
	page, _, err := w.store.Records(context.Background(), storage.RecordQuery{})
	if err != nil {
		w.Fatal(err)
	}
	for _, r := range page {
		for _, a := range r.Tries {
			out += a.Detail + "\n"
		}
	}
	return out
}

// A request that was refused is found by the id that its caller was told, before and
// after those like it are recorded.
func TestRefusalsThatWereCounted(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	_, key := w.client("Small", "requests=1/day")
	w.served(key.Key, "sim-small")
	var ids []string
	for range 4 {
		a := w.chat(key.Key, "sim-small")
		if a.status != 429 {
			t.Fatalf("status %d", a.status)
		}
		ids = append(ids, a.id)
	}
	found := func(count int64) {
		t.Helper()
		for i, id := range ids {
			v := do(w, control.RequestsShow, control.PickRequest{ID: id})
			want := count
			if i == 0 {
				want = 1
			}
			if v.Count != want || !strings.Contains(v.Reason, "1 of 1 requests") || v.Reached == nil || v.Client != "small" {
				t.Errorf("%s: %+v", id, v)
			}
		}
	}
	found(3)
	w.wait(2 * time.Minute)
	if err := w.engine.second(context.Background()); err != nil {
		t.Fatal(err)
	}
	found(3)
	refused(w, control.RequestsShow, control.PickRequest{ID: "req_01m8ka67hkds2bd037a5zp59jh.9"}, tally.NotFound, "no request")
}

// A provider whose latest attempt has failed does not look well, whatever the cause,
// until one is answered; what a request was refused for is no failure of its.
func TestProviderIsFailing(t *testing.T) {
	status := http.StatusUnauthorized
	up := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		if status == http.StatusOK {
			w.Write([]byte(`{"choices":[{"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`))
		}
	}))
	defer up.Close()
	w := newWorld(t)
	w.setUp()
	do(w, control.ProvidersCreate, control.CreateProvider{Name: "up", ProviderKind: "custom", NoImport: true, ProviderFields: control.ProviderFields{BaseURL: &up.URL}})
	do(w, control.ModelsCreate, control.CreateModel{Provider: "up", Name: "m", ModelFields: control.ModelFields{Prices: []control.PriceField{price("input", "1"), price("output", "1")}}})
	_, key := w.client("Small")
	for _, step := range []struct {
		status int
		state  string
		tone   control.Tone
	}{{401, "cooling", control.Warn}, {400, "cooling", control.Warn}, {200, "on", control.Good}, {400, "on", control.Good}, {500, "failing", control.Warn}, {500, "failing", control.Warn}, {500, "cooling", control.Bad}} {
		status = step.status
		w.chat(key.Key, "m")
		v := do(w, control.ProvidersShow, control.Named{Name: "up"})
		if v.State() != step.state || control.ProviderTable.Tone(&v) != step.tone {
			t.Errorf("after a %d: %s, %s; want %s, %s", step.status, v.State(), control.ProviderTable.Tone(&v), step.state, step.tone)
		}
	}
}

// What does not mend by itself is told of at the first time, with what to do: an API key that
// is refused, an account that is used up. Of others it is told until when they are left alone,
// and that others have answered only where they did.
func TestProvidersThatMustBeSeenTo(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	c := w.engine.catalog.Load()
	to := w.engine.router.Landing(c, c.Gateways[0], "sim-small", w.clock())
	if len(to) != 1 {
		t.Fatalf("%d upstreams", len(to))
	}
	lane := route.Lane{Target: to[0]}
	for fault, want := range map[providers.Fault][3]string{
		providers.BadKey:     {"sim does not accept key 1", "cooling until ", "tallygate providers update sim --api-key-stdin"},
		providers.OutOfQuota: {"sim says that the account of key 1 is used up", "cooling until ", "tallygate providers show sim"},
	} {
		lane.Report(&providers.UpstreamError{Fault: fault, Status: 401, Free: true}, time.Now())
		w.wait(attentionEvery)
		s := do(w, control.EngineStatus, control.None{})
		if i := slices.IndexFunc(s.Warnings, func(x control.Warning) bool { return x.Sentence == want[0] }); i < 0 || s.Warnings[i].Next != want[2] || !strings.HasPrefix(s.Warnings[i].Detail, want[1]) || s.Warnings[i].Gravity != control.Bad {
			t.Errorf("%s: %+v", fault, s.Warnings)
		}
		lane.Report(nil, time.Now())
	}
	w.settled(3, func(r *tally.Record) {
		r.Provider, r.Outcome, r.Status = to[0].Model.Provider, tally.OutcomeFailed, 502
		r.Tries = []tally.Attempt{{Provider: "pr_other", Cause: "busy"}, {Provider: to[0].Model.Provider, Cause: "busy"}}
	})
	w.wait(attentionEvery)
	for _, x := range do(w, control.EngineStatus, control.None{}).Warnings {
		if strings.Contains(x.Sentence, "others answered") {
			t.Errorf("nobody has: %s", x.Sentence)
		}
	}
}

// A soft landing on a model that has gone does nothing, which its owner is told; one on a model
// that does not chat is not taken.
func TestSoftLandingsThatDoNothing(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	c := w.engine.catalog.Load()
	land := func(model string) error {
		_, err := control.ClientsUpdate.Do(context.Background(), w.owner, control.UpdateClient{Client: c.Clients[0].Slug, ClientFields: control.ClientFields{LandingBelow: new(20), LandingModel: &model}})
		return err
	}
	if err := land("sim-embed"); tally.CodeOf(err) != tally.Invalid {
		t.Errorf("one that embeds: %v", err)
	}
	if err := land("sim-large"); err != nil {
		t.Fatal(err)
	}
	w.tells("would land")
	do(w, control.ModelsDelete, control.PickModel{Model: "sim-large"})
	w.tells("would land", c.Clients[0].Name+" would land on sim-large")
}
