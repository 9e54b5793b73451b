package engine

import (
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// The owner reads who would answer a client, in which order and why: the health of keys and
// models, caps, what is translated, and a soft landing.
func TestWhoWouldAnswer(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	u, second := newUpstream(t), newUpstream(t)
	do(w, control.ProvidersCreate, control.CreateProvider{Name: "up", ProviderKind: "custom", NoImport: true,
		ProviderFields: control.ProviderFields{BaseURL: to(u.base()), APIKeys: []control.Secret{"sk-first-0123456789abcdef", "sk-other-0123456789abcdef"}}})
	w.wait(time.Second)
	do(w, control.ProvidersCreate, control.CreateProvider{Name: "claude", ProviderKind: "anthropic", NoImport: true,
		ProviderFields: control.ProviderFields{BaseURL: to(second.base()), APIKeys: []control.Secret{"sk-ant-0123456789abcdef"}}})
	for _, p := range []string{"up", "claude"} {
		do(w, control.ModelsCreate, control.CreateModel{Provider: p, Name: "m", ModelFields: control.ModelFields{Prices: []control.PriceField{price("input", "1"), price("output", "2")}}})
	}
	do(w, control.ModelsUpdate, control.UpdateModel{PickModel: control.PickModel{Model: "m", Provider: "up"}, ModelFields: control.ModelFields{Caps: edits(w, "requests=5/day")}})
	cl, key := w.client("Small", "cost=1/month")
	at := func() control.Routed {
		return do(w, control.ModelsRoute, control.RouteModel{Model: "m", Client: cl.Slug})
	}
	r := at()
	if len(r.Routes) != 3 || r.Routes[0].Provider != "up" || r.Routes[0].Why != "asked first" || r.Routes[0].Key == r.Routes[1].Key || r.Routes[2].Translated != "messages" ||
		!strings.Contains(r.Routes[2].Price, "$1 in, $2 out") || r.Routes[0].Caps[0] != "5 requests/day: 0 used, 0 held" {
		t.Errorf("%+v", r)
	}
	first := r.Routes[0].Key
	u.set(func(u *upstream) { u.status = 401 })
	w.chat(key.Key, "m")
	if r = at(); r.Routes[0].Provider != "claude" || r.Routes[1].State != control.HealthCooling || !strings.Contains(r.Routes[1].Why, "auth, status 401") {
		t.Errorf("%+v", r)
	}
	if v := do(w, control.ProvidersShow, control.Named{Name: "up"}); v.State() != "cooling" || len(v.Health) != 2 || v.Health[0].Of != "key "+first && v.Health[1].Of != "key "+first {
		t.Errorf("%+v", v.Health)
	}
	tried := do(w, control.EngineTry, control.Try{Model: "m", Client: cl.Slug})
	text := ""
	for _, s := range tried.Steps {
		text += s.Detail + "\n"
	}
	if !strings.Contains(text, "claude, asked first (the latest attempt failed: bad answer), translated to messages") || !strings.Contains(text, "cooling (the latest attempt failed: auth, status 401") {
		t.Error(text)
	}

	refused(w, control.ModelsRoute, control.RouteModel{Model: "gpt-none"}, tally.NotFound, "no model")
	set := func(f control.GatewayFields, text string) {
		t.Helper()
		refused(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: "main", GatewayFields: f}, tally.Invalid, text)
	}
	set(control.GatewayFields{LandingBelow: to(20)}, "needs a share and a model")
	set(control.GatewayFields{LandingBelow: to(100), LandingModel: to("sim-small")}, "between 0 and 99")
	refused(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: "main", GatewayFields: control.GatewayFields{LandingBelow: to(20), LandingModel: to("nobody")}}, tally.NotFound, "sim-small")
	refused(w, control.ModelsUpdate, control.UpdateModel{PickModel: control.PickModel{Model: "m", Provider: "up"}, ModelFields: control.ModelFields{Caps: edits(w, "cost=1/day")}}, tally.Invalid, "caps are of requests and tokens")
	do(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: "main", GatewayFields: control.GatewayFields{LandingBelow: to(99), LandingModel: to("sim-small")}})
	if r = at(); r.Model != "m" || r.Why != "" {
		t.Errorf("nothing is spent, and it lands: %+v", r)
	}
	do(w, control.ClientsUpdate, control.UpdateClient{Client: cl.Slug, ClientFields: control.ClientFields{Limits: edits(w, "tokens=100/month")}})
	if w.chat(key.Key, "sim-small"); at().Model != "sim-small" || !strings.Contains(at().Why, "soft landing: of the client's 100 tokens") {
		t.Errorf("%+v", at())
	}
	do(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: "main", GatewayFields: control.GatewayFields{LandingBelow: to(0)}})
	if r = at(); r.Model != "m" {
		t.Errorf("%+v", r)
	}
}
