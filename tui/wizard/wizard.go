// Package wizard leads through the first steps, from a provider to a key that works.
package wizard

import (
	"cmp"
	"fmt"
	"reflect"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/dialog"
	"tallygate/tui/keys"
	"tallygate/tui/live"
	"tallygate/tui/screen"
	"tallygate/tui/widget"
)

// WizardOf is what a Wizard starts from.
type WizardOf struct {
	// Found are the providers whose API keys are in the environment.
	Found []control.SetupProvider
	// Elsewhere is how to keep the data in another folder.
	Elsewhere string
}

// Wizard leads from nothing to a first answer: where the data lives, a
// provider, a client with its key, a request. Each step changes the store when
// it is done, so whoever leaves goes on from there the next time, and each can
// be skipped.
type Wizard struct {
	env   *screen.Env
	of    WizardOf
	step  wizardStep
	form  *widget.Form  // what the step asks, if it asks in fields
	list  *widget.Table // or by a choice
	kinds []wizardKind
	kind  *wizardKind   // that was chosen
	done  []string      // what came of the steps before, for people
	shown *dialog.Shown // the key
	tried *dialog.Tried
	as    string // the client to try as

	doing   string // what is waited for, "" if nothing is
	since   time.Time
	calls   int // drops answers that were given up on
	problem string
}

type wizardStep int

const (
	wizardData wizardStep = iota
	wizardProvider
	wizardAccount // the chosen provider's key and address
	wizardClient
	wizardTry
)

// NeedsWizard reports whether there is nothing to serve anybody with yet.
func NeedsWizard(s *live.Snapshot) bool { return s.Loaded && len(s.Clients) == 0 }

// New makes the dialog. It starts where the store says that the last one
// was left.
func New(e *screen.Env, of WizardOf) *Wizard {
	w := &Wizard{env: e, of: of}
	if s := e.Source.Snapshot(); len(s.Providers) > 0 || len(s.Gateways) > 0 {
		w.enter(wizardClient)
		return w
	}
	w.enter(wizardData)
	return w
}

// Begin is the command that looks around: for kinds of providers, and for one
// that runs on this machine.
func (w *Wizard) Begin() tea.Cmd { return tea.Batch(w.askKinds(), w.askOllama()) }

// enter shows a step.
func (w *Wizard) enter(step wizardStep) {
	w.step, w.problem, w.doing = step, "", ""
	w.calls++
	w.form, w.list = nil, nil
	switch step {
	case wizardData:
		w.form = widget.NewForm(nil, nil, "Continue")
	case wizardProvider:
		w.listKinds()
	case wizardAccount:
		w.form = w.accountForm()
	case wizardClient:
		help := map[string]string{"name": "who gets the key: a customer, an app, yourself"}
		var fields []*widget.Field
		for _, f := range dialog.FieldsAsked(reflect.TypeFor[control.Setup](), []string{"name", "limits"}) {
			fields = append(fields, dialog.WidgetOf(&f, help[f.Name], f.Name == "name"))
		}
		w.form = widget.NewForm(fields, map[string]string{"name": "My first client", "limits": safeLimits}, "Make the client and its key", "Skip for now")
	}
}

// safeLimits let somebody try things out, and keep a mistake cheap.
const safeLimits = "requests=1000/month cost=5/month requests=60/minute"

// Title implements Dialog, as do the methods below.
func (w *Wizard) Title() string {
	switch w.step {
	case wizardData:
		return "Welcome to tallygate"
	case wizardProvider:
		return "Where should requests go?"
	case wizardAccount:
		return w.kind.title
	case wizardClient:
		return "Your first client"
	}
	if w.tried != nil {
		return w.tried.Title()
	}
	return "The client's key"
}

func (w *Wizard) Covers()      {}
func (w *Wizard) Typing() bool { return w.form != nil && w.form.Typing() }

// Press implements screen.Pointed, as does Wheel.
func (w *Wizard) Press(s widget.Spot) bool {
	switch {
	case w.doing != "":
		return false
	case w.list != nil:
		return w.list.Press(s)
	}
	return w.form != nil && w.form.Press(s)
}

func (w *Wizard) Wheel(_ widget.Spot, _, notches int) {
	if w.list != nil {
		w.list.Wheel(notches)
	}
}

// Esc goes a step back; at the first one it leaves the wizard.
func (w *Wizard) Esc() tea.Cmd {
	switch {
	case w.doing != "": // give up waiting
		w.calls++
		w.doing, w.problem = "", "Given up. Nothing was kept of it, unless it ended at that moment."
	case w.step == wizardData:
		return w.finish("The first steps wait for you: they come again at the next start, or with : and “first steps”.")
	case w.step == wizardProvider:
		w.enter(wizardData)
	case w.step == wizardAccount, w.step == wizardClient && len(w.env.Source.Snapshot().Gateways) == 0:
		w.enter(wizardProvider)
	case w.step == wizardClient:
		return w.finish("There is no client yet; n on Clients makes one.")
	case w.tried != nil:
		w.tried = nil
	default:
		return w.shown.Esc()
	}
	return nil
}

