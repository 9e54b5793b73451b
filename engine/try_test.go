package engine

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// steps are the names of a try's steps, those that failed with a "!".
func steps(got control.Tried) (out []string) {
	for _, s := range got.Steps {
		name := s.Name
		if !s.OK {
			name += "!"
		}
		out = append(out, name)
	}
	return out
}

func TestTry(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	got := do(w, control.EngineTry, control.Try{})
	if want := []string{"key", "client", "gateway", "model", "provider", "limits", "limits", "limits", "request"}; !got.OK || !slices.Equal(steps(got), want) {
		t.Errorf("steps %q, want %q, all ok", steps(got), want)
	}
	if got.Status != 200 || got.Answer == "" || got.Request.Client != "default" || got.Request.Outcome != tally.OK || got.Request.OutputTokens == 0 {
		t.Errorf("tried %+v", got)
	}
	for i, words := range map[int][]string{
		0: {"default llm_gw_", "…", "forever"}, 1: {"default", "active"}, 2: {"main", "Europe/Lisbon"}, 3: {"sim-small", "default"}, 4: {"sim", "asked first", "$0 in"},
		5: {"requests=1000/month", "of the client", "0 used | 0 held | 1,000 left", "2026-12-01 00:00 (Europe/Lisbon)"}, 8: {"answered by sim", string(got.Request.ID), "exact"},
	} {
		for _, word := range words {
			if !strings.Contains(got.Steps[i].Detail, word) {
				t.Errorf("step %s: %q does not say %q", got.Steps[i].Name, got.Steps[i].Detail, word)
			}
		}
	}
	// It is a request like any other.
	if again := do(w, control.EngineTry, control.Try{Model: "sim-large", Client: "default", Prompt: "Say it's done."}); !again.OK || !strings.Contains(again.Answer, "done") || !strings.Contains(again.Steps[5].Detail, "1 used | 0 held | 999 left") {
		t.Errorf("tried again: %+v", again)
	}
	if v := do(w, control.UsageShow, control.UsageQuery{}); v.Total.Requests != 2 {
		t.Errorf("usage %+v", v.Total)
	}
}

// Each check that fails is named; those after it are not reached, and nothing
// is sent.
func TestTryFails(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	u := newUpstream(t)
	w.provider("up", u)
	do(w, control.ModelsCreate, control.CreateModel{Provider: "up", Name: "mystery"})
	for _, tc := range []struct {
		name string
		in   control.Try
		make func(slug string)
		want []string
		says string
	}{
		{"no key", control.Try{}, func(slug string) { do(w, control.KeysRevoke, control.PickKey{Key: "default", Client: slug}) }, []string{"key!", "client!", "gateway!", "model!", "provider!", "limits!", "request!"}, "revoked"},
		{"suspended", control.Try{}, func(slug string) { do(w, control.ClientsSuspend, control.Named{Name: slug}) }, []string{"key", "client!", "gateway!", "model!", "provider!", "limits!", "request!"}, "suspended"},
		{"unknown model", control.Try{Model: "sim-smal"}, nil, []string{"key", "client", "gateway", "model!", "provider!", "limits!", "request!"}, `"sim-small"`},
		{"unpriced", control.Try{Model: "mystery"}, nil, []string{"key", "client", "gateway", "model!", "provider!", "limits!", "request!"}, "no price"},
		{"limit", control.Try{}, func(slug string) {
			do(w, control.ClientsUpdate, control.UpdateClient{Client: slug, ClientFields: control.ClientFields{Limits: edits(t, "requests=0/day", "cost=1/day")}})
		}, []string{"key", "client", "gateway", "model", "provider", "limits!", "limits", "request!"}, "0 left"},
		{"a limit that only warns", control.Try{}, func(slug string) {
			do(w, control.ClientsUpdate, control.UpdateClient{Client: slug, ClientFields: control.ClientFields{Limits: edits(t, "requests=0/day,warn")}})
		}, []string{"key", "client", "gateway", "model", "provider", "limits", "request"}, ""},
		{"no limits", control.Try{}, nil, []string{"key", "client", "gateway", "model", "provider", "limits", "request"}, ""},
		{"too little money", control.Try{Model: "dear"}, func(slug string) {
			do(w, control.ModelsCreate, control.CreateModel{Provider: "up", Name: "dear", ModelFields: control.ModelFields{Prices: []control.PriceField{price("input", "1000000")}}})
			do(w, control.ClientsUpdate, control.UpdateClient{Client: slug, ClientFields: control.ClientFields{Limits: edits(t, "cost=0.01/day")}})
		}, []string{"key", "client", "gateway", "model", "provider", "limits", "request!"}, "needs up to"},
		{"gateway off", control.Try{}, func(string) {
			do(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: "main", GatewayFields: control.GatewayFields{Enabled: to(false)}})
		}, []string{"key", "client", "gateway!", "model!", "provider!", "limits!", "request!"}, "switched off"},
	} {
		cl, _ := w.client(tc.name)
		if tc.make != nil {
			tc.make(cl.Slug)
		}
		before := do(w, control.UsageShow, control.UsageQuery{}).Total
		_, sent := u.seen()
		tc.in.Client = cl.Slug
		got := do(w, control.EngineTry, tc.in)
		if !slices.Equal(steps(got), tc.want) {
			t.Errorf("%s: steps %q, want %q", tc.name, steps(got), tc.want)
		}
		failed := false
		for _, s := range got.Steps {
			if !s.OK && !failed {
				failed = true
				if !strings.Contains(s.Detail, tc.says) {
					t.Errorf("%s: %q does not say %q", tc.name, s.Detail, tc.says)
				}
			} else if failed && !s.OK && !strings.Contains(s.Detail, "not reached") {
				t.Errorf("%s: after the failure: %+v", tc.name, s)
			}
		}
		if got.OK == failed {
			t.Errorf("%s: ok is %v", tc.name, got.OK)
		}
		after := do(w, control.UsageShow, control.UsageQuery{}).Total
		if _, bodies := u.seen(); failed && (len(bodies) != len(sent) || after.Requests != before.Requests) {
			t.Errorf("%s: something was sent", tc.name)
		}
	}
}

