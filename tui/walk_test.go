package tui_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/tui/dialog"
	"tallygate/tui/screen"
	"tallygate/tui/tuitest"
)

var steps = flag.Int("steps", 250, "keys of each random walk")

// garbage are keys and pastes that mean nothing, or not what they seem to.
var garbage = []string{"enter", "enter", "tab", "shift+tab", "esc", "up", "down", "left", "right", "pgup", "pgdown", "home", "end", "space", "backspace", "delete", "ctrl+s", "ctrl+r", "ctrl+p",
	"ctrl+z", "ctrl+d", "ctrl+u", "ctrl+a", "alt+x", "f1", "insert", "a", "x", "7", "0", "=", "/", ":", "?", "宽", "é", "ctrl+w", "ctrl+k"}

// destructive are the operations that cannot be undone.
var destructive = []string{"clients.delete", "keys.revoke", "providers.delete", "models.delete", "gateways.delete", "keys.rotate", "gateways.rotate"}

// However keys are pressed, nothing fails, every picture fits, and nothing is
// destroyed that was not asked about first. The driver watches the pictures.
func TestWalks(t *testing.T) {
	aside(t)
	for _, seed := range []uint64{1, 2} {
		for name, world := range worlds {
			t.Run(fmt.Sprintf("%s %d", name, seed), func(t *testing.T) {
				tuitest.Run(t, tuitest.Setup{World: world}, func(d *tuitest.Driver) {
					walk(d, seed, func(key string, before screen.Dialog, done []tuitest.Asked) {
						for _, a := range done {
							if slices.Contains(destructive, a.Op) && before == nil {
								t.Errorf("%q sent %s without a question", key, a.Op)
							}
							if strings.HasSuffix(a.Op, ".delete") || strings.HasSuffix(a.Op, ".revoke") {
								if _, asked := before.(*dialog.Confirm); !asked {
									t.Errorf("%q sent %s from %T, which is no question", key, a.Op, before)
								}
							}
						}
					})
				})
			})
		}
	}
}

func TestAViewerChangesNothing(t *testing.T) {
	aside(t)
	for _, seed := range []uint64{11, 12} {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			tuitest.Run(t, tuitest.Setup{Viewer: true}, func(d *tuitest.Driver) {
				d.Expect("viewer")
				walk(d, seed, func(key string, _ screen.Dialog, done []tuitest.Asked) {
					for _, a := range done {
						t.Errorf("%q sent %s", key, a.Op)
					}
				})
			})
		})
	}
}

// A viewer is told why not, for every action that needs the owner.
func TestAViewerIsToldWhyNot(t *testing.T) {
	owner := map[string]string{} // why an owner cannot do it, by action
	tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
		for i := range d.App.Screens() {
			d.Press(fmt.Sprint(i + 1))
			for _, act := range d.App.Actions() {
				owner[act.ID] = act.Why()
			}
		}
	})
	tuitest.Run(t, tuitest.Setup{Viewer: true}, func(d *tuitest.Driver) {
		refused := 0
		for i := range d.App.Screens() {
			d.Press(fmt.Sprint(i + 1))
			for _, act := range d.App.Actions() {
				if act.Why() == owner[act.ID] || act.Why() == "" {
					continue
				}
				refused++
				if len(act.Keys) > 0 {
					d.Press(act.Keys[0]).Expect("ask the owner")
				}
				if d.App.Top() != nil {
					t.Errorf("%s opened %q for a viewer", act.ID, d.App.Top().Title())
					closeAll(d)
				}
			}
		}
		if refused < 25 {
			t.Errorf("only %d actions are refused to a viewer", refused)
		}
	})
}

// aside puts the files that a walk exports, and the secrets that it saves, where
// they vanish.
func aside(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	t.Setenv("HOME", t.TempDir())
}

// walk presses random keys, each followed by a look at what it made the engine
// do.
func walk(d *tuitest.Driver, seed uint64, look func(key string, before screen.Dialog, done []tuitest.Asked)) {
	random := rand.New(rand.NewPCG(seed, 7))
	keys := slices.Clone(garbage)
	for _, act := range d.App.Registry() {
		keys = append(keys, act.Keys...)
	}
	keys = slices.DeleteFunc(keys, func(k string) bool { return k == "q" })
	for i := range *steps {
		d.World.Forget()
		before := d.App.Top()
		name := keys[random.IntN(len(keys))]
		switch random.IntN(40) {
		case 0:
			name = "a new size"
			d.Resize(sizes(random, 1)[random.IntN(2)])
		case 1:
			name = "a paste"
			d.Paste(tuitest.Nasty[random.IntN(len(tuitest.Nasty))])
		case 2:
			name = "a tick"
			d.World.More(random.IntN(5))
			d.Ticks(1)
		case 3:
			name = "the connection"
			if random.IntN(2) == 0 {
				d.World.Lose(tuitest.ErrLost)
			} else {
				d.World.Return()
			}
		case 4:
			name = "the focus"
			d.Send([]tea.Msg{tea.BlurMsg{}, tea.FocusMsg{}}[random.IntN(2)])
		default:
			d.Press(name)
		}
		look(name, before, d.World.Asked())
		if d.Quit {
			d.T.Fatalf("key %d, %s, ended the program", i, name)
		}
	}
	d.World.Return()
	d.Wait(time.Minute)
	d.World.Forget()
}
