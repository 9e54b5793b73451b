package providers_test

import (
	"slices"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/providers"
	"tallygate/tui/tuitest"
)

func TestTheFallbackOrderIsTheLastOneChosen(t *testing.T) {
	tuitest.Run(t, tuitest.Only(providers.New), func(d *tuitest.Driver) {
		d.Press("J", "J").Ticks(4)
		if got, want := tuitest.Last(t, d, control.ProvidersOrder).Providers, []string{"pretend-anthropic", "pretend-google", "pretend-openai", "pretend-spare", "openrouter"}; !slices.Equal(got, want) {
			t.Errorf("the order is %v, not %v", got, want)
		}
		d.Expect("● 3 pretend-openai").Press("J", "J", "J", "J").Ticks(4).Expect("● 5 pretend-openai").Press("K").Ticks(4).Expect("● 4 pretend-openai")
	})
}

// Another order of the list does not pass for the fallback order, and leaves it alone.
func TestProvidersInAnotherOrder(t *testing.T) {
	tuitest.Run(t, tuitest.Only(providers.New), func(d *tuitest.Driver) {
		d.Expect("of gateway agency")
		for _, by := range []string{"cost", "day", "failed", "median"} {
			d.Press("o").Expect("by " + by).ExpectNot("of gateway agency")
		}
		d.Press("o").Expect("of gateway agency", "● 1 pretend-openai")
	})
}

func TestAnOrderThatIsRefusedIsNotShown(t *testing.T) {
	tuitest.Run(t, tuitest.Only(providers.New), func(d *tuitest.Driver) {
		d.World.Fail("providers.order", tally.Errorf(tally.Conflict, "somebody else was faster"))
		d.Press("J").Expect("somebody else was faster", "● 1 pretend-openai")
	})
}

func TestAProviderIsAddedAndItsImportTold(t *testing.T) {
	tuitest.Run(t, tuitest.Only(providers.New), func(d *tuitest.Driver) {
		d.Press("n").Expect("what does it speak?").Type("openrouter").Press("enter").Expect("New provider")
		d.Press("tab", "tab").Paste("sk-verysecret\n").ExpectNot("sk-very").Press("ctrl+r").Expect("sk-verysecret").Press("ctrl+s").Wait(time.Second)
		in := tuitest.Last(t, d, control.ProvidersCreate)
		if in.Name != "openrouter-2" || in.ProviderKind != "openrouter" || len(in.APIKeys) != 1 || in.APIKeys[0].Reveal() != "sk-verysecret" {
			t.Errorf("it was added as %+v", in)
		}
		d.Expect("Added openrouter-2", "It lists").Press("enter").Ticks(4).Expect("▸ ● 6 openrouter-2")
	})
}

func TestAProviderIsEditedWithoutItsKeys(t *testing.T) {
	tuitest.Run(t, tuitest.Only(providers.New), func(d *tuitest.Driver) {
		d.Press("G", "e", "tab", "tab", "tab", "tab").Type("soon").Press("tab").Expect("not a length of time")
		d.Press("shift+tab", "backspace", "backspace", "backspace", "backspace").Type("5s").Press("ctrl+s")
		in := tuitest.Last(t, d, control.ProvidersUpdate)
		if in.ConnectTimeout == nil || *in.ConnectTimeout != 5*time.Second || in.APIKeys != nil || in.BaseURL != nil || in.NewName != "" || in.Timeout != nil {
			t.Errorf("the change is %+v", in)
		}
	})
}

func TestAProviderIsProbed(t *testing.T) {
	tuitest.Run(t, tuitest.Only(providers.New), func(d *tuitest.Driver) {
		d.Press("T").Expect("pretend-openai answered in", "lists")
		d.World.Fail("providers.test", tally.Errorf(tally.Upstream, "the key was refused"))
		d.Press("T").Expect("the key was refused")
		d.Press("space").Ticks(4)
		if in := tuitest.Last(t, d, control.ProvidersUpdate); in.Enabled == nil || *in.Enabled {
			t.Errorf("space asked for %+v", in)
		}
		d.Expect("○ 1 pretend-openai")
	})
}

func TestAProviderIsDeletedAfterAQuestion(t *testing.T) {
	tuitest.Run(t, tuitest.Only(providers.New), func(d *tuitest.Driver) {
		d.Press("d").Expect("Delete provider pretend-openai?", "Its 3 models go with it", "Switch it off instead", "to confirm: pretend-openai")
		d.Type("pretend-openai").Press("tab", "tab", "tab", "enter")
		tuitest.Last(t, d, control.ProvidersDelete)
		d.Ticks(4).ExpectNot("● pretend-openai ")
	})
}
