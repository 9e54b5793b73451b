package keys

import (
	"time"

	tea "charm.land/bubbletea/v2"

	"tallygate/engine/control"
	"tallygate/tui/dialog"
	"tallygate/tui/screen"
	"tallygate/tui/widget"
)

// capture begins to capture what is sent with the key that is chosen, or ends that.
func (s *Screen) capture() tea.Cmd {
	k := *s.Selected()
	if capturing(&k, s.Env.Clock()) {
		return s.stopCapture(&k)
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewForm(s.Env, dialog.FormOf[control.StartCapture, control.CaptureView]{
		Heading: "Capture " + widget.Safe(k.Label) + " of " + widget.Safe(k.ClientName), Op: control.CaptureStart, Save: "Start",
		Asks: []string{"for_ns", "size", "disk"},
		Help: map[string]string{
			"for_ns": "what is sent with this key, and what comes back, is kept for so long, and then removed; at most 168h",
			"size":   "the latest push out the oldest beyond so many bytes",
			"disk":   "sealed in the data folder, over a restart; else in memory only. Secrets are replaced before anything is kept",
		},
		Fixed: control.StartCapture{PickCapture: control.PickCapture{Key: string(k.ID)}},
		Begin: control.StartCapture{For: time.Hour, Size: 20_000_000},
		Done: func(v control.CaptureView) tea.Cmd {
			return screen.Ask(screen.Say{Text: "Capturing until " + v.Until.In(s.Env.Zone).Format("15:04") + ". In Requests, C shows what came."})
		},
	})})
}

func (s *Screen) stopCapture(k *control.KeyView) tea.Cmd {
	in, says := control.PickCapture{Key: string(k.ID)}, "What it has kept is removed at once."
	if k.CaptureOf == "client" {
		in, says = control.PickCapture{Client: k.ClientSlug}, "All keys of "+widget.Safe(k.ClientName)+" are captured together. What was kept is removed at once."
	}
	return screen.Ask(screen.Open{Dialog: dialog.NewConfirm(dialog.Confirm{
		Heading: "Stop capturing " + nameOf(k) + "?", Do: "Stop", Says: []string{says},
		Yes: func() tea.Cmd {
			return func() tea.Msg {
				_, err := screen.Run(screen.Patience, s.Env, control.CaptureStop, in)
				return screen.Reply{Take: func() tea.Cmd {
					if err != nil {
						return screen.Fail(err)
					}
					return screen.Ask(screen.Say{Text: "Stopped capturing " + nameOf(k) + "."})
				}}
			}
		},
	})})
}

// capturing reports whether what is sent with a key is kept now.
func capturing(k *control.KeyView, now time.Time) bool { return k.CapturedUntil.After(now) }
