package tui_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/action"
	"tallygate/tui/clients"
	"tallygate/tui/dialog"
	"tallygate/tui/live"
	"tallygate/tui/screen"
	"tallygate/tui/tuitest"
	"tallygate/tui/widget"
)

// broken is a screen that fails when it is told to.
type broken struct {
	env       *screen.Env
	w, h      int
	keys      int
	shows     int
	drawFails bool
}

func (s *broken) Name() string        { return "broken" }
func (s *broken) Resize(w, h int)     { s.w, s.h = w, h }
func (s *broken) Show(*live.Snapshot) { s.shows++ }
func (s *broken) Typing() bool        { return false }
func (s *broken) Back() bool          { return false }
func (s *broken) Update(msg tea.Msg) tea.Cmd {
	if k, ok := msg.(tea.KeyPressMsg); ok {
		s.keys++
		switch k.String() {
		case "x":
			panic("the screen is broken")
		case "z":
			s.drawFails = !s.drawFails
		}
	}
	return nil
}

func (s *broken) Draw() widget.Block {
	if s.drawFails {
		panic("cannot draw")
	}
	return widget.NewBlock(s.w, s.h, fmt.Sprintf("%d keys, %d shows", s.keys, s.shows))
}
func (s *broken) Actions() []action.Action { return nil }

// withBroken puts a screen that can fail beside the clients.
func withBroken(s *broken) tuitest.Setup {
	return tuitest.Setup{Screens: func(e *screen.Env) []screen.Screen {
		s.env = e
		return []screen.Screen{s, clients.New(e)}
	}}
}

func TestAPanicInAScreenIsSurvivedAndTold(t *testing.T) {
	tuitest.Run(t, withBroken(&broken{}), func(d *tuitest.Driver) {
		d.Press("x").Expect("This screen failed inside", "tallygate.log")
		d.Press("x", "x", "y").Expect("4 keys")
		if len(d.Failures) != 1 || !strings.Contains(d.Failures[0], "the screen is broken") {
			t.Errorf("the log has %q, want the failure once", d.Failures)
		}
		d.Wait(10 * time.Second).ExpectNot("failed inside").Press("2").Expect("hotel-aurora")
		d.Failures = nil
	})
}

func TestAPanicWhileDrawingIsSurvivedAndLoggedOnce(t *testing.T) {
	tuitest.Run(t, withBroken(&broken{}), func(d *tuitest.Driver) {
		d.Press("z").Ticks(20).Expect("This screen failed inside; the gateway goes on serving.", "1-9 opens another screen")
		if len(d.Failures) != 1 {
			t.Errorf("it was logged %d times", len(d.Failures))
		}
		d.Press("2").Expect("hotel-aurora").Press("1", "z").Wait(10 * time.Second).Expect("keys").ExpectNot("failed inside")
		d.Failures = nil
	})
}

func TestATerminalWithoutFocusIsDrawnSeldom(t *testing.T) {
	s := &broken{}
	tuitest.Run(t, withBroken(s), func(d *tuitest.Driver) {
		d.Send(tea.BlurMsg{})
		before, shows := d.View(), s.shows
		d.World.More(50)
		d.Wait(8 * time.Second)
		if d.View() != before || s.shows != shows {
			t.Errorf("the picture changed within seconds; the screen was shown %d snapshots", s.shows-shows)
		}
		d.Wait(52 * time.Second)
		if n := s.shows - shows; d.View() == before || n < 5 || n > 7 {
			t.Errorf("in a minute the screen was shown %d snapshots, want 6", n)
		}
		before, shows = d.View(), s.shows
		if d.Send(tea.FocusMsg{}); d.View() == before || s.shows == shows {
			t.Error("with the focus, the picture is still the old one")
		}
	})
}

func TestALostEngineIsToldAndReturns(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
		d.Press("3").Expect("serving 127.0.0.1:8080", "hotel-aurora")
		d.World.Lose(tuitest.ErrLost)
		d.Wait(20*time.Second).Expect("reconnecting", "hotel-aurora") // the last that was known
		d.Press("n").Type("Late").Press("ctrl+s").Expect("connection refused", "Late")
		d.World.Return()
		d.Wait(3 * time.Second).ExpectNot("reconnecting").Press("ctrl+s").Wait(3 * time.Second).Expect("New key for late")
		d.Press("esc").Expect("Late")
	})
	tuitest.Run(t, tuitest.Setup{Lost: tuitest.ErrLost}, func(d *tuitest.Driver) {
		for i := range d.App.Screens() {
			d.Press(fmt.Sprint(i + 1)).Expect("reconnecting")
		}
		d.World.Return()
		d.Press("3").Wait(3*time.Second).Expect("serving", "hotel-aurora")
	})
}

