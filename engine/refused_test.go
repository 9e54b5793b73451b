package engine

import (
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// An owner sees at once who is refused now: since when, how often, by which limit and
// until when, in the caller's own words, also after a restart; and no longer once the
// limit is raised or its month is over.
func TestRefusedNow(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, key := w.client("Nordlicht", "requests=2/month", "requests=60/minute")
	show := func() *control.RefusedNow {
		t.Helper()
		return do(w, control.ClientsShow, control.Named{Name: cl.Slug}).Refused
	}
	w.served(key.Key, "sim-small")
	if x := show(); x != nil {
		t.Errorf("while it is served: %+v", x)
	}
	w.wait(time.Minute)
	used := w.clock()
	w.served(key.Key, "sim-small")
	if x := show(); x == nil || x.Count != 0 || !x.Since.Equal(used) || x.Value().Text != "refused" {
		t.Errorf("used up, and nobody refused: %+v", x)
	}
	w.wait(time.Hour)
	first := w.clock()
	a := w.chat(key.Key, "sim-small")
	for range 4 {
		w.wait(20 * time.Second)
		w.chat(key.Key, "sim-small")
	}
	last := w.clock()
	check := func(when string) {
		t.Helper()
		for name, x := range map[string]*control.RefusedNow{"client": show(), "key": do(w, control.KeysList, control.ListKeys{Client: cl.Slug})[0].Refused} {
			if x == nil || x.Of != "client" || x.Name != cl.Slug || x.Limit != "requests=2/month" || x.Metric != tally.Requests || x.Used != 2 || x.Max != 2 ||
				!x.Since.Equal(first) || x.Count != 5 || !x.Until.Equal(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)) {
				t.Errorf("%s, %s: %+v", when, name, x)
				continue
			}
			if x.Sentence != a.text {
				t.Errorf("%s: the caller read %q, the owner %q", when, a.text, x.Sentence)
			}
			if got := x.LastAt; got.After(last) || last.Sub(got) > time.Minute { // records of a minute are one
				t.Errorf("%s: the last was at %v, want %v", when, got, last)
			}
		}
		s := do(w, control.EngineStatus, control.None{})
		if s.Refused != (control.RefusedCounts{Clients: 1}) || len(s.Warnings) == 0 {
			t.Errorf("%s: status says %+v, %+v", when, s.Refused, s.Warnings)
		} else if x := s.Warnings[0]; x.Kind != control.WarnRefused || x.Gravity != control.Bad || x.Thing != (control.Thing{Kind: "client", ID: cl.ID, Name: cl.Slug}) ||
			x.Sentence != "Nordlicht is refused now" || x.Detail != "2 of 2 requests, 5× since Sat 13:08" ||
			x.Next != "tallygate clients raise nordlicht requests/month --by 1 --until fri" {
			t.Errorf("%s: status warns %+v", when, x)
		}
	}
	check("at work")
	w.restart()
	check("after a restart")

	rows := do(w, control.ClientsList, control.Listing{Rows: control.Rows{Filter: "now:refused"}})
	if len(rows) != 1 || control.ClientTable.Tone(&rows[0]) != control.Bad || control.ClientTable.Column("now").Get(&rows[0]).Text != "refused, 5×" {
		t.Errorf("the list says %+v", rows)
	}

	do(w, control.ClientsRaise, control.RaiseClient{Client: cl.Slug, RaiseFields: control.RaiseFields{Limit: "requests/month", By: "1", Until: "1d"}})
	if x, s := show(), do(w, control.EngineStatus, control.None{}); x != nil || s.Refused.Total() != 0 {
		t.Errorf("raised: %+v, %+v", x, s.Refused)
	}
	w.wait(24 * time.Hour)
	check("the raise is over")
	w.wait(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC).Sub(w.clock()))
	if x := show(); x != nil {
		t.Errorf("the month is over: %+v", x)
	}
	w.served(key.Key, "sim-small")
}

// What is nearly used up refuses as well, until something fits again.
func TestRefusedNowByWhatIsLeft(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, key := w.client("Aurora", "tokens=300/day")
	show := func() *control.RefusedNow {
		return do(w, control.ClientsShow, control.Named{Name: cl.Slug}).Refused
	}
	for w.chat(key.Key, "sim-small").status == 200 {
		w.wait(time.Second)
	}
	if x := show(); x == nil || x.Used >= x.Max || x.Count != 1 || !strings.Contains(x.Sentence, "and this request needs up to") {
		t.Errorf("nothing fits: %+v", x)
	}
	w.restart()
	if x := show(); x == nil || x.Used >= x.Max || x.Count != 1 {
		t.Errorf("after a restart: %+v", x)
	}
	do(w, control.ClientsUpdate, control.UpdateClient{Client: cl.Slug, ClientFields: control.ClientFields{Limits: edits(t, "tokens=1000/day")}})
	if x := show(); x != nil {
		t.Errorf("the limit was raised for good: %+v", x)
	}
}

// A limit of the gateway refuses its clients, and counts as one thing that is refused; a
// client that its owner has stopped is refused without being an alarm.
func TestRefusedNowBySomethingElse(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, key := w.client("Aurora")
	gateway := do(w, control.GatewaysList, control.Listing{})[0]
	do(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: gateway.Slug, GatewayFields: control.GatewayFields{Limits: edits(t, "requests=1/total")}})
	w.served(key.Key, "sim-small")
	a := w.chat(key.Key, "sim-small")
	if x := do(w, control.ClientsShow, control.Named{Name: cl.Slug}).Refused; x == nil || x.Of != "gateway" || x.Name != gateway.Slug || !x.Until.IsZero() || x.Sentence != a.text {
		t.Errorf("the client: %+v, its caller read %q", x, a.text)
	}
	if x := do(w, control.GatewaysShow, control.Named{Name: gateway.Slug}).Refused; x == nil || x.Count != 1 {
		t.Errorf("the gateway: %+v", x)
	}
	if s := do(w, control.EngineStatus, control.None{}); s.Refused != (control.RefusedCounts{Gateways: 1}) {
		t.Errorf("status: %+v", s.Refused)
	}
	do(w, control.ClientsSuspend, control.Named{Name: cl.Slug})
	v := do(w, control.ClientsShow, control.Named{Name: cl.Slug})
	if x := v.Refused; x == nil || x.Status != "suspended" || x.Limit != "" || x.Sentence != w.chat(key.Key, "sim-small").text || control.ClientTable.Tone(&v) != control.Warn {
		t.Errorf("suspended: %+v", x)
	}
}
