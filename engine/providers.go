package engine

import (
	"context"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/providers"
)

func (e *Engine) listKinds(context.Context, control.None) ([]control.ProviderKindView, error) {
	var out []control.ProviderKindView
	for _, k := range e.opts.Kinds {
		out = append(out, ViewKind(&k))
	}
	return out, nil
}

// ViewKind presents a kind of provider.
func ViewKind(k *providers.Kind) control.ProviderKindView {
	return control.ProviderKindView{Kind: k.Name, Title: k.Title, BaseURL: k.BaseURL, EnvKey: k.EnvKey, KeyURL: k.KeyURL, Free: k.FreeTier, Local: k.Local,
		Dialects: k.DialectNames("")}
}

// createProvider adds an upstream account. It is stored even if its models
// cannot be listed, because an upstream may be down, or have no list; the
// answer then says so.
func (e *Engine) createProvider(ctx context.Context, in control.CreateProvider) (control.ProviderCreated, error) {
	draft, keys, err := e.newProvider(e.catalog.Load(), &in, e.clock())
	if err != nil {
		return control.ProviderCreated{}, err
	}
	var offered []providers.ModelInfo
	var failed *tally.Error
	if !in.NoImport {
		offered, failed = e.askModels(ctx, draft, keys)
	}
	var made *tally.Provider
	var report control.Imported
	err = e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		if made, keys, err = e.newProvider(c, &in, now); err != nil {
			return nil, err
		}
		changes, err := e.putProvider(c, made, keys, now)
		if err != nil {
			return nil, err
		}
		models, imported := e.importModels(c, made, offered, &control.ImportModels{}, now)
		report = imported
		return append(changes, models...), nil
	})
	if err != nil {
		return control.ProviderCreated{}, err
	}
	if failed != nil {
		report.Warning = warningOf(failed)
	}
	return control.ProviderCreated{Provider: *made, Import: report}, nil
}

// newProvider makes a provider of what the owner gave, and says which API keys
// it has.
func (e *Engine) newProvider(c *tally.Catalog, in *control.CreateProvider, now time.Time) (*tally.Provider, []string, error) {
	kind, ok := e.kinds[in.ProviderKind]
	if !ok {
		var names []string
		for _, k := range e.opts.Kinds {
			names = append(names, string(k.Name))
		}
		return nil, nil, unknownKind(in.ProviderKind, names)
	}
	p := &tally.Provider{Meta: tally.Meta{ID: tally.NewID("pr", now)}, ProviderKind: kind.Name, BaseURL: kind.BaseURL, Enabled: true}
	if err := setProviderName(c, p, in.Name); err != nil {
		return nil, nil, err
	}
	keys, err := e.setProvider(p, &in.ProviderFields)
	if err != nil {
		return nil, nil, err
	}
	if p.BaseURL == "" && !kind.Local {
		return nil, nil, tally.Errorf(tally.Invalid, "a provider of kind %s needs a base URL", kind.Name).WithHint("--base-url, like https://llm.example.com/v1")
	}
	if kind.EnvKey != "" && len(keys) == 0 && p.BaseURL == kind.BaseURL {
		return nil, nil, tally.Errorf(tally.Invalid, "%s answers nobody without an API key", kind.Title).
			WithHint("make one at %s, and give it with --api-key-env %s or --api-key-stdin", kind.KeyURL, kind.EnvKey)
	}
	return p, keys, e.tryOut(p, keys)
}

func unknownKind(kind tally.ProviderKind, names []string) error {
	err := tally.Errorf(tally.Invalid, "there is no kind of provider %q", string(kind))
	if near := control.Nearest(string(kind), names); near != "" {
		return err.WithHint("did you mean %q? see: tallygate providers kinds", near)
	}
	return err.WithHint("one of %s; custom is any other that is OpenAI-compatible", strings.Join(names, ", "))
}

// A provider's name goes into headers and on command lines.
var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

func setProviderName(c *tally.Catalog, p *tally.Provider, name string) error {
	if !namePattern.MatchString(name) {
		return tally.Errorf(tally.Invalid, "%q is not a name for a provider", name).WithHint("1 to 63 letters, digits, dots, dashes and underscores, like openai")
	}
	for _, other := range c.Providers {
		if other.ID != p.ID && strings.EqualFold(other.Name, name) {
			return nameTaken("provider", other.Name)
		}
	}
	p.Name = name
	return nil
}

