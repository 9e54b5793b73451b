package engine

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (e *Engine) listTemplates(_ context.Context, in control.Listing) ([]control.TemplateView, error) {
	c, now := e.catalog.Load(), e.clock()
	gateways := c.Gateways
	if in.Gateway != "" {
		only, err := findGateway(c, in.Gateway)
		if err != nil {
			return nil, err
		}
		gateways = []*tally.Gateway{only}
	}
	out := []control.TemplateView{}
	for _, gw := range gateways {
		for i := range gw.Templates {
			out = append(out, viewTemplate(c, gw, &gw.Templates[i], now))
		}
	}
	return control.Select(control.TemplateTable, out, in.Rows, commonCalendar(c, now))
}

func (e *Engine) showTemplate(_ context.Context, in control.PickTemplate) (control.TemplateView, error) {
	c := e.catalog.Load()
	gw, t, err := findTemplate(c, in)
	if err != nil {
		return control.TemplateView{}, err
	}
	return viewTemplate(c, gw, t, e.clock()), nil
}

func viewTemplate(c *tally.Catalog, gw *tally.Gateway, t *tally.Template, now time.Time) control.TemplateView {
	need := lockedTo(c, gw, t.Name, now)
	return control.TemplateView{Template: *t, Gateway: gw.Slug, Bytes: len(t.System), Tokens: len(need)}
}

// lockedTo are the access tokens of a gateway that are locked to a template and work: those
// that were minted here, as others are not known.
func lockedTo(c *tally.Catalog, gw *tally.Gateway, name string, now time.Time) (out []*tally.MintedToken) {
	for _, m := range c.Minted {
		t := &m.Token
		ended := !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt) || t.IssuedBefore(gw.NotBefore) || c.Revocation(string(m.ID)) != nil
		if m.Gateway == gw.ID && slices.Contains(t.Templates, name) && !ended {
			out = append(out, m)
		}
	}
	return out
}

func findTemplate(c *tally.Catalog, in control.PickTemplate) (*tally.Gateway, *tally.Template, error) {
	gw, err := oneGateway(c, in.Gateway)
	if err != nil {
		return nil, nil, err
	}
	name := strings.TrimSpace(in.Name)
	if t := gw.Template(name); t != nil {
		return gw, t, nil
	}
	return nil, nil, missing("template", name, templateNames(gw), control.TemplateTable.Make)
}

func templateNames(gw *tally.Gateway) (names []string) {
	for i := range gw.Templates {
		names = append(names, gw.Templates[i].Name)
	}
	return names
}

func (e *Engine) setTemplate(ctx context.Context, in control.SetTemplate) (out control.TemplateView, err error) {
	err = e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		old, err := oneGateway(c, in.Gateway)
		if err != nil {
			return nil, err
		}
		gw := *old
		t, err := putTemplate(c, &gw, strings.TrimSpace(in.Name), &in.TemplateFields)
		if err != nil {
			return nil, err
		}
		out = viewTemplate(c, &gw, t, now)
		return []tally.Change{tally.Put(&gw, now)}, nil
	})
	return out, err
}

