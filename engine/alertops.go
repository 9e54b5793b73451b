package engine

import (
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/engine/webhook"
)

// previousSigns is how long a secret that was replaced signs beside the new one.
const previousSigns = 24 * time.Hour

func (e *Engine) listAlerts(_ context.Context, in control.ListAlerts) ([]control.AlertView, error) {
	c, now := e.catalog.Load(), e.clock()
	out := []control.AlertView{}
	e.alerts.mu.Lock()
	for _, x := range slices.Backward(e.alerts.list) {
		if open := x.Open(now); open || !in.Open {
			out = append(out, control.AlertView{Alert: *x, Open: open})
		}
	}
	e.alerts.mu.Unlock()
	return control.Select(control.AlertTable, out, in.Rows, commonCalendar(c, now))
}

func (e *Engine) showAlerts(context.Context, control.None) (control.AlertSettings, error) {
	return e.alertSettings(), nil
}

func (e *Engine) alertSettings() control.AlertSettings {
	s := e.catalog.Load().Settings.Alerts
	if s.At == "" {
		s.At = tally.DefaultThresholds
	}
	return control.AlertSettings{
		At: s.At, BalanceBelow: s.BalanceBelow, Mute: s.Mute,
		Log: !s.NoLog, Webhook: s.Webhook, Command: e.opts.AlertCommand != nil,
	}
}

// setAlerts changes what is told and where. A new webhook gets a secret of its own, unless
// there is one already.
func (e *Engine) setAlerts(ctx context.Context, in control.SetAlerts) (control.AlertsChanged, error) {
	if reflect.ValueOf(in).IsZero() {
		return control.AlertsChanged{}, tally.Errorf(tally.Invalid, "nothing to change was given").
			WithHint("see: tallygate alerts set --help")
	}
	shown := ""
	err := e.change(ctx, func(c *tally.Catalog, now time.Time) ([]tally.Change, error) {
		s := storedSettings(c)
		if err := applyAlerts(&s.Alerts, &in.AlertFields); err != nil {
			return nil, err
		}
		changes := []tally.Change{}
		secret, made, err := e.setHook(c, &s.Alerts, &in, now)
		if err != nil {
			return nil, err
		}
		if secret != nil {
			changes = append(changes, tally.Put(secret, now))
		}
		shown = made
		return append(changes, tally.Put(&s, now)), nil
	})
	if err != nil {
		return control.AlertsChanged{}, err
	}
	if in.Webhook != "" { // it is another one, which has refused nothing yet
		e.alerts.mu.Lock()
		e.alerts.takes(tally.AlertsToWebhook, e.clock())
		e.alerts.mu.Unlock()
	}
	return control.AlertsChanged{AlertSettings: e.alertSettings(), Secret: shown}, nil
}

// applyAlerts applies the owner's fields to what is told.
func applyAlerts(s *tally.AlertSettings, in *control.AlertFields) error {
	if in.Mute != nil {
		kinds, err := distinct("kinds", *in.Mute, func(k string) (string, error) {
			if slices.Contains(tally.AlertKinds, tally.AlertKind(k)) {
				return k, nil
			}
			var all []string
			for _, k := range tally.AlertKinds {
				all = append(all, string(k))
			}
			e := tally.Errorf(tally.Invalid, "there are no alerts of the kind %q", k)
			if near := control.Nearest(k, all); near != "" {
				return "", e.WithHint("did you mean %s? One of %s", near, strings.Join(all, ", "))
			}
			return "", e.WithHint("one of %s", strings.Join(all, ", "))
		})
		if err != nil {
			return err
		}
		s.Mute = nil
		for _, k := range kinds {
			s.Mute = append(s.Mute, tally.AlertKind(k))
		}
	}
	if in.Log != nil {
		s.NoLog = !*in.Log
	}
	if below := in.BalanceBelow; below != nil {
		if *below < 0 || tally.NanoUSD(*below) > tally.MaxMoney {
			return tally.Errorf(tally.Invalid, "a low balance is between 0 and %s", tally.MaxMoney.Display())
		}
		s.BalanceBelow = tally.NanoUSD(*below)
	}
	return setThresholds(&s.At, in.At)
}

// setThresholds takes thresholds as [tally.ParseThresholds] writes them.
func setThresholds(to *tally.Thresholds, in *tally.Thresholds) error {
	if in == nil {
		return nil
	}
	at, err := tally.ParseThresholds(string(*in))
	if err == nil {
		*to = at
	}
	return err
}

