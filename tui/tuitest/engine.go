package tuitest

import (
	"cmp"
	"strings"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (w *World) answerEngine() {
	answer(w, control.EngineStatus, func(control.None) (control.Status, error) {
		s := w.status
		s.Rev, s.Records = int64(w.ids), int64(len(w.records))*1000
		s.Gateways, s.Clients, s.Keys, s.Providers = len(w.gateways), len(w.clients), len(w.keys), len(w.providers)
		for _, m := range w.models {
			if m.Enabled && m.Priced {
				s.Models++
			}
		}
		today, err := w.usage(control.UsageQuery{Since: "24h"})
		s.Last24Hours = today.Total
		return s, err
	})
	answer(w, control.EngineSeconds, func(control.None) ([]tally.Second, error) { return nil, nil })
	answer(w, control.EngineVerify, func(control.None) (tally.Report, error) {
		return tally.Report{OK: true, Records: int64(len(w.records)), Counters: 214, Rollups: 9_120, Faults: []tally.Fault{}}, nil
	})
	answer(w, control.SettingsShow, func(control.None) (tally.Settings, error) { return w.settings, nil })
	answer(w, control.SettingsSet, func(in control.SettingsFields) (tally.Settings, error) {
		if in.RetentionDays != nil && *in.RetentionDays < 0 {
			return w.settings, tally.Errorf(tally.Invalid, "days cannot be negative")
		}
		set(&w.settings.Unpriced, in.Unpriced)
		set(&w.settings.DefaultMaxOutput, in.DefaultMaxOutput)
		set(&w.settings.OnLeave, in.OnLeave)
		set(&w.settings.RetentionDays, in.RetentionDays)
		set(&w.settings.DropWords, in.DropWords)
		set(&w.settings.TrustedProxies, in.TrustedProxies)
		set(&w.settings.TrustedHeader, in.TrustedHeader)
		set(&w.settings.CountryFile, in.CountryFile)
		return w.settings, nil
	})
	answer(w, control.EngineSetup, w.setup)
	answer(w, control.EngineTry, w.try)
}

// setup is what the first run makes.
func (w *World) setup(in control.Setup) (control.SetupDone, error) {
	if len(w.gateways) > 0 {
		return control.SetupDone{}, tally.Errorf(tally.Conflict, "this store is set up already")
	}
	given := in.Providers
	if len(given) == 0 {
		given = []control.SetupProvider{{ProviderKind: "sim"}}
	}
	done := control.SetupDone{Gateway: "main", BaseURL: w.status.BaseURL, Limits: []string{"requests=60/minute", "cost=10/month"}}
	for _, g := range given {
		p := w.addProvider(string(g.ProviderKind), g.ProviderKind, g.BaseURL)
		w.addModel(p, string(g.ProviderKind)+"-fast", "0.15", "0.60")
		done.Providers = append(done.Providers, p.Name)
	}
	g := w.newGateway("main", "Main")
	w.gateways = append(w.gateways, g)
	c := w.addClient(g, cmp.Or(in.Name, "default"), "", 0)
	k := w.addKey(c, "default", 0)
	done.Client, done.Model, done.Key = c.Slug, w.models[0].Name, w.created(k).Key
	done.Curl = "curl " + done.BaseURL + "/chat/completions -H 'Authorization: Bearer " + done.Key + "' -d '{…}'"
	return done, nil
}

// try says which checks a request passes.
func (w *World) try(in control.Try) (control.Tried, error) {
	if len(w.clients) == 0 {
		return control.Tried{}, tally.Errorf(tally.NotFound, "there is no client to try as").WithHint("tallygate init --yes, or tallygate clients create --name NAME")
	}
	c := w.clients[0]
	if in.Client != "" {
		var err error
		if c, err = w.client(in.Client); err != nil {
			return control.Tried{}, err
		}
	}
	out := control.Tried{OK: true, Status: 200, Answer: "Hello! How can I help you today?"}
	step := func(name string, ok bool, detail string) {
		if !out.OK {
			ok, detail = false, "not reached: a request stops at an earlier check"
		}
		out.OK = out.OK && ok
		out.Steps = append(out.Steps, control.TryStep{Name: name, OK: ok, Detail: detail})
	}
	step("key", c.Keys > 0, "default llm_gw_7Qz1…f3a9, works forever")
	step("client", c.Status == tally.Active, c.Slug+" is "+string(c.Status))
	step("gateway", true, c.GatewaySlug+" is served")
	step("model", true, cmp.Or(in.Model, "gpt-4o-mini")+" has a price")
	step("provider", true, "openai, then openrouter")
	full := ""
	for _, l := range c.LimitStates {
		if l.Left <= 0 && !l.Warn {
			full = l.Text + " is used up"
		}
	}
	step("limits", full == "", cmp.Or(full, strings.TrimSpace("all have room")))
	step("request", true, "answered in 402 ms for $0.00021")
	w.more(1)
	out.Request = w.view(&w.records[len(w.records)-1])
	if !out.OK {
		out.Status, out.Answer = 429, ""
	}
	return out, nil
}