// A request that only others in flight stand in the way of waits, which is said
// before and after.
func TestTryWaits(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, _ := w.client("Acme")
	do(w, control.ClientsUpdate, control.UpdateClient{Client: cl.Slug, ClientFields: control.ClientFields{Limits: edits(t, "requests=1/day"), MaxInFlight: to(5)}})
	c, now := w.engine.catalog.Load(), w.clock()
	period := c.Client(cl.ID).Limits[0].Window.Period(now, c.Zone(cl.Gateway), 1)
	hold := func() tally.ID {
		r := tally.Reservation{ID: tally.NewID("req", now), At: now, ExpiresAt: now.Add(time.Hour), Bounds: tally.Bounds{{Base: 1}},
			Charges: []tally.Charge{{Counter: tally.Counter{Subject: tally.SubjectOf("client", cl.ID), Metric: tally.Requests, Period: period}, Max: 1}}}
		if _, err := w.store.Reserve(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		return r.ID
	}
	id := hold()
	do(w, control.SettingsSet, control.SettingsFields{HoldWait: to(time.Duration(0))})
	got := do(w, control.EngineTry, control.Try{Client: cl.Slug})
	if got.OK || !strings.Contains(got.Steps[5].Detail, "requests do not wait") {
		t.Errorf("without waiting: %+v", got.Steps)
	}
	do(w, control.SettingsSet, control.SettingsFields{HoldWait: to(50 * time.Millisecond)})
	got = do(w, control.EngineTry, control.Try{Client: cl.Slug})
	if !got.Steps[5].OK || !strings.Contains(got.Steps[5].Detail, "would wait up to 50ms for it") || got.Status != 429 || !strings.Contains(got.Steps[6].Detail, "0 of at most 5 requests in flight") {
		t.Errorf("in vain: %+v", got.Steps)
	}
	do(w, control.SettingsSet, control.SettingsFields{HoldWait: to(time.Minute)})
	released := make(chan error)
	go func() {
		time.Sleep(30 * time.Millisecond)
		released <- w.store.Settle(t.Context(), tally.Settlement{ID: id, Record: tally.Record{ID: id, At: now, Outcome: tally.OutcomeFailed, Uncounted: true, Client: cl.ID, Count: 1}})
	}()
	got = do(w, control.EngineTry, control.Try{Client: cl.Slug})
	if err := <-released; err != nil {
		t.Fatal(err)
	}
	if last := got.Steps[len(got.Steps)-1]; !got.OK || !strings.Contains(last.Detail, "; it waited ") || got.Request.WaitedMS < 1 {
		t.Errorf("once there is room: %+v", got.Steps)
	}
}

// An answer that our bound ends is told as such.
func TestTryCut(t *testing.T) {
	text := recordText(&control.RequestView{ID: "req_1", Provider: "up", Attempts: 1, Cut: true, WaitedMS: 3240})
	if !strings.HasSuffix(text, "recorded as req_1; it waited 3.2 s for room; cut at our bound, as a limit allowed no more output") {
		t.Error(text)
	}
}

// What is refused to the owner who tries is explained, and counts as nobody's refusal: it
// leaves no record, whether a check has told or the gateway itself.
func TestARefusedTryLeavesNoRecord(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	used, key := w.client("Used", "requests=1/month")
	w.served(key.Key, "sim-small")
	small, _ := w.client("Small", "tokens=10/month") // some are left, but too few
	for client, at := range map[string]string{used.Slug: stepLimits, small.Slug: stepRequest} {
		got := do(w, control.EngineTry, control.Try{Client: client})
		failed := slices.IndexFunc(got.Steps, func(s control.TryStep) bool { return !s.OK })
		if got.OK || failed < 0 || got.Steps[failed].Name != at || got.Request.ID != "" {
			t.Errorf("%s: %+v", client, got)
		}
	}
	if page := do(w, control.RequestsList, control.RequestQuery{}); len(page.Requests) != 1 {
		t.Errorf("records %+v", page.Requests)
	}
	if v := do(w, control.ClientsShow, control.Named{Name: small.Slug}); v.Month.Refused != 0 {
		t.Errorf("counted: %+v", v.Month)
	}
	if got := do(w, control.EngineTry, control.Try{}); !strings.Contains(got.Steps[1].Detail, "none was named, so it is asked as the first that is") {
		t.Errorf("without a client: %+v", got.Steps)
	}
}

func TestTryUpstreamFailure(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	u, second := newUpstream(t), newUpstream(t)
	w.provider("up", u)
	w.wait(time.Second)
	w.provider("second", second)
	for _, p := range []string{"up", "second"} {
		w.wait(time.Second)
		do(w, control.ModelsCreate, control.CreateModel{Provider: p, Name: "m", ModelFields: control.ModelFields{Prices: []control.PriceField{price("input", "1")}}})
	}
	u.set(func(u *upstream) { u.status = 500 })
	got := do(w, control.EngineTry, control.Try{Model: "m"})
	if !got.OK || got.Request.Provider != "second" || got.Request.Attempts != 2 || !strings.Contains(got.Steps[len(got.Steps)-1].Detail, "2 attempts") || got.Answer != "hello from upstream" {
		t.Errorf("tried %+v", got)
	}
	second.set(func(u *upstream) { u.status = 401 })
	got = do(w, control.EngineTry, control.Try{Model: "m"})
	if last := got.Steps[len(got.Steps)-1]; got.OK || got.Status != 502 || !strings.Contains(last.Detail, "status 500") || !strings.Contains(last.Detail, "second: auth 401") || got.Request.Outcome != tally.OutcomeFailed {
		t.Errorf("tried %+v", got)
	}
}

func TestTryKinds(t *testing.T) {
	w := newWorld(t)
	refused(w, control.EngineTry, control.Try{}, tally.NotFound, "tallygate init")
	w.setUp()
	refused(w, control.EngineTry, control.Try{Client: "nobody"}, tally.NotFound, "default")
	refused(w, control.EngineTry, control.Try{Prompt: strings.Repeat("x", longestPrompt+1)}, tally.Invalid, "longer")
	u := newUpstream(t, `{"id":"embed-small"}`)
	w.provider("up", u)
	do(w, control.EngineTry, control.Try{Model: "embed-small"})
	if _, bodies := u.seen(); !strings.Contains(bodies[len(bodies)-1], `"input"`) {
		t.Errorf("a model for embeddings was asked %s", bodies[len(bodies)-1])
	}
	// A client whose requests must name an end user.
	cl, _ := w.client("Named")
	do(w, control.ClientsUpdate, control.UpdateClient{Client: cl.Slug, ClientFields: control.ClientFields{SessionMissing: to(tally.MissingRefuse)}})
	if got := do(w, control.EngineTry, control.Try{Client: cl.Slug}); !got.OK || !got.Request.NewSession {
		t.Errorf("tried %+v", got)
	}
	// A client without any key.
	do(w, control.ClientsCreate, control.CreateClient{ClientFields: control.ClientFields{Name: to("Keyless")}})
	got := do(w, control.EngineTry, control.Try{Client: "keyless"})
	if got.OK || !strings.Contains(got.Steps[0].Detail, "tallygate keys create --client keyless") {
		t.Errorf("tried %+v", got)
	}
}
