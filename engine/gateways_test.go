package engine

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func TestGateways(t *testing.T) {
	w := newWorld(t)
	t.Setenv("TZ", "Europe/Lisbon")
	made := do(w, control.GatewaysCreate, control.CreateGateway{GatewayFields: control.GatewayFields{Name: to("My Site")}})
	if made.Slug != "my-site" || made.TimeZone != "Europe/Lisbon" || made.Access != tally.AccessByToken || !made.Enabled || made.CycleDay != 1 || made.Rev == 0 ||
		!regexp.MustCompile(`^[a-z0-9]{9}$`).MatchString(made.PublicID) || !strings.HasPrefix(made.PrivateKey, "sk-webllm-gateway-"+made.PublicID+"-") {
		t.Errorf("made %+v", made)
	}
	do(w, control.ProvidersCreate, control.CreateProvider{Name: "sim", ProviderKind: "sim"})
	w.served(made.PrivateKey, "sim-small") // a trusted caller by itself
	do(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: made.PublicID, NewSlug: "site", GatewayFields: control.GatewayFields{
		Name: to("Site"), TimeZone: to(control.Zone("Asia/Kolkata")), CycleDay: to(15), PublicURL: to("https://ai.example.com"), Access: to(tally.AccessByKey),
		Origins: to([]string{"https://example.com"}), Aliases: to(map[string]string{"gpt-4": "sim-large", "dropped": ""}), Models: to([]string{"gpt-4", "sim-small"}),
		DefaultModel: to("sim-small"), Limits: edits(t, "cost=100/month"),
	}})
	v := do(w, control.GatewaysShow, control.Named{Name: "site"})
	if v.Name != "Site" || v.CycleDay != 15 || v.Access != tally.AccessByKey || v.PublicURL != "https://ai.example.com" || v.DefaultModel != "sim-small" ||
		!maps.Equal(v.Aliases, map[string]string{"gpt-4": "sim-large"}) || !slices.Equal(v.Models, []string{"gpt-4", "sim-small"}) ||
		!slices.Equal(v.ProviderNames, []string{"sim"}) || v.Clients != 0 || v.Last30Days.Requests != 1 {
		t.Errorf("shown %+v", v)
	}
	kolkata, _ := time.LoadLocation("Asia/Kolkata")
	if l := v.LimitStates[0]; l.Period != "m2026-11-15" || !l.ResetsAt.Equal(time.Date(2026, 12, 15, 0, 0, 0, 0, kolkata)) || l.Of != "gateway" || l.Name != "site" {
		t.Errorf("limit %+v", l)
	}
	if a := w.chat(made.PrivateKey, "gpt-4"); a.status != 200 {
		t.Errorf("the alias got %d %s", a.status, a.text)
	}
	if a := w.chat(made.PrivateKey, "sim-large"); a.code != tally.CodeModelNotAllowed {
		t.Errorf("what the alias stands for got %d %s", a.status, a.text)
	}
	do(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: "site", GatewayFields: control.GatewayFields{Enabled: to(false), Aliases: to(map[string]string{}), Models: to([]string{}), DefaultModel: to("none")}})
	if a := w.chat(made.PrivateKey, "sim-small"); a.code != tally.CodeGatewayDisabled {
		t.Errorf("a gateway that is off answered %d %s", a.status, a.code)
	}
	if v := do(w, control.GatewaysShow, control.Named{Name: "site"}); v.Aliases != nil || v.Models != nil || v.DefaultModel != "" {
		t.Errorf("not cleared: %+v", v.Gateway)
	}
	w.consistent()
}

