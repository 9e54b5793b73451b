package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/engine/webhook"
)

// Of alerts so many are kept. Of one kind so many are told one by one where they come
// together.
const (
	keptAlerts   = 500
	alertsAtOnce = 20
)

// alerts is what the owner was told, as the store has it. Only the engine changes it, so
// it is no part of the catalog, and changes end no request's picture of that.
type alerts struct {
	mu    sync.Mutex     // guards the fields that follow; held over what is written of them
	list  []*tally.Alert // the oldest first
	marks map[tally.ID]*tally.AlertMark
	well  map[tally.ID]time.Time // since when what a mark is of is over
	rests map[string]*alertsRest // destinations that are left alone
	took  map[string]time.Time   // when destinations have taken something last
	// unkept is what was told of conditions while the store took nothing.
	unkept map[tally.ID]bool

	watching sync.Mutex // one look at a time; before mu
	seen     watchSeen  // guarded by watching

	sender *webhook.Sender
	duty   *duty // to tell of what all nodes see alike
}

// alertRun is a change of what was told: all of it is stored in one act, or none.
type alertRun struct {
	raised []*tally.Alert
	put    []tally.Entity
	gone   []*tally.AlertMark
}

func (r *alertRun) empty() bool { return len(r.raised)+len(r.put)+len(r.gone) == 0 }

// takeOverAlerts reads what was told before the start.
func (e *Engine) takeOverAlerts(entities []tally.Entity) {
	a := &e.alerts
	a.sender, a.duty = webhook.New(e.opts.AlertsOver), e.duty("alerts")
	a.well, a.rests = map[tally.ID]time.Time{}, map[string]*alertsRest{}
	a.took, a.unkept = map[string]time.Time{}, map[tally.ID]bool{}
	a.takeOver(entities)
}

// takeOver takes what was told from the store. The caller holds mu, if anybody else may.
func (a *alerts) takeOver(entities []tally.Entity) {
	a.list, a.marks = nil, map[tally.ID]*tally.AlertMark{}
	for _, x := range entities {
		switch x := x.(type) {
		case *tally.Alert:
			a.list = append(a.list, x)
		case *tally.AlertMark:
			a.marks[x.ID] = x
		}
	}
	tally.Order(a.list, func(x, y *tally.Alert) int {
		return cmp.Or(x.CreatedAt.Compare(y.CreatedAt), cmp.Compare(x.ID, y.ID))
	})
}

// keepAlerts stores what plan makes of what was told, and makes it anew if another node has
// told something meanwhile. plan is called with mu held, and has no side effects.
func (e *Engine) keepAlerts(ctx context.Context, now time.Time, plan func(a *alerts) (alertRun, error)) error {
	a := &e.alerts
	keep := func() error {
		a.mu.Lock()
		defer a.mu.Unlock()
		run, err := plan(a)
		if err != nil {
			return err
		}
		return a.keep(ctx, e, now, run)
	}
	for try := 0; ; try++ {
		if err := keep(); !e.again(ctx, err, try) {
			return err
		}
	}
}

// keep stores a run, and only then is it what was told. The caller holds mu.
func (a *alerts) keep(ctx context.Context, e *Engine, now time.Time, r alertRun) error {
	if r.empty() {
		return nil
	}
	var changes []tally.Change
	old := a.forgettable(len(a.list) + len(r.raised) - keptAlerts)
	for _, x := range old {
		if x.Waits() {
			e.log.Error("an alert is forgotten that has not arrived", "to", "nobody", "alert", x.ID, "kind", x.Alert, "says", x.Sentence)
		}
		r.put = slices.DeleteFunc(r.put, func(p tally.Entity) bool { return p.Base().ID == x.ID })
		changes = append(changes, tally.Delete(x))
	}
	for _, x := range r.raised {
		changes = append(changes, tally.Put(x, now))
	}
	for _, x := range r.put {
		changes = append(changes, tally.Put(x, now))
	}
	for _, x := range r.gone {
		changes = append(changes, tally.Delete(x))
	}
	by := tally.Act{At: now, Actor: "engine", Op: "alerts"}
	rev, err := e.store.Apply(context.WithoutCancel(ctx), by, changes...)
	if err != nil {
		return err
	}
	e.applied(rev)
	for _, x := range r.put {
		switch x := x.(type) {
		case *tally.AlertMark:
			a.marks[x.ID] = x
		case *tally.Alert:
			if i := a.index(x.ID); i >= 0 {
				a.list[i] = x
			}
		}
	}
	for _, x := range r.gone {
		delete(a.marks, x.ID)
		delete(a.well, x.ID)
	}
	kept := slices.DeleteFunc(slices.Clone(a.list), func(x *tally.Alert) bool { return slices.Contains(old, x) })
	a.list = append(kept, r.raised...)
	return nil
}

