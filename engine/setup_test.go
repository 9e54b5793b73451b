package engine

import (
	"encoding/json"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func TestSetupWithNothing(t *testing.T) {
	w := newWorld(t)
	done := w.setUp()
	if done.Gateway != "main" || done.Client != "default" || done.Model != "sim-small" || done.BaseURL != DefaultBaseURL || !slices.Equal(done.Providers, []string{"sim"}) || len(done.Warnings) != 0 {
		t.Errorf("done %+v", done)
	}
	if want := []string{"requests=1000/month", "cost=5/month", "requests=60/minute"}; !slices.Equal(done.Limits, want) {
		t.Errorf("limits %q, want %q", done.Limits, want)
	}
	if v := do(w, control.ClientsShow, control.Named{Name: "default"}); len(v.LimitStates) != 3 || v.Keys != 1 {
		t.Errorf("client %+v", v)
	}
	if v := do(w, control.GatewaysShow, control.Named{Name: "main"}); v.TimeZone != "Europe/Lisbon" || v.DefaultModel != "sim-small" || len(v.LimitStates) != 0 {
		t.Errorf("gateway %+v", v)
	}
	w.served(done.Key, "sim-small")
	w.served(done.Key, "") // the default
	w.consistent()

	before := w.engine.catalog.Load()
	refused(w, control.EngineSetup, control.Setup{}, tally.Conflict, "set up already", "tallygate keys create --client default")
	if w.engine.catalog.Load() != before {
		t.Error("a second set-up changed something")
	}
}

// The call must survive being copied into a shell, whatever is in it.
func TestCurl(t *testing.T) {
	w := newWorld(t)
	w.engine.SetBaseURL("http://127.0.0.1:9999/v1")
	done := w.setUp()
	if done.BaseURL != "http://127.0.0.1:9999/v1" || !strings.HasPrefix(done.Curl, "curl http://127.0.0.1:9999/v1/chat/completions \\\n") {
		t.Errorf("base URL %q, curl %q", done.BaseURL, done.Curl)
	}
	// As the end-to-end tests look for it.
	if !regexp.MustCompile(`(?m)^\s*(curl (?:.*\\\n)*.*)$`).MatchString("  " + strings.ReplaceAll(done.Curl, "\n", "\n  ")) {
		t.Errorf("curl %q", done.Curl)
	}
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Log("there is no shell here; what one makes of it is not looked at")
		return
	}
	for _, model := range []string{"sim-small", `it's $HOME; rm -rf "x" \ ` + "`id`"} {
		for _, base := range []string{DefaultBaseURL, "http://[::1]:4283/v1", "http://h/$(id)&'"} {
			script := strings.Replace(curlFor(base, "llm_gw_x", model), "curl", `printf '%s\0'`, 1)
			out, err := exec.Command(sh, "-c", script).Output()
			if err != nil {
				t.Fatalf("%s: %v", script, err)
			}
			words := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
			if len(words) != 7 || words[0] != base+"/chat/completions" || words[2] != "Authorization: Bearer llm_gw_x" || words[4] != "Content-Type: application/json" {
				t.Errorf("a shell reads %q", words)
				continue
			}
			var body struct{ Model string }
			if err := json.Unmarshal([]byte(words[6]), &body); err != nil || body.Model != model {
				t.Errorf("the body %q has the model %q: %v", words[6], body.Model, err)
			}
		}
	}
}

func TestSetupWithProviders(t *testing.T) {
	w := newWorld(t)
	u := newUpstream(t, `{"id":"embed-small"}`, `{"id":"gpt-large"}`, `{"id":"gpt-mini"}`, `{"id":"gpt-old"}`, `{"id":"unknown"}`)
	down := newUpstream(t)
	down.set(func(u *upstream) { u.status = 401 })
	done := do(w, control.EngineSetup, control.Setup{Name: "Hotel Aurora", Providers: []control.SetupProvider{
		{ProviderKind: "openai", BaseURL: u.base(), APIKey: upstreamKey}, {ProviderKind: "openai", BaseURL: down.base(), APIKey: upstreamKey}}})
	if done.Client != "hotel-aurora" || done.Model != "gpt-mini" || !slices.Equal(done.Providers, []string{"openai", "openai-2"}) {
		t.Errorf("done %+v", done)
	}
	if len(done.Warnings) != 1 || !strings.Contains(done.Warnings[0], "openai-2") || strings.Contains(done.Warnings[0], upstreamKey) {
		t.Errorf("warnings %q", done.Warnings)
	}
	if a := w.served(done.Key, ""); a.text != "hello from upstream" {
		t.Errorf("answer %q", a.text)
	}
	w.consistent()
}

