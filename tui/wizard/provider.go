package wizard

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/dialog"
	"tallygate/tui/screen"
	"tallygate/tui/widget"
)

// ollamaURL is where Ollama listens unless it was told otherwise.
const ollamaURL = "http://127.0.0.1:11434/v1"

// lookPatience bounds the look for a provider on this machine: nobody waits for
// it, and one that is there answers at once.
const lookPatience = 3 * time.Second

// wizardKind is a provider to choose.
type wizardKind struct {
	control.ProviderKindView
	title, note string
	ready       bool // nothing else has to be asked
	account     control.ProviderFields
}

// skipKind is the choice of no provider.
const skipKind = "skip"

// askKinds finds out which kinds there are, and offers those first that need
// nothing from the user.
func (w *Wizard) askKinds() tea.Cmd {
	return func() tea.Msg {
		kinds, err := screen.Run(screen.Patience, w.env, control.ProvidersKinds, control.None{})
		return screen.Reply{Take: func() tea.Cmd {
			if err != nil {
				w.problem = screen.Explain(err)
				return nil
			}
			w.offer(kinds)
			return nil
		}}
	}
}

func (w *Wizard) offer(kinds []control.ProviderKindView) {
	var found, asked, pretend []wizardKind
	for _, k := range kinds {
		i := slices.IndexFunc(w.of.Found, func(f control.SetupProvider) bool { return f.ProviderKind == k.Kind })
		switch c := (wizardKind{ProviderKindView: k, title: k.Title}); {
		case i >= 0:
			c.note, c.ready = "the key in "+k.EnvKey+" is there already", true
			c.account.APIKeys = []control.Secret{w.of.Found[i].APIKey}
			found = append(found, c)
		case k.Local && k.BaseURL == "":
			c.note, c.ready = "answers by itself, costs nothing: look around first", true
			pretend = append(pretend, c)
		case k.Local:
			c.note = "on this machine, no key"
			asked = append(asked, c)
		case k.BaseURL == "":
			c.note = "by its address"
			asked = append(asked, c)
		default:
			c.note = "with your API key"
			asked = append(asked, c)
		}
	}
	// What a probe has found meanwhile stays in front.
	if len(w.kinds) > 0 && w.kinds[0].ready {
		asked = slices.DeleteFunc(asked, func(k wizardKind) bool { return k.Kind == w.kinds[0].Kind })
		found = append(found, w.kinds[0])
	}
	w.kinds = slices.Concat(found, pretend, asked)
	w.listKinds()
}

// askOllama looks whether Ollama runs on this machine.
func (w *Wizard) askOllama() tea.Cmd {
	url := ollamaURL
	account := control.ProviderFields{BaseURL: &url}
	in := control.CreateProvider{Name: "ollama", ProviderKind: "ollama", ProviderFields: account}
	return func() tea.Msg {
		out, err := screen.Run(lookPatience, w.env, control.ProvidersProbe, in)
		return screen.Reply{Take: func() tea.Cmd {
			if err != nil || !out.OK {
				return nil
			}
			k := wizardKind{ProviderKindView: control.ProviderKindView{Kind: "ollama", Title: "Ollama", BaseURL: ollamaURL, Local: true},
				title: "Ollama on this machine", note: "runs, " + counted(out.Models, "model") + ", no key", ready: true, account: account}
			w.kinds = slices.Insert(slices.DeleteFunc(w.kinds, func(o wizardKind) bool { return o.Kind == k.Kind }), 0, k)
			w.listKinds()
			return nil
		}}
	}
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return tally.Group(int64(n)) + " " + what + "s"
}

// listKinds fills the list, if it is seen. Its selection stays.
func (w *Wizard) listKinds() {
	if w.step != wizardProvider {
		return
	}
	if w.list == nil {
		w.list = &widget.Table{Focused: true, Columns: []widget.Column{{Title: "provider"}, {Title: "", Width: 52}}, Empty: []string{"looking around…"}}
	}
	var rows []widget.Row
	for _, k := range w.kinds {
		rows = append(rows, widget.Row{ID: string(k.Kind), Cells: []string{widget.Safe(k.title), widget.Safe(k.note)}})
	}
	if len(rows) > 0 {
		rows = append(rows, widget.Row{ID: skipKind, Cells: []string{"Skip for now", "the pretend provider answers until you add one"}})
	}
	w.list.SetRows(rows)
}

// choose handles a key on the list of providers.
func (w *Wizard) choose(key string) tea.Cmd {
	if key != "enter" {
		w.list.Key(key)
		return nil
	}
	id := w.list.SelectedID()
	if id == skipKind {
		w.enter(wizardClient)
		return nil
	}
	for i := range w.kinds {
		if k := &w.kinds[i]; string(k.Kind) == id {
			w.kind = k
			if k.ready {
				return w.add(k.account)
			}
			w.enter(wizardAccount)
		}
	}
	return nil
}

func (w *Wizard) accountForm() *widget.Form {
	key := &widget.Field{Name: "key", Label: "API key", Secret: true, Help: "paste it; ctrl+r shows it"}
	if w.kind.EnvKey != "" {
		key.Check = dialog.Must("API key")
	}
	fields := []*widget.Field{key, {Name: "url", Label: "Base URL", Check: dialog.Must("base URL"), Help: "change it only for a proxy or another port"}}
	if w.kind.EnvKey == "" { // the address matters more
		key.Help = "leave it empty if none is asked for"
		fields[0], fields[1] = fields[1], fields[0]
		fields[0].Help = "like https://llm.example.com/v1"
	}
	return widget.NewForm(fields, map[string]string{"url": w.kind.BaseURL}, "Check and continue", "Back")
}

func (w *Wizard) saveAccount() tea.Cmd {
	if !w.form.Valid() {
		return nil
	}
	var account control.ProviderFields
	if key := strings.TrimSpace(w.form.Value("key")); key != "" {
		account.APIKeys = []control.Secret{control.Secret(key)}
	}
	url := strings.TrimSpace(w.form.Value("url"))
	account.BaseURL = &url
	return w.add(account)
}

// add tries a provider, and keeps it if it answers.
func (w *Wizard) add(account control.ProviderFields) tea.Cmd {
	in := control.CreateProvider{Name: w.freeName(string(w.kind.Kind)), ProviderKind: w.kind.Kind, ProviderFields: account}
	title := w.kind.title
	return ask(w, "asking "+title+" for its models", control.ProvidersProbe, in, func(test control.ProviderTest) tea.Cmd {
		if !test.OK {
			w.problem = test.Message // its hint is about a provider that is kept
			return nil
		}
		return ask(w, "importing "+counted(test.Models, "model"), control.ProvidersCreate, in, func(made control.ProviderCreated) tea.Cmd {
			w.enter(wizardClient)
			took := "at once"
			if test.Latency >= time.Millisecond {
				took = "in " + widget.Latency(test.Latency)
			}
			text := fmt.Sprintf("%s: answered %s, offers %s", title, took, counted(made.Import.Offered, "model"))
			if rest := made.Import.Added - made.Import.Priced; rest > 0 {
				text += fmt.Sprintf("; %s without a price, off until you set one", tally.Group(int64(rest)))
			}
			w.done = append(w.done, text)
			return nil
		})
	})
}

// freeName is a name that no provider has.
func (w *Wizard) freeName(base string) string {
	taken := func(name string) bool {
		return slices.ContainsFunc(w.env.Source.Snapshot().Providers, func(p control.ProviderView) bool { return strings.EqualFold(p.Name, name) })
	}
	name := base
	for n := 2; taken(name); n++ {
		name = base + "-" + strconv.Itoa(n)
	}
	return name
}