// forgettable are so many alerts that matter least: the oldest of those that are over or
// acknowledged, then of those that have arrived, and of the others the least grave.
func (a *alerts) forgettable(n int) []*tally.Alert {
	if n <= 0 {
		return nil
	}
	matters := func(x *tally.Alert) int {
		switch {
		case x.Waits() && control.Tone(x.Gravity) == control.Bad:
			return 3
		case x.Waits():
			return 2
		case x.OverAt.IsZero() && x.AckedAt.IsZero(): // told, and still so
			return 1
		}
		return 0
	}
	list := slices.Clone(a.list)
	tally.OrderStable(list, func(x, y *tally.Alert) int { return cmp.Compare(matters(x), matters(y)) })
	return list[:min(n, len(list))]
}

func (a *alerts) index(id tally.ID) int {
	return slices.IndexFunc(a.list, func(x *tally.Alert) bool { return x.ID == id })
}

// copyOf is an alert that may be changed: those in the list are shared.
func copyOf(x *tally.Alert) *tally.Alert {
	out := *x
	out.Sent = slices.Clone(x.Sent)
	return &out
}

// newAlert makes an alert of a warning, with the destinations that are set.
func (e *Engine) newAlert(now time.Time, kind tally.AlertKind, of tally.ID, w *control.Warning) *tally.Alert {
	out := &tally.Alert{
		Meta: tally.Meta{ID: tally.NewID("alert", now), CreatedAt: now.UTC()},
		Of:   of, Alert: kind, Gravity: string(w.Gravity),
		Thing:    tally.AlertOf(w.Thing),
		Sentence: w.Sentence, Detail: w.Detail, Next: w.Next,
	}
	for _, to := range e.destinations() {
		out.Sent = append(out.Sent, tally.AlertTo{To: to, State: tally.AlertWaits})
	}
	return out
}

// destinations are where alerts go beside the interface.
func (e *Engine) destinations() (out []string) {
	s := &e.catalog.Load().Settings.Alerts
	if !s.NoLog {
		out = append(out, tally.AlertsToLog)
	}
	if s.Webhook != "" {
		out = append(out, tally.AlertsToWebhook)
	}
	if e.opts.AlertCommand != nil {
		out = append(out, tally.AlertsToCommand)
	}
	return out
}

// fewer leaves the first alerts of each kind, and one in the place of the others.
func (e *Engine) fewer(now time.Time, list []*tally.Alert) (out []*tally.Alert) {
	counts := map[tally.AlertKind]int{}
	for _, x := range list {
		if counts[x.Alert]++; counts[x.Alert] <= alertsAtOnce {
			out = append(out, x)
		}
	}
	for _, kind := range tally.AlertKinds {
		if n := counts[kind] - alertsAtOnce; n > 0 {
			w := control.Warning{
				Gravity: control.Warn, Sentence: tally.Group(int64(n)) + " more alerts of the kind " + string(kind),
				Detail: "at the same time", Next: "tallygate clients list --sort used",
			}
			out = append(out, e.newAlert(now, kind, tally.ID(kind), &w))
		}
	}
	return out
}

// Told is something that the owner is to be told of, beside what limits and warnings say.
type Told struct {
	Kind tally.AlertKind
	// About tells one event of a kind from others, like "openai 2026-11": of the same one
	// an owner is told once.
	About    string
	Gravity  control.Tone // Bad or Warn
	Thing    control.Thing
	Sentence string // without a full stop
	Detail   string
	Next     string
}