// If no upstream offers anything that can be used, the first request still
// works.
func TestSetupWithUselessProviders(t *testing.T) {
	w := newWorld(t)
	u := newUpstream(t, `{"id":"embed-small"}`, `{"id":"unknown"}`)
	done := do(w, control.EngineSetup, control.Setup{Providers: []control.SetupProvider{{ProviderKind: "openai", BaseURL: u.base(), APIKey: upstreamKey}}})
	if done.Model != "sim-small" || !slices.Equal(done.Providers, []string{"openai", "sim"}) || len(done.Warnings) != 1 {
		t.Errorf("done %+v", done)
	}
	w.served(done.Key, done.Model)
}

func TestBadSetups(t *testing.T) {
	w := newWorld(t)
	for _, tc := range []struct {
		in   control.Setup
		says string
	}{
		{control.Setup{Name: "a\x00b"}, "control character"},
		{control.Setup{Name: strings.Repeat("x", 300)}, "200"},
		{control.Setup{TimeZone: "Lisbon"}, "Europe/Lisbon"},
		{control.Setup{Providers: []control.SetupProvider{{ProviderKind: "opneai"}}}, `did you mean "openai"?`},
		{control.Setup{Providers: []control.SetupProvider{{ProviderKind: "openai"}}}, "OPENAI_API_KEY"},
		{control.Setup{Providers: []control.SetupProvider{{ProviderKind: "custom", BaseURL: "nowhere"}}}, "base URL"},
	} {
		refused(w, control.EngineSetup, tc.in, tally.Invalid, tc.says)
	}
	if rev := w.engine.catalog.Load().Rev; rev != 0 {
		t.Errorf("something was stored: revision %d", rev)
	}
	do(w, control.GatewaysCreate, control.CreateGateway{GatewayFields: control.GatewayFields{Name: to("G")}})
	refused(w, control.EngineSetup, control.Setup{}, tally.Conflict, "clients create")
}

// Somebody who has added a provider by hand goes on from there.
func TestSetupUsesTheProvidersThatAreThere(t *testing.T) {
	w := newWorld(t)
	do(w, control.ProvidersCreate, control.CreateProvider{Name: "mine", ProviderKind: "sim"})
	limit, err := tally.ParseLimit("cost=2/day")
	if err != nil {
		t.Fatal(err)
	}
	done := do(w, control.EngineSetup, control.Setup{Name: "Hotel Aurora", Limits: []tally.LimitEdit{limit}})
	if !strings.HasPrefix(done.Model, "sim-") || done.Client != "hotel-aurora" || len(done.Providers) != 0 || len(done.Warnings) != 0 || !slices.Equal(done.Limits, []string{"cost=2/day"}) {
		t.Errorf("done %+v", done)
	}
	w.served(done.Key, done.Model)
}

// A provider that is there and offers nothing usable keeps its name: what joins
// it gets another.
func TestSetupNamesThePretendProviderApart(t *testing.T) {
	w := newWorld(t)
	do(w, control.ProvidersCreate, control.CreateProvider{Name: "Sim", ProviderKind: "sim", NoImport: true})
	done := do(w, control.EngineSetup, control.Setup{})
	if !slices.Equal(done.Providers, []string{"sim-2"}) || len(done.Warnings) != 1 {
		t.Errorf("done %+v", done)
	}
	w.served(done.Key, done.Model)
}

// A probe says whether address and key work, and stores nothing.
func TestProbe(t *testing.T) {
	w := newWorld(t)
	u := newUpstream(t, `{"id":"gpt-mini"}`)
	in := control.CreateProvider{Name: "up", ProviderKind: "openai", ProviderFields: control.ProviderFields{BaseURL: to(u.base()), APIKeys: []control.Secret{upstreamKey}}}
	if got := do(w, control.ProvidersProbe, in); !got.OK || got.Models != 1 {
		t.Errorf("got %+v", got)
	}
	u.set(func(u *upstream) { u.status = 401 })
	if got := do(w, control.ProvidersProbe, in); got.OK || !strings.Contains(got.Message, "API key") || strings.Contains(got.Message+got.Hint, upstreamKey) {
		t.Errorf("got %+v", got)
	}
	if c := w.engine.catalog.Load(); len(c.Providers) != 0 {
		t.Error("a probe stored a provider")
	}
}
