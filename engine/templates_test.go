package engine

import (
	"strings"
	"testing"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func TestTemplatesAreKept(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	do(w, control.GatewaysCreate, control.CreateGateway{GatewayFields: control.GatewayFields{Name: to("Site")}})
	set := func(in control.SetTemplate) error {
		_, err := control.TemplatesSet.Do(t.Context(), w.owner, in)
		return err
	}
	text := "Line one.\n\tLine two: \"quoted\"."
	faq := control.SetTemplate{Name: "faq", Gateway: "site", TemplateFields: control.TemplateFields{System: &text, MaxOutput: to(int64(300)), Temperature: to("0.25")}}
	if err := set(faq); err != nil {
		t.Fatal(err)
	}
	if err := set(control.SetTemplate{Name: "faq", Gateway: "site", TemplateFields: control.TemplateFields{MaxOutput: to(int64(200))}}); err != nil {
		t.Fatal(err)
	}
	if v := do(w, control.TemplatesShow, control.PickTemplate{Name: "faq", Gateway: "site"}); v.System != text || v.MaxOutput != 200 || v.Temperature != "0.25" || v.Bytes != len(text) || v.Tokens != 0 {
		t.Errorf("it is %+v", v)
	}
	with := func(change func(*control.SetTemplate)) control.SetTemplate {
		in := faq
		change(&in)
		return in
	}
	for name, in := range map[string]control.SetTemplate{
		"is not the name":  with(func(in *control.SetTemplate) { in.Name = "A b" }),
		"is empty":         with(func(in *control.SetTemplate) { in.System = to(" \n") }),
		"may have":         with(func(in *control.SetTemplate) { in.System = to(strings.Repeat("x", tally.MaxTemplateBytes+1)) }),
		"a terminal":       with(func(in *control.SetTemplate) { in.System = to("a\x1b[2J") }),
		"no model":         with(func(in *control.SetTemplate) { in.Model = to("gpt-none") }),
		"not a temp":       with(func(in *control.SetTemplate) { in.Temperature = to("2.5") }),
		"temperature":      with(func(in *control.SetTemplate) { in.Temperature = to("1e0") }),
		"needs a system":   {Name: "new", Gateway: "site"},
		"no gateway":       with(func(in *control.SetTemplate) { in.Gateway = "nowhere" }),
		"the output token": with(func(in *control.SetTemplate) { in.MaxOutput = to(int64(-1)) }),
	} {
		if err := set(in); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for i := range 4 {
		err := set(with(func(in *control.SetTemplate) {
			in.Name, in.System = "long"+string(rune('a'+i)), to(strings.Repeat("x", tally.MaxTemplateBytes))
		}))
		if full := i == 3; full != (err != nil) || full && !strings.Contains(err.Error(), "262,144") {
			t.Errorf("long template %d: %v", i, err)
		}
	}
	for _, name := range []string{"longa", "longb", "longc"} {
		do(w, control.TemplatesDelete, control.PickTemplate{Name: name, Gateway: "site"})
	}
	// A token is locked to templates that are there, and keeps them there.
	lock := control.MintToken{Gateway: "site", Label: "page", TokenFields: control.TokenFields{Templates: []string{"faq"}}}
	minted := do(w, control.TokensMint, lock)
	if says := strings.Join(minted.Allows, "\n"); !strings.Contains(says, "only its visitor's words: the template faq") || strings.Contains(says, "names no model") || strings.Contains(says, "Line one") {
		t.Errorf("it says %s", says)
	}
	lock.Label, lock.Templates = "other", []string{"fag"}
	if _, err := control.TokensMint.Do(t.Context(), w.owner, lock); err == nil || !strings.Contains(tally.AsError(err).Hint, `"faq"`) {
		t.Errorf("a template that is not there: %v", err)
	}
	if _, err := control.TemplatesDelete.Do(t.Context(), w.owner, control.PickTemplate{Name: "faq", Gateway: "site"}); tally.CodeOf(err) != tally.InUse {
		t.Errorf("one that a page needs was deleted: %v", err)
	}
	if list := do(w, control.TemplatesList, control.Listing{}); len(list) != 1 || list[0].Tokens != 1 || list[0].Gateway != "site" {
		t.Errorf("the list is %+v", list)
	}
	if v := do(w, control.TokensShow, control.PickToken{Token: "page"}); len(v.Templates) != 1 || !strings.Contains(v.Widget, `data-token="wlm-…"`) {
		t.Errorf("it shows %+v", v)
	}
	if v := do(w, control.TokensShow, control.PickToken{Token: minted.Token}); !strings.Contains(v.Widget, minted.Token) || !strings.Contains(v.Page, minted.Token+"', prefer: 'none' }") {
		t.Errorf("it shows %+v", v.Widget)
	}
	// A visitor is simulated by what the template says.
	if got := do(w, control.TokensSimulate, control.SimulateVisit{Token: minted.Token}); !got.Passes || !strings.Contains(stepsOf(got), "template: faq says") {
		t.Errorf("simulated %+v", got)
	}
	if got := do(w, control.TokensSimulate, control.SimulateVisit{Token: minted.Token, Model: "sim-small"}); got.Passes || got.Code != tally.CodeTokenLocked {
		t.Errorf("simulated %+v", got)
	}
	do(w, control.TokensRevoke, control.RevokeToken{Token: "page"})
	do(w, control.TemplatesDelete, control.PickTemplate{Name: "faq", Gateway: "site"})
	if list := do(w, control.TemplatesList, control.Listing{Gateway: "site"}); len(list) != 0 {
		t.Errorf("the list is %+v", list)
	}
}

func stepsOf(s control.Simulated) string {
	var b strings.Builder
	for _, step := range s.Steps {
		b.WriteString(step.Name + ": " + step.Detail + "\n")
	}
	return b.String()
}

// What is exported makes the same templates elsewhere, and a file that is all there is
// takes the others away.
func TestTemplatesInConfig(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	text := "You answer for a hotel.\n\nRooms:\n  - single: yes # not a comment\n"
	do(w, control.TemplatesSet, control.SetTemplate{Name: "faq", TemplateFields: control.TemplateFields{System: &text, Model: to(""), Temperature: to("0.5")}})
	do(w, control.TemplatesSet, control.SetTemplate{Name: "gone", TemplateFields: control.TemplateFields{System: to("x")}})
	file := do(w, control.ConfigExport, control.None{}).Text
	if again := do(w, control.ConfigDiff, control.ApplyConfig{Text: file, Prune: true}); len(again.Changes) != 0 {
		t.Errorf("applying what is there changes %+v", again.Changes)
	}
	other := newWorld(t)
	do(other, control.ConfigApply, control.ApplyConfig{Text: file})
	if got := do(other, control.ConfigExport, control.None{}).Text; !strings.Contains(got, "templates:") || templatesIn(got) != templatesIn(file) {
		t.Errorf("elsewhere it is\n%s\nnot\n%s", templatesIn(got), templatesIn(file))
	}
	if v := do(other, control.TemplatesShow, control.PickTemplate{Name: "faq"}); v.System != text || v.Temperature != "0.5" {
		t.Errorf("it is %+v", v)
	}
	less := strings.Replace(file, "gone:\n", "faq2:\n", 1)
	do(w, control.ConfigApply, control.ApplyConfig{Text: less, Prune: true})
	var names []string
	for _, v := range do(w, control.TemplatesList, control.Listing{}) {
		names = append(names, v.Name)
	}
	if strings.Join(names, " ") != "faq faq2" {
		t.Errorf("there are %v", names)
	}
	_, err := control.ConfigApply.Do(t.Context(), w.owner, control.ApplyConfig{Text: strings.Replace(file, `"0.5"`, `"5"`, 1)})
	if err == nil {
		_, err = control.ConfigApply.Do(t.Context(), w.owner, control.ApplyConfig{Text: strings.Replace(file, `temperature: 0.5`, `temperature: 5`, 1)})
	}
	if err == nil || !strings.Contains(err.Error(), "template faq: temperature") {
		t.Errorf("a wrong temperature: %v", err)
	}
}

// templatesIn is the part of a config that has the templates.
func templatesIn(text string) string {
	_, rest, _ := strings.Cut(text, "templates:\n")
	part, _, _ := strings.Cut(rest, "\n    clients:")
	return part
}
