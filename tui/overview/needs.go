package overview

import (
	"cmp"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/live"
	"tallygate/tui/screen"
	"tallygate/tui/theme"
)

// need is something that wants the owner's attention.
type need struct {
	role theme.Role // Bad: somebody is refused; Warn: it will come to that; Info
	text string
	note string      // what follows from it, or the next step
	more string      // a line more, where there is room
	line string      // the command that deals with it, told of what is chosen
	to   screen.Goto // where something is done about it
	// kind and id are whose limit can be raised, "" for none.
	kind  string
	id    tally.ID
	alert tally.ID // the open alert that has told of it, "" for none
}

// needs is what the engine warns of, the gravest first, as this screen tells it, and then
// what it has told of that nobody has acknowledged.
func needs(s *live.Snapshot, zone *time.Location) []need {
	out := make([]need, len(s.Status.Warnings), len(s.Status.Warnings)+len(s.Status.Alerts))
	told := map[tally.ID]bool{}
	for i := range out {
		w := &s.Status.Warnings[i]
		out[i] = needOf(w, zone)
		told[w.Alert] = true
	}
	for i := range s.Status.Alerts {
		if x := &s.Status.Alerts[i].Alert; !told[x.ID] {
			out = append(out, needOf(&control.Warning{
				Gravity: control.Tone(x.Gravity), Thing: control.Thing(x.Thing),
				Sentence: x.Sentence, Detail: x.Detail, Next: x.Next, Alert: x.ID,
			}, zone))
		}
	}
	return out
}

var roles = map[control.Tone]theme.Role{control.Bad: theme.Bad, control.Warn: theme.Warn, control.Faint: theme.Info}

func needOf(w *control.Warning, zone *time.Location) need {
	n := need{
		role: roles[w.Gravity], text: w.Sentence, note: w.Detail, more: w.When(zone), line: w.Next, to: placeOf(w),
		alert: w.Alert,
	}
	if k := w.Thing.Kind; (w.Kind == control.WarnRefused || w.Kind == control.WarnNear) && w.Next != "" && k != "token" {
		n.kind, n.id = k, w.Thing.ID
	}
	if n.more != "" && n.kind != "" {
		n.more += " · R raises it"
	}
	return n
}

// placeOf is where a warning is dealt with: at the thing that it is about.
func placeOf(w *control.Warning) screen.Goto {
	is := screen.Is
	switch t := &w.Thing; t.Kind {
	case "gateway":
		return screen.Goto{Screen: "gateways", Filter: is("gateway", t.Name)}
	case "client":
		return screen.Goto{Screen: "clients", Filter: is("client", t.Name)}
	case "key":
		return screen.Goto{Screen: "keys", Filter: is("id", string(t.ID))}
	case "token":
		return screen.Goto{Screen: "requests", Filter: is("token", t.Name)}
	case "provider":
		return screen.Goto{Screen: "providers", Filter: is("provider", t.Name)}
	case "model":
		return screen.Goto{Screen: "models", Filter: is("model", t.Name)}
	}
	to := screen.Goto{Screen: cmp.Or(places[w.Kind], "settings")}
	if filter, ok := strings.CutPrefix(w.Next, "tallygate requests list --filter "); ok {
		to = screen.Goto{Screen: "requests", Filter: filter}
	}
	return to
}

// places are the screens of warnings that are about several things.
var places = map[control.WarningKind]string{
	control.WarnSetUp: "providers", control.WarnRefused: "clients", control.WarnNear: "clients", control.WarnExpires: "keys",
	control.WarnCapture:  "keys",
	control.WarnUnpriced: "models", control.WarnEnds: "models", control.WarnOldPrices: "models",
	control.WarnLeftBehind: "requests", control.WarnAsked: "requests",
	control.WarnFailing: "providers", control.WarnTurnedDown: "providers", control.WarnUnknown: "requests",
}
