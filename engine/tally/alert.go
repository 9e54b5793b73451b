package tally

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// AlertKind is what an alert is about, and what an owner silences.
type AlertKind string

// The kinds of alerts.
const (
	AlertLimit     AlertKind = "limit"     // a share of a limit is used
	AlertRefused   AlertKind = "refused"   // a limit refuses all requests of a thing
	AlertBalance   AlertKind = "balance"   // little is left of what a client has paid in advance
	AlertProvider  AlertKind = "provider"  // one does not answer, or fails, and when that is over
	AlertPrice     AlertKind = "price"     // prices are old, or are not what is billed
	AlertShutdown  AlertKind = "shutdown"  // a model ends, or is listed no more
	AlertStorm     AlertKind = "storm"     // far more refusals or failures than before
	AlertDisk      AlertKind = "disk"      // it is nearly full, or keeps nothing
	AlertBackup    AlertKind = "backup"    // the next one is late, or failed
	AlertBooks     AlertKind = "books"     // the check of the night has found faults
	AlertExpiry    AlertKind = "expiry"    // a key does soon
	AlertReconcile AlertKind = "reconcile" // a provider's bill is not what was booked
	AlertNodes     AlertKind = "nodes"     // one is not heard, or their database is out of reach
	AlertTest      AlertKind = "test"      // the owner wants to see one; it is not kept
)

// AlertKinds are those that can be silenced.
var AlertKinds = []AlertKind{AlertLimit, AlertRefused, AlertBalance, AlertProvider, AlertPrice, AlertShutdown,
	AlertStorm, AlertDisk, AlertBackup, AlertBooks, AlertExpiry, AlertReconcile, AlertNodes}

// AlertsID is the owner of what is secret of alerts: the address of the webhook and the
// key that signs.
const AlertsID ID = "alerts"

// AlertSettings say which alerts there are and where they go. The zero AlertSettings are
// the defaults.
type AlertSettings struct {
	At           Thresholds  `json:"at,omitempty"`
	Mute         []AlertKind `json:"mute,omitempty"`
	BalanceBelow NanoUSD     `json:"balance_below_nano_usd,omitempty"` // 0: by the shares of At
	NoLog        bool        `json:"no_log,omitempty"`
	Webhook      string      `json:"webhook,omitempty"` // its address without what may be secret, for people; "" for none
}

// Muted reports whether alerts of a kind are silenced.
func (s *AlertSettings) Muted(k AlertKind) bool { return slices.Contains(s.Mute, k) }

// Thresholds are the shares of a limit, in percent, at which to alert: "50,80,100". "none"
// is never, "" the default.
type Thresholds string

// The thresholds where nobody says any, and none.
const (
	DefaultThresholds Thresholds = "50,80,100"
	NoThresholds      Thresholds = "none"
	maxThresholds                = 10
)

// ParseThresholds reads percentages from 1 to 100 with commas between, in any order, or
// "none".
func ParseThresholds(s string) (Thresholds, error) {
	text := strings.TrimSpace(s)
	if text == "" || Thresholds(text) == NoThresholds {
		return Thresholds(text), nil
	}
	var list []int
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(part), "%"))
		if err != nil || n < 1 || n > 100 {
			return "", Errorf(Invalid, "%.40q is not a list of percentages", s).
				WithHint("from 1 to 100, with commas between, like 50,80,100; or none")
		}
		list = append(list, n)
	}
	slices.Sort(list)
	list = slices.Compact(list)
	if len(list) > maxThresholds {
		return "", Errorf(Invalid, "there are more than %d percentages", maxThresholds)
	}
	words := make([]string, len(list))
	for i, n := range list {
		words[i] = strconv.Itoa(n)
	}
	return Thresholds(strings.Join(words, ",")), nil
}

// UnmarshalText implements encoding.TextUnmarshaler.
func (t *Thresholds) UnmarshalText(b []byte) (err error) {
	*t, err = ParseThresholds(string(b))
	return err
}

// MarshalText implements encoding.TextMarshaler.
func (t Thresholds) MarshalText() ([]byte, error) { return []byte(t), nil }