// Alert tells the owner of an event, once, unless the kind is silenced: it is stored when
// Alert returns, and sent soon. It is for what happens rarely, and never called on the road
// of a request.
func (e *Engine) Alert(ctx context.Context, t Told) error {
	if e.catalog.Load().Settings.Alerts.Muted(t.Kind) {
		return nil
	}
	now := e.clock()
	of := tally.ID(string(t.Kind) + "/" + t.About)
	w := control.Warning{Gravity: t.Gravity, Thing: t.Thing, Sentence: t.Sentence, Detail: t.Detail, Next: t.Next}
	return e.keepAlerts(ctx, now, func(a *alerts) (run alertRun, _ error) {
		if !slices.ContainsFunc(a.list, func(x *tally.Alert) bool { return x.Of == of }) {
			run.raised = append(run.raised, e.newAlert(now, t.Kind, of, &w))
		}
		return run, nil
	})
}

// supersede ends the alerts of which a newer one, or what has become of them, says more.
// The caller holds mu.
func (a *alerts) supersede(run *alertRun, now time.Time, old func(*tally.Alert) bool) {
	for _, x := range a.list {
		if x.OverAt.IsZero() && old(x) {
			next := copyOf(x)
			next.OverAt = now.UTC()
			run.put = append(run.put, next)
		}
	}
}

// openAlerts are those that are open, the latest first.
func (e *Engine) openAlerts(now time.Time) (out []control.AlertView) {
	e.alerts.mu.Lock()
	defer e.alerts.mu.Unlock()
	for _, x := range slices.Backward(e.alerts.list) {
		if x.Open(now) {
			out = append(out, control.AlertView{Alert: *x, Open: true})
		}
	}
	return out
}

// nameAlerts names in warnings the open alerts, the latest first, that have told of them.
func (e *Engine) nameAlerts(warnings []control.Warning, open []control.AlertView) {
	for i := range warnings {
		w := &warnings[i]
		kind, lasts := alertOf[w.Kind]
		of := conditionID(kind, cmp.Or(string(w.Thing.ID), w.Thing.Name))
		limit := w.Kind == control.WarnRefused || w.Kind == control.WarnNear
		for j := range open {
			x := &open[j].Alert
			same := x.Thing.Kind == w.Thing.Kind && x.Thing.ID == w.Thing.ID
			bill := w.Kind == control.WarnReconcile && x.Alert == tally.AlertReconcile
			if lasts && (x.Of == of || x.Of == e.onNode(of)) || limit && same && x.Limit != "" || bill && same {
				w.Alert = x.ID
				break
			}
		}
	}
}

// alertMessage is what a webhook and a command are given.
func alertMessage(x *tally.Alert) ([]byte, error) {
	type limit struct {
		Limit   string       `json:"limit"`
		Percent int          `json:"percent"`
		Metric  tally.Metric `json:"metric"`
		Used    int64        `json:"used"`
		Max     int64        `json:"max"`
	}
	var of *limit
	if x.Limit != "" {
		of = &limit{x.Limit, x.Percent, x.Metric, x.Used, x.Max}
	}
	return json.Marshal(struct {
		Type string    `json:"type"`
		At   time.Time `json:"timestamp"`
		Text string    `json:"text"` // what chats show of a message
		Data any       `json:"data"`
	}{"alert." + string(x.Alert), x.CreatedAt, alertText(x), struct {
		ID       tally.ID        `json:"id"`
		Kind     tally.AlertKind `json:"kind"`
		Gravity  string          `json:"gravity"`
		Thing    tally.AlertOf   `json:"thing,omitzero"`
		Sentence string          `json:"sentence"`
		Detail   string          `json:"detail,omitempty"`
		Next     string          `json:"next,omitempty"`
		Until    time.Time       `json:"until,omitzero"`
		Limit    *limit          `json:"limit,omitempty"`
	}{x.ID, x.Alert, x.Gravity, x.Thing, x.Sentence, x.Detail, x.Next, x.Until, of}})
}

// alertText is an alert in one line.
func alertText(x *tally.Alert) string {
	if x.Detail == "" {
		return x.Sentence
	}
	return x.Sentence + " (" + x.Detail + ")"
}
