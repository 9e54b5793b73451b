package screen

import (
	"fmt"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/action"
	"tallygate/tui/theme"
	"tallygate/tui/widget"
)

func (s *Settings) Actions() []action.Action {
	chosen := func() string {
		x := s.selected()
		if x == nil {
			return "the settings have not been read yet"
		}
		if x.id == "theme" {
			return ""
		}
		if flag := byCommand[x.id]; flag != "" {
			return "change it with: tallygate settings set " + flag
		}
		return s.env.ReadOnly()
	}
	return []action.Action{
		{ID: "settings.edit", Title: "change", Keys: []string{"enter", "e"}, Needs: chosen, Run: s.edit},
		{ID: "settings.switch", Title: "on/off: or the next choice", Keys: []string{"space"}, Needs: chosen, Run: s.next},
		{ID: "settings.theme", Title: "theme: auto, dark, light, mono, ascii", Keys: []string{"t"}, Run: s.pickTheme},
		{ID: "settings.verify", Title: "prove the books: replay every record", Keys: []string{"c"}, Needs: func() string {
			if !s.started.IsZero() {
				return "the books are being proved already"
			}
			return ""
		}, Run: s.verify},
		{ID: "settings.copy", Title: "copy the address", Keys: []string{"y"}, Needs: func() string {
			if s.snap.Status.BaseURL == "" {
				return "it serves no address"
			}
			return ""
		}, Run: func() tea.Cmd { return Ask(Copy{s.snap.Status.BaseURL, "The address was"}) }},
	}
}

func (s *Settings) verify() tea.Cmd {
	s.seq++
	s.started = s.env.Clock()
	return CallFor(proofPatience, s.env, s.Name(), "verify", s.seq, control.EngineVerify, control.None{})
}

func (s *Settings) pickTheme() tea.Cmd {
	notes := map[theme.Name]string{theme.Auto: "as the terminal's background is", theme.Mono: "bold, faint and reverse only", theme.ASCII: "no colours, and ASCII only"}
	var choices []Choice
	for _, n := range theme.Names {
		choices = append(choices, Choice{string(n), string(n), notes[n]})
	}
	return Ask(Open{NewPick("Theme", string(s.env.Chosen), choices, func(id string) tea.Cmd { return Ask(Retheme{theme.Name(id)}) })})
}

// set changes one setting.
func (s *Settings) set(in control.SettingsFields, done string) tea.Cmd {
	return Do(s.env, control.SettingsSet, in, done)
}

// next goes to the next choice of a setting that has choices; of any other it
// asks.
func (s *Settings) next() tea.Cmd {
	set := &s.snap.Settings
	switch s.selected().id {
	case "unpriced":
		if set.Unpriced == tally.AllowAtZero {
			return s.set(control.SettingsFields{Unpriced: new(tally.RefuseUnpriced)}, "Models without a price are refused.")
		}
		return s.allowUnpriced()
	case "on_leave":
		choices := []tally.OnLeave{tally.LeaveAuto, tally.LeaveCancel, tally.LeaveDrain}
		next := choices[(slices.Index(choices, set.OnLeave)+1)%len(choices)]
		return s.set(control.SettingsFields{OnLeave: &next}, "When a client leaves a stream: "+string(next)+".")
	case "drop_words":
		if set.DropWords {
			return s.set(control.SettingsFields{DropWords: new(false)}, "The first words of failures are kept for 7 days.")
		}
		return s.set(control.SettingsFields{DropWords: new(true)}, "Words of failures are dropped.")
	case "theme":
		for i, n := range theme.Names {
			if n == s.env.Chosen {
				return Ask(Retheme{theme.Names[(i+1)%len(theme.Names)]})
			}
		}
		return Ask(Retheme{theme.Auto})
	}
	return s.edit()
}

// allowUnpriced asks before money stops being counted.
func (s *Settings) allowUnpriced() tea.Cmd {
	n := 0
	for i := range s.snap.Models {
		if m := &s.snap.Models[i]; !m.Priced && m.Model.Enabled {
			n++
		}
	}
	return Ask(Open{NewConfirm(Confirm{
		Heading: "Serve models without a price?", Do: "Serve them as free",
		Says: []string{fmt.Sprintf("%s without a price would be served and count as free. No limit on cost stops such requests; your provider bills them all the same.", plural(int64(n), "model"))},
		Yes: func() tea.Cmd {
			return s.set(control.SettingsFields{Unpriced: new(tally.AllowAtZero)}, "Models without a price are served and count as free.")
		},
	})})
}

func (s *Settings) edit() tea.Cmd {
	x, set := s.selected(), &s.snap.Settings
	var label, at string
	check := checkNumber
	switch x.id {
	case "theme":
		return s.pickTheme()
	case "default_max_output":
		label, at = "Tokens", fmt.Sprint(set.DefaultMaxOutput)
	case "retention_days":
		label, at = "Days", fmt.Sprint(set.RetentionDays)
	case "trusted_proxies":
		label, at, check = "Addresses", strings.Join(set.TrustedProxies, " "), nil
	case "country_file":
		label, at, check = "Path", set.CountryFile, nil
	default:
		return s.next()
	}
	return Ask(Open{NewForm(s.env, FormOf[control.SettingsFields, tally.Settings]{
		Heading: "Change: " + x.label, Op: control.SettingsSet, Save: "Save",
		Fields: []*widget.Field{{Name: x.id, Label: label, Check: check}},
		Values: map[string]string{x.id: at},
		Says: func(t *theme.Theme, width int, _ func(string) string) []string {
			var out []string
			for _, l := range widget.Wrap(x.help, width) {
				out = append(out, t.Paint(theme.Muted, l))
			}
			return append(out, "")
		},
		Fill: func(value func(string) string) (in control.SettingsFields, err error) {
			switch x.id {
			case "retention_days":
				in.RetentionDays, err = number[int](value, x.id)
			case "trusted_proxies":
				in.TrustedProxies = filled(value).words(x.id)
			case "country_file":
				in.CountryFile = filled(value).pointer(x.id)
			default:
				in.DefaultMaxOutput, err = number[int64](value, x.id)
			}
			return in, err
		},
		Done: func(tally.Settings) tea.Cmd { return Ask(Say{Text: "Saved."}) },
	})})
}

// waitSetting is how long requests wait; of an engine that does not say, nothing.
func waitSetting(d *time.Duration) string {
	switch {
	case d == nil:
		return ""
	case *d == 0:
		return "not at all"
	}
	return "at most " + spanText(*d)
}

// byCommand are the settings that only the command line changes, with the flag.
var byCommand = map[string]string{
	"hold_wait": "--hold-wait 10s", "visitor_wait": "--visitor-wait 2s", "visitor_max_output": "--visitor-max-output 2048", "visitor_in_flight": "--visitor-in-flight 8",
}