// Wherever one looks it is said that figures are of this node alone.
func TestOneNodesFigures(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
		d.Expect("serving 127.0.0.1:8080")
		d.World.Part(true)
		d.Wait(20 * time.Second)
		for i := range d.App.Screens() {
			d.Press(fmt.Sprint(i + 1)).Expect("no database: own figures")
		}
		d.World.Part(false)
		d.Wait(20 * time.Second).Expect("serving 127.0.0.1:8080")
	})
}

// An answer that comes after its dialog was left is told all the same: a key
// that was made is shown, for it cannot be shown again.
func TestNoAnswerIsLost(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
		d.World.Hang(control.KeysCreate.Name)
		d.Press("3", "a").Type("late-key").Press("ctrl+s").Expect("saving").Press("esc").ExpectNot("saving")
		d.World.Fail(control.KeysCreate.Name, nil)
		d.Ticks(1).Expect("This is the only time that the key is shown", "llm_gw_")
		d.Press("enter").ExpectNot("only time")
		d.World.Hang(control.KeysCreate.Name)
		d.Press("a").Type("slow").Press("ctrl+s").Wait(35*time.Second).Expect("not waited for", "slow") // and may be sent again
		d.World.Fail(control.KeysCreate.Name, nil)
		d.Press("ctrl+s").Expect("only time")
	})
}

// Answers to what was asked before are dropped: of two clients that are looked
// at in turn, the spend of the second is shown, whenever the engine answers.
func TestStaleAnswersAreDropped(t *testing.T) {
	see := func(d *tuitest.Driver, meanwhile func()) string {
		d.Press("3").Ticks(2)
		meanwhile()
		d.Press("down", "down").Ticks(1)
		d.World.Fail(control.UsageShow.Name, nil)
		d.Wait(3 * time.Second)
		_, after, _ := strings.Cut(d.Screen(), "SPEND PER DAY")
		spend, _, _ := strings.Cut(after, "KEYS")
		return spend
	}
	var want string
	tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) { want = see(d, func() {}) })
	tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
		if got := see(d, func() { d.World.Hang(control.UsageShow.Name) }); got != want || !strings.Contains(got, "$0.0") || strings.Contains(got, "loading") {
			t.Errorf("the spend is\n%s\nwant\n%s", got, want)
		}
	})
}

func TestWordsAreToldForAWhileAndKept(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{Size: "80x24"}, func(d *tuitest.Driver) {
		d.Send(screen.Say{Text: "Saved \x1b[31mit\x1b[0m."}).Expect("✓ Saved [31mit[0m.")
		d.Wait(4 * time.Second).ExpectNot("Saved")
		long := "The provider refused the key — look at its page of keys, make another one with the right to list models, and give it with e"
		d.Send(screen.Say{Text: long, Bad: true}).Wait(4*time.Second).Expect("✗ The provider refused the key", "give it with e")
		d.Wait(3 * time.Second).ExpectNot("refused the key")
		d.Press(":").Type("latest messages").Press("enter").Expect("Latest messages", "✗ The provider refused", "✓ Saved")
	})
}

func TestLeaving(t *testing.T) {
	left := 0
	s := tuitest.Setup{Leaving: func() screen.Dialog {
		left++
		return dialog.NewConfirm(dialog.Confirm{Heading: "Leave?", Do: "Stop", Yes: func() tea.Cmd { return tea.Quit }})
	}}
	tuitest.Run(t, s, func(d *tuitest.Driver) {
		d.Press("q").Expect("Leave?").Press("esc").ExpectNot("Leave?")
		d.Press("3", "/").Type("q").ExpectNot("Leave?").Press("esc", "esc") // a field owns every letter
		d.Press("ctrl+c").Expect("Leave?").Press("tab", "ctrl+c")
		if left != 2 {
			t.Errorf("it asks %d times at once", left-1)
		}
		if d.Quit {
			t.Error("it quit without an answer")
		}
		d.Press("esc", "ctrl+c", "ctrl+c")
		if !d.Quit {
			t.Error("ctrl+c twice does not quit")
		}
	})
}

func TestHeaderSaysWhereAndWhat(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{Size: "80x24", Pretend: true, Viewer: true, Place: "ana@gate.example"}, func(d *tuitest.Driver) {
		d.Expect("PRETEND DATA", "ana@gate.example", "viewer", "14:02:")
	})
}

func TestTabsNameTheScreens(t *testing.T) {
	for size, want := range map[string]string{
		"120x36": "  1 Overview   2 Gateways   3 Clients   4 Keys   5 Providers   6 Models   7 Requests   8 Analytics   9 Settings",
		"80x24":  "  1 Overview   2 Gatew  3 Clien  4 Keys  5 Provi  6 Model  7 Reque  8 Analy  9 S",
		"60x16":  "  1 Overview  2  3  4  5  6  7  8  9",
	} {
		tuitest.Run(t, tuitest.Setup{Size: size}, func(d *tuitest.Driver) {
			got := d.Lines()[1]
			if size == "80x24" {
				want = "  1 Overview  2 Gates 3 Clients 4 Keys 5 Provs 6 Models 7 Reqs 8 Analyt 9 Setts"
			}
			if got != want {
				t.Errorf("%s: the tabs are\n%q, want\n%q", size, got, want)
			}
		})
	}
}

