package tuitest

import (
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (w *World) provider(name string) (*control.ProviderView, error) {
	return find(w.providers, "provider", name, func(p *control.ProviderView) []string { return []string{string(p.ID), p.Name} })
}

func (w *World) model(name, provider string) (*control.ModelView, error) {
	return find(w.models, "model", name, func(m *control.ModelView) []string {
		if provider != "" && m.ProviderName != provider && string(m.Provider) != provider {
			return []string{string(m.ID)}
		}
		return []string{string(m.ID), m.Name}
	})
}

// kinds are the kinds of providers there are.
var kinds = []control.ProviderKindView{
	{Kind: "openai", Title: "OpenAI", BaseURL: "https://api.openai.com/v1", EnvKey: "OPENAI_API_KEY"},
	{Kind: "openrouter", Title: "OpenRouter", BaseURL: "https://openrouter.ai/api/v1", EnvKey: "OPENROUTER_API_KEY"},
	{Kind: "ollama", Title: "Ollama, on this machine", BaseURL: "http://127.0.0.1:11434/v1", Local: true},
	{Kind: "compatible", Title: "Anything that speaks OpenAI's API"},
	{Kind: "sim", Title: "Pretend provider, costs nothing", Local: true},
}

func (w *World) answerUpstream() {
	answer(w, control.ProvidersKinds, func(control.None) ([]control.ProviderKindView, error) { return kinds, nil })
	answer(w, control.ProvidersList, func(control.Listing) ([]*control.ProviderView, error) { return w.providers, nil })
	answer(w, control.ProvidersShow, func(in control.Named) (*control.ProviderView, error) { return w.provider(in.Name) })
	answer(w, control.ProvidersCreate, func(in control.CreateProvider) (control.ProviderCreated, error) {
		if err := tally.CheckSlug(in.Name); err != nil {
			return control.ProviderCreated{}, err
		}
		if _, err := w.provider(in.Name); err == nil {
			return control.ProviderCreated{}, tally.Errorf(tally.Conflict, "there is a provider %q already", in.Name)
		}
		p := &control.ProviderView{}
		p.Meta, p.Name, p.ProviderKind, p.Provider.Enabled = w.meta("prov", 0), in.Name, in.ProviderKind, true
		for _, k := range kinds {
			if k.Kind == in.ProviderKind {
				p.BaseURL, p.Local = k.BaseURL, k.Local
			}
		}
		if err := fillProvider(p, in.ProviderFields); err != nil {
			return control.ProviderCreated{}, err
		}
		w.providers = append(w.providers, p)
		return control.ProviderCreated{Provider: p.Provider, Import: w.importInto(p, !in.NoImport)}, nil
	})
	answer(w, control.ProvidersUpdate, func(in control.UpdateProvider) (tally.Provider, error) {
		p, err := w.provider(in.Provider)
		if err != nil {
			return tally.Provider{}, err
		}
		changed := *p
		if in.NewName != "" {
			changed.Name = in.NewName
		}
		if err := firstOf(tally.CheckSlug(changed.Name), fillProvider(&changed, in.ProviderFields)); err != nil {
			return tally.Provider{}, err
		}
		*p = changed
		return p.Provider, nil
	})
	answer(w, control.ProvidersDelete, func(in control.Named) (control.None, error) {
		p, err := w.provider(in.Name)
		if err != nil {
			return control.None{}, err
		}
		w.providers = slices.DeleteFunc(w.providers, func(x *control.ProviderView) bool { return x == p })
		w.models = slices.DeleteFunc(w.models, func(m *control.ModelView) bool { return m.Provider == p.ID })
		return control.None{}, nil
	})
	answer(w, control.ProvidersTest, func(in control.Named) (control.ProviderTest, error) {
		p, err := w.provider(in.Name)
		if err != nil {
			return control.ProviderTest{}, err
		}
		if p.Name == "ollama" {
			return control.ProviderTest{Message: "connect: connection refused", Hint: "is Ollama running? ollama serve"}, nil
		}
		return control.ProviderTest{OK: true, Models: p.Models, Latency: 212 * time.Millisecond}, nil
	})
	answer(w, control.ProvidersProbe, func(in control.CreateProvider) (control.ProviderTest, error) {
		for _, key := range in.APIKeys {
			if strings.Contains(key.Reveal(), "wrong") {
				return control.ProviderTest{Message: "provider \"" + in.Name + "\" does not accept the API key (status 401)"}, nil
			}
		}
		if in.ProviderKind == "ollama" {
			return control.ProviderTest{Message: "connect: connection refused", Hint: "is Ollama running? ollama serve"}, nil
		}
		return control.ProviderTest{OK: true, Models: 4, Latency: 212 * time.Millisecond}, nil
	})
	answer(w, control.ProvidersOrder, func(in control.OrderProviders) ([]string, error) {
		g, err := w.oneGateway(in.Gateway)
		if err != nil {
			return nil, err
		}
		var order []tally.ID
		for _, name := range in.Providers {
			p, err := w.provider(name)
			if err != nil {
				return nil, err
			}
			order = append(order, p.ID)
		}
		g.Providers, g.ProviderNames = order, in.Providers
		return in.Providers, nil
	})
	w.answerModels()
}

func fillProvider(p *control.ProviderView, f control.ProviderFields) error {
	if f.BaseURL != nil && *f.BaseURL != "" {
		if err := tally.CheckBaseURL(*f.BaseURL); err != nil {
			return err
		}
	}
	set(&p.BaseURL, f.BaseURL)
	set(&p.ConnectTimeout, f.ConnectTimeout)
	set(&p.FirstByteTimeout, f.FirstByteTimeout)
	set(&p.ChunkTimeout, f.ChunkTimeout)
	set(&p.Timeout, f.Timeout)
	set(&p.MaxInFlight, f.MaxInFlight)
	set(&p.Provider.Enabled, f.Enabled)
	if len(f.APIKeys) > 0 {
		p.KeyHints = nil
		for _, k := range f.APIKeys {
			s := k.Reveal()
			if len(s) < 8 {
				return tally.Errorf(tally.Invalid, "that is too short for a key")
			}
			p.KeyHints = append(p.KeyHints, s[:4]+"…"+s[len(s)-4:])
		}
	}
	return nil
}

func (w *World) answerModels() {
	answer(w, control.ModelsList, func(control.ListModels) ([]*control.ModelView, error) { return w.models, nil })
	answer(w, control.ModelsShow, func(in control.PickModel) (*control.ModelView, error) { return w.model(in.Model, in.Provider) })
	answer(w, control.ModelsCreate, func(in control.CreateModel) (control.ModelChanged, error) {
		p, err := w.provider(in.Provider)
		if err != nil {
			return control.ModelChanged{}, err
		}
		if err := tally.CheckName("name", in.Name); err != nil {
			return control.ModelChanged{}, err
		}
		m := w.addModel(p, in.Name, "", "")
		err = w.fillModel(m, in.ModelFields)
		return control.ModelChanged{Model: m.Model, Zone: "UTC"}, err
	})
	answer(w, control.ModelsUpdate, func(in control.UpdateModel) (control.ModelChanged, error) {
		m, err := w.model(in.Model, in.Provider)
		if err != nil {
			return control.ModelChanged{}, err
		}
		err = w.fillModel(m, in.ModelFields)
		return control.ModelChanged{Model: m.Model, Zone: "UTC"}, err
	})
	answer(w, control.ModelsDelete, func(in control.PickModel) (control.None, error) {
		m, err := w.model(in.Model, in.Provider)
		if err == nil {
			w.models = slices.DeleteFunc(w.models, func(x *control.ModelView) bool { return x == m })
		}
		return control.None{}, err
	})
	enable := func(on bool) func(control.PickModel) (tally.Model, error) {
		return func(in control.PickModel) (tally.Model, error) {
			m, err := w.model(in.Model, in.Provider)
			if err != nil {
				return tally.Model{}, err
			}
			m.Enabled = on
			return m.Model, nil
		}
	}
	answer(w, control.ModelsEnable, enable(true))
	answer(w, control.ModelsDisable, enable(false))
	answer(w, control.ModelsImport, func(in control.ImportModels) (control.Imported, error) {
		p, err := w.provider(in.Provider)
		if err != nil {
			return control.Imported{}, err
		}
		return w.importInto(p, true), nil
	})
}

// importInto pretends that a provider offers two models more, and has become dearer
// in one that is known, and in another beyond belief.
func (w *World) importInto(p *control.ProviderView, really bool) control.Imported {
	if !really {
		return control.Imported{}
	}
	w.addModel(p, p.Name+"-small", "0.15", "0.60")
	w.addModel(p, p.Name+"-preview", "", "")
	out := control.Imported{Provider: p.Name, Offered: p.Models, Added: 2, Priced: 1, Unpriced: []string{p.Name + "-preview"}}
	if p.Models > 4 {
		out.Changes = []control.PriceChange{
			{Model: "gpt-4o-mini", Class: "input", OldUSD: "0.15", NewUSD: "0.2", Percent: "33.3", Applied: true},
			{Model: "gpt-4.1", Class: "input", OldUSD: "2", NewUSD: "2000", Percent: "99900.0", Reason: "about 1,000 times as much: it looks like a price per thousand tokens"},
		}
		out.Refused = []string{"gpt-4.1"}
	}
	return out
}

func (w *World) addModel(p *control.ProviderView, name, input, output string) *control.ModelView {
	m := &control.ModelView{ProviderName: p.Name}
	m.Meta, m.Provider, m.Name, m.Mode, m.Enabled = w.meta("mod", 2000*time.Hour), p.ID, name, "chat", true
	m.ContextTokens, m.MaxOutputTokens = 128_000, 16_384
	if input != "" {
		in, out := usd(input), usd(output)
		m.Prices = []tally.Price{{Input: &in, Output: &out, Source: "price book 2026-11-01"}}
		m.Prices[0].NameRow(name)
		m.Priced, m.InputUSD, m.OutputUSD = true, input, output
	}
	p.Models++
	w.models = append(w.models, m)
	return m
}

// ChangeModel changes a model as somebody else would.
func (w *World) ChangeModel(name string, change func(*control.ModelView)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if m, err := w.model(name, ""); err == nil {
		change(m)
		w.happened(tally.Event{Kind: tally.ConfigEvent})
	}
}

func (w *World) fillModel(m *control.ModelView, f control.ModelFields) error {
	set(&m.Upstream, f.Upstream)
	set(&m.ContextTokens, f.ContextTokens)
	set(&m.MaxOutputTokens, f.MaxOutputTokens)
	set(&m.ImageTokens, f.ImageTokens)
	set(&m.AllowExtras, f.AllowExtras)
	set(&m.Enabled, f.Enabled)
	if len(f.Prices) == 0 {
		return nil
	}
	price := tally.Price{Source: "owner", From: w.clock()}
	if len(m.Prices) == 0 {
		price.From = time.Time{}
	}
	if f.PriceFrom != "" {
		from, err := time.Parse(time.DateOnly, string(f.PriceFrom))
		if err != nil {
			return tally.Errorf(tally.Invalid, "%q is not a date", f.PriceFrom).WithHint("like 2026-12-01")
		}
		price.From = from
	}
	for _, x := range f.Prices {
		amount := x.Amount
		class, ok := tally.ParseClass(x.Class)
		switch {
		case ok:
			*price.Rate(class) = &amount
		case x.Class == "request":
			price.Request = amount
		default:
			return tally.Errorf(tally.Invalid, "%q is not a class of tokens", x.Class)
		}
	}
	price.NameRow(string(m.ID))
	m.Prices, m.Priced = append(m.Prices, price), true
	rates, _ := tally.PriceAt(m.Prices, w.clock(), 0)
	m.InputUSD, m.OutputUSD = rates.Of[tally.ClassInput].String(), rates.Of[tally.ClassOutput].String()
	return nil
}

// usd reads an amount that a test spells right.
func usd(s string) tally.NanoUSD {
	n, err := tally.ParseUSD(s)
	if err != nil {
		panic(err)
	}
	return n
}
