package wizard_test

import (
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/screen"
	"tallygate/tui/tuitest"
	"tallygate/tui/wizard"
)

// firstSteps opens the wizard over a new store.
func firstSteps(t *testing.T, size string, of wizard.WizardOf, test func(d *tuitest.Driver)) {
	t.Helper()
	tuitest.Run(t, tuitest.Setup{Size: size, World: tuitest.Empty}, func(d *tuitest.Driver) {
		w := wizard.New(d.Env, of)
		d.Send(screen.Open{Dialog: w})
		if begin := w.Begin(); begin != nil {
			d.Send(begin())
		}
		test(d)
	})
}

func TestFirstStepsWithAPastedKey(t *testing.T) {
	firstSteps(t, "120x36", wizard.WizardOf{Elsewhere: "Elsewhere: --data DIR."}, func(d *tuitest.Driver) {
		d.Expect("Welcome to tallygate", "Continue", "--data DIR").Press("enter")
		d.Expect("Pretend upstream", "with your API key", "Skip for now").Press("down", "enter")
		d.Expect("API key", "https://api.openai.com/v1").Press("ctrl+s").Expect("is empty")
		d.Paste("sk-wrong\nkey").ExpectNot("sk-wrong").Press("ctrl+s").Expect("without", "line breaks")
		for range "\nkey" {
			d.Press("backspace")
		}
		d.Press("ctrl+s").Expect("does not accept the API key")
		if n := len(tuitest.Sent(d.World, control.ProvidersCreate)); n != 0 {
			t.Fatal("a key that does not work was kept")
		}
		for range "sk-wrong" {
			d.Press("backspace")
		}
		d.Paste("sk-right").Press("ctrl+s").Wait(time.Second).Expect("Your first client", "OpenAI: answered in 212 ms")
		if in := tuitest.Last(t, d, control.ProvidersCreate); in.Name != "openai" || len(in.APIKeys) != 1 || in.APIKeys[0].Reveal() != "sk-right" {
			t.Errorf("it was added as %+v", in)
		}
		d.Type(" of many").Press("ctrl+s").Expect("only time that the key", "llm_gw_", "curl")
		in := tuitest.Last(t, d, control.EngineSetup)
		if in.Name != "My first client of many" || len(in.Limits) != 3 || in.Limits[1].Limit.String() != "cost=5/month" || len(in.Providers) != 0 {
			t.Errorf("it was set up as %+v", in)
		}
		d.Press("enter").Expect("pretend", "open the dashboard").Press("esc").Expect("only time that the key").Press("enter", "enter")
		d.Expect("You are set up", "1 Overview").ExpectNot("Try it")
	})
}

func TestFirstStepsOfferWhatIsFound(t *testing.T) {
	of := wizard.WizardOf{Found: []control.SetupProvider{{ProviderKind: "openrouter", APIKey: "sk-or-found"}}}
	firstSteps(t, "80x24", of, func(d *tuitest.Driver) {
		d.Press("enter").Expect("▸ OpenRouter", "OPENROUTER_API_KEY").ExpectNot("sk-or").Press("enter").Wait(time.Second).Expect("Your first client")
		if in := tuitest.Last(t, d, control.ProvidersCreate); in.APIKeys[0].Reveal() != "sk-or-found" || in.ProviderKind != "openrouter" {
			t.Errorf("it was added as %+v", in)
		}
	})
}

func TestFirstStepsCanBeSkipped(t *testing.T) {
	firstSteps(t, "120x36", wizard.WizardOf{}, func(d *tuitest.Driver) {
		d.Press("enter", "G", "enter").Expect("Your first client").Press("tab", "tab", "tab", "enter").Expect("There is no client yet", "1 Overview")
		if len(tuitest.Do(t, d.World, control.ClientsList, control.Listing{}))+len(tuitest.Do(t, d.World, control.ProvidersList, control.Listing{})) > 0 {
			t.Error("something was made although everything was skipped")
		}
	})
	firstSteps(t, "120x36", wizard.WizardOf{}, func(d *tuitest.Driver) {
		d.Press("enter", "esc", "esc").Expect("first steps wait for you")
	})
}

// Limits that are emptied are none, not the usual ones.
func TestFirstStepsWithoutLimits(t *testing.T) {
	firstSteps(t, "120x36", wizard.WizardOf{}, func(d *tuitest.Driver) {
		d.Press("enter", "G", "enter", "tab")
		for range 60 {
			d.Press("backspace")
		}
		d.Type("cost=5/lightyear").Press("tab").Expect("lightyear").Press("shift+tab")
		for range "cost=5/lightyear" {
			d.Press("backspace")
		}
		d.Press("ctrl+s").Expect("only time")
		if in := tuitest.Last(t, d, control.EngineSetup); in.Limits == nil || len(in.Limits) != 0 {
			t.Errorf("it was set up with %v", in.Limits)
		}
	})
}

// An engine that refuses keeps what was typed, and says why.
func TestFirstStepsThatFail(t *testing.T) {
	firstSteps(t, "80x24", wizard.WizardOf{}, func(d *tuitest.Driver) {
		d.Press("enter", "G", "enter").Type(" typed")
		d.World.Lose(tally.Errorf(tally.Unavailable, "the engine cannot be reached"))
		d.Press("ctrl+s").Expect("cannot be reached", "My first client typed")
	})
}

// They fit every size, and a store where more is there already starts later.
func TestFirstStepsFit(t *testing.T) {
	for _, size := range []string{"60x16", "80x24", "120x36", "200x50"} {
		firstSteps(t, size, wizard.WizardOf{Elsewhere: strings.Repeat("long ", 60)}, func(d *tuitest.Driver) {
			d.Press("enter", "down", "down").Resize("70x18").Resize(size).Press("enter", "esc", "G", "enter", "ctrl+s").Expect("llm_gw_")
			d.Press("enter").Resize("60x16").Resize(size).Press("down", "enter").Expect("set up")
		})
	}
	tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
		d.Send(screen.Open{Dialog: wizard.New(d.Env, wizard.WizardOf{})}).Expect("Your first client").Press("ctrl+s").Expect("only time")
		if in := tuitest.Last(t, d, control.ClientsCreate); *in.Name != "My first client" || in.Gateway != "agency" {
			t.Errorf("the client was made as %+v", in)
		}
	})
}
