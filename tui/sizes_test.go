package tui_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"tallygate/tui/theme"
	"tallygate/tui/tuitest"
)

// worlds are the engines that every screen must be able to draw. Under the race detector
// a picture takes ten times as long, and what a name looks like makes no race: it sees the
// full one alone.
var worlds = func() map[string]func(testing.TB, func() time.Time) *tuitest.World {
	all := map[string]func(testing.TB, func() time.Time) *tuitest.World{
		"full": tuitest.Full, "empty": tuitest.Empty, "hostile": tuitest.Hostile, "long": tuitest.Long,
	}
	info, _ := debug.ReadBuildInfo()
	if slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"}) {
		maps.DeleteFunc(all, func(name string, _ func(testing.TB, func() time.Time) *tuitest.World) bool { return name != "full" })
	}
	return all
}()

// The driver fails a test whose lines do not fill the terminal exactly, or hold
// something that a terminal would obey.
func TestEveryScreenFitsEverySize(t *testing.T) {
	for name, world := range worlds {
		for _, th := range []theme.Name{theme.Dark, theme.ASCII} {
			t.Run(name+" "+string(th), func(t *testing.T) {
				tuitest.Run(t, tuitest.Setup{World: world, Theme: th}, func(d *tuitest.Driver) {
					random := rand.New(rand.NewPCG(1, 2))
					for i := range d.App.Screens() {
						d.Press(fmt.Sprint(i + 1))
						for _, size := range append(sizes(random, 12), "1x1", "60x16", "220x70") {
							d.Resize(size)
						}
						d.Press("enter", "pgdown")
						for _, size := range sizes(random, 6) {
							d.Resize(size)
						}
						d.Press("esc")
					}
				})
			})
		}
	}
}

func sizes(random *rand.Rand, n int) []string {
	var out []string
	for range n {
		out = append(out, fmt.Sprintf("%dx%d", 1+random.IntN(220), 1+random.IntN(70)))
		out = append(out, fmt.Sprintf("%dx%d", 60+random.IntN(80), 16+random.IntN(24)))
	}
	return out
}

// Every dialog that an action opens fits every size as well, and keeps its
// buttons or keys in sight on the smallest terminal.
func TestEveryDialogFitsEverySize(t *testing.T) {
	for name, world := range worlds {
		t.Run(name, func(t *testing.T) {
			tuitest.Run(t, tuitest.Setup{World: world}, func(d *tuitest.Driver) {
				random := rand.New(rand.NewPCG(3, 4))
				for i, at := range d.App.Screens() {
					d.Press(fmt.Sprint(i+1), "down")
					for _, act := range d.App.Actions() {
						if act.Screen != at || len(act.Keys) == 0 {
							continue
						}
						d.Resize("120x36").Press(act.Keys[0])
						if d.App.Top() == nil {
							d.Press("esc", "esc")
							continue
						}
						for _, size := range append(sizes(random, 4), "60x16", "80x24") {
							d.Resize(size).Press("tab")
						}
						d.Resize("60x16")
						if s := d.Screen(); !strings.Contains(s, "╰") || !strings.Contains(s, "╭") {
							t.Errorf("%s: the frame of %q is cut off at 60x16:\n%s", act.ID, d.App.Top().Title(), s)
						}
						closeAll(d)
					}
				}
			})
		})
	}
}

// closeAll leaves every dialog, as somebody does who presses escape until the
// screen is there again.
func closeAll(d *tuitest.Driver) {
	d.T.Helper()
	for range 12 {
		if d.App.Top() == nil {
			return
		}
		d.Press("esc")
	}
	d.T.Fatalf("escape does not leave %q:\n%s", d.App.Top().Title(), d.Screen())
}

// In the ASCII theme nothing else is drawn, whatever the engine's names are.
func TestASCIIThemeIsASCII(t *testing.T) {
	for name, world := range map[string]func(testing.TB, func() time.Time) *tuitest.World{"full": tuitest.Full, "empty": tuitest.Empty, "hostile": tuitest.Hostile} {
		t.Run(name, func(t *testing.T) {
			tuitest.Run(t, tuitest.Setup{World: world, Theme: theme.ASCII}, func(d *tuitest.Driver) {
				for i := range d.App.Screens() {
					for _, keys := range [][]string{{fmt.Sprint(i + 1)}, {"enter"}, {"?"}, {"esc", "n"}, {"esc", "esc", "/"}} {
						d.Press(keys...)
						for _, l := range strings.Split(d.View(), "\n") {
							for _, r := range l {
								if r > '~' {
									d.T.Fatalf("%s draws %q: %q", d.App.At(), r, l)
								}
							}
						}
					}
					closeAll(d)
					d.Press("esc", "esc", "esc")
				}
			})
		})
	}
}

// Without colours nothing is coloured.
func TestMonoThemeHasNoColours(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{Theme: theme.Mono}, func(d *tuitest.Driver) {
		for i := range d.App.Screens() {
			d.Press(fmt.Sprint(i+1), "?")
			for rest := d.View(); ; {
				_, after, ok := strings.Cut(rest, "\x1b[")
				if !ok {
					break
				}
				seq, text, _ := strings.Cut(after, "m")
				for _, n := range strings.Split(seq, ";") {
					switch n {
					case "", "0", "1", "2", "4", "7", "22":
					default:
						d.T.Fatalf("%s has the style %q", d.App.At(), seq)
					}
				}
				rest = text
			}
			d.Press("esc")
		}
	})
}

func TestATerminalTooSmallIsTold(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{Size: "40x10"}, func(d *tuitest.Driver) {
		d.Expect("tallygate needs 60×16 cells", "40×10")
		d.Resize("60x16").Expect("Overview").ExpectNot("needs")
	})
}

// A secret that is shown once, and how to leave it, are seen whole on the
// smallest terminal.
func TestASecretIsSeenWhole(t *testing.T) {
	for _, size := range []string{"60x16", "80x24", "120x36"} {
		tuitest.Run(t, tuitest.Setup{Size: size}, func(d *tuitest.Driver) {
			d.Press("3", "a").Type("bot").Press("ctrl+s").Expect("only time", "llm_gw_", "enter I saved it")
			d.Press("y").Expect("Not every terminal", "enter I saved it")
			if len(d.Copied) != 1 || !d.Has(d.Copied[0]) {
				t.Errorf("%s: %q was copied, and the screen is\n%s", size, d.Copied, d.Screen())
			}
			d.Press("esc").Expect("It will not be shown again", d.Copied[0]).Press("esc").ExpectNot("only time")
		})
	}
}
