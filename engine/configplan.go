package engine

import (
	"reflect"
	"slices"
	"time"

	"tallygate/engine/config"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// configPlan is a config file on its way into a catalog: what it changes so far, and the
// catalog with that.
type configPlan struct {
	e       *Engine
	file    *config.File
	secrets *config.Secrets // nil if the file has none, or they are left out
	by      config.Defaults
	prune   bool

	was, c  *tally.Catalog
	now     time.Time
	changes []tally.Change
	made    time.Duration // apart, so that what is made has the order of the file
	out     control.ConfigApplied
}

// plan makes the changes. What is deleted goes first, so that what is left must do without.
func (p *configPlan) plan() error {
	for _, step := range []func() error{p.drop, p.settings, p.alerts, p.providers, p.gateways, p.tokens} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// put adds changes. What is as it was is none, and of several changes of one thing there is
// one.
func (p *configPlan) put(changes ...tally.Change) error {
	for _, ch := range changes {
		old := p.was.Entity(ch.Kind, ch.ID)
		at := slices.IndexFunc(p.changes, func(x tally.Change) bool { return x.Kind == ch.Kind && x.ID == ch.ID })
		if at >= 0 {
			p.changes = slices.Delete(p.changes, at, at+1)
		}
		if ch.Entity == nil && old == nil {
			continue
		}
		entry, ok, err := (&tally.AuditChain{}).Append(tally.Act{At: p.now}, 0, ch, old)
		if err != nil {
			return err
		}
		if !ok || entry.Action != tally.Changed || len(entry.Fields) > 0 {
			p.changes = append(p.changes, ch)
		}
	}
	p.c = p.c.With(p.c.Rev, changes...)
	return nil
}

// later is an instant for the next thing that is made.
func (p *configPlan) later() time.Time {
	p.made += time.Microsecond
	return p.now.Add(p.made)
}

// drop deletes what the lists of the file do not have.
func (p *configPlan) drop() error {
	if !p.prune {
		return nil
	}
	for _, cl := range p.c.Clients {
		gw := gatewayOf(p.c, cl)
		at := slices.IndexFunc(p.file.Gateways, func(g config.Gateway) bool { return g.Slug == gw.Slug })
		switch {
		case p.file.Gateways == nil || at >= 0 && p.file.Gateways[at].Clients == nil:
		case at < 0 || !named(p.file.Gateways[at].Clients, cl.Slug, func(c *config.Client) string { return c.Slug }):
			if err := p.put(dropClient(p.c, cl, p.now)...); err != nil {
				return err
			}
		}
	}
	for _, gw := range p.c.Gateways {
		if p.file.Gateways != nil && !named(p.file.Gateways, gw.Slug, func(g *config.Gateway) string { return g.Slug }) {
			changes, err := dropGateway(p.c, gw, p.now)
			if err == nil {
				err = p.put(changes...)
			}
			if err != nil {
				return err
			}
		}
	}
	var gone []tally.Change
	for _, pr := range p.c.Providers {
		at := slices.IndexFunc(p.file.Providers, func(f config.Provider) bool { return f.Name == pr.Name })
		switch {
		case p.file.Providers == nil:
		case at < 0:
			if err := p.put(dropProvider(p.c, pr, p.now)...); err != nil {
				return err
			}
		case p.file.Providers[at].Models != nil:
			for _, m := range p.c.Models {
				if m.Provider == pr.ID && !named(p.file.Providers[at].Models, m.Name, func(f *config.Model) string { return f.Name }) {
					gone = append(gone, tally.Delete(m))
				}
			}
		}
	}
	return p.put(gone...)
}

// named reports whether a list of the file has a thing of a name.
func named[T any](list []T, name string, of func(*T) string) bool {
	for i := range list {
		if of(&list[i]) == name {
			return true
		}
	}
	return false
}

// differing are the fields that are to change: those of want that are not as they are, and,
// where base is there, those that want leaves out and that are not as in base. How limits
// are edited to become those of a list is said in full.
func differing[F any](want, is, base *F) (out F, some bool) {
	v := func(of *F, f *control.Field) reflect.Value { return reflect.ValueOf(of).Elem().FieldByIndex(f.Index) }
	fields := control.FieldsOf(reflect.TypeFor[F]())
	for i := range fields {
		f := &fields[i]
		from := want
		if v(want, f).Kind() == reflect.String { // of prices, which are rows here
			continue
		}
		if v(want, f).IsNil() {
			if from = base; base == nil || v(base, f).IsNil() {
				continue
			}
		}
		if f.IsSecret() || f.Text(from) == f.Text(is) {
			continue
		}
		some = true
		to := v(from, f)
		if edits, ok := to.Interface().([]tally.LimitEdit); ok {
			to = reflect.ValueOf(exactly(edits, v(is, f).Interface().([]tally.LimitEdit)))
		}
		v(&out, f).Set(to)
	}
	return out, some
}

// exactly are the edits that make limits those of a list.
func exactly(want, is []tally.LimitEdit) []tally.LimitEdit {
	out := slices.Clone(want)
	for _, old := range is {
		stays := func(e tally.LimitEdit) bool { return e.Metric == old.Metric && e.Window == old.Window }
		if !slices.ContainsFunc(want, stays) {
			old.Remove = true
			out = append(out, old)
		}
	}
	return out
}

// blame finds the field that an error is about: the first that alone is refused, too.
func blame[F any](at config.Lines, fields *F, err error, try func(*F) error) error {
	list := control.FieldsOf(reflect.TypeFor[F]())
	for i := range list {
		one, v := new(F), reflect.ValueOf(fields).Elem().FieldByIndex(list[i].Index)
		if v.IsZero() {
			continue
		}
		reflect.ValueOf(one).Elem().FieldByIndex(list[i].Index).Set(v)
		if alone := try(one); alone != nil {
			return at.Error(list[i].Name, alone)
		}
	}
	return at.Error("", err)
}

// edit applies fields to a copy of a thing by set, and says which of them is wrong.
func edit[E, F any](at config.Lines, thing *E, fields *F, set func(*E, *F) error) error {
	was := *thing
	err := set(thing, fields)
	if err != nil {
		return blame(at, fields, err, func(one *F) error {
			again := was
			return set(&again, one)
		})
	}
	return nil
}

// base is what fields go back to where the file leaves them out; nil where they stay.
func base[F any](p *configPlan, of F) *F {
	if !p.prune {
		return nil
	}
	return &of
}

func (p *configPlan) settings() error {
	f := p.file.Settings
	if f == nil {
		return nil
	}
	is := control.CurrentSettings(&p.c.Settings)
	fields, some := differing(&f.SettingsFields, &is, base(p, *p.by.Settings))
	if !some {
		return nil
	}
	s := storedSettings(p.c)
	if err := edit(f.Lines, &s, &fields, applySettings); err != nil {
		return err
	}
	return p.put(tally.Put(&s, p.now))
}

func (p *configPlan) alerts() error {
	f := p.file.Alerts
	if f == nil {
		return nil
	}
	is := control.CurrentAlerts(&p.c.Settings.Alerts)
	fields, some := differing(&f.AlertFields, &is, base(p, p.by.Alerts))
	if !some {
		return nil
	}
	s := storedSettings(p.c)
	if err := edit(f.Lines, &s.Alerts, &fields, applyAlerts); err != nil {
		return err
	}
	return p.put(tally.Put(&s, p.now))
}

func (p *configPlan) providers() error {
	for i := range p.file.Providers {
		f := &p.file.Providers[i]
		if err := p.provider(f); err != nil {
			return err
		}
		var changes []tally.Change
		for j := range f.Models {
			m, err := p.model(f, &f.Models[j])
			if err != nil {
				return err
			}
			changes = append(changes, tally.Put(m, p.now))
		}
		if err := p.put(changes...); err != nil {
			return err
		}
	}
	return nil
}

func (p *configPlan) provider(f *config.Provider) error {
	at := slices.IndexFunc(p.c.Providers, func(o *tally.Provider) bool { return o.Name == f.Name })
	var pr tally.Provider
	if at >= 0 {
		if pr = *p.c.Providers[at]; f.Kind != "" && f.Kind != pr.ProviderKind {
			return f.Lines.Error("kind", tally.Errorf(tally.Invalid, "it is of kind %s, which does not change", pr.ProviderKind).
				WithHint("give the other one a name of its own"))
		}
	} else {
		kind, ok := p.e.kinds[f.Kind]
		if !ok {
			var names []string
			for _, k := range p.e.opts.Kinds {
				names = append(names, string(k.Name))
			}
			return f.Lines.Error("kind", unknownKind(f.Kind, names))
		}
		pr = tally.Provider{ProviderKind: kind.Name, BaseURL: kind.BaseURL, Enabled: true}
		pr.Meta = tally.Meta{ID: tally.NewID("pr", p.now), CreatedAt: p.later().UTC()}
		if err := setProviderName(p.c, &pr, f.Name); err != nil {
			return f.Lines.Error("", err)
		}
	}
	f.Kind = pr.ProviderKind
	keys := p.apiKeys(f.Name, &pr)
	is := control.CurrentProvider(&pr)
	fields, _ := differing(&f.ProviderFields, &is, base(p, p.by.Provider(pr.ProviderKind)))
	err := edit(f.Lines, &pr, &fields, func(pr *tally.Provider, fields *control.ProviderFields) error {
		_, err := p.e.setProvider(pr, fields)
		return err
	})
	if err != nil {
		return err
	}
	if len(keys) > 0 {
		fields := control.ProviderFields{}
		for _, k := range keys {
			fields.APIKeys = append(fields.APIKeys, control.Secret(k))
		}
		if _, err := p.e.setProvider(&pr, &fields); err != nil {
			return f.Lines.Error("", err)
		}
	}
	if at < 0 && f.Models == nil {
		p.out.Warnings = append(p.out.Warnings, "provider "+pr.Name+" has no models yet: tallygate models import "+tally.ShellWord(pr.Name))
	}
	kind := p.e.kinds[pr.ProviderKind]
	switch {
	case pr.BaseURL == "" && !kind.Local:
		return f.Lines.Error("base_url", tally.Errorf(tally.Invalid, "a provider of kind %s needs one", kind.Name).
			WithHint("like https://llm.example.com/v1"))
	case at < 0 && kind.EnvKey != "" && len(keys) == 0 && pr.BaseURL == kind.BaseURL:
		p.out.Warnings = append(p.out.Warnings, "provider "+pr.Name+" has no API key: tallygate providers update "+
			tally.ShellWord(pr.Name)+" --api-key-stdin")
	}
	if err := p.e.tryOut(&pr, keys); err != nil {
		return f.Lines.Error("", err)
	}
	changes, err := p.e.putProvider(p.c, &pr, keys, p.now)
	if err != nil {
		return err
	}
	return p.put(changes...)
}

// apiKeys are those of the file's secrets, nil if the provider has them.
func (p *configPlan) apiKeys(name string, pr *tally.Provider) []string {
	if p.secrets == nil {
		return nil
	}
	keys := p.secrets.Providers[name]
	if has, err := p.e.openKeys(p.c.Secret(pr.ID)); err == nil && slices.Equal(has, keys) {
		return nil
	}
	return keys
}

func (p *configPlan) model(of *config.Provider, f *config.Model) (*tally.Model, error) {
	if err := checkModelName(f.Name); err != nil {
		return nil, f.Lines.Error("", err)
	}
	pr := p.c.Providers[slices.IndexFunc(p.c.Providers, func(o *tally.Provider) bool { return o.Name == of.Name })]
	bare := p.e.bareModel(pr, f.Name, f.Upstream, p.now)
	m := *bare
	at := slices.IndexFunc(p.c.ModelsNamed(f.Name), func(o *tally.Model) bool { return o.Provider == pr.ID })
	if at >= 0 {
		m = *p.c.ModelsNamed(f.Name)[at]
	} else {
		m.CreatedAt = p.later().UTC()
	}
	is := control.CurrentModel(&m)
	fields, _ := differing(&f.ModelFields, &is, base(p, control.CurrentModel(bare)))
	if err := edit(f.Lines, &m, &fields, func(m *tally.Model, fields *control.ModelFields) error {
		return setModel(m, fields, time.UTC, p.now)
	}); err != nil {
		return nil, err
	}
	rows := f.Rows
	if rows == nil && p.prune {
		rows = bare.Prices
	}
	if rows != nil {
		m.Prices = pricesOf(&m, rows)
	}
	return &m, nil
}

// pricesOf are the rows of a model; those that it has already keep their names, which
// records name.
func pricesOf(m *tally.Model, rows []tally.Price) tally.Prices {
	out := make(tally.Prices, 0, len(rows))
	for _, row := range rows {
		if row.Source == "" {
			row.Source = sourceOwner
		}
		row.ID = ""
		if at := slices.IndexFunc(m.Prices, func(old tally.Price) bool { return config.SameRow(old, row) }); at >= 0 {
			row.ID = m.Prices[at].ID
		}
		row.NameRow(string(m.ID))
		out = append(out, row)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