// finish leaves the wizard, with a word.
func (w *Wizard) finish(word string) tea.Cmd {
	return tea.Sequence(screen.Ask(screen.Close{Dialog: w}), screen.Ask(screen.Say{Text: word}))
}

func (w *Wizard) Update(msg tea.Msg) tea.Cmd {
	if w.doing != "" {
		return nil
	}
	switch w.step {
	case wizardProvider:
		if key, ok := msg.(tea.KeyPressMsg); ok {
			return w.choose(key.String())
		}
		return nil
	case wizardTry:
		return w.updateTry(msg)
	}
	chosen, cmd := w.form.Update(msg)
	if chosen < 0 {
		return cmd
	}
	switch {
	case w.step == wizardData:
		w.enter(wizardProvider)
	case w.step == wizardAccount && chosen == 0:
		return w.saveAccount()
	case w.step == wizardAccount:
		w.enter(wizardProvider)
	case chosen == 0:
		return w.makeClient()
	default:
		return w.finish("There is no client yet; n on Clients makes one.")
	}
	return nil
}

// ask makes the command that runs an operation of a step. Its answer is dropped
// if the user has given up waiting; a failure is shown in the step.
func ask[In, Out any](w *Wizard, doing string, op control.Op[In, Out], in In, take func(Out) tea.Cmd) tea.Cmd {
	w.doing, w.problem, w.since = doing, "", w.env.Clock()
	w.calls++
	call := w.calls
	return func() tea.Msg {
		out, err := screen.Run(screen.Patience, w.env, op, in)
		return screen.Reply{Take: func() tea.Cmd {
			if call != w.calls {
				return nil
			}
			w.doing = ""
			if err != nil {
				w.problem = screen.Explain(err)
				return nil
			}
			return take(out)
		}}
	}
}

// makeClient makes the first client with its key, and what it needs around it:
// all at once in a store without a gateway.
func (w *Wizard) makeClient() tea.Cmd {
	if !w.form.Valid() {
		return nil
	}
	var in control.Setup
	for _, f := range dialog.FieldsAsked(reflect.TypeFor[control.Setup](), []string{"name", "limits"}) {
		if err := f.Fill(&in, w.form.Value(f.Name), ""); err != nil {
			w.problem = screen.Explain(err)
			return nil
		}
	}
	if len(w.env.Source.Snapshot().Gateways) == 0 {
		if in.Limits == nil {
			in.Limits = []tally.LimitEdit{} // none, rather than the usual ones
		}
		return ask(w, "making the client and its key", control.EngineSetup, in, func(out control.SetupDone) tea.Cmd {
			w.showKey(out.Client, out.Key, keys.Curl(out.BaseURL, out.Key, out.Model), out.Warnings)
			return nil
		})
	}
	create := control.CreateClient{ClientFields: control.ClientFields{Name: &in.Name, Limits: in.Limits}}
	if snap := w.env.Source.Snapshot(); len(snap.Gateways) > 1 {
		create.Gateway = snap.Gateways[0].Slug
	}
	return ask(w, "making the client", control.ClientsCreate, create, func(c tally.Client) tea.Cmd {
		return ask(w, "making its key", control.KeysCreate, control.CreateKey{Client: c.Slug}, func(k control.KeyCreated) tea.Cmd {
			snap, curl := w.env.Source.Snapshot(), ""
			if model, ok := keys.ModelFor(snap, k.Client); ok {
				curl = keys.Curl(snap.Status.BaseURL, k.Key, model)
			}
			w.showKey(k.Client, k.Key, curl, nil)
			return nil
		})
	})
}

func (w *Wizard) showKey(client, key, curl string, warnings []string) {
	w.enter(wizardTry)
	w.as = client
	w.done = append(w.done, fmt.Sprintf("client %s is made", client))
	w.shown = &dialog.Shown{Secret: key, Curl: curl, Save: dialog.Saver(w.env), Enter: "enter send the first request",
		Says: append([]string{"This is the only time that the key of " + client + " is shown: copy it before you go on."}, warnings...)}
}

// updateTry is the last step: the key, then what became of the first request.
func (w *Wizard) updateTry(msg tea.Msg) tea.Cmd {
	key, _ := msg.(tea.KeyPressMsg)
	switch {
	case w.tried != nil && key.String() == "enter":
		return w.finish("You are set up. Apps and n8n take " + cmp.Or(w.env.Source.Snapshot().Status.BaseURL, "the address above") + " as base URL, and the key.")
	case w.tried != nil:
		return w.tried.Update(msg)
	case key.String() == "enter":
		return ask(w, "sending the request and waiting for the answer", control.EngineTry, control.Try{Client: w.as}, func(out control.Tried) tea.Cmd {
			w.tried = &dialog.Tried{Out: out, Enter: "enter open the dashboard   esc the key again"}
			return nil
		})
	}
	return w.shown.Update(msg)
}
