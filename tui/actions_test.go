package tui_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"tallygate/tui/action"
	"tallygate/tui/dialog"
	"tallygate/tui/tuitest"
)

// What is everywhere owns its keys; on one screen a key means one thing; what
// cannot be undone has no neighbour that cannot either.
func TestRegistry(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
		ids := map[string]bool{}
		for _, act := range d.App.Registry() {
			if ids[act.ID] {
				t.Errorf("two actions are called %s", act.ID)
			}
			ids[act.ID] = true
			if act.Title == "" || act.Run == nil {
				t.Errorf("%s has no title or does nothing", act.ID)
			}
			if slices.Contains(act.Keys, "ctrl+z") {
				t.Errorf("%s has ctrl+z, which would freeze the gateway", act.ID)
			}
		}
		for i, name := range d.App.Screens() {
			d.Press(fmt.Sprint(i + 1))
			owner := map[string]string{}
			var before action.Action
			for _, act := range d.App.Actions() {
				for _, k := range act.Keys {
					if owner[k] != "" {
						t.Errorf("%s: %q is the key of %s and of %s", name, k, owner[k], act.ID)
					}
					owner[k] = act.ID
				}
				if act.Danger && before.Danger && act.Screen != "" {
					t.Errorf("%s: %s and %s are neighbours, and neither can be undone", name, before.ID, act.ID)
				}
				before = act
			}
		}
	})
}

// A letter means the same on every screen, as the table of keys says.
func TestKeysMeanTheSameEverywhere(t *testing.T) {
	meaning := map[string][]string{
		"n": {"new"}, "e": {"edit"}, "d": {"delete", "revoke"}, "a": {"add"}, "s": {"suspend", "order", "limits"}, "r": {"rotate"}, "/": {"filter"},
		"X": {"export"}, "T": {"test", "send"}, "y": {"copy"}, "o": {"sort", "order"}, "K": {"up", "earlier", "before"}, "J": {"down", "later", "after"},
	}
	tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
		for _, act := range d.App.Registry() {
			words, ok := meaning[first(act.Keys)]
			if !ok {
				continue
			}
			if !slices.ContainsFunc(words, func(w string) bool { return strings.Contains(strings.ToLower(act.Title), w) }) {
				t.Errorf("%s is %q on the key %s, which means %s", act.ID, act.Title, act.Keys[0], strings.Join(words, " or "))
			}
		}
	})
}

func first(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	return keys[0]
}

// The palette finds and runs every action from any screen: the action's screen
// is seen then, or the action's dialog, or why it cannot be done.
func TestPaletteRunsEveryAction(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
		screens := d.App.Screens()
		for _, act := range d.App.Registry() {
			if act.ID == "quit" || act.ID == "palette" || act.ID == "help" {
				continue
			}
			d.Press("1", ":").Expect("Find an action")
			d.Paste(act.ID).Press("enter")
			if act.Screen != "" && d.App.At() != act.Screen && d.App.Top() == nil && !slices.Contains(screens, d.App.At()) {
				t.Errorf("%s led to %s", act.ID, d.App.At())
			}
			if to, ok := strings.CutPrefix(act.ID, "go."); ok && d.App.At() != to {
				t.Errorf("%s led to %s", act.ID, d.App.At())
			}
			d.ExpectNot("Find an action")
			closeAll(d)
			d.Press("esc", "esc", "esc")
		}
		d.Press("1", ":").Type("new client").Press("enter").Expect("New client", "3 Clients")
		closeAll(d)
		d.Press(":").Type("zzzz").Expect("Nothing is called that").Press("enter", "esc").ExpectNot("zzzz").Expect("Find an action").Press("esc").ExpectNot("Find an action")
	})
}

// The help has every key of the screen, and runs what is chosen.
func TestHelpHasEveryKey(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
		for i, name := range d.App.Screens() {
			d.Press(fmt.Sprint(i + 1))
			for _, act := range d.App.Actions() {
				if act.Key() == "" || act.Screen == "" && i > 0 {
					continue
				}
				d.Press("?").Paste(act.ID)
				title, _, _ := strings.Cut(act.Title, ":")
				if !slices.ContainsFunc(d.Lines(), func(l string) bool { return strings.Contains(l, title) && strings.Contains(l, " "+act.Key()+" ") }) {
					t.Errorf("the help of %s does not have %q on %s:\n%s", name, act.Title, act.Key(), d.Screen())
				}
				closeAll(d)
			}
		}
		d.Press("3", "?").Type("clients.new").Press("enter").Expect("New client")
	})
}

func TestFooterHasNoDangerBesideDanger(t *testing.T) {
	for _, size := range []string{"60x16", "80x24", "120x36", "220x60"} {
		tuitest.Run(t, tuitest.Setup{Size: size}, func(d *tuitest.Driver) {
			for i := range d.App.Screens() {
				d.Press(fmt.Sprint(i + 1))
				lines := d.Lines()
				footer := lines[len(lines)-1]
				if !strings.Contains(footer, "? all keys") {
					t.Errorf("%s at %s: the footer is %q", d.App.At(), size, footer)
				}
				at, last := -1, ""
				for _, act := range d.App.Actions() {
					short, _, _ := strings.Cut(act.Title, ":")
					if i := strings.Index(footer, " "+act.Key()+" "+short+" "); act.Screen != "" && i > at {
						if act.Danger && last == "danger" {
							t.Errorf("%s at %s: two that cannot be undone are neighbours: %q", d.App.At(), size, footer)
						}
						at, last = i, ""
						if act.Danger {
							last = "danger"
						}
					}
				}
			}
		})
	}
}

// Whatever is pasted into whatever field, nothing is sent and nothing is obeyed.
func TestPastesDoNoHarm(t *testing.T) {
	pastes := []string{"two\nlines\r\nand\x1b[2Jmore\x13\x03", "\x1b[200~nested\x1b[201~\n\n\n", strings.Repeat("a megabyte\n", 100_000)}
	tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
		fields := 0
		for i, name := range d.App.Screens() {
			d.Press(fmt.Sprint(i + 1))
			d.World.Forget()
			for _, p := range pastes {
				d.Paste(p) // where no field is
			}
			if d.App.Top() != nil {
				t.Errorf("a paste on %s opened %q", name, d.App.Top().Title())
			}
			d.Press("/")
			for _, p := range pastes {
				d.Paste(p)
			}
			d.Press("esc", "esc", "esc")
			for _, act := range d.App.Actions() {
				if act.Screen == "" || len(act.Keys) == 0 || act.Why() != "" {
					continue
				}
				d.Press(act.Keys[0])
				if _, ok := d.App.Top().(*dialog.Shown); ok || d.App.Top() == nil {
					closeAll(d)
					continue
				}
				d.World.Forget()
				for field := range 12 {
					if d.App.Top() == nil || !d.App.Top().Typing() {
						break
					}
					fields++
					for _, p := range pastes[:len(pastes)-min(field, 1)] { // a megabyte once
						d.Paste(p)
					}
					d.Press("tab")
				}
				if sent := d.World.Asked(); len(sent) > 0 {
					t.Errorf("a paste into %s sent %v", act.ID, sent)
				}
				closeAll(d)
			}
		}
		if fields < 20 {
			t.Errorf("only %d fields were pasted into", fields)
		}
	})
}
