package engine

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage"
)

// finds has the engine look at conditions, of which there are these, and tells of what was
// told; half a minute passes.
func (w *world) finds(found ...condition) (told []string) {
	w.Helper()
	n := len(do(w, control.AlertsList, control.ListAlerts{}))
	c := w.engine.catalog.Load()
	if _, err := w.engine.lookAtConditions(w.Context(), c, w.engine.clock(), found); err != nil {
		w.Fatal(err)
	}
	list := do(w, control.AlertsList, control.ListAlerts{})
	for _, x := range list[:len(list)-n] {
		told = append(told, x.Sentence)
	}
	w.wait(conditionsEvery)
	return told
}

// A condition that comes and goes is told once, until it was well for a while; one that
// gets worse is told again, and that a provider is well again as well. A restart does not
// tell it twice.
func TestConditionsAreToldOnce(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	c := w.engine.catalog.Load()
	p := c.Providers[0]
	ill := condition{tally.AlertProvider, conditionID(tally.AlertProvider, string(p.ID)),
		control.Warning{Gravity: control.Bad, Thing: providerThing(c, p.ID), Sentence: "It fails"}}
	expect := func(what string, got []string, want ...string) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: told %q, want %q", what, got, want)
		}
	}
	expect("at first", w.finds(ill), "It fails")
	for range 40 { // each time well for less than it takes
		expect("flapping", w.finds(ill))
		expect("flapping", w.finds())
	}
	w.restart()
	expect("after a restart", w.finds(ill))
	steps := int(wellFor / conditionsEvery)
	for range steps {
		expect("well", w.finds())
	}
	expect("well for long", w.finds(), "Provider sim is well again")
	expect("still well", w.finds())
	list := do(w, control.AlertsList, control.ListAlerts{})
	if len(list) != 2 || list[0].Open || list[1].Open || list[1].OverAt.IsZero() || list[0].Gravity != "good" {
		t.Errorf("%+v", list)
	}
	expect("ill once more", w.finds(ill), "It fails")
	low := condition{tally.AlertDisk, conditionID(tally.AlertDisk, ""), control.Warning{Gravity: control.Warn, Sentence: "The disk has little room left"}}
	full := low
	full.Gravity, full.Sentence = control.Bad, "The disk is nearly full"
	expect("a disk", w.finds(ill, low), "The disk has little room left")
	expect("a disk that is worse", w.finds(ill, full), "The disk is nearly full")
	expect("a disk that is a bit better", w.finds(ill, low))
	expect("and worse", w.finds(ill, full))
	for range steps + 2 {
		expect("a disk that is well", w.finds(ill))
	}
	do(w, control.AlertsSet, control.SetAlerts{AlertFields: control.AlertFields{Mute: to([]string{"disk"})}})
	expect("a disk of which nothing is to be told", w.finds(ill, full))
}

// What status warns of is told: a provider that does not answer, a model that ends, old
// prices, a key that expires, a backup that failed.
func TestWarningsAreTold(t *testing.T) {
	w := newWorld(t)
	done := w.setUp()
	do(w, control.ProvidersCreate, control.CreateProvider{Name: "dead", ProviderKind: "custom", NoImport: true, ProviderFields: control.ProviderFields{BaseURL: to("http://127.0.0.1:1/v1")}})
	do(w, control.ModelsCreate, control.CreateModel{Provider: "dead", Name: "m", ModelFields: control.ModelFields{Prices: []control.PriceField{price("input", "1"), price("output", "1")}}})
	w.alerted("a calm day")
	for range 3 {
		w.chat(done.Key, "m")
	}
	do(w, control.KeysCreate, control.CreateKey{Client: "default", Label: "short", Expires: "4d"})
	w.engine.backedUp.Store(&control.Backups{Dir: "b", Every: time.Hour, At: w.clock(), Problem: "there is no room"})
	w.engine.checked.Store(&control.Checked{Faults: 2})
	w.wait(attentionEvery)
	w.alerted("a bad day", "backup: The backup failed: there is no room", "books: The check of last night found faults in the store (2)",
		"expiry: Key short of default expires in 3 days", "provider: Provider dead does not answer")
	w.at(noon.AddDate(0, 3, 0))
	if got := w.watches(); !slices.Contains(got, "price: The built-in prices are from 2026-11-01") {
		t.Errorf("months later: %q", got)
	}
}

// Far more refusals than before, or failures, are a storm; as many as always are none, and
// one that lasts is told once.
func TestStorms(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	feed := w.engine.feed
	minute := func(refused, failed int) {
		for range 60 {
			w.wait(time.Second)
			records := []tally.Record{{At: w.clock(), Count: int64(refused), Outcome: tally.OutcomeLimited}}
			for range failed {
				records = append(records, tally.Record{At: w.clock(), Outcome: tally.OutcomeFailed})
			}
			feed.Publish(records)
			feed.Tick(w.clock())
		}
	}
	for range 15 {
		minute(2, 0)
	}
	w.alerted("as many as always")
	minute(2, 1)
	w.alerted("failures", "storm: 60 requests failed within a minute")
	minute(9, 1)
	w.alerted("not five times as many")
	minute(40, 0)
	w.alerted("refusals", "storm: 2,400 requests refused within a minute")
	for range 20 {
		minute(40, 0)
		w.alerted("it lasts")
	}
}

// brokenStore takes no changes.
type brokenStore struct{ storage.Store }

func (brokenStore) Apply(context.Context, tally.Act, ...tally.Change) (int64, error) {
	return 0, tally.Errorf(tally.Unavailable, "the disk keeps nothing")
}

func (s brokenStore) Status(ctx context.Context) (storage.Status, error) {
	st, err := s.Store.Status(ctx)
	st.Fault = "no space"
	return st, err
}

// That the disk keeps nothing is told though it cannot be written down, once; and again
// when it can.
func TestAlertsOfABrokenDisk(t *testing.T) {
	w, r, _ := hooked(t)
	cl, _ := w.client("Aurora", "requests=2/month")
	w.uses(cl.ID, 1)
	w.engine.store = brokenStore{w.store}
	for range 3 {
		if err := w.engine.watchAlerts(t.Context()); tally.CodeOf(err) != tally.Unavailable {
			t.Errorf("an alert was kept: %v", err)
		}
		w.wait(conditionsEvery)
	}
	if n := strings.Count(w.log.String(), "does not keep what it is given"); n != 1 || len(r.ids()) != 1 {
		t.Errorf("logged %d times, posted %q", n, r.ids())
	}
	w.engine.store = w.store
	w.alerted("the disk is mended", "limit: Aurora has used 50% of 2 requests/month")
}

// While nothing serves, as in a command that looks at the store, nothing is sent.
func TestAlertsWhileNothingServes(t *testing.T) {
	w, r, _ := hooked(t)
	id := w.raises("Waits")
	step := w.engine.whileServing(w.engine.deliverTo(tally.AlertsToWebhook))
	if err := step(t.Context()); err != nil || len(r.ids()) != 0 {
		t.Errorf("%v, sent %q", err, r.ids())
	}
	w.engine.SetBaseURL("http://127.0.0.1:1/v1")
	if err := step(t.Context()); err != nil || !slices.Equal(r.ids(), []string{id}) {
		t.Errorf("%v, sent %q", err, r.ids())
	}
}
