package engine

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"tallygate/engine/auth"
	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage/backup"
)

// A secret is in the reply that creates it and nowhere else: in no other reply,
// no event, no log, and in the store only sealed or as a digest.
func TestSecretsAppearOnce(t *testing.T) {
	w := newWorld(t)
	ctx := context.Background()
	secrets := map[string]string{}
	done := w.setUp()
	secrets["first key"] = done.Key
	u := newUpstream(t, `{"id":"gpt-mini"}`)
	secrets["upstream key"], secrets["next upstream key"] = upstreamKey, "sk-next-Qm4Zt8Yb1Lk7c0d1"
	secrets["passphrase"] = "canary horse battery staple"
	secrets["webhook"] = "https://hooks.example.com/services/T0/B0/Xk2Zt8Yb1Lk7c0d1Qm4"
	secrets["webhook's secret"] = do(w, control.AlertsSet, control.SetAlerts{Webhook: control.Secret(secrets["webhook"])}).Secret
	secrets["next secret of the webhook"] = do(w, control.AlertsSet, control.SetAlerts{NewSecret: true}).Secret
	w.reaches(&receiver{status: 500})
	w.raises("The bill is off")
	w.delivers()
	w.provider("up", u, upstreamKey)
	do(w, control.ProvidersUpdate, control.UpdateProvider{Provider: "up", ProviderFields: control.ProviderFields{APIKeys: []control.Secret{control.Secret(secrets["next upstream key"])}}})
	gw := do(w, control.GatewaysCreate, control.CreateGateway{GatewayFields: control.GatewayFields{Name: to("Site")}})
	secrets["private key"] = gw.PrivateKey
	secrets["next private key"] = do(w, control.GatewaysRotate, control.RotateGateway{Gateway: "site", Grace: time.Hour}).PrivateKey
	k := do(w, control.KeysCreate, control.CreateKey{Client: "default", Label: "bot"})
	secrets["key"] = k.Key
	secrets["rotated key"] = do(w, control.KeysRotate, control.RotateKey{PickKey: control.PickKey{Key: string(k.ID)}, Grace: time.Hour}).Key
	_, secrets["link"], _ = strings.Cut(do(w, control.ShareCreate, control.CreateShare{Client: "default"}).URL, "#")
	for _, key := range []string{done.Key, k.Key, secrets["rotated key"], gw.PrivateKey} {
		w.served(key, "gpt-mini")
	}
	token := do(w, control.TokensMint, control.MintToken{Gateway: "site"}).Token
	w.served(token, "gpt-mini")
	w.engine.SetBaseURL(DefaultBaseURL) // what is captured in memory must be served
	do(w, control.CaptureStart, control.StartCapture{PickCapture: control.PickCapture{Client: "default"}})
	said := w.ask(done.Key, "chat/completions", `{"model":"gpt-mini","max_tokens":20,"messages":[{"role":"user","content":"my keys: `+
		strings.Join([]string{done.Key, upstreamKey, secrets["next upstream key"], gw.PrivateKey}, ", ")+`"}]}`)
	u.set(func(u *upstream) { u.status = 401 }) // whose body repeats the key
	w.chat(done.Key, "gpt-mini")

	var seen bytes.Buffer
	infos, err := w.owner.Operations(ctx)
	if err != nil {
		t.Fatal(err)
	}
	// What every operation says, with inputs that find something. Creating ones
	// are refused here, for there is such a thing already.
	call := func(op string, in any) {
		var out json.RawMessage
		if op == control.MetricsShow.Name { // which answers with bytes
			if err := w.owner.Stream(ctx, op, in, &seen); err != nil {
				t.Error(err)
			}
			return
		}
		if err := w.owner.Call(ctx, op, in, &out); err != nil {
			b, _ := json.Marshal(tally.AsError(err))
			out = b
		}
		seen.WriteString(op + " ")
		seen.Write(out)
		seen.WriteByte('\n')
	}
	called := map[string]bool{}
	for _, c := range []struct {
		op string
		in any
	}{
		{"engine.status", nil}, {"engine.seconds", nil}, {"engine.setup", nil}, {"engine.try", nil}, {"engine.try", control.Try{Model: "gpt-mini"}}, {"engine.verify", nil}, {"settings.show", nil}, {"settings.set", control.SettingsFields{RetentionDays: to(9)}}, {"settings.accept-clock", control.AcceptClock{}},
		{"nodes.list", nil}, {"nodes.forget", control.ForgetNode{Node: gw.PrivateKey}},
		{"secrets.status", nil}, {"secrets.wrap", control.WrapSecrets{Passphrase: control.Secret(secrets["passphrase"])}}, {"secrets.wrap", control.WrapSecrets{Passphrase: "another one", Current: "a wrong one"}}, {"secrets.status", nil},
		{"secrets.rotate", nil}, {"secrets.unwrap", control.UnwrapSecrets{Current: control.Secret(secrets["passphrase"])}},
		{"config.export", nil}, {"config.secrets", control.ExportSecrets{Passphrase: control.Secret(secrets["passphrase"])}}, {"config.diff", control.ApplyConfig{Text: "tallygate: 1\nproviders: {up: {kind: openai, timeout: 9s}}"}},
		{"config.apply", control.ApplyConfig{Text: "tallygate: 1\nproviders: {up: {kind: custom, timeout: 9s}}"}},
		{"gateways.list", nil}, {"gateways.show", control.Named{Name: "site"}}, {"gateways.create", control.CreateGateway{GatewayFields: control.GatewayFields{Name: to("Site")}}},
		{"gateways.update", control.UpdateGateway{Gateway: "site", GatewayFields: control.GatewayFields{CycleDay: to(2)}}}, {"gateways.rotate", control.RotateGateway{Gateway: "none"}},
		{"clients.list", nil}, {"clients.show", control.Named{Name: "default"}}, {"clients.create", control.CreateClient{Gateway: "main", ClientFields: control.ClientFields{Name: to("N")}}},
		{"clients.update", control.UpdateClient{Client: "default", ClientFields: control.ClientFields{Note: to("n")}}}, {"clients.suspend", control.Named{Name: "default"}}, {"clients.activate", control.Named{Name: "default"}},
		{"share.list", nil}, {"share.create", control.CreateShare{Client: "none"}}, {"share.revoke", control.PickShare{ID: secrets["link"]}}, {"keys.list", control.ListKeys{All: true}}, {"keys.create", control.CreateKey{Client: "default", Label: "bot"}}, {"keys.update", control.UpdateKey{PickKey: control.PickKey{Key: "bot", Client: "default"}, Expires: to(control.Expiry("9d"))}},
		{"keys.rotate", control.RotateKey{PickKey: control.PickKey{Key: done.Key}}}, {"keys.revoke", control.PickKey{Key: "bot", Client: "default"}},
		{"templates.set", control.SetTemplate{Name: "faq", Gateway: "site", TemplateFields: control.TemplateFields{System: to("Be kind.")}}}, {"templates.list", nil}, {"templates.show", control.PickTemplate{Name: "faq", Gateway: "site"}}, {"templates.delete", control.PickTemplate{Name: "faq", Gateway: "site"}},
		{"tokens.mint", control.MintToken{Gateway: "site"}}, {"tokens.show", control.PickToken{Token: gw.PrivateKey}}, {"tokens.show", control.PickToken{Token: token + "x"}}, {"tokens.inspect", control.InspectToken{Token: token}}, {"tokens.list", nil}, {"tokens.simulate", control.SimulateVisit{Token: token}},
		{"tokens.visitors", nil}, {"tokens.revoke", control.RevokeToken{Token: token}}, {"tokens.inspect", control.InspectToken{Token: gw.PrivateKey}},
		{"providers.list", nil}, {"providers.show", control.Named{Name: "up"}}, {"providers.kinds", nil}, {"providers.create", control.CreateProvider{Name: "up2", ProviderKind: "openai", ProviderFields: control.ProviderFields{BaseURL: to(u.base()), APIKeys: []control.Secret{upstreamKey}}}},
		{"providers.update", control.UpdateProvider{Provider: "up", ProviderFields: control.ProviderFields{APIKeys: []control.Secret{upstreamKey}}}}, {"providers.test", control.Named{Name: "up"}}, {"providers.probe", control.CreateProvider{Name: "up3", ProviderKind: "openai", ProviderFields: control.ProviderFields{BaseURL: to(u.base()), APIKeys: []control.Secret{upstreamKey}}}},
		{"providers.order", control.OrderProviders{Gateway: "main", Providers: []string{"up"}}},
		{"models.list", nil}, {"models.show", control.PickModel{Model: "gpt-mini"}}, {"models.create", control.CreateModel{Provider: "up", Name: "n"}}, {"models.update", control.UpdateModel{PickModel: control.PickModel{Model: "gpt-mini"}, ModelFields: control.ModelFields{ContextTokens: to(int64(5))}}},
		{"models.enable", control.PickModel{Model: "gpt-mini"}}, {"models.disable", control.PickModel{Model: "gpt-mini"}}, {"models.import", control.Named{Name: "up"}}, {"models.route", control.RouteModel{Model: "gpt-mini"}},
		{"prices.list", nil}, {"prices.set", control.SetPrice{PickModel: control.PickModel{Model: "gpt-mini"}, Prices: []control.PriceField{{Class: "input", Amount: 1}}}}, {"prices.check", nil}, {"prices.recost", control.Recost{Since: "9d"}}, {"prices.what-if", control.WhatIf{Models: map[string]string{"gpt-mini": "gpt-mini"}}}, {"providers.reconcile", control.Reconcile{Provider: "up", Book: true, Bill: &control.Bill{First: "2026-11-20", Last: "2026-11-20", Lines: []control.BillLine{{Day: "2026-11-20", Model: "gpt", Cost: tally.Dollar}}}}},
		{"prices.import", control.ImportPrices{From: control.FromBook}}, {"prices.import", control.ImportPrices{From: control.FromProvider, Provider: "up"}}, {"prices.import", control.ImportPrices{From: control.FromFile, Text: "model,input,output\ngpt-mini,1,2\n"}},
		{"usage.show", control.UsageQuery{By: "key"}}, {"forecast.show", control.ForecastQuery{Client: "default"}}, {"requests.list", nil}, {"requests.show", control.PickRequest{ID: "req_0"}},
		{"capture.start", control.StartCapture{PickCapture: control.PickCapture{Client: "default"}, Disk: true}}, {"capture.list", nil}, {"capture.show", control.PickCaptured{Request: said.id}},
		{"capture.curl", control.PickCaptured{Request: said.id}}, {"capture.replay", control.ReplayCaptured{PickCaptured: control.PickCaptured{Request: said.id}, Model: "gpt-mini", Max: tally.Dollar}}, {"capture.stop", control.PickCapture{Key: gw.PrivateKey}},
		{"models.delete", control.PickModel{Model: "gpt-mini"}}, {"providers.delete", control.Named{Name: "up"}}, {"clients.delete", control.Named{Name: "default"}}, {"gateways.delete", control.Named{Name: "site"}},
		{"gateways.raise", nil}, {"clients.raise", nil}, {"keys.raise", nil},
		{"clients.topup", nil}, {"clients.grant", nil}, {"clients.adjust", nil}, {"clients.tariff", nil}, {"clients.statement", nil}, {"clients.close", nil}, {"statements.list", nil}, {"statements.show", nil}, {"entries.list", nil}, {"entries.show", nil}, {"entries.reverse", nil},
		{"admin.list", nil}, {"admin.add", control.AddAdmin{Name: "terraform", Role: tally.RoleOwner}}, {"admin.remove", control.Named{Name: "terraform"}}, {"ssh.list", nil}, {"ssh.add", control.AddGuest{Name: "laptop", Role: tally.RoleViewer, Key: "-----BEGIN OPENSSH PRIVATE KEY----- " + gw.PrivateKey}}, {"ssh.remove", control.Named{Name: "none"}},
		{"alerts.list", nil}, {"alerts.show", nil}, {"alerts.set", control.SetAlerts{Webhook: control.Secret("ftp" + secrets["webhook"])}}, {"alerts.test", nil}, {"alerts.ack", control.AckAlerts{All: true}},
		{"engine.stop", nil}, {"backup.create", nil}, {"metrics.show", nil}, {"engine.upgrade", nil}, {"audit.list", control.AuditQuery{Limit: 1000}}, {"audit.verify", nil}, {"audit.undoable", nil}, {"audit.undo", nil},
	} {
		if c.in == nil {
			c.in = control.None{}
		}
		call(c.op, c.in)
		called[c.op] = true
	}
	for _, info := range infos {
		if !called[info.Name] {
			t.Errorf("nothing looks at what %s says", info.Name)
		}
	}
	events, cancel := context.WithCancel(ctx)
	for e, err := range w.owner.Events(events, 0) {
		if err != nil {
			t.Fatal(err)
		}
		b, _ := json.Marshal(e)
		seen.Write(b)
		if e.Rev == w.engine.catalog.Load().Rev {
			break
		}
	}
	cancel()
	var file, kept bytes.Buffer
	if _, err := w.store.Backup(ctx, nil, &file); err != nil {
		t.Fatal(err)
	}
	r, err := backup.NewReader(&file)
	if err != nil {
		t.Fatal(err)
	}
	for {
		key, value, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		kept.Write(key)
		kept.Write(value)
	}
	for place, text := range map[string]string{"a reply": seen.String(), "the log": w.log.String(), "the store": kept.String()} {
		for what, secret := range secrets {
			digest := auth.DigestOf(secret)
			for form, s := range map[string]string{"": secret, "the middle of ": secret[10 : len(secret)-6], "base64 of ": base64.StdEncoding.EncodeToString([]byte(secret))} {
				if strings.Contains(text, s) {
					t.Errorf("%s holds %sthe %s", place, form, what)
				}
			}
			if place != "the store" && strings.Contains(text, hex.EncodeToString(digest[:])) {
				t.Errorf("%s holds the digest of the %s", place, what)
			}
		}
	}
	if !strings.Contains(kept.String(), "cl_") && !strings.Contains(kept.String(), "gw_") {
		t.Error("the copy of the store is empty: nothing was looked at")
	}
	if strings.Count(seen.String(), "\n") < 40 {
		t.Errorf("only %d replies were looked at", strings.Count(seen.String(), "\n"))
	}
}

func TestKeyHints(t *testing.T) {
	for key, want := range map[string]string{"": "…", "sk-short": "…", "1234567890123456789": "…", "12345678901234567890": "1234…7890"} {
		if got := keyHint(key); got != want {
			t.Errorf("%q: %q, want %q", key, got, want)
		}
	}
}
