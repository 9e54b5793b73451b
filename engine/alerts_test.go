package engine

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// watches looks for alerts as the loop does, and returns what was told of then.
func (w *world) watches() (out []string) {
	w.Helper()
	before := map[tally.ID]bool{}
	for _, x := range do(w, control.AlertsList, control.ListAlerts{}) {
		before[x.ID] = true
	}
	if err := w.engine.watchAlerts(context.Background()); err != nil {
		w.Fatal(err)
	}
	for _, x := range slices.Backward(do(w, control.AlertsList, control.ListAlerts{})) {
		if !before[x.ID] {
			out = append(out, string(x.Alert.Alert)+": "+x.Sentence)
		}
	}
	slices.Sort(out)
	return out
}

// alerted looks for alerts, which must be those.
func (w *world) alerted(what string, want ...string) {
	w.Helper()
	if got := w.watches(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		w.Errorf("%s: told\n  %s\nwant\n  %s", what, strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
}

// uses has a client use so many requests, and as many dollars.
func (w *world) uses(client tally.ID, n int) {
	w.Helper()
	gw := w.engine.catalog.Load().Gateways[0].ID
	w.settled(n, func(r *tally.Record) { r.Gateway, r.Client, r.Cost, r.Credits = gw, client, tally.Dollar, tally.Dollar })
	w.wait(limitsLookEvery) // after a restart nothing tells this engine of records
}

func (w *world) at(t time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = t
}

// Each threshold of each limit is told once in a period, the highest where several are
// passed together, and again in the next; a restart changes nothing.
func TestALimitIsToldOnceInAPeriod(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, _ := w.client("Aurora", "requests=10/month")
	w.uses(cl.ID, 4)
	w.alerted("40 %")
	w.uses(cl.ID, 1)
	w.at(w.clock().Add(alertsEvery - limitsLookEvery))
	w.alerted("50 %, seconds after it", "limit: Aurora has used 50% of 10 requests/month")
	w.alerted("looked at again")
	w.uses(cl.ID, 1)
	w.alerted("60 %")
	w.restart()
	w.alerted("after a restart")
	w.uses(cl.ID, 2)
	w.alerted("80 %", "limit: Aurora has used 80% of 10 requests/month")
	w.uses(cl.ID, 2)
	w.alerted("100 %", "refused: Aurora is refused now")
	w.uses(cl.ID, 1)
	w.restart()
	w.alerted("over it")
	w.at(time.Date(2026, 12, 1, 0, 0, 1, 0, time.UTC))
	w.alerted("the next month")
	w.uses(cl.ID, 9)
	w.alerted("passed 50 and 80 together", "limit: Aurora has used 90% of 10 requests/month")
	w.uses(cl.ID, 1)
	w.alerted("the end of that", "refused: Aurora is refused now")
	list := do(w, control.AlertsList, control.ListAlerts{})
	x := list[0]
	if x.Percent != 100 || x.Limit != "requests=10/month" || x.Used != 10 || x.Max != 10 || !x.Until.Equal(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)) ||
		x.Next != "tallygate clients raise aurora requests/month --by 5 --until fri" || x.Gravity != "bad" || !x.Open || x.Thing.Name != "aurora" {
		t.Errorf("%+v", x)
	}
	if open := do(w, control.AlertsList, control.ListAlerts{Open: true}); len(open) != 1 || open[0].ID != x.ID {
		t.Errorf("what is told anew is open still: %+v", open)
	}
	s := do(w, control.EngineStatus, control.None{})
	if i := slices.IndexFunc(s.Warnings, func(w control.Warning) bool { return w.Kind == control.WarnRefused }); i < 0 || s.Warnings[i].Alert != x.ID {
		t.Errorf("the warning does not name its alert: %+v", s.Warnings)
	}
	if old := list[len(list)-1]; old.Open || old.State() != "over" {
		t.Errorf("what a month is over is still open: %+v", old)
	}
}

// A limit that is raised is looked at anew: what it had reached before may be reached
// again. One that is lowered tells what it has reached now.
func TestARaisedLimitIsLookedAtAnew(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, _ := w.client("Aurora", "requests=10/month")
	limit := func(text string) {
		t.Helper()
		do(w, control.ClientsUpdate, control.UpdateClient{Client: cl.Slug, ClientFields: control.ClientFields{Limits: edits(t, text)}})
	}
	w.uses(cl.ID, 10)
	w.alerted("all of it", "refused: Aurora is refused now")
	limit("requests=20/month")
	w.alerted("raised")
	if open := do(w, control.AlertsList, control.ListAlerts{Open: true}); len(open) != 0 {
		t.Errorf("who may go on is still refused: %+v", open)
	}
	w.uses(cl.ID, 6)
	w.alerted("80 % of that", "limit: Aurora has used 80% of 20 requests/month")
	do(w, control.ClientsRaise, control.RaiseClient{Client: cl.Slug, RaiseFields: control.RaiseFields{By: "20", Until: "3d"}})
	w.alerted("raised until a date")
	w.uses(cl.ID, 16)
	w.alerted("80 % of the raise", "limit: Aurora has used 80% of 40 requests/month")
	w.at(w.clock().AddDate(0, 0, 4))
	w.alerted("the raise is over", "refused: Aurora is refused now")
	limit("requests=1000/month")
	w.alerted("far away")
	limit("requests=60/month")
	w.alerted("lowered to where half is used", "limit: Aurora has used 53% of 60 requests/month")
}

// A clock that was ahead, and one that goes back, tell nothing twice.
func TestAlertsWhileTheClockSteps(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, _ := w.client("Aurora", "requests=10/month", "requests=20/day")
	w.uses(cl.ID, 10)
	w.alerted("before", "limit: Aurora has used 50% of 20 requests/day", "refused: Aurora is refused now")
	was := w.clock()
	for _, ahead := range []time.Duration{40 * 24 * time.Hour, 24 * time.Hour} {
		w.at(was.Add(ahead))
		w.alerted("ahead, in a new period")
		w.at(was)
		do(w, control.SettingsAcceptClock, control.AcceptClock{Yes: true})
		w.alerted("back again")
		w.restart()
		w.alerted("back again, and restarted")
	}
	w.at(was.Add(-time.Hour))
	w.alerted("a clock that runs back")
	w.at(was.Add(2 * limitsLookEvery))
	w.uses(cl.ID, 6)
	w.alerted("and it goes on", "limit: Aurora has used 80% of 20 requests/day")
}

// What is paid in advance is low by shares, or below an amount; a top-up begins anew.
func TestALowBalance(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	cl, _ := w.client("Aurora", "credits=balance")
	topUp := func(n tally.NanoUSD) {
		t.Helper()
		do(w, control.ClientsTopUp, control.AddFunds{Client: cl.Slug, Funds: n * tally.Dollar})
		w.wait(limitsLookEvery)
	}
	w.alerted("nothing was ever paid")
	topUp(10)
	w.uses(cl.ID, 8)
	w.alerted("80 %", "balance: Aurora has $2.00 left of what was paid in advance")
	topUp(30)
	w.alerted("paid again")
	do(w, control.AlertsSet, control.SetAlerts{AlertFields: control.AlertFields{BalanceBelow: to(control.Amount(5 * tally.Dollar))}})
	w.uses(cl.ID, 27)
	w.alerted("$5 are enough")
	w.uses(cl.ID, 1)
	w.alerted("below $5", "balance: Aurora has $4.00 left of what was paid in advance")
	w.uses(cl.ID, 4)
	w.alerted("nothing is left", "refused: Aurora is refused now")
	topUp(40)
	w.alerted("paid once more")
	w.uses(cl.ID, 36)
	w.alerted("low once more", "balance: Aurora has $4.00 left of what was paid in advance")
}

// An owner says at which shares, for a client by itself, and which kinds are silent.
// Limits of a minute and of nothing are none to tell of; those of keys and gateways are.
func TestWhichLimitsAreTold(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	own, _ := w.client("Own", "requests=10/month")
	never, _ := w.client("Never", "requests=10/month")
	warned, _ := w.client("Warned", "requests=10/month,warn")
	w.client("Nothing", "requests=0/day")
	minute, _ := w.client("Minute", "requests=1/minute")
	keyed, k := w.client("Keyed")
	do(w, control.KeysUpdate, control.UpdateKey{PickKey: control.PickKey{Key: string(k.ID)}, Limits: edits(t, "requests=2/day")})
	at := func(slug, text string) {
		t.Helper()
		do(w, control.ClientsUpdate, control.UpdateClient{Client: slug, ClientFields: control.ClientFields{AlertAt: to(tally.Thresholds(text))}})
	}
	at(own.Slug, "95, 30%,30")
	at(never.Slug, "none")
	if got := w.engine.catalog.Load().Client(own.ID).AlertAt; got != "30,95" {
		t.Errorf("thresholds are kept as %q", got)
	}
	do(w, control.AlertsSet, control.SetAlerts{AlertFields: control.AlertFields{Mute: to([]string{"refused"})}})
	do(w, control.GatewaysUpdate, control.UpdateGateway{Gateway: "main", GatewayFields: control.GatewayFields{Limits: edits(t, "cost=100/month")}})
	for _, id := range []tally.ID{own.ID, never.ID, minute.ID} {
		w.uses(id, 10)
	}
	w.uses(own.ID, 10)
	w.uses(warned.ID, 10)
	w.served(k.Key, "sim-small")
	w.alerted("many", "limit: Gateway main has used 50% of $100.00/month",
		"limit: Key default of Keyed has used 50% of 2 requests/day", "limit: Own has used 200% of 10 requests/month", "limit: Warned has used 100% of 10 requests/month")
	do(w, control.ClientsDelete, control.Named{Name: keyed.Slug})
	w.wait(limitsLookEvery)
	w.alerted("a client that is gone")
	if id := tally.ID(tally.SubjectOf("key", k.ID)); w.engine.alerts.marks[id] != nil {
		t.Error("what was told of a key that is gone is remembered")
	}
	for in, word := range map[string]string{"0": "from 1 to 100", "101": "from 1 to 100", "50;80": "from 1 to 100", "1,2,3,4,5,6,7,8,9,10,11": ""} {
		refused(w, control.AlertsSet, control.SetAlerts{AlertFields: control.AlertFields{At: to(tally.Thresholds(in))}}, tally.Invalid, word)
	}
	refused(w, control.AlertsSet, control.SetAlerts{AlertFields: control.AlertFields{Mute: to([]string{"sturm"})}}, tally.Invalid, "storm")
	refused(w, control.AlertsSet, control.SetAlerts{}, tally.Invalid)
}

// Of very many at once the gravest are told one by one, and how many more there are; the
// latest are kept, and what was told is remembered beyond them.
func TestManyAlertsAtOnce(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	const clients = limitsAtOnce + 30
	var ids []tally.ID
	for i := range clients {
		cl, _ := w.client(fmt.Sprint("C", i), "requests=2/month")
		ids = append(ids, cl.ID)
	}
	for _, id := range ids {
		w.uses(id, 1)
	}
	got := w.watches()
	if len(got) != alertsAtOnce+1 || !slices.Contains(got, fmt.Sprintf("limit: %d more alerts of the kind limit", limitsAtOnce-alertsAtOnce)) {
		t.Errorf("the first look: %d, %q", len(got), got)
	}
	if got := w.watches(); len(got) != alertsAtOnce+1 {
		t.Errorf("the second look: %d, %q", len(got), got)
	}
	w.alerted("the third look")
	for i := range keptAlerts + 7 {
		w.wait(time.Millisecond)
		if err := w.engine.Alert(t.Context(), Told{Kind: tally.AlertReconcile, About: fmt.Sprint(i), Gravity: control.Warn, Sentence: fmt.Sprint("Bill ", i)}); err != nil {
			t.Fatal(err)
		}
	}
	w.restart()
	list := do(w, control.AlertsList, control.ListAlerts{})
	if len(list) != keptAlerts || list[0].Sentence != fmt.Sprint("Bill ", keptAlerts+6) || list[keptAlerts-1].Sentence != "Bill 7" {
		t.Errorf("%d are kept, from %q to %q", len(list), list[0].Sentence, list[len(list)-1].Sentence)
	}
	entities, _, err := w.store.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	stored := 0
	for _, x := range entities {
		if x.Kind() == tally.KindAlert {
			stored++
		}
	}
	if stored != keptAlerts {
		t.Errorf("%d are stored", stored)
	}
	w.alerted("what was told is remembered")
	audit := do(w, control.AuditList, control.AuditQuery{Limit: 1000})
	for _, x := range audit.Entries {
		if strings.HasPrefix(string(x.Kind), "alert") {
			t.Fatalf("alerts stand in the audit log: %+v", x)
		}
	}
}

// An event that another part tells of is told once; what is open is acknowledged once, one
// by one or all of it.
func TestAlertsAreAcknowledged(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	bill := Told{Kind: tally.AlertReconcile, About: "openai 2026-10", Gravity: control.Warn, Sentence: "The bill of openai is off", Detail: "by 3 %",
		Thing: control.Thing{Kind: "provider", Name: "openai"}, Next: "tallygate reconcile openai"}
	for range 2 {
		if err := w.engine.Alert(t.Context(), bill); err != nil {
			t.Fatal(err)
		}
	}
	bill.About = "openai 2026-11"
	if err := w.engine.Alert(t.Context(), bill); err != nil {
		t.Fatal(err)
	}
	list := do(w, control.AlertsList, control.ListAlerts{Open: true})
	if s := do(w, control.EngineStatus, control.None{}); len(list) != 2 || s.AlertsOpen != 2 || len(s.Alerts) != 2 || s.Alerts[0].Sentence != bill.Sentence {
		t.Fatalf("open: %+v, status %d %+v", list, s.AlertsOpen, s.Alerts)
	}
	refused(w, control.AlertsAck, control.AckAlerts{}, tally.Invalid, "--all")
	refused(w, control.AlertsAck, control.AckAlerts{ID: "alert_0"}, tally.NotFound)
	id := string(list[0].ID)
	for range 2 {
		if got := do(w, control.AlertsAck, control.AckAlerts{ID: id}); len(got) != 1 || got[0].AckedAt.IsZero() || got[0].AckedBy == "" || got[0].State() != "acknowledged" {
			t.Errorf("%+v", got)
		}
	}
	w.restart()
	if got := do(w, control.AlertsAck, control.AckAlerts{All: true}); len(got) != 1 || string(got[0].ID) == id {
		t.Errorf("the rest: %+v", got)
	}
	if s := do(w, control.EngineStatus, control.None{}); s.AlertsOpen != 0 {
		t.Errorf("%d are open", s.AlertsOpen)
	}
	do(w, control.AlertsSet, control.SetAlerts{AlertFields: control.AlertFields{Mute: to([]string{"reconcile"})}})
	bill.About = "openai 2026-12"
	if err := w.engine.Alert(t.Context(), bill); err != nil {
		t.Fatal(err)
	}
	if got := do(w, control.AlertsList, control.ListAlerts{Rows: control.Rows{Filter: "kind:reconcile"}}); len(got) != 2 {
		t.Errorf("a silent kind was told: %+v", got)
	}
}

// Ten thousand limits, of which none has moved to a threshold, as after each five seconds
// with traffic.
func BenchmarkAlertLimits(b *testing.B) {
	w := newWorld(b)
	w.setUp()
	gw := w.engine.catalog.Load().Gateways[0]
	limits := []tally.Limit{{Metric: tally.Cost, Window: tally.Window{Unit: tally.Month}, Max: 50e9}, {Metric: tally.Requests, Window: tally.Window{Unit: tally.Day}, Max: 10_000}}
	var changes []tally.Change
	for i := range 5_000 {
		changes = append(changes, tally.Put(&tally.Client{Meta: tally.Meta{ID: tally.NewID("cl", noon)}, Gateway: gw.ID, Slug: fmt.Sprintf("client-%d", i),
			Name: fmt.Sprint(i), Status: tally.Active, Limits: limits}, noon))
	}
	if _, err := w.store.Apply(context.Background(), tally.Act{At: noon}, changes...); err != nil {
		b.Fatal(err)
	}
	entities, rev, err := w.store.Load(context.Background())
	if err != nil {
		b.Fatal(err)
	}
	w.engine.use(tally.NewCatalog(rev, entities))
	ctx, c := context.Background(), w.engine.catalog.Load()
	w.settled(4, func(r *tally.Record) { r.Gateway, r.Client, r.Cost = gw.ID, c.Clients[0].ID, 10 })
	b.ReportAllocs()
	for b.Loop() {
		if run, all, err := w.engine.alertLimits(ctx, c, noon); err != nil || !all || !run.empty() {
			b.Fatal(run, all, err)
		}
	}
}
