package gateways

import (
	"fmt"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/tui/action"
	"tallygate/tui/dialog"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

// listTemplates shows the templates of a gateway, which locked access tokens are bound to.
func (s *Screen) listTemplates() tea.Cmd {
	g := *s.Selected()
	return func() tea.Msg {
		out, err := screen.Run(screen.Patience, s.Env, control.TemplatesList, control.Listing{Gateway: string(g.ID)})
		return screen.Reply{Take: func() tea.Cmd {
			switch {
			case err != nil:
				return screen.Fail(err)
			case len(out) == 0:
				return s.setTemplate(&g, nil)
			}
			return s.showTemplates(&g, out)
		}}
	}
}

func (s *Screen) showTemplates(g *control.GatewayView, all []control.TemplateView) tea.Cmd {
	d := screen.NewRows(s.Env, control.Pointers(all), screen.ListOf[*control.TemplateView]{
		Screen: "templates", Heading: "Templates of " + widget.Safe(g.Slug), Table: control.TemplateTable,
		Columns: []string{"template", "model", "longest", "temperature", "bytes", "tokens"}, Empty: func() []string { return nil },
	})
	after := func(run func() tea.Cmd) func() tea.Cmd { // what is shown is of before
		return func() tea.Cmd { return tea.Sequence(screen.Ask(screen.Close{Dialog: d}), run()) }
	}
	d.Does = []action.Action{
		{Title: "read", Keys: []string{"enter"}, Needs: d.Chosen, Run: func() tea.Cmd {
			v := *d.Selected()
			says := func(*theme.Theme) []string { return templateSays(&v) }
			return screen.Ask(screen.Open{Dialog: &dialog.Note{Heading: "Template " + widget.Safe(v.Name), Lines: says}})
		}},
		{Title: "new", Keys: []string{"n"}, Needs: s.Env.ReadOnly, Run: after(func() tea.Cmd { return s.setTemplate(g, nil) })},
		{Title: "edit", Keys: []string{"e"}, Needs: d.Change, Run: after(func() tea.Cmd { return s.setTemplate(g, d.Selected()) })},
		{Title: "delete", Keys: []string{"d"}, Needs: d.Change, Run: after(func() tea.Cmd { return s.deleteTemplate(*d.Selected()) })},
	}
	return screen.Ask(screen.Open{Dialog: d})
}

func templateSays(v *control.TemplateView) (says []string) {
	for line := range strings.SplitSeq(v.System, "\n") {
		says = append(says, widget.Safe(line))
	}
	return says
}

// setTemplate asks for a template: a new one, or one that is to be changed. A text of
// several lines is left to a file, as a field is one line.
func (s *Screen) setTemplate(g *control.GatewayView, v *control.TemplateView) tea.Cmd {
	form := dialog.FormOf[control.SetTemplate, control.TemplateView]{
		Heading: "New template of " + widget.Safe(g.Slug), Op: control.TemplatesSet, Save: "Save",
		Asks: []string{"name", "system", "model", "max_output", "temperature"}, Must: []string{"name", "system"},
		Fixed: control.SetTemplate{Gateway: string(g.ID)},
		Done: func(out control.TemplateView) tea.Cmd {
			return screen.Ask(screen.Say{Text: "Saved template " + out.Name + ": t mints a token that is locked to it."})
		},
	}
	lines := 1
	if v != nil {
		lines += strings.Count(v.System, "\n")
		form.Heading, form.Change = "Edit template "+widget.Safe(v.Name), true
		form.Fixed.Name, form.Asks, form.Must = v.Name, form.Asks[1:], form.Must[1:]
		form.Begin = control.SetTemplate{Name: v.Name, TemplateFields: control.CurrentTemplate(&v.Template)}
		if lines > 1 {
			form.Asks, form.Must = form.Asks[1:], nil
		}
	}
	form.Says = func(t *theme.Theme, width int, _ func(string) string) []string {
		says := "What the model is told around the words of a page's visitor. Pages never see it."
		if lines > 1 {
			says = fmt.Sprintf("Its text has %d lines: tallygate templates set %s --system-file FILE", lines, v.Name)
		}
		return []string{t.Paint(theme.Muted, widget.Truncate(widget.Safe(says), width)), ""}
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, form)})
}

func (s *Screen) deleteTemplate(v control.TemplateView) tea.Cmd {
	return screen.Ask(screen.Open{Dialog: dialog.NewConfirm(dialog.Confirm{
		Heading: "Delete template " + widget.Safe(v.Name) + "?", Do: "Delete",
		Says: []string{"Pages whose tokens name it would be refused. The audit log keeps its text."},
		Yes: func() tea.Cmd {
			in := control.PickTemplate{Name: v.Name, Gateway: v.Gateway}
			return screen.Do(s.Env, control.TemplatesDelete, in, "Deleted template "+v.Name+".")
		},
	})})
}
