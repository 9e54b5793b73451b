package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/engine/webhook"
)

// How alerts are sent. One that does not arrive is tried again for a day, and for as many
// times at least: a machine may have slept for that long.
const (
	deliverEvery  = 2 * time.Second
	sendsAtOnce   = 20 // to one destination in a round
	sendAgain     = 5 * time.Second
	sendAgainMost = time.Hour
	sendFor       = 24 * time.Hour
	sendAtLeast   = 8   // times
	longestWords  = 200 // of a command that is tested, in bytes
	// commandPatience is how long the command for an alert may take.
	commandPatience = 30 * time.Second
)

// alertsRest is a destination that did not take an alert: it is left alone until then.
type alertsRest struct {
	since, until time.Time
	said         string
}

// delivery is an alert on its way to one destination, and what came of it.
type delivery struct {
	*tally.Alert
	to string
	webhook.Result
}

// deliverTo makes what sends a destination what waits for it, until one does not arrive, and
// stores what came of it: what was sent and not stored, as in a crash, is sent again under the
// same ID. Each destination has a loop of its own, so that a slow one keeps no other waiting.
func (e *Engine) deliverTo(to string) func(context.Context) error {
	return func(ctx context.Context) error {
		now := e.clock()
		return e.deliver(ctx, e.alerts.due(now, e.destinations())[to], now)
	}
}

func (e *Engine) deliver(ctx context.Context, list []delivery, now time.Time) error {
	var done []delivery
	for _, d := range list {
		d.Result = e.send(ctx, d.to, d.Alert, now)
		if !d.OK && ctx.Err() != nil {
			break
		}
		if done = append(done, d); !d.OK {
			break
		}
	}
	return e.keepAlerts(ctx, now, func(*alerts) (run alertRun, _ error) {
		for _, d := range done {
			e.delivered(&run, d, now)
		}
		return run, nil
	})
}

// delivering returns the step that sends a destination what waits for it, from one node.
func (e *Engine) delivering(to string) func(context.Context) error {
	deliver := e.onDuty("alerts to the "+to, e.deliverTo(to))
	return e.whileServing(func(ctx context.Context) error {
		if !slices.Contains(e.destinations(), to) { // another node may have it
			return nil
		}
		return deliver(ctx)
	})
}

// due are the alerts that are to be sent now, by destination of those that are set, those
// first that were tried least.
func (a *alerts) due(now time.Time, set []string) map[string][]delivery {
	a.mu.Lock()
	defer a.mu.Unlock()
	maps.DeleteFunc(a.rests, func(to string, _ *alertsRest) bool { return !slices.Contains(set, to) })
	out := map[string][]delivery{}
	isDue := func(at time.Time) bool { return !at.After(now) || at.Sub(now) > 2*sendAgainMost } // a clock was set back
	for _, x := range a.list {
		for _, to := range x.Sent {
			rest := a.rests[to.To]
			due := isDue(to.Next) || a.took[to.To].After(to.At) // it takes others again
			if to.State == tally.AlertWaits && slices.Contains(set, to.To) && due && (rest == nil || isDue(rest.until)) {
				out[to.To] = append(out[to.To], delivery{Alert: x, to: to.To})
			}
		}
	}
	for to, list := range out {
		tries := func(d delivery) int { return d.Sent[sentTo(d.Alert, d.to)].Tries }
		tally.OrderStable(list, func(a, b delivery) int { return cmp.Compare(tries(a), tries(b)) })
		out[to] = list[:min(len(list), sendsAtOnce)]
	}
	return out
}

func sentTo(x *tally.Alert, to string) int {
	return slices.IndexFunc(x.Sent, func(s tally.AlertTo) bool { return s.To == to })
}

// delivered notes what came of a delivery. The caller holds mu.
func (e *Engine) delivered(run *alertRun, d delivery, now time.Time) {
	a := &e.alerts
	var x *tally.Alert
	if i := slices.IndexFunc(run.put, func(p tally.Entity) bool { return p.Base().ID == d.ID }); i >= 0 {
		x = run.put[i].(*tally.Alert)
	} else if i := a.index(d.ID); i >= 0 { // it may have been acknowledged meanwhile
		x = copyOf(a.list[i])
		run.put = append(run.put, x)
	} else {
		return
	}
	to := &x.Sent[sentTo(x, d.to)]
	to.Tries, to.At, to.Next, to.Said = to.Tries+1, now.UTC(), time.Time{}, d.Said
	if d.OK {
		to.State = tally.AlertSent
		a.takes(d.to, now)
		return
	}
	rest := a.rests[d.to]
	if rest == nil {
		rest = &alertsRest{since: now}
		a.rests[d.to] = rest
		e.log.Error("alerts do not arrive: run tallygate alerts test", "to", d.to, "said", d.Said)
	}
	wait := max(backOff(to.Tries), d.After)
	rest.until, rest.said, to.Next = now.Add(wait), d.Said, now.Add(wait).UTC()
	if now.Sub(x.CreatedAt) >= sendFor && to.Tries >= sendAtLeast {
		to.State, to.Next = tally.AlertFailed, time.Time{}
		if !slices.ContainsFunc(x.Sent, func(s tally.AlertTo) bool { return s.To == tally.AlertsToLog }) {
			e.logAlert(x)
		}
	}
}

// takes notes that a destination has taken something: what waits for it may go.
func (a *alerts) takes(to string, now time.Time) {
	delete(a.rests, to)
	a.took[to] = now
}