// Percents are the thresholds in ascending order.
func (t Thresholds) Percents() []int {
	if t == "" {
		t = DefaultThresholds
	}
	var out []int
	for part := range strings.SplitSeq(string(t), ",") {
		if n, err := strconv.Atoi(part); err == nil { // none has no number
			out = append(out, n)
		}
	}
	return out
}

// Alert is one thing that the owner was told. The latest are kept.
type Alert struct {
	Meta
	Of       ID        `json:"of"` // of what it is, as its [AlertMark] is called
	Alert    AlertKind `json:"kind"`
	Gravity  string    `json:"gravity"` // as a control.Tone: bad, warn, or good for what is over
	Thing    AlertOf   `json:"thing,omitzero"`
	Sentence string    `json:"sentence"`
	Detail   string    `json:"detail,omitempty"`
	Next     string    `json:"next,omitempty"` // the command line that deals with it
	// Percent is the threshold of a limit that was reached, Limit which one that is, like
	// cost=50/month. Used and Max are in the unit of Metric.
	Percent int       `json:"percent,omitempty"`
	Limit   string    `json:"limit,omitempty"`
	Metric  Metric    `json:"metric,omitempty"`
	Used    int64     `json:"used,omitempty"`
	Max     int64     `json:"max,omitempty"`
	Until   time.Time `json:"until,omitzero"`    // when it is over by itself
	OverAt  time.Time `json:"over_at,omitzero"`  // when what it tells of had ended
	AckedAt time.Time `json:"acked_at,omitzero"` // when somebody said that it is known
	AckedBy string    `json:"acked_by,omitempty"`
	Sent    []AlertTo `json:"sent,omitempty"`
}

// Open reports whether the alert still wants the owner.
func (a *Alert) Open(now time.Time) bool {
	return a.AckedAt.IsZero() && a.OverAt.IsZero() && (a.Until.IsZero() || now.Before(a.Until))
}

// Waits reports whether it is still to be sent somewhere.
func (a *Alert) Waits() bool {
	return slices.ContainsFunc(a.Sent, func(to AlertTo) bool { return to.State == AlertWaits })
}

// AlertOf is what an alert is about, as [control.Thing] names things; zero for the engine
// itself and for several things.
type AlertOf struct {
	Kind string `json:"kind"`
	ID   ID     `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
}

// The destinations of alerts beside the interface, which shows all of them.
const (
	AlertsToLog     = "log"
	AlertsToWebhook = "webhook"
	AlertsToCommand = "command"
)

// AlertTo is how far an alert has come to one destination.
type AlertTo struct {
	To    string     `json:"to"`
	State AlertState `json:"state"`
	Tries int        `json:"tries,omitempty"`
	At    time.Time  `json:"at,omitzero"`   // of the latest try
	Next  time.Time  `json:"next,omitzero"` // when it is tried again
	Said  string     `json:"said,omitempty"`
}

// AlertState is how an alert stands with a destination.
type AlertState string

// The states.
const (
	AlertWaits  AlertState = "waiting"
	AlertSent   AlertState = "sent"
	AlertFailed AlertState = "failed" // it is not tried any more
)

// AlertMark remembers of what the owner was told already. Its ID is a [Subject] with
// limits, or the kind and the thing of a condition that lasts.
type AlertMark struct {
	Meta
	Limits  []LimitMark `json:"limits,omitempty"`
	Alert   ID          `json:"alert,omitempty"`   // the latest that told of the condition
	Gravity string      `json:"gravity,omitempty"` // of that
}

// LimitMark is the highest threshold of a limit that was told of in a period.
type LimitMark struct {
	Limit   string `json:"limit"`  // METRIC/WINDOW
	Period  string `json:"period"` // its label
	Percent int    `json:"percent"`
	Max     int64  `json:"max"` // of the limit then: one that was raised is looked at anew
}

// Kind implements Entity.
func (*Alert) Kind() EntityKind { return KindAlert }

// Kind implements Entity.
func (*AlertMark) Kind() EntityKind { return KindAlertMark }

// Audited reports whether changes of such entities stand in the audit log: not of
// tombstones, which go with what was deleted, nor of what the engine writes for itself.
func (k EntityKind) Audited() bool { return k != KindTombstone && !k.Aside() }