// putTemplate makes or changes a template of a gateway, whose list it replaces.
func putTemplate(c *tally.Catalog, gw *tally.Gateway, name string, f *control.TemplateFields) (*tally.Template, error) {
	if !tally.IsTemplateName(name) {
		return nil, tally.Errorf(tally.Invalid, "%q is not the name of a template", shown(name)).WithHint("up to 40 of a-z, 0-9 and -, like product-questions")
	}
	t := tally.Template{Name: name}
	if was := gw.Template(name); was != nil {
		t = *was
	} else if f.System == nil {
		return nil, tally.Errorf(tally.Invalid, "a new template needs a system text").WithHint("tallygate templates set %s --system-file FILE", name)
	}
	if err := firstError(
		set(&t.System, f.System, checkSystem),
		set(&t.MaxOutput, f.MaxOutput, between[int64]("the output tokens of one answer", 0, maxOutputByRule)),
		setWord(&t.Temperature, f.Temperature, checkTemperature),
		setWord(&t.Model, f.Model, func(name string) error {
			_, err := checkModels(c, []string{name}, gw.Aliases)
			return err
		}),
	); err != nil {
		return nil, err
	}
	gw.Templates = slices.DeleteFunc(slices.Clone(gw.Templates), func(o tally.Template) bool { return o.Name == name })
	if len(gw.Templates) == tally.MaxTemplates {
		return nil, tally.Errorf(tally.Invalid, "a gateway has up to %d templates", tally.MaxTemplates)
	}
	all := len(t.System)
	for i := range gw.Templates {
		all += len(gw.Templates[i].System)
	}
	if all > tally.MaxTemplatesBytes {
		return nil, tally.Errorf(tally.Invalid, "the system texts of gateway %q would have %s bytes together, and may have %s",
			gw.Slug, tally.Group(int64(all)), tally.Group(tally.MaxTemplatesBytes)).WithHint("shorten them, or use another gateway")
	}
	gw.Templates = append(gw.Templates, t)
	tally.Order(gw.Templates, func(a, b tally.Template) int { return cmp.Compare(a.Name, b.Name) })
	return gw.Template(name), nil
}

// setWord is set for a word that may be left empty, which "none" says as well.
func setWord(field, value *string, check func(string) error) error {
	if value == nil {
		return nil
	}
	word := strings.TrimSpace(*value)
	if word == "none" {
		word = ""
	}
	if word != "" {
		if err := check(word); err != nil {
			return err
		}
	}
	*field = word
	return nil
}

func checkSystem(text string) error {
	switch {
	case strings.TrimSpace(text) == "":
		return tally.Errorf(tally.Invalid, "the system text is empty")
	case len(text) > tally.MaxTemplateBytes:
		return tally.Errorf(tally.Invalid, "the system text has %s bytes, and may have %s", tally.Group(int64(len(text))), tally.Group(tally.MaxTemplateBytes))
	}
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' || r == '\t' }) {
		if tally.Unprintable(line) {
			return tally.Errorf(tally.Invalid, "the system text has a character that a terminal may obey").WithHint("write it as UTF-8 text, without control characters")
		}
	}
	return nil
}

// checkTemperature wants a decimal, as it is sent on as it stands.
func checkTemperature(s string) error {
	units, fraction, dotted := strings.Cut(s, ".")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	two := units == "2" && strings.Trim(fraction, "0") == ""
	if len(s) > 6 || dotted && !digits(fraction) || units != "0" && units != "1" && !two {
		return tally.Errorf(tally.Invalid, "%q is not a temperature", shown(s)).WithHint("a number from 0 to 2, like 0.3")
	}
	return nil
}

func (e *Engine) deleteTemplate(ctx context.Context, in control.PickTemplate) (control.None, error) {
	return control.None{}, e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		old, t, err := findTemplate(c, in)
		if err != nil {
			return nil, err
		}
		gw := *old
		if err := dropTemplate(c, &gw, t.Name, now); err != nil {
			return nil, err
		}
		return []tally.Change{tally.Put(&gw, now)}, nil
	})
}

// dropTemplate takes a template from a gateway, if no page needs it.
func dropTemplate(c *tally.Catalog, gw *tally.Gateway, name string, now time.Time) error {
	if need := lockedTo(c, gw, name, now); len(need) > 0 {
		id := cmp.Or(need[0].Label, need[0].Token.ID)
		return tally.Errorf(tally.InUse, "access token %s is locked to template %q, and its pages would be refused", id, name).
			WithHint("revoke it first: tallygate tokens revoke %s", tally.ShellWord(id))
	}
	gw.Templates = slices.DeleteFunc(slices.Clone(gw.Templates), func(o tally.Template) bool { return o.Name == name })
	if len(gw.Templates) == 0 {
		gw.Templates = nil
	}
	return nil
}
