package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// Version is what a file begins with.
const Version = "1"

const headNote = `What is set, without what was used. Change it, see what that would do with
"tallygate config apply --dry-run FILE", and do it with "tallygate config apply FILE".
What is left out is as it is by default. See: tallygate help config`

// Defaults say what a thing is by default, so that it need not be written.
type Defaults struct {
	Settings *control.SettingsFields
	Alerts   control.AlertFields
	Provider func(kind tally.ProviderKind) control.ProviderFields
	Model    func(p *Provider, m *Model) (control.ModelFields, []tally.Price)
	Gateway  control.GatewayFields
	Client   control.ClientFields
}

// Text writes the file: the same for the same, whatever the time.
func (f *File) Text(d Defaults) string {
	root := mapping()
	add(root, "tallygate", figure(Version))
	if f.Settings != nil {
		m := mapping()
		addFields(m, f.Settings, &Settings{SettingsFields: *d.Settings})
		add(root, "settings", m)
	}
	if f.Alerts != nil {
		m := mapping()
		addFields(m, f.Alerts, &Alerts{AlertFields: d.Alerts})
		if len(m.Content) > 0 {
			add(root, "alerts", m)
		}
	}
	providers := mapping()
	for i := range f.Providers {
		p := &f.Providers[i]
		m := mapping()
		addFields(m, p, &Provider{ProviderFields: d.Provider(p.Kind)})
		models := mapping()
		for j := range p.Models {
			mo := &p.Models[j]
			is, rows := d.Model(p, mo)
			of := mapping()
			addFields(of, mo, &Model{ModelFields: is})
			if !slices.EqualFunc(rows, mo.Rows, SameRow) {
				list := &yaml.Node{Kind: yaml.SequenceNode}
				for k := range mo.Rows {
					list.Content = append(list.Content, rowNode(&mo.Rows[k]))
				}
				add(of, "prices", list)
			}
			add(models, mo.Name, of)
		}
		add(m, "models", models)
		add(providers, p.Name, m)
	}
	add(root, "providers", providers)
	gateways := mapping()
	for i := range f.Gateways {
		g := &f.Gateways[i]
		m := mapping()
		addFields(m, g, &Gateway{GatewayFields: d.Gateway})
		templates := mapping()
		for j := range g.Templates {
			t := &g.Templates[j]
			of := mapping()
			addFields(of, t, &Template{TemplateFields: control.CurrentTemplate(&tally.Template{})})
			add(templates, t.Name, of)
		}
		if len(templates.Content) > 0 {
			add(m, "templates", templates)
		}
		clients := mapping()
		for j := range g.Clients {
			c := &g.Clients[j]
			of := mapping()
			active := tally.Active
			addFields(of, c, &Client{Status: &active, ClientFields: d.Client})
			keys := mapping()
			for k := range c.Keys {
				key := mapping()
				never := control.Expiry("never")
				addFields(key, &c.Keys[k], &Key{Expires: &never})
				add(keys, c.Keys[k].Label, key)
			}
			add(of, "keys", keys)
			add(clients, c.Slug, of)
		}
		add(m, "clients", clients)
		add(gateways, g.Slug, m)
	}
	add(root, "gateways", gateways)
	if f.Locked != "" {
		add(root, "secrets", word(f.Locked))
	}
	return "# " + strings.ReplaceAll(headNote, "\n", "\n# ") + "\n" + written(root)
}

// nameOf is what a file calls a field: a length of time says its unit itself.
func nameOf(f *control.Field) string { return strings.TrimSuffix(f.Name, "_ns") }

// addFields writes the fields of a thing that are not as they are by default.
func addFields(to *yaml.Node, thing, by any) {
	fields := control.FieldsOf(reflect.TypeOf(thing).Elem())
	for i := range fields {
		f := &fields[i]
		if elsewhere[f.Name] || f.Text(thing) == f.Text(by) {
			continue
		}
		v := reflect.Indirect(reflect.ValueOf(thing).Elem().FieldByIndex(f.Index))
		if !v.IsValid() {
			continue // another field says it
		}
		add(to, nameOf(f), fieldNode(f, thing, v))
	}
}

func fieldNode(f *control.Field, thing any, v reflect.Value) *yaml.Node {
	list := inline(yaml.SequenceNode)
	switch x := v.Interface().(type) {
	case []string:
		for _, s := range x {
			list.Content = append(list.Content, word(s))
		}
		return list
	case []tally.LimitEdit:
		for _, l := range x {
			list.Content = append(list.Content, word(l.String()))
		}
		return list
	case map[string]string:
		m := mapping()
		for _, name := range slices.Sorted(maps.Keys(x)) {
			add(m, name, word(x[name]))
		}
		return m
	case bool:
		if x {
			return figure("true")
		}
		return figure("false")
	}
	if texts := f.Texts(thing); v.Kind() == reflect.Slice {
		for _, s := range texts {
			list.Content = append(list.Content, word(s))
		}
		return list
	}
	if v.Kind() == reflect.String {
		return word(f.Text(thing))
	}
	return figure(f.Text(thing))
}