// setHook seals another address or secret, and returns what is to be stored and what is to
// be shown of it, if anything.
func (e *Engine) setHook(c *tally.Catalog, s *tally.AlertSettings, in *control.SetAlerts,
	now time.Time) (*tally.Secret, string, error) {
	url := strings.TrimSpace(in.Webhook.Reveal())
	if url == "" && !in.NewSecret {
		return nil, "", nil
	}
	old := &tally.Secret{Meta: tally.Meta{ID: tally.NewID("sec", now)}, Of: tally.AlertsID}
	if was := c.Secret(tally.AlertsID); was != nil {
		*old = *was
	}
	if url == "none" {
		s.Webhook, old.Sealed = "", nil
		return old, "", nil
	}
	h, err := e.openHook(c)
	if err != nil && url == "" {
		return nil, "", err
	}
	if h == nil {
		h = &hook{} // an address that cannot be opened is replaced
	}
	if url != "" {
		if err := webhook.CheckURL(url); err != nil {
			return nil, "", err
		}
		h.URL, s.Webhook = url, webhook.Shown(url)
	}
	if h.URL == "" {
		return nil, "", tally.Errorf(tally.Invalid, "there is no webhook that a secret could sign for").
			WithHint("tallygate alerts set --webhook URL")
	}
	made := ""
	if in.NewSecret || h.Secret == "" {
		if made = webhook.NewSecret(); h.Secret != "" {
			h.Previous, h.PreviousUntil = h.Secret, now.Add(previousSigns).UTC()
		}
		h.Secret = made
	}
	plain, err := json.Marshal(h)
	if err != nil {
		return nil, "", err
	}
	old.Sealed = e.sealer.Seal(tally.AlertsID, plain)
	return old, made, nil
}

// testAlerts sends an alert to each destination, at the same time, and waits for what they
// say. It is not kept.
func (e *Engine) testAlerts(ctx context.Context, _ control.None) ([]control.AlertTested, error) {
	now := e.clock()
	x := e.newAlert(now, tally.AlertTest, "test", &control.Warning{
		Gravity: control.Good, Sentence: "This is a test of tallygate's alerts", Detail: "nothing has happened",
		Next: "tallygate alerts list",
	})
	if len(x.Sent) == 0 {
		return nil, tally.Errorf(tally.Invalid, "alerts go nowhere but to the interface").
			WithHint("tallygate alerts set --webhook URL, or serve --alert-command; see tallygate help alerts")
	}
	out := make([]control.AlertTested, len(x.Sent))
	var each sync.WaitGroup
	for i, to := range x.Sent {
		each.Go(func() {
			began := time.Now()
			r := e.send(ctx, to.To, x, now)
			out[i] = control.AlertTested{To: to.To, OK: r.OK, Said: r.Said, Took: time.Since(began)}
		})
	}
	each.Wait()
	e.alerts.mu.Lock()
	defer e.alerts.mu.Unlock()
	for _, r := range out {
		if r.OK {
			e.alerts.takes(r.To, now)
		}
	}
	return out, nil
}

// ackAlerts acknowledges an alert, or all that are open.
func (e *Engine) ackAlerts(ctx context.Context, in control.AckAlerts) ([]control.AlertView, error) {
	if (in.ID == "") == !in.All {
		return nil, tally.Errorf(tally.Invalid, "say which alert, or all of them").
			WithHint("tallygate alerts ack ID, or tallygate alerts ack --all")
	}
	now := e.clock()
	by, _, _ := control.Acting(ctx)
	var acked []*tally.Alert
	err := e.keepAlerts(ctx, now, func(a *alerts) (run alertRun, _ error) {
		acked = nil
		for _, x := range a.list {
			switch {
			case !in.All && string(x.ID) != in.ID:
			case !x.AckedAt.IsZero() && !in.All: // somebody was faster
				acked = append(acked, x)
			case x.AckedAt.IsZero() && (!in.All || x.Open(now)):
				next := copyOf(x)
				next.AckedAt, next.AckedBy = now.UTC(), by
				run.put, acked = append(run.put, next), append(acked, next)
			}
		}
		if len(acked) == 0 && !in.All {
			return run, tally.Errorf(tally.NotFound, "there is no alert %.60q", in.ID).
				WithHint("see: tallygate alerts list")
		}
		return run, nil
	})
	if err != nil {
		return nil, err
	}
	out := []control.AlertView{}
	for _, x := range acked {
		out = append(out, control.AlertView{Alert: *x})
	}
	return out, nil
}
