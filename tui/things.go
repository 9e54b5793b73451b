package tui

import (
	"reflect"
	"slices"
	"strings"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/action"
	"tallygate/tui/dialog"
	"tallygate/tui/live"
	"tallygate/tui/screen"
)

// kindSigns are the signs by which the palette looks for things of one kind alone.
var kindSigns = []struct {
	sign byte
	kind string
}{{'@', "client"}, {'#', "request"}, {'%', "token"}, {'*', "model"}, {'=', "setting"}, {'>', "action"}}

// things are what there is to open, and what is done with it most: the palette finds
// them by their names. until is what stands after that word, for what ends.
func (a *App) things(snap *live.Snapshot, until string) (out []action.Action) {
	add := func(kind, name, id string, run func() tea.Cmd, needs func() string) {
		out = append(out, action.Action{ID: kind + " " + id, Title: name, Screen: kind, Run: run, Needs: needs})
	}
	open := func(to, filter string) func() tea.Cmd {
		return func() tea.Cmd { return screen.Ask(screen.Goto{Screen: to, Filter: filter}) }
	}
	raise := func(kind string, id tally.ID) func() tea.Cmd {
		return func() tea.Cmd { return dialog.Raise(a.env, a.env.Source.Snapshot(), kind, id, until) }
	}
	for i := range snap.Clients {
		c := &snap.Clients[i]
		add("client", c.Name, c.Slug, open("clients", "client:="+c.Slug), nil)
		add("client", c.Name+": its requests", c.Slug, open("requests", "client:="+c.Slug), nil)
		add("client", c.Name+": this month", c.Slug, open("analytics", "client:"+c.Slug+" month:this"), nil)
		add("client", c.Name+": last month", c.Slug, open("analytics", "client:"+c.Slug+" month:last"), nil)
		add("client", c.Name+": raise a limit until a date", c.Slug, raise("client", c.ID), a.env.ReadOnly)
	}
	for i := range snap.Gateways {
		g := &snap.Gateways[i]
		add("gateway", g.Name, g.Slug, open("gateways", "gateway:="+g.Slug), nil)
		add("gateway", g.Name+": raise a limit until a date", g.Slug, raise("gateway", g.ID), a.env.ReadOnly)
	}
	for i := range snap.Keys {
		k := &snap.Keys[i]
		add("key", k.Label+" of "+k.ClientName, string(k.ID), open("keys", "id:="+string(k.ID)), nil)
	}
	for i := range snap.Tokens {
		v := &snap.Tokens[i]
		name := v.ID
		if v.Label != "" {
			name = v.Label + "  " + v.ID
		}
		add("token", name, v.ID, open("requests", "token:="+v.ID), nil)
	}
	for i := range snap.Providers {
		p := &snap.Providers[i]
		add("provider", p.Name, p.Name, open("providers", "provider:="+p.Name), nil)
	}
	for i := range snap.Models {
		m := &snap.Models[i]
		add("model", m.Name+" of "+m.ProviderName, string(m.ID), open("models", "id:="+string(m.ID)), nil)
	}
	for _, f := range control.FieldsOf(reflect.TypeFor[control.SettingsFields]()) {
		add("setting", f.Label, f.Name, open("settings", f.Name), nil)
	}
	return out
}

// requestsNamed are the requests of the tail whose id has a word, the newest first; an
// id that is not among them is looked for in the records.
func requestsNamed(snap *live.Snapshot, word string) (out []action.Action) {
	const most = 20
	word = strings.ToLower(strings.TrimSpace(word))
	add := func(id, says string) {
		out = append(out, action.Action{ID: "request " + id, Title: id + says, Screen: "request", Run: func() tea.Cmd {
			return screen.Ask(screen.Goto{Screen: "requests", Filter: "id:=" + id})
		}})
	}
	if word == "" {
		return nil
	}
	for _, r := range snap.Tail {
		if id := string(r.ID); strings.Contains(id, word) && len(out) < most {
			add(id, "  "+r.Client+" "+r.Model)
		}
	}
	if len(out) == 0 && strings.HasPrefix(word, "req_") {
		add(word, "")
	}
	return out
}

// find is what the palette has for what was typed: actions that begin so, things, other
// actions.
func (a *App) find(actions []action.Action, typed string) []action.Action {
	typed = strings.TrimSpace(typed)
	if typed == "" {
		return actions
	}
	only := ""
	for _, k := range kindSigns {
		if k.sign == typed[0] {
			only, typed = k.kind, typed[1:]
			break
		}
	}
	words, until, _ := strings.Cut(typed, " until ")
	snap := a.env.Source.Snapshot()
	var begin, rest []action.Action
	if only == "" || only == "action" {
		first, _, _ := strings.Cut(strings.ToLower(strings.TrimSpace(words)), " ")
		for _, act := range action.Search(actions, words) {
			if first != "" && strings.HasPrefix(strings.ToLower(act.Title), first) {
				begin = append(begin, act)
			} else {
				rest = append(rest, act)
			}
		}
	}
	var things []action.Action
	for _, t := range action.Search(a.things(snap, strings.TrimSpace(until)), words) {
		if only == "" || only == t.Screen {
			things = append(things, t)
		}
	}
	if only == "request" || only == "" && len(words) > 6 {
		things = append(things, requestsNamed(snap, words)...)
	}
	return slices.Concat(begin, things, rest)
}
