package control

import (
	"fmt"
	"strings"
	"time"

	"tallygate/engine/tally"
)

// AlertFields say what the owner is told of. A nil field is left as it is.
type AlertFields struct {
	At           *tally.Thresholds `json:"at,omitempty" group:"alerts" label:"Alert at, %" unset:"50,80,100" help:"=alert at"`
	BalanceBelow *Amount           `json:"balance_below_usd,omitempty" flag:"balance-below" group:"alerts" label:"Balance is low below, $" unset:"a share of it, as of limits" help:"US dollars that are left of what a client has paid in advance; 0: by the shares of at"`
	Mute         *[]string         `json:"mute,omitempty" group:"alerts" label:"Silent kinds" unset:"none" help:"kind of alerts that there are not to be: limit, refused, balance, provider, price, shutdown, storm, disk, backup, books, expiry, reconcile or nodes; repeat; none clears"`
	Log          *bool             `json:"log,omitempty" group:"alerts" label:"Into the log" help:"write a line into the log for each; default yes"`
}

// SetAlerts changes what the owner is told of, and where.
type SetAlerts struct {
	AlertFields
	Webhook   Secret `json:"webhook,omitempty" flag:"-" label:"Webhook" help:"address that each alert is posted to, like https://ops.example.com/hook; none: nowhere"`
	NewSecret bool   `json:"new_secret,omitempty" help:"make another secret for the signatures and show it; for a day the old one signs as well"`
}

// AlertSettings is what the owner is told of, and where.
type AlertSettings struct {
	At           tally.Thresholds  `json:"at"`
	BalanceBelow tally.NanoUSD     `json:"balance_below_nano_usd"`
	Mute         []tally.AlertKind `json:"mute"`
	Log          bool              `json:"log"`
	Webhook      string            `json:"webhook"` // without what may be secret in it; "" for none
	Command      bool              `json:"command"` // whether the process that serves runs one
}

// AlertsChanged is what was set. Secret is what signs, "whsec_…" as Standard Webhooks
// writes it; it is shown here and never again.
type AlertsChanged struct {
	AlertSettings
	Secret string `json:"secret,omitempty"`
}

// ListAlerts selects alerts.
type ListAlerts struct {
	Rows
	Open bool `json:"open,omitempty" help:"only those that are not over, and that nobody has acknowledged"`
}

// AckAlerts says which alerts are known.
type AckAlerts struct {
	ID  string `json:"id,omitempty" arg:"1?" help:"id of the alert"`
	All bool   `json:"all,omitempty" help:"all that are open"`
}

// AlertView is an alert as it stands.
type AlertView struct {
	tally.Alert
	Open bool `json:"open"`
}

// State is open, acknowledged or over.
func (v *AlertView) State() string {
	switch {
	case v.Open:
		return "open"
	case !v.AckedAt.IsZero():
		return "acknowledged"
	}
	return "over"
}

// SentTo says where it went: "log, webhook: status 500, 3 tries".
func (v *AlertView) SentTo() string {
	var out []string
	for _, to := range v.Sent {
		text := to.To
		switch {
		case to.State == tally.AlertFailed:
			text += " failed: " + to.Said
		case to.State == tally.AlertWaits && to.Tries > 0:
			text += fmt.Sprintf(" waits: %s, tried %s", to.Said, timesTried(to.Tries))
		case to.State == tally.AlertWaits:
			text += " waits"
		}
		out = append(out, text)
	}
	return strings.Join(out, ", ")
}

func timesTried(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// AlertTested is what one destination has made of a test.
type AlertTested struct {
	To   string        `json:"to"`
	OK   bool          `json:"ok"`
	Said string        `json:"said"`
	Took time.Duration `json:"took_ns"`
}

// The operations on alerts. Each alert is kept once, in a list of the latest; where it went
// stands beside it.
var (
	AlertsList = Op[ListAlerts, []AlertView]{"alerts.list", Read, "list the latest alerts: when, what, where they went, and who has seen them"}
	AlertsShow = Op[None, AlertSettings]{"alerts.show", Read, "show what there are alerts of, and where they go"}
	AlertsSet  = Op[SetAlerts, AlertsChanged]{"alerts.set", Write, "change what there are alerts of, and where they go"}
	AlertsTest = Op[None, []AlertTested]{"alerts.test", Write, "send an alert to each destination now, and tell what it answers"}
	AlertsAck  = Op[AckAlerts, []AlertView]{"alerts.ack", Write, "acknowledge an alert: it is known, and wants nobody any more"}
)

// AlertTable shows alerts.
var AlertTable = NewTable(Table[*AlertView]{
	Thing: "alert",
	ID:    func(v *AlertView) string { return string(v.ID) },
	Signs: true,
	Tone: func(v *AlertView) Tone {
		if !v.Open {
			return Faint
		}
		return Tone(v.Gravity)
	},
	Text:   func(v *AlertView) string { return joinLines(v.Sentence, v.Detail, v.Thing.Name, string(v.ID)) },
	Orders: []string{"at", "kind"},
	Columns: []Column[*AlertView]{
		{Name: "id", Spare: 3},
		{Name: "at", Field: "created_at"},
		{Name: "kind", Words: kindWords(), Get: func(v *AlertView) Value { return WordOf(v.Alert.Alert) }},
		{Name: "what", Field: "sentence"},
		{Name: "detail", Spare: 4},
		{Name: "of", Get: func(v *AlertView) Value { return WordOf(v.Thing.Name) }, Hidden: true},
		{Name: "sent", Spare: 2, Get: func(v *AlertView) Value { return WordOf(v.SentTo()) }},
		{Name: "state", Spare: 1, Derived: true, Words: []string{"open", "acknowledged", "over"},
			Get: func(v *AlertView) Value { return WordOf(v.State()) }},
		{Name: "acked", Field: "acked_at", Hidden: true},
		{Name: "next", Hidden: true},
	},
})

func kindWords() (out []string) {
	for _, k := range tally.AlertKinds {
		out = append(out, string(k))
	}
	return out
}

// CurrentAlerts is what is set of alerts as its fields.
func CurrentAlerts(s *tally.AlertSettings) AlertFields {
	mute := make([]string, len(s.Mute))
	for i, k := range s.Mute {
		mute[i] = string(k)
	}
	log, below := !s.NoLog, Amount(s.BalanceBelow)
	return AlertFields{At: &s.At, BalanceBelow: &below, Mute: &mute, Log: &log}
}
