package engine

import (
	"tallygate/engine/config"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// templates gives a gateway the templates of the file. Where the file is all there is, those
// go that it does not have.
func (p *configPlan) templates(gw *tally.Gateway, list []config.Template) error {
	by := base(p, control.CurrentTemplate(&tally.Template{}))
	if by != nil {
		by.System = nil // there is no default of it
	}
	for i := range list {
		f := &list[i]
		was := tally.Template{}
		if t := gw.Template(f.Name); t != nil {
			was = *t
		}
		is := control.CurrentTemplate(&was)
		fields, some := differing(&f.TemplateFields, &is, by)
		if !some && gw.Template(f.Name) != nil {
			continue
		}
		if err := edit(f.Lines, gw, &fields, func(gw *tally.Gateway, fields *control.TemplateFields) error {
			_, err := putTemplate(p.c, gw, f.Name, fields)
			return err
		}); err != nil {
			return err
		}
	}
	if !p.prune {
		return nil
	}
	for _, name := range templateNames(gw) {
		if !named(list, name, func(f *config.Template) string { return f.Name }) {
			if err := dropTemplate(p.c, gw, name, p.now); err != nil {
				return err
			}
		}
	}
	return nil
}
