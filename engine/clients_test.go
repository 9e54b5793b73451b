package engine

import (
	"slices"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func TestClientFields(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	fields := control.ClientFields{
		Name: to("  Hotel Aurora "), Email: to("it@aurora.example"), Company: to("Aurora Lda"), Phone: to("+351 912 345 678"), Note: to("pays late\nand by cheque"),
		Origins: to([]string{"https://WWW.Aurora.example:443/", "http://localhost:3000", "https://www.aurora.example"}), Models: to([]string{"sim-small"}),
		Limits: edits(t, "cost=50/month", "requests=60/minute", "tokens=2M/month:15", "credits=100/total,warn"), MaxInFlight: to(4), Markup: to(control.Percent(1250)),
		SessionLength: to(2 * time.Hour), SessionMode: to(tally.Fixed), SessionMissing: to(tally.MissingRefuse),
	}
	made := do(w, control.ClientsCreate, control.CreateClient{ClientFields: fields})
	if made.Slug != "hotel-aurora" || made.Name != "Hotel Aurora" || made.Status != tally.Active || made.Rev == 0 || made.CreatedAt.IsZero() {
		t.Errorf("made %+v", made)
	}
	v := do(w, control.ClientsShow, control.Named{Name: "hotel-aurora"})
	if v.Email != "it@aurora.example" || v.Company != "Aurora Lda" || v.Phone != "+351 912 345 678" || v.Note != "pays late\nand by cheque" ||
		v.MaxInFlight != 4 || v.TariffAt(time.Now()).Added != 1250 || v.Session != (tally.SessionRule{Length: 2 * time.Hour, Mode: tally.Fixed, Missing: tally.MissingRefuse}) {
		t.Errorf("stored %+v", v)
	}
	if want := []string{"https://www.aurora.example", "http://localhost:3000"}; !slices.Equal(v.Origins, want) {
		t.Errorf("origins %q, want %q", v.Origins, want)
	}
	var texts []string
	for _, l := range v.LimitStates {
		texts = append(texts, l.Text)
	}
	if want := []string{"cost=50/month", "requests=60/minute", "tokens=2000000/month:15", "credits=100/total,warn"}; !slices.Equal(texts, want) {
		t.Errorf("limits %q, want %q", texts, want)
	}

	// An update leaves what it does not name, and clears what it empties.
	do(w, control.ClientsUpdate, control.UpdateClient{Client: "hotel-aurora", NewSlug: "aurora", ClientFields: control.ClientFields{
		Company: to(""), Models: to([]string{"none"}), Origins: to([]string{""}), Limits: edits(t, "cost=80/month", "requests=none/minute")}})
	v = do(w, control.ClientsShow, control.Named{Name: "Hotel Aurora"}) // by name
	if v.Slug != "aurora" || v.Company != "" || v.Models != nil || v.Origins != nil || v.Email != "it@aurora.example" || v.LimitStates[0].Text != "cost=80/month" || len(v.Limits) != 3 {
		t.Errorf("updated %+v", v)
	}
	w.consistent()
}

func TestClientNamesAndSlugs(t *testing.T) {
	w := newWorld(t)
	refused(w, control.ClientsCreate, control.CreateClient{ClientFields: control.ClientFields{Name: to("Early")}}, tally.NotFound, "no gateway yet", "tallygate init")
	w.setUp()
	create := func(slug, name string) control.CreateClient {
		return control.CreateClient{Slug: slug, ClientFields: control.ClientFields{Name: &name}}
	}
	for _, tc := range []struct{ name, slug string }{
		{"Café Zoë", "cafe-zoe"}, {"cafe zoe", "cafe-zoe-2"}, {"CAFE ZOE!", "cafe-zoe-3"}, {"東京", "client"}, {"大阪", "client-2"},
		{strings.Repeat("a", 80), strings.Repeat("a", 63)}, {strings.Repeat("a", 81), strings.Repeat("a", 61) + "-2"},
	} {
		if got := do(w, control.ClientsCreate, create("", tc.name)); got.Slug != tc.slug {
			t.Errorf("%q got the slug %q, want %q", tc.name, got.Slug, tc.slug)
		}
	}
	refused(w, control.ClientsCreate, create("", "CAFÉ zoë"), tally.Conflict, "already")
	refused(w, control.ClientsCreate, create("cafe-zoe", "Other"), tally.Conflict, `"cafe-zoe"`, "cafe-zoe-4 is free")
	refused(w, control.ClientsUpdate, control.UpdateClient{Client: "cafe-zoe", NewSlug: "client"}, tally.Conflict)
	refused(w, control.ClientsUpdate, control.UpdateClient{Client: "cafe-zoe", ClientFields: control.ClientFields{Name: to("大阪")}}, tally.Conflict)
	do(w, control.ClientsUpdate, control.UpdateClient{Client: "cafe-zoe", NewSlug: "cafe-zoe", ClientFields: control.ClientFields{Name: to("CAFÉ ZOË")}}) // its own
	refused(w, control.ClientsShow, control.Named{Name: "cafe-zoo"}, tally.NotFound, `did you mean "cafe-zoe"?`)
	refused(w, control.ClientsShow, control.Named{Name: strings.Repeat("x", 200_000)}, tally.NotFound, "there is no client")
	w.consistent()
}

func TestBadClients(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	before := w.engine.catalog.Load().Rev
	for _, tc := range []struct {
		name   string
		change func(*control.CreateClient)
		code   tally.Code
		says   string
	}{
		{"no name", func(c *control.CreateClient) { c.Name = nil }, tally.Invalid, "empty"},
		{"blank name", func(c *control.CreateClient) { c.Name = to(" \t") }, tally.Invalid, "empty"},
		{"control character", func(c *control.CreateClient) { c.Name = to("a\x1b[2Jb") }, tally.Invalid, "control character"},
		{"long name", func(c *control.CreateClient) { c.Name = to(strings.Repeat("n", 201)) }, tally.Invalid, "200"},
		{"slug", func(c *control.CreateClient) { c.Slug = "Not A Slug" }, tally.Invalid, "a-z"},
		{"email", func(c *control.CreateClient) { c.Email = to("Ana <ana@example.com>") }, tally.Invalid, "email"},
		{"phone", func(c *control.CreateClient) { c.Phone = to("1\n2") }, tally.Invalid, "phone"},
		{"note", func(c *control.CreateClient) { c.Note = to("\x00") }, tally.Invalid, "note"},
		{"origin", func(c *control.CreateClient) { c.Origins = to([]string{"https://*.example.com"}) }, tally.Invalid, "origin"},
		{"model", func(c *control.CreateClient) { c.Models = to([]string{"sim-smal"}) }, tally.NotFound, `did you mean "sim-small"?`},
		{"body", func(c *control.CreateClient) { c.MaxBodyBytes = to(int64(tally.MaxBodyBytes + 1)) }, tally.Invalid, "between 0 and 67,108,864"},
		{"in flight", func(c *control.CreateClient) { c.MaxInFlight = to(-1) }, tally.Invalid, "between 0 and"},
		{"negative markup", func(c *control.CreateClient) { c.Markup = to(control.Percent(-10_001)) }, tally.Invalid, "percentage"},
		{"session", func(c *control.CreateClient) { c.SessionLength = to(-time.Hour) }, tally.Invalid, "session"},
		{"session mode", func(c *control.CreateClient) { c.SessionMode = to(tally.SessionMode("sticky")) }, tally.Invalid, "rolling"},
		{"missing session", func(c *control.CreateClient) { c.SessionMissing = to(tally.MissingSession("drop")) }, tally.Invalid, "refuse"},
		{"negative limit", func(c *control.CreateClient) {
			c.Limits = []tally.LimitEdit{{Limit: tally.Limit{Metric: tally.Cost, Window: tally.Window{Unit: tally.Day}, Max: -1}}}
		}, tally.Invalid, "between 0 and"},
		{"huge limit", func(c *control.CreateClient) {
			c.Limits = []tally.LimitEdit{{Limit: tally.Limit{Metric: tally.TokensIO, Window: tally.Window{Unit: tally.Day}, Max: 1 << 62}}}
		}, tally.Invalid, "between 0 and"},
		{"limit to remove", func(c *control.CreateClient) { c.Limits = edits(t, "cost=none/day") }, tally.NotFound, "to remove"},
		{"gateway", func(c *control.CreateClient) { c.Gateway = "mian" }, tally.NotFound, `did you mean "main"?`},
	} {
		in := control.CreateClient{ClientFields: control.ClientFields{Name: to("Fine")}}
		tc.change(&in)
		if e := refused(w, control.ClientsCreate, in, tc.code, tc.says); e.Hint == "" && tc.code != tally.Invalid {
			t.Errorf("%s: %q comes without a hint", tc.name, e.Message)
		}
	}
	refused(w, control.ClientsUpdate, control.UpdateClient{Client: "default"}, tally.Invalid, "nothing to change")
	refused(w, control.ClientsUpdate, control.UpdateClient{Client: "default", Status: to(tally.Status("gone"))}, tally.Invalid, "suspended")
	if rev := w.engine.catalog.Load().Rev; rev != before {
		t.Errorf("something was stored: revision %d, was %d", rev, before)
	}
}

func TestSearchingClients(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	for _, f := range []control.ClientFields{
		{Name: to("Hotel Aurora"), Email: to("it@aurora.example"), Company: to("Hospitality Group")},
		{Name: to("Hotel Borealis"), Phone: to("+351 (912) 345-678")},
		{Name: to("Padaria"), Company: to("Hospitality Group")},
	} {
		do(w, control.ClientsCreate, control.CreateClient{ClientFields: f})
	}
	w.wait(time.Second)
	do(w, control.GatewaysCreate, control.CreateGateway{GatewayFields: control.GatewayFields{Name: to("Second")}})
	do(w, control.ClientsCreate, control.CreateClient{Gateway: "second", ClientFields: control.ClientFields{Name: to("Elsewhere")}})
	do(w, control.ClientsSuspend, control.Named{Name: "padaria"})
	for _, tc := range []struct {
		filter, gateway string
		want            []string
	}{
		{"", "", []string{"default", "elsewhere", "hotel-aurora", "hotel-borealis", "padaria"}},
		{"HOTEL", "", []string{"hotel-aurora", "hotel-borealis"}},
		{"group hotel", "", []string{"hotel-aurora"}},
		{"aurora.example", "", []string{"hotel-aurora"}},
		{"351912345", "", []string{"hotel-borealis"}},
		{"status:suspended", "", []string{"padaria"}},
		{"status:active group", "", []string{"hotel-aurora"}},
		{"status:inactive", "", nil},
		{"", "second", []string{"elsewhere"}},
		{"", "main", []string{"default", "hotel-aurora", "hotel-borealis", "padaria"}},
	} {
		var got []string
		for _, v := range do(w, control.ClientsList, control.Listing{Rows: control.Rows{Filter: tc.filter}, Gateway: tc.gateway}) {
			got = append(got, v.Slug)
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("filter %q of gateway %q: %v, want %v", tc.filter, tc.gateway, got, tc.want)
		}
	}
	refused(w, control.ClientsList, control.Listing{Rows: control.Rows{Filter: "status:gone"}}, tally.Invalid, "active, suspended, inactive")
	refused(w, control.ClientsList, control.Listing{Gateway: "third"}, tally.NotFound)
	made := do(w, control.ClientsCreate, control.CreateClient{ClientFields: control.ClientFields{Name: to("X")}})
	if gw := do(w, control.GatewaysShow, control.Named{Name: string(made.Gateway)}); gw.Slug != "main" || !gw.Default {
		t.Errorf("without a gateway it is in %s, which is not the oldest", gw.Slug)
	}
}

func TestClientLifecycle(t *testing.T) {
	w := newWorld(t)
	key := w.setUp().Key
	w.served(key, "sim-small")
	if got := do(w, control.ClientsSuspend, control.Named{Name: "default"}); got.Status != tally.Suspended {
		t.Errorf("status %q", got.Status)
	}
	if a := w.chat(key, "sim-small"); a.code != tally.CodeClientSuspended {
		t.Errorf("a suspended client got %d %s", a.status, a.code)
	}
	do(w, control.ClientsActivate, control.Named{Name: "default"})
	w.served(key, "sim-small")
	do(w, control.ClientsUpdate, control.UpdateClient{Client: "default", Status: to(tally.Inactive)})
	if a := w.chat(key, "sim-small"); a.code != tally.CodeClientInactive {
		t.Errorf("an inactive client got %d %s", a.status, a.code)
	}

	do(w, control.ClientsDelete, control.Named{Name: "default"})
	if a := w.chat(key, "sim-small"); a.code != tally.CodeInvalidKey {
		t.Errorf("the key of a deleted client got %d %s", a.status, a.code)
	}
	refused(w, control.ClientsShow, control.Named{Name: "default"}, tally.NotFound)
	refused(w, control.ClientsDelete, control.Named{Name: "default"}, tally.NotFound)
	if keys := do(w, control.KeysList, control.ListKeys{All: true}); len(keys) != 0 {
		t.Errorf("keys are left: %+v", keys)
	}
	entities, _, err := w.store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entities {
		if s, ok := e.(*tally.Secret); ok && s.Of != w.engine.catalog.Load().Gateways[0].ID {
			t.Errorf("a secret is left: of %s", s.Of)
		}
	}
	// What it used stays under the name it had, and is found by that and by its ID.
	usage := do(w, control.UsageShow, control.UsageQuery{By: "client"})
	if usage.Total.Requests != 2 || len(usage.Rows) != 1 || usage.Rows[0].Requests != 2 || usage.Rows[0].Name != "default" || !strings.HasPrefix(usage.Rows[0].ID, "cl_") {
		t.Errorf("usage after the deletion: %+v", usage)
	}
	if keys := do(w, control.UsageShow, control.UsageQuery{Client: "default", By: "key"}); len(keys.Rows) != 1 || keys.Rows[0].Name != "default/default" {
		t.Errorf("usage of its key: %+v", keys.Rows)
	}
	for _, name := range []string{usage.Rows[0].ID, "default"} {
		page := do(w, control.RequestsList, control.RequestQuery{Client: name, Outcome: "ok"})
		if len(page.Requests) != 2 || page.Requests[0].Client != "default" || page.Requests[0].Key != "default" {
			t.Errorf("%s: requests %+v", name, page.Requests)
		}
	}
	if page := do(w, control.RequestsList, control.RequestQuery{Client: "default", Key: "default", Outcome: "ok"}); len(page.Requests) != 2 {
		t.Errorf("%d requests with its key", len(page.Requests))
	}
	// Another one of that name is another one.
	w.wait(time.Second)
	again := do(w, control.ClientsCreate, control.CreateClient{ClientFields: control.ClientFields{Name: to("default")}})
	if u := do(w, control.UsageShow, control.UsageQuery{Client: "default"}); u.Total.Requests != 0 || again.Slug != "default" {
		t.Errorf("the usage of %q is %+v", again.Slug, u.Total)
	}
	do(w, control.ClientsDelete, control.Named{Name: "default"})
	if u := do(w, control.UsageShow, control.UsageQuery{Client: "default"}); u.Total.Requests != 0 {
		t.Error("of two that were deleted, the name means the first")
	}
	do(w, control.GatewaysDelete, control.Named{Name: "main"})
	if u := do(w, control.UsageShow, control.UsageQuery{By: "gateway", Gateway: "main"}); len(u.Rows) != 1 || u.Rows[0].Name != "main" || u.Total.Requests != 2 {
		t.Errorf("usage of the deleted gateway: %+v", u.Rows)
	}
	w.consistent()
}

func TestClientView(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, key := w.client("Hotel Aurora", "requests=10/month", "tokens=2000/total", "requests=5/minute,warn")
	do(w, control.ClientsUpdate, control.UpdateClient{Client: cl.Slug, ClientFields: control.ClientFields{Markup: to(control.Percent(10_000))}})
	do(w, control.KeysCreate, control.CreateKey{Client: cl.Slug, Expires: "1h"})
	revoked := do(w, control.KeysCreate, control.CreateKey{Client: cl.Slug})
	do(w, control.KeysRevoke, control.PickKey{Key: string(revoked.ID)})
	up := newUpstream(t, `{"id":"gpt-mini"}`)
	do(w, control.ProvidersCreate, control.CreateProvider{Name: "up", ProviderKind: "openai", ProviderFields: control.ProviderFields{BaseURL: to(up.base()), APIKeys: []control.Secret{"sk-secret"}}})

	if v := do(w, control.ClientsShow, control.Named{Name: cl.Slug}); v.Keys != 2 || !v.LastUsedAt.IsZero() || v.Last30Days.Requests != 0 || v.LimitStates[0].Left != 10 {
		t.Errorf("before any request: %+v", v)
	}
	w.served(key.Key, "gpt-mini")
	w.served(key.Key, "gpt-mini")
	w.wait(2 * time.Hour)
	v := do(w, control.ClientsShow, control.Named{Name: cl.Slug})
	if v.Keys != 1 || v.InFlight != 0 || !v.LastUsedAt.Equal(noon) || v.GatewaySlug != "main" {
		t.Errorf("keys %d, in flight %d, last used %v, gateway %q", v.Keys, v.InFlight, v.LastUsedAt, v.GatewaySlug)
	}
	// 1000 tokens in at 0.15 and 10 out at 0.60 USD per million, twice.
	if v.Last30Days.Requests != 2 || v.Last30Days.CostNanoUSD != 2*156_000 || v.Last30Days.CostUSD != "0.000312" || v.Last30Days.CreditsNanoUSD != 4*156_000 || v.Last30Days.InputTokens != 2000 {
		t.Errorf("month %+v", v.Last30Days)
	}
	lisbon, _ := time.LoadLocation("Europe/Lisbon")
	for i, want := range []control.LimitState{
		{Text: "requests=10/month", Period: "m2026-11-01", Used: 2, Left: 8, ResetsAt: time.Date(2026, 12, 1, 0, 0, 0, 0, lisbon).UTC()},
		{Text: "tokens=2000/total", Period: "total", Used: 2020, Left: -20},
		{Text: "requests=5/minute,warn", Period: "2026-11-21T14:07Z", Left: 5, ResetsAt: noon.Add(2*time.Hour + 30*time.Second)},
	} {
		got := v.LimitStates[i]
		if got.Text != want.Text || got.Period != want.Period || got.Used != want.Used || got.Held != 0 || got.Left != want.Left || !got.ResetsAt.Equal(want.ResetsAt) || got.Of != "client" || got.Name != cl.Slug {
			t.Errorf("limit %d: %+v\nwant %+v", i, got, want)
		}
	}
	w.wait(31 * 24 * time.Hour)
	if v := do(w, control.ClientsShow, control.Named{Name: cl.Slug}); v.Last30Days.Requests != 0 || v.LastUsedAt.IsZero() {
		t.Errorf("a month later: %+v", v.Last30Days)
	}
}
