package engine

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// furnished is a world in which much is set.
func furnished(t *testing.T) (*world, *upstream) {
	w := newWorld(t)
	w.setUp()
	u := newUpstream(t, `{"id":"gpt-mini"}`, `{"id":"odd one: \"x\""}`, told("vendor/m", "0.000001", "0.000002"))
	w.provider("up", u, upstreamKey)
	do(w, control.ProvidersCreate, control.CreateProvider{Name: "spare", ProviderKind: "openai", ProviderFields: control.ProviderFields{BaseURL: to(u.base()), Weight: to(3), Timeout: to(90 * time.Second)}})
	do(w, control.ProvidersOrder, control.OrderProviders{Gateway: "main", Providers: []string{"spare", "up"}})
	do(w, control.ModelsUpdate, control.UpdateModel{PickModel: control.PickModel{Model: "gpt-mini", Provider: "up"}, ModelFields: control.ModelFields{
		Prices: []control.PriceField{{Class: "input", Amount: 150_000_000}, {Class: "image_high", Amount: 190_000_000}}, Caps: edits(t, "requests=30/minute"), AllowExtras: to(true)}})
	do(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: "main", GatewayFields: control.GatewayFields{
		Aliases: to(map[string]string{"gpt-4": "gpt-mini", "no": "gpt-mini"}), BlockedCountries: to([]string{"NO", "SE"}), VisitorLimits: edits(t, "requests=20/day"), LandingBelow: to(20), LandingModel: to("gpt-mini"), CycleDay: to(15)}})
	cl, _ := w.client("Hôtel: \"Aurora\" #1", "cost=50/month", "requests=10/minute")
	do(w, control.ClientsUpdate, control.UpdateClient{Client: cl.Slug, Status: to(tally.Suspended), ClientFields: control.ClientFields{Note: to("line one\n  two: #three\n"), Email: to("ana@example.com"),
		Models: to([]string{"gpt-4"}), Markup: to(control.Percent(1250)), SessionLength: to(36 * time.Hour)}})
	do(w, control.KeysCreate, control.CreateKey{Client: cl.Slug, Label: "bot", Expires: "90d", Limits: edits(t, "tokens=1000/day")})
	k := do(w, control.KeysCreate, control.CreateKey{Client: cl.Slug, Label: "old"})
	do(w, control.KeysRevoke, control.PickKey{Key: string(k.ID)})
	do(w, control.GatewaysCreate, control.CreateGateway{GatewayFields: control.GatewayFields{Name: to("Second"), Access: to(tally.AccessPublic), Limits: edits(t, "requests=60/minute", "cost=5/day"), VisitorLimits: edits(t, "requests=5/day"), Enabled: to(false)}})
	do(w, control.SettingsSet, control.SettingsFields{RetentionDays: to(400), HoldWait: to(time.Duration(0)), TrustedProxies: to([]string{"10.0.0.0/8"})})
	do(w, control.AlertsSet, control.SetAlerts{Webhook: hookURL, AlertFields: control.AlertFields{At: to(tally.Thresholds("60,90")), Mute: to([]string{"storm", "price"}), BalanceBelow: to(control.Amount(5 * tally.Dollar)), Log: to(false)}})
	do(w, control.ClientsUpdate, control.UpdateClient{Client: cl.Slug, ClientFields: control.ClientFields{AlertAt: to(tally.NoThresholds)}})
	return w, u
}

func (w *world) export() string { return do(w, control.ConfigExport, control.None{}).Text }