// What was changed is in the log with the command line that does it, and can be taken
// back from anywhere.
func TestAChangeIsLoggedAndTakenBack(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
		d.Press("3", "s", "tab", "enter").Expect("is suspended")
		d.Press("L").Expect("Log: who changed what", "clients.suspend", "status: active → suspended")
		d.Press("enter").Expect("$ tallygate clients suspend", "changed client hotel-aurora").Press("enter", "esc")
		d.Press("1", "u").Expect("Take back this change?", "status: active → suspended").Press("tab", "enter").Expect("Took back the change of client hotel-aurora")
		if in := tuitest.Last(t, d, control.AuditUndo); in.Entry == "" {
			t.Errorf("taken back was %+v", in)
		}
		d.Press("L").Expect("status: suspended → active")
	})
}

// The questions that owners ask, each from Overview with at most three keys, of which a
// typed word is one.
func TestQuestionsOfOwnersTakeThreeKeys(t *testing.T) {
	for _, tc := range []struct {
		ask   string
		press func(d *tuitest.Driver)
		want  []string
	}{
		{"why did my bot stop?", func(d *tuitest.Driver) { d.Press("enter") }, []string{"Nordlicht GmbH", "Refused since", "The caller reads", "R raises it"}},
		{"what did Aurora cost last month?", func(d *tuitest.Driver) { d.Press(":").Type("aurora last month").Press("enter").Ticks(1) }, []string{"only Hotel Aurora", "October 2026", "Cost per day"}},
		{"which request was slow?", func(d *tuitest.Driver) { d.Press("7", "z") }, []string{"latency", "Request"}},
		{"raise Aurora until Friday", func(d *tuitest.Driver) { d.Press(":").Type("raise aurora until friday").Press("enter") }, []string{"Raise a limit of Hotel Aurora", "friday", "tallygate clients raise hotel-aurora cost/month"}},
		{"why was this request refused?", func(d *tuitest.Driver) {
			id := tuitest.Do(t, d.World, control.RequestsList, control.RequestQuery{Outcome: tally.OutcomeLimited, Limit: 1}).Requests[0].ID
			d.Press(":").Type("#" + string(id)).Press("enter").Ticks(1)
		}, []string{"Client \"Nordlicht Reisen\" has used all of", "LIMIT IT MET", "$1.44 of $1.44", "resets"}},
	} {
		t.Run(tc.ask, func(t *testing.T) {
			tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
				tc.press(d)
				d.Expect(tc.want...)
			})
		})
	}
}

// Enter runs what fits best with all that was typed, not what was chosen on the way.
func TestThePaletteChoosesTheBest(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
		d.Press(":")
		for _, letter := range "raise a limit" {
			d.Type(string(letter))
		}
		d.Expect("▸ raise a limit until a date")
	})
}

// A terminal that tells an absurd size is drawn as before.
func TestAbsurdSizesAreIgnored(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
		before := d.Screen()
		for _, size := range []tea.WindowSizeMsg{{}, {Width: -1, Height: 40}, {Width: 120}, {Width: 1 << 30, Height: 1 << 30}, {Width: 65535, Height: 40}} {
			d.Send(size)
			if d.Screen() != before {
				t.Errorf("%+v is obeyed", size)
			}
		}
	})
}

// Everything that the palette names is there when it is opened: its screen shows it, with
// a filter that can be read.
func TestThingsAreFoundAndOpened(t *testing.T) {
	tuitest.Run(t, tuitest.Setup{}, func(d *tuitest.Driver) {
		for sign, want := range map[string]string{
			"@nordlicht": "Nordlicht Reisen", "%": "tok_", "*gpt-4.1-mini": "gpt-4.1-mini", "=retention": "KEEP RECORDS", "whatsapp": "whatsapp-bot", "pretend-anthropic": "pretend-anthropic", "website": "Website",
		} {
			d.Press(":").Type(sign).Press("enter").Ticks(2)
			screen := d.Screen()
			for _, wrong := range []string{"matches. esc clears", "✗ there is no", "Find an action"} {
				if strings.Contains(screen, wrong) {
					t.Errorf("%s: %s:\n%s", sign, wrong, screen)
				}
			}
			if !strings.Contains(strings.ToLower(screen), strings.ToLower(want)) {
				t.Errorf("%s does not show %s:\n%s", sign, want, screen)
			}
			d.Press("esc", "esc", "1")
		}
	})
}