func TestBadGateways(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	before := w.engine.catalog.Load()
	for _, tc := range []struct {
		change func(*control.GatewayFields)
		code   tally.Code
		says   string
	}{
		{func(f *control.GatewayFields) { f.Name = nil }, tally.Invalid, "empty"},
		{func(f *control.GatewayFields) { f.Name = to("MAIN") }, tally.Conflict, "main"},
		{func(f *control.GatewayFields) { f.TimeZone = to(control.Zone("Mars/Olympus")) }, tally.Invalid, "Europe/Lisbon"},
		{func(f *control.GatewayFields) { f.TimeZone = to(control.Zone("Local")) }, tally.Invalid, "time zone"},
		{func(f *control.GatewayFields) { f.TimeZone = to(control.Zone("../../../etc/passwd")) }, tally.Invalid, "time zone"},
		{func(f *control.GatewayFields) { f.CycleDay = to(32) }, tally.Invalid, "between 1 and 31"},
		{func(f *control.GatewayFields) { f.CycleDay = to(0) }, tally.Invalid, "between 1 and 31"},
		{func(f *control.GatewayFields) { f.PublicURL = to("javascript:alert(1)") }, tally.Invalid, "https://ai.example.com"},
		{func(f *control.GatewayFields) { f.Access = to(tally.AccessPublic) }, tally.Invalid, "--limit requests=60/minute --limit cost=5/day --visitor-limit requests=20/day"},
		{func(f *control.GatewayFields) {
			f.Access, f.Limits = to(tally.AccessPublic), edits(t, "requests=60/minute", "cost=5/day", "requests=1/day,warn")
			f.VisitorLimits = edits(t, "requests=5/day,warn")
		}, tally.Invalid, "--visitor-limit"},
		{func(f *control.GatewayFields) { f.VisitorLimits = edits(t, "sessions=5/day") }, tally.Invalid, "visitors have no sessions"},
		{func(f *control.GatewayFields) { f.AllowedCountries = to([]string{"ZZ"}) }, tally.Invalid, "ISO 3166"},
		{func(f *control.GatewayFields) {
			f.AllowedCountries, f.BlockedCountries = to([]string{"pt"}), to([]string{"RU"})
		}, tally.Invalid, "contradict"},
		{func(f *control.GatewayFields) { f.NotBefore = to(control.Date("soon")) }, tally.Invalid, "not a time"},
		{func(f *control.GatewayFields) { f.NotBefore = to(control.Date("2199-01-01")) }, tally.Invalid, "future"},
		{func(f *control.GatewayFields) { f.Access = to(tally.Access("open")) }, tally.Invalid, "token, public, key"},
		{func(f *control.GatewayFields) { f.Origins = to([]string{"example.com"}) }, tally.Invalid, "origin"},
		{func(f *control.GatewayFields) { f.Models = to([]string{"gpt-9"}) }, tally.NotFound, "sim-small"},
		{func(f *control.GatewayFields) { f.DefaultModel = to("gpt-9") }, tally.NotFound, "sim-small"},
		{func(f *control.GatewayFields) { f.Aliases = to(map[string]string{"a": "gpt-9"}) }, tally.NotFound, "gpt-9"},
		{func(f *control.GatewayFields) { f.Aliases = to(map[string]string{"a b": "sim-small"}) }, tally.Invalid, "space"},
	} {
		fields := control.GatewayFields{Name: to("Second")}
		tc.change(&fields)
		refused(w, control.GatewaysCreate, control.CreateGateway{GatewayFields: fields}, tc.code, tc.says)
	}
	refused(w, control.GatewaysCreate, control.CreateGateway{Slug: "main", GatewayFields: control.GatewayFields{Name: to("Second")}}, tally.Conflict, "main-2 is free")
	refused(w, control.GatewaysCreate, control.CreateGateway{Slug: before.Gateways[0].PublicID, GatewayFields: control.GatewayFields{Name: to("Second")}}, tally.Conflict)
	refused(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: "main"}, tally.Invalid, "nothing to change")
	refused(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: "second", NewSlug: "third"}, tally.NotFound)
	refused(w, control.GatewaysDelete, control.Named{Name: "main"}, tally.InUse, "default", "tallygate clients delete")
	if after := w.engine.catalog.Load(); after != before {
		t.Error("something was stored")
	}
	do(w, control.ClientsDelete, control.Named{Name: "default"})
	do(w, control.GatewaysDelete, control.Named{Name: "main"})
	refused(w, control.GatewaysShow, control.Named{Name: "main"}, tally.NotFound, "none yet")
	if list := do(w, control.GatewaysList, control.Listing{}); list == nil || len(list) != 0 {
		t.Errorf("the empty list is %#v", list)
	}
	w.consistent()
}

func TestRotatingPrivateKeys(t *testing.T) {
	w := newWorld(t)
	do(w, control.ProvidersCreate, control.CreateProvider{Name: "sim", ProviderKind: "sim"})
	first := do(w, control.GatewaysCreate, control.CreateGateway{GatewayFields: control.GatewayFields{Name: to("Site")}})
	second := do(w, control.GatewaysRotate, control.RotateGateway{Gateway: "site", Grace: time.Hour})
	if second.PrivateKey == first.PrivateKey || second.PublicID != first.PublicID {
		t.Errorf("rotated %+v", second)
	}
	w.served(first.PrivateKey, "sim-small")
	w.served(second.PrivateKey, "sim-small")
	sealed := w.engine.catalog.Load().Secret(first.ID)
	for name, want := range map[string]string{"the new": second.PrivateKey, "the old": first.PrivateKey} {
		box := sealed.Sealed
		if name == "the old" {
			box = sealed.SealedBefore
		}
		if got, err := w.engine.sealer.Open(first.ID, box); err != nil || string(got) != want {
			t.Errorf("%s private key does not come out of its seal: %v", name, err)
		}
	}
	w.wait(time.Hour)
	if a := w.chat(first.PrivateKey, "sim-small"); a.status != 401 {
		t.Errorf("the old private key got %d", a.status)
	}
	third := do(w, control.GatewaysRotate, control.RotateGateway{Gateway: "site"})
	if a := w.chat(second.PrivateKey, "sim-small"); a.status != 401 {
		t.Errorf("a private key that was replaced at once got %d", a.status)
	}
	w.served(third.PrivateKey, "sim-small")
	if s := w.engine.catalog.Load().Secret(first.ID); s.SealedBefore != nil {
		t.Error("a private key without grace is kept")
	}
	refused(w, control.GatewaysRotate, control.RotateGateway{Gateway: "site", Grace: -time.Second}, tally.Invalid)
	w.consistent()
}

func TestMachineZone(t *testing.T) {
	for in, want := range map[string]string{
		"Europe/Lisbon": "Europe/Lisbon", "": "UTC", ":Asia/Tokyo": "Asia/Tokyo", "/usr/share/zoneinfo/Asia/Tokyo": "Asia/Tokyo", "Etc/UTC": "UTC", "CET-1CEST": "UTC", "Nowhere": "UTC",
	} {
		t.Setenv("TZ", in)
		if got := machineZone(); got != want {
			t.Errorf("TZ=%q: %q, want %q", in, got, want)
		}
	}
	if got := knownZone("/var/db/timezone/zoneinfo/America/New_York"); got != "America/New_York" {
		t.Errorf("a link to a zone file: %q", got)
	}
}