// What is exported makes the same in an empty store, and applied where it is from it
// changes nothing, with and without pruning.
func TestConfigGoesRound(t *testing.T) {
	w, _ := furnished(t)
	text := w.export()
	for _, want := range []string{`NO`, `email: ana@example.com`, `cost=50/month`, `;percent=12.5']`, `session_length: 1d12h`, `retention_days: 400`, `image_high: 0.19`, `providers: [spare, up]`, `mute: [storm, price]`, `balance_below_usd: 5`, `log: false`, `alert_at: none`, "at: "} {
		if !strings.Contains(text, want) {
			t.Errorf("it does not say %s:\n%s", want, text)
		}
	}
	for _, prune := range []bool{false, true} {
		rev := w.engine.catalog.Load().Rev
		for _, op := range []control.Op[control.ApplyConfig, control.ConfigApplied]{control.ConfigDiff, control.ConfigApply} {
			if got := do(w, op, control.ApplyConfig{Text: text, Prune: prune}); len(got.Changes) > 0 || len(got.Keys) > 0 {
				t.Errorf("prune %v: applied where it is from it changes %+v", prune, got.Changes)
			}
		}
		if w.engine.catalog.Load().Rev != rev {
			t.Error("what changes nothing is stored")
		}
	}
	n := newWorld(t)
	before := do(n, control.ConfigDiff, control.ApplyConfig{Text: text})
	got := do(n, control.ConfigApply, control.ApplyConfig{Text: text, Empty: true, Rev: before.Rev})
	if again := n.export(); again != text {
		t.Errorf("it comes back as\n%s\nand was\n%s", again, text)
	}
	if len(got.Keys) != 3 || len(got.Gateways) != 2 || len(got.Warnings) != 0 {
		t.Errorf("made %d keys, %d gateways; warnings %q", len(got.Keys), len(got.Gateways), got.Warnings)
	}
	n.consistent()
	for _, k := range got.Keys {
		if k.Client == "default" {
			n.served(k.Key, "sim-small")
		}
	}
	if got := do(n, control.ConfigApply, control.ApplyConfig{Text: text}); len(got.Changes) > 0 {
		t.Errorf("applied twice it changes %+v", got.Changes)
	}
	refused(n, control.ConfigApply, control.ApplyConfig{Text: text, Empty: true}, tally.Conflict, "set up already")
	n.restart()
	if again := n.export(); again != text {
		t.Errorf("after a restart it is\n%s", again)
	}
}

// With its secrets, a config works elsewhere as it did: keys of clients, access tokens and
// what was revoked of them, keys of providers. Nothing of them is to be read in it.
func TestConfigWithSecrets(t *testing.T) {
	w, _ := furnished(t)
	key := do(w, control.KeysCreate, control.CreateKey{Client: "default", Label: "app"}).Key
	token := do(w, control.TokensMint, control.MintToken{Gateway: "main"})
	revoked := do(w, control.TokensMint, control.MintToken{Gateway: "main"})
	do(w, control.TokensRevoke, control.RevokeToken{Token: revoked.Token})
	const phrase = "correct horse battery"
	text := do(w, control.ConfigSecrets, control.ExportSecrets{Passphrase: phrase}).Text
	for _, secret := range []string{key, upstreamKey, phrase, token.Token, "AGE-SECRET"} {
		if strings.Contains(text, secret) || strings.Contains(text, secret[:len(secret)/2]) {
			t.Errorf("it holds %s", secret)
		}
	}
	refused(w, control.ConfigSecrets, control.ExportSecrets{}, tally.Invalid, "--recipient")
	refused(w, control.ConfigSecrets, control.ExportSecrets{Recipients: []string{"age1x"}}, tally.Invalid, "age1x")
	n := newWorld(t)
	refused(n, control.ConfigApply, control.ApplyConfig{Text: text}, tally.Denied, "--identity")
	refused(n, control.ConfigApply, control.ApplyConfig{Text: text, Passphrase: "another one"}, tally.Denied, "opens")
	refused(n, control.ConfigApply, control.ApplyConfig{Text: strings.Replace(text, "secrets: |\n  -----BEGIN AGE ENCRYPTED FILE-----\n  Y", "secrets: |\n  -----BEGIN AGE ENCRYPTED FILE-----\n  Z", 1), Passphrase: phrase}, tally.Invalid, "damaged")
	if len(n.engine.catalog.Load().Gateways) > 0 {
		t.Error("half of it was done")
	}
	got := do(n, control.ConfigApply, control.ApplyConfig{Text: text, Passphrase: phrase, Empty: true})
	if len(got.Keys)+len(got.Gateways)+len(got.Warnings) > 0 {
		t.Errorf("made anew: %+v", got)
	}
	n.served(key, "sim-small")
	n.served(token.Token, "sim-small")
	if a := n.chat(revoked.Token, "sim-small"); a.status != 401 {
		t.Errorf("a revoked token: status %d", a.status)
	}
	up, err := findProvider(n.engine.catalog.Load(), "up")
	if err != nil {
		t.Fatal(err)
	}
	if keys, err := n.engine.providerKeys(up.ID); err != nil || len(keys) != 1 || keys[0] != upstreamKey {
		t.Errorf("the provider's keys: %d, %v", len(keys), err)
	}
	if got := do(n, control.ConfigApply, control.ApplyConfig{Text: text, Passphrase: phrase, Prune: true}); len(got.Changes) > 0 {
		t.Errorf("applied twice it changes %+v", got.Changes)
	}
	if strings.Contains(n.log.String(), key) || strings.Contains(n.log.String(), phrase) {
		t.Error("the log has a secret")
	}
}