// backOff is how long to wait after so many tries: a fifth more or less, so that what fails
// together does not come back together.
func backOff(tries int) time.Duration {
	wait := sendAgain
	for range min(tries-1, 10) {
		wait = min(3*wait, sendAgainMost)
	}
	return wait + time.Duration((rand.Float64()-0.5)*0.4*float64(wait))
}

// send sends an alert to a destination, once.
func (e *Engine) send(ctx context.Context, to string, x *tally.Alert, now time.Time) webhook.Result {
	if to == tally.AlertsToLog {
		e.logAlert(x)
		return webhook.Result{OK: true, Said: "written"}
	}
	message, err := alertMessage(x)
	if err != nil {
		return webhook.Result{Said: "it cannot be written: " + err.Error()}
	}
	if to == tally.AlertsToCommand {
		return e.runCommand(ctx, x, message)
	}
	target, err := e.webhookTarget(now)
	if err != nil {
		return webhook.Result{Said: tally.AsError(err).Message}
	}
	return e.alerts.sender.Send(ctx, target, webhook.Message{ID: string(x.ID), Body: message}, now)
}

// logAlert writes an alert into the log. An error means that a human must act.
func (e *Engine) logAlert(x *tally.Alert) {
	level := slog.LevelWarn
	switch control.Tone(x.Gravity) {
	case control.Bad:
		level = slog.LevelError
	case control.Good:
		level = slog.LevelInfo
	}
	e.log.Log(context.Background(), level, "alert", "id", x.ID, "kind", x.Alert, "says", x.Sentence,
		"detail", x.Detail, "next", x.Next)
}

// runCommand runs the owner's command for an alert: that is its input, and its words are in
// the environment. What the command says may tell secrets: only who tests it reads that.
func (e *Engine) runCommand(ctx context.Context, x *tally.Alert, message []byte) webhook.Result {
	if e.opts.AlertCommand == nil {
		return webhook.Result{Said: "the process that serves was given none: serve --alert-command"}
	}
	ctx, cancel := context.WithTimeout(ctx, commandPatience)
	defer cancel()
	var env []string
	for _, v := range [...][2]string{
		{"ID", string(x.ID)}, {"KIND", string(x.Alert)}, {"GRAVITY", x.Gravity}, {"TEXT", alertText(x)},
		{"SENTENCE", x.Sentence}, {"DETAIL", x.Detail}, {"NEXT", x.Next}, {"THING", x.Thing.Name}, {"THING_KIND", x.Thing.Kind},
		{"AT", x.CreatedAt.UTC().Format(time.RFC3339)},
	} {
		env = append(env, "TALLYGATE_ALERT_"+v[0]+"="+strings.ReplaceAll(v[1], "\x00", ""))
	}
	words, err := e.opts.AlertCommand(ctx, message, env...)
	out := webhook.Result{OK: err == nil, Said: "exit status 0"}
	switch {
	case err != nil && ctx.Err() != nil:
		out.Said = "no end within " + control.FormatSpan(commandPatience)
	case err != nil:
		out.Said = err.Error()
	}
	if words = tally.Printable(strings.Join(strings.Fields(words), " ")); words != "" && x.Alert == tally.AlertTest {
		out.Said += ": " + strings.ToValidUTF8(words[max(len(words)-longestWords, 0):], "")
	}
	return out
}

// hook is what is sealed of the webhook.
type hook struct {
	URL           string    `json:"url"`
	Secret        string    `json:"secret"`
	Previous      string    `json:"previous,omitempty"`
	PreviousUntil time.Time `json:"previous_until,omitzero"`
}

// openHook is what is sealed of the webhook, nil if there is none.
func (e *Engine) openHook(c *tally.Catalog) (*hook, error) {
	s := c.Secret(tally.AlertsID)
	if s == nil || len(s.Sealed) == 0 {
		return nil, nil
	}
	plain, err := e.sealer.Open(tally.AlertsID, s.Sealed)
	if err != nil {
		return nil, err
	}
	var h hook
	if json.Unmarshal(plain, &h) != nil {
		return nil, tally.Errorf(tally.Corrupt, "the sealed address of the webhook is damaged").
			WithHint("set it again: tallygate alerts set --webhook URL")
	}
	return &h, nil
}

// webhookTarget is where alerts are posted to.
func (e *Engine) webhookTarget(now time.Time) (webhook.Target, error) {
	h, err := e.openHook(e.catalog.Load())
	if err != nil {
		return webhook.Target{}, err
	}
	if h == nil {
		return webhook.Target{}, tally.Errorf(tally.NotFound, "there is no webhook any more, or its address is lost")
	}
	to := webhook.Target{URL: h.URL, Secrets: []string{h.Secret}}
	if h.Previous != "" && now.Before(h.PreviousUntil) {
		to.Secrets = append(to.Secrets, h.Previous)
	}
	return to, nil
}

// unsent warns of destinations that take no alerts.
func (e *Engine) unsent() (out []control.Warning) {
	e.alerts.mu.Lock()
	defer e.alerts.mu.Unlock()
	for _, to := range []string{tally.AlertsToWebhook, tally.AlertsToCommand} {
		r := e.alerts.rests[to]
		if r == nil {
			continue
		}
		out = append(out, control.Warning{
			Kind: control.WarnAlerts, Gravity: control.Warn, Since: r.since, Sentence: "Alerts do not reach the " + to,
			Detail: r.said + "; they are tried again for a day, and stand in alerts list", Next: "tallygate alerts test",
		})
	}
	return out
}