// setProvider applies the owner's fields to a provider, and returns the API
// keys among them, nil if there are none.
func (e *Engine) setProvider(p *tally.Provider, f *control.ProviderFields) ([]string, error) {
	kind := e.kinds[p.ProviderKind]
	shortest := 10 * time.Millisecond
	if err := firstError(
		set(&p.ConnectTimeout, f.ConnectTimeout, during("the connect timeout", shortest, maxTimeout)),
		set(&p.FirstByteTimeout, f.FirstByteTimeout, during("the first byte timeout", shortest, maxTimeout)),
		set(&p.ChunkTimeout, f.ChunkTimeout, during("the chunk timeout", shortest, maxTimeout)),
		set(&p.Timeout, f.Timeout, during("the timeout", shortest, maxTimeout)),
		set(&p.MaxInFlight, f.MaxInFlight, between("the requests at the same time", 0, maxInFlight)),
		set(&p.Weight, f.Weight, between("the weight", 0, maxWeight)),
		set(&p.CostBy, f.CostBy, nil),
		set(&p.Enabled, f.Enabled, nil),
	); err != nil {
		return nil, err
	}
	if f.BaseURL != nil {
		url := strings.TrimRight(strings.TrimSpace(*f.BaseURL), "/")
		switch {
		case url == "":
			p.BaseURL = kind.BaseURL
		case kind.Local && kind.BaseURL == "":
			return nil, tally.Errorf(tally.Invalid, "a provider of kind %s is built in and has no address", kind.Name)
		default:
			if err := tally.CheckBaseURL(url); err != nil {
				return nil, err
			}
			p.BaseURL = url
		}
	}
	keys, err := apiKeys(f.APIKeys)
	if err != nil || keys == nil {
		return nil, err
	}
	p.KeyHints = nil
	for _, k := range keys {
		p.KeyHints = append(p.KeyHints, keyHint(k))
	}
	return keys, nil
}

// apiKeys returns the owner's keys as they are sent upstream. What is wrong
// with one is said without showing it.
func apiKeys(given []control.Secret) ([]string, error) {
	const most, longest = 20, 16 << 10
	var out []string
	for _, s := range given {
		k := strings.TrimSpace(s.Reveal())
		switch {
		case k == "":
			return nil, tally.Errorf(tally.Invalid, "an API key is empty")
		case len(k) > longest:
			return nil, tally.Errorf(tally.Invalid, "an API key is longer than %d bytes", longest)
		case strings.IndexFunc(k, func(r rune) bool { return r <= ' ' || r >= 0x7f }) >= 0:
			return nil, tally.Errorf(tally.Invalid, "an API key contains a space or a character that no API key has").WithHint("copy it again, without line breaks")
		case !slices.Contains(out, k):
			out = append(out, k)
		}
	}
	if len(out) > most {
		return nil, tally.Errorf(tally.Invalid, "there are more than %d API keys", most)
	}
	return out, nil
}

// keyHint is what may be seen of an API key: "sk-p…f3a9". Of a short one
// nothing may.
func keyHint(key string) string {
	if len(key) < 20 {
		return "…"
	}
	return key[:4] + "…" + key[len(key)-4:]
}

// putProvider makes the changes that store a provider with its keys; nil keys
// leave those it has.
func (e *Engine) putProvider(c *tally.Catalog, p *tally.Provider, keys []string, now time.Time) ([]tally.Change, error) {
	changes := []tally.Change{tally.Put(p, now)}
	if keys == nil {
		return changes, nil
	}
	s := tally.Secret{Meta: tally.Meta{ID: tally.NewID("sec", now)}, Of: p.ID}
	if was := c.Secret(p.ID); was != nil {
		s = *was
	}
	var err error
	if s.Sealed, err = e.sealKeys(p.ID, keys); err != nil {
		return nil, err
	}
	return append(changes, tally.Put(&s, now)), nil
}

func (e *Engine) updateProvider(ctx context.Context, in control.UpdateProvider) (tally.Provider, error) {
	if in.NewName == "" && reflect.ValueOf(in.ProviderFields).IsZero() {
		return tally.Provider{}, nothing("providers")
	}
	var p tally.Provider
	err := e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		old, err := findProvider(c, in.Provider)
		if err != nil {
			return nil, err
		}
		p = *old
		if in.NewName != "" {
			if err := setProviderName(c, &p, in.NewName); err != nil {
				return nil, err
			}
		}
		keys, err := e.setProvider(&p, &in.ProviderFields)
		if err != nil {
			return nil, err
		}
		if err := e.tryOut(&p, keys); err != nil {
			return nil, err
		}
		return e.putProvider(c, &p, keys, now)
	})
	return p, err
}

// deleteProvider deletes a provider with its models and keys, and its place in
// the order of every gateway.
func (e *Engine) deleteProvider(ctx context.Context, in control.Named) (control.None, error) {
	return control.None{}, e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		p, err := findProvider(c, in.Name)
		if err != nil {
			return nil, err
		}
		return dropProvider(c, p, now), nil
	})
}

// dropProvider makes the changes that delete a provider.
func dropProvider(c *tally.Catalog, p *tally.Provider, now time.Time) []tally.Change {
	changes := []tally.Change{tally.Delete(p), bury(p, p.Name, now)}
	if s := c.Secret(p.ID); s != nil {
		changes = append(changes, tally.Delete(s))
	}
	for _, m := range c.Models {
		if m.Provider == p.ID {
			changes = append(changes, tally.Delete(m))
		}
	}
	for _, old := range c.Gateways {
		if slices.Contains(old.Providers, p.ID) {
			gw := *old
			gw.Providers = slices.DeleteFunc(slices.Clone(old.Providers), func(id tally.ID) bool { return id == p.ID })
			changes = append(changes, tally.Put(&gw, now))
		}
	}
	return changes
}