// A file says what it says: the rest stays, or goes where it is to be pruned.
func TestConfigChanges(t *testing.T) {
	w, _ := furnished(t)
	part := "tallygate: 1\ngateways:\n  main:\n    clients:\n      default:\n        limits: [cost=7/month]\n        note: mine\n      new-one: {}\n"
	got := do(w, control.ConfigApply, control.ApplyConfig{Text: part})
	var said []string
	for _, c := range got.Changes {
		said = append(said, string(c.Action)+" "+string(c.Kind)+" "+c.Name+" "+strings.Join(c.Text, "; "))
	}
	want := "changed client default limits: requests=1000/month cost=5/month requests=60/minute → cost=7/month; note: none → mine|created client new-one "
	if strings.Join(said, "|") != want {
		t.Errorf("changed %q, want %q", strings.Join(said, "|"), want)
	}
	if c := w.engine.catalog.Load(); len(c.Clients) != 3 || len(c.Gateways) != 2 || len(c.Providers) != 3 {
		t.Errorf("%d clients, %d gateways, %d providers", len(c.Clients), len(c.Gateways), len(c.Providers))
	}
	entries := do(w, control.AuditList, control.AuditQuery{Limit: 2}).Entries
	if entries[0].Op != "config.apply" || entries[0].Rev != entries[1].Rev {
		t.Errorf("audit %+v", entries)
	}
	do(w, control.AuditUndo, control.UndoChange{})
	got = do(w, control.ConfigApply, control.ApplyConfig{Text: part, Prune: true})
	c := w.engine.catalog.Load()
	if len(c.Clients) != 2 || len(c.Gateways) != 1 || len(c.Providers) != 3 || len(c.Gateways[0].Aliases) != 0 || c.Gateways[0].TimeZone != "Europe/Lisbon" || len(c.Gateways[0].Providers) != 0 {
		t.Errorf("pruned: %d clients, gateways %+v; %+v", len(c.Clients), c.Gateways[0], got.Changes)
	}
	if cl, err := findClient(c, "default"); err != nil || len(c.KeysOf(cl.ID)) != 1 || !c.KeysOf(cl.ID)[0].RevokedAt.IsZero() {
		t.Errorf("its keys, of which the file says nothing: %v", err)
	}
	if got.Deletes() != 5 {
		t.Errorf("%d deleted", got.Deletes())
	}
	if again := do(w, control.ConfigDiff, control.ApplyConfig{Text: part, Prune: true}); len(again.Changes) > 0 {
		t.Errorf("pruned again: %+v", again.Changes)
	}
	refused(w, control.ConfigApply, control.ApplyConfig{Text: part + "      third: {}\n", Rev: got.Rev}, tally.Conflict, "meanwhile")
	w.consistent()
}

// What is wrong in a file is said with its line, its thing and its field, and nothing of
// the file is done.
func TestConfigErrors(t *testing.T) {
	w, _ := furnished(t)
	rev := w.engine.catalog.Load().Rev
	for text, want := range map[string]string{
		"":                            "says nothing",
		"gateways: {}\n":              "tallygate: 1",
		"tallygate: 2\n":              "version \"2\"",
		"settings: {}\n":              "does not say of which version",
		"tallygate: 1\ngatways: {}\n": "line 2: the file: there is no \"gatways\" (did you mean gateways?)",
		"tallygate: 1\nsettings:\n  retention_day: 4\n":                                                                        "line 3: settings: there is no \"retention_day\" (did you mean retention_days?)",
		"tallygate: 1\nsettings:\n  retention_days: soon\n":                                                                    "line 3: settings: retention_days: \"soon\" is not a whole number",
		"tallygate: 1\nsettings:\n  retention_days: -4\n":                                                                      "line 3: settings: retention_days: -4 is out of range",
		"tallygate: 1\nsettings:\n  unpriced: perhaps\n":                                                                       "line 3: settings: unpriced",
		"tallygate: 1\nproviders:\n  x:\n    kind: opnai\n":                                                                    "line 4: provider x: kind: there is no kind of provider \"opnai\" (did you mean \"openai\"?",
		"tallygate: 1\nproviders:\n  up:\n    kind: sim\n":                                                                     "line 4: provider up: kind: it is of kind",
		"tallygate: 1\nproviders:\n  up:\n    base_url: ftp://x\n":                                                             "line 4: provider up: base_url:",
		"tallygate: 1\nproviders:\n  up:\n    models:\n      m:\n        prices:\n        - {input: 1, ouput: 2}\n":            "line 7: provider up: model m: prices: there is no \"ouput\" (did you mean output?)",
		"tallygate: 1\nproviders:\n  up:\n    models:\n      m:\n        prices: [{from: 2026-12-01, tier: gold, input: 1}]\n": "line 6: provider up: model m: prices: \"gold\" is not a tier",
		"tallygate: 1\nproviders:\n  up:\n    models:\n      m:\n        prices: [{input: 1, pieces: {imgae: 1}}]\n":           "imgae",
		"tallygate: 1\ngateways:\n  main:\n    models:\n    - sim-small\n    - gpt-9\n":                                        "line 4: gateway main: models: there is no model \"gpt-9\"",
		"tallygate: 1\ngateways:\n  main:\n    note: x\n    providers: [nobody]\n":                                             "line 4: gateway main: there is no \"note\"",
		"tallygate: 1\ngateways:\n  main:\n    providers: [nobody]\n":                                                          "line 4: gateway main: providers: there is no provider \"nobody\"",
		"tallygate: 1\ngateways:\n  main:\n    clients:\n      new:\n        limits: [cost=5]\n":                               "line 6: gateway main: client new: limits:",
		"tallygate: 1\ngateways:\n  main:\n    clients:\n      new: {email: x, phone: '1'}\n":                                  "line 5: gateway main: client new: email: \"x\" is not an email address",
		"tallygate: 1\ngateways:\n  main:\n    clients:\n      New One: {}\n":                                                  "line 5: gateway main: client New One: ",
		"tallygate: 1\ngateways:\n  second:\n    clients:\n      default: {}\n":                                                "line 5: gateway second: client default: it is a client of gateway main",
		"tallygate: 1\ngateways:\n  main:\n    clients:\n      default:\n        keys:\n          k: {expires: 2020-01-01}\n":  "line 7: gateway main: client default: key k: expires: 2020-01-01 has passed",
		"tallygate: 1\ngateways:\n  main:\n    clients: [a]\n":                                                                 "line 4: gateway main: clients: here stand names",
		"tallygate: 1\ngateways:\n  main: {}\n  main: {}\n":                                                                    "line 4: gateways: \"main\" is there twice",
		"tallygate: 1\nsecrets: x\n":                                                                                           "--identity",
		"tallygate: 1\nsettings: *x\n":                                                                                         "line 2: ",
	} {
		for _, op := range []control.Op[control.ApplyConfig, control.ConfigApplied]{control.ConfigDiff, control.ConfigApply} {
			_, err := op.Do(t.Context(), w.owner, control.ApplyConfig{Text: text})
			if err == nil {
				t.Errorf("%q is taken", text)
				continue
			}
			e := tally.AsError(err)
			if got := e.Message + " (" + e.Hint + ")"; !strings.Contains(got, want) {
				t.Errorf("%q:\n%s\nwant %s", text, got, want)
			}
		}
	}
	if w.engine.catalog.Load().Rev != rev {
		t.Error("half of a wrong file was done")
	}
}

// Config files are read one after the other, and those of callers who are gone not at all.
func TestConfigsWait(t *testing.T) {
	w, _ := furnished(t)
	in := control.ApplyConfig{Text: do(w, control.ConfigExport, control.None{}).Text}
	w.engine.reading.Lock()
	ctx, leave := context.WithCancel(t.Context())
	ended := make(chan error, 2)
	go func() { _, err := w.engine.diffConfig(ctx, in); ended <- err }()
	go func() { _, err := w.engine.applyConfig(ctx, in); ended <- err }()
	time.Sleep(20 * time.Millisecond)
	select {
	case err := <-ended:
		t.Errorf("one has not waited: %v", err)
	default:
	}
	leave()
	w.engine.reading.Unlock()
	for range 2 {
		if err := <-ended; !errors.Is(err, context.Canceled) {
			t.Errorf("one was read for nobody: %v", err)
		}
	}
}
