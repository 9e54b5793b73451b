package engine

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/engine/webhook"
)

const hookURL = "https://hooks.example.com/services/canary-path-1234"

// receiver is what a webhook reaches, without a network.
type receiver struct {
	mu     sync.Mutex // guards the fields that follow
	status int        // of the next answers; 0: it does not answer
	got    []*http.Request
	bodies []string
	came   chan struct{} // is told of each request, if it is there
}

func (r *receiver) RoundTrip(req *http.Request) (*http.Response, error) {
	r.mu.Lock()
	status := r.status
	body, _ := io.ReadAll(req.Body)
	r.got, r.bodies = append(r.got, req), append(r.bodies, string(body))
	r.mu.Unlock()
	if r.came != nil {
		r.came <- struct{}{}
	}
	if status == 0 {
		<-req.Context().Done()
		return nil, req.Context().Err()
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader("canary-answer"))}, nil
}

func (r *receiver) answers(status int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = status
}

func (r *receiver) ids() (out []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, req := range r.got {
		out = append(out, req.Header.Get(webhook.HeaderID))
	}
	return out
}

// hooked is a world with a webhook that reaches a receiver, and its secret.
func hooked(t testing.TB) (*world, *receiver, string) {
	w, r := newWorld(t), &receiver{status: 200}
	w.setUp()
	w.reaches(r)
	return w, r, do(w, control.AlertsSet, control.SetAlerts{Webhook: hookURL}).Secret
}

func (w *world) reaches(r *receiver) {
	w.engine.alerts.sender.Close()
	w.engine.alerts.sender = webhook.New(r)
}

// raises raises an alert, and returns its ID.
func (w *world) raises(what string) string {
	w.Helper()
	if err := w.engine.Alert(context.Background(), Told{Kind: tally.AlertReconcile, About: what, Gravity: control.Warn, Sentence: what}); err != nil {
		w.Fatal(err)
	}
	return string(do(w, control.AlertsList, control.ListAlerts{})[0].ID)
}

func (w *world) delivers() {
	w.Helper()
	for _, to := range []string{tally.AlertsToLog, tally.AlertsToWebhook, tally.AlertsToCommand} {
		if err := w.engine.deliverTo(to)(context.Background()); err != nil {
			w.Fatal(err)
		}
	}
}

// sent is how an alert stands with a destination.
func (w *world) sent(id, to string) tally.AlertTo {
	w.Helper()
	for _, x := range do(w, control.AlertsList, control.ListAlerts{}) {
		for _, s := range x.Sent {
			if string(x.ID) == id && s.To == to {
				return s
			}
		}
	}
	w.Fatalf("no alert %s to %s", id, to)
	return tally.AlertTo{}
}

// What a webhook gets is the alert, signed with the secret that was shown, and under the ID
// that it keeps while it is tried again: as long as it must, and across a restart.
func TestAWebhookIsTriedAgain(t *testing.T) {
	w, r, secret := hooked(t)
	r.answers(500)
	id := w.raises("The bill is off")
	w.delivers()
	w.delivers()
	if s := w.sent(id, "webhook"); s.State != tally.AlertWaits || s.Tries != 1 || s.Said != "status 500" || len(r.ids()) != 1 {
		t.Errorf("after one try: %+v, asked %d times", s, len(r.ids()))
	}
	if s := w.sent(id, "log"); s.State != tally.AlertSent || strings.Count(w.log.String(), "The bill is off") != 1 {
		t.Errorf("the log: %+v", s)
	}
	if !warns(do(w, control.EngineStatus, control.None{}), "Alerts do not reach the webhook", "tallygate alerts test") {
		t.Error("status does not warn")
	}
	w.wait(time.Hour)
	w.restart()
	w.reaches(r)
	w.delivers()
	if s := w.sent(id, "webhook"); s.Tries != 2 {
		t.Errorf("after a restart: %+v", s)
	}
	r.answers(204)
	w.wait(2 * sendAgainMost)
	w.delivers()
	w.delivers()
	if s := w.sent(id, "webhook"); s.State != tally.AlertSent || s.Tries != 3 || s.Said != "status 204" {
		t.Errorf("at last: %+v", s)
	}
	if ids := r.ids(); !slices.Equal(ids, []string{id, id, id}) {
		t.Errorf("the attempts were %q", ids)
	}
	if warns(do(w, control.EngineStatus, control.None{}), "Alerts do not reach", "") {
		t.Error("status warns still")
	}
	last, body := r.got[2].Header, r.bodies[2]
	key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
	mac := hmac.New(sha256.New, key)
	io.WriteString(mac, id+"."+last.Get(webhook.HeaderTimestamp)+"."+body)
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); last.Get(webhook.HeaderSignature) != want {
		t.Errorf("signed %s, want %s", last.Get(webhook.HeaderSignature), want)
	}
	var got struct {
		Type, Text string
		Data       struct{ ID, Kind, Sentence string }
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.Type != "alert.reconcile" || got.Text != "The bill is off" || got.Data.ID != id || got.Data.Kind != "reconcile" {
		t.Errorf("%s: %+v, %v", body, got, err)
	}
	for _, place := range []string{w.log.String(), fmt.Sprint(do(w, control.AlertsList, control.ListAlerts{}))} {
		if strings.Contains(place, "canary") {
			t.Errorf("it tells of the address, or what the receiver said: %s", place)
		}
	}
}

// A receiver that never answers is waited for, the log is not, and after a day it is given
// up; the next alert is tried all the same.
func TestAWebhookIsGivenUp(t *testing.T) {
	w, r, _ := hooked(t)
	do(w, control.AlertsSet, control.SetAlerts{AlertFields: control.AlertFields{Log: to(false)}})
	r.answers(503)
	id := w.raises("Lost")
	tries := 0
	for range 60 {
		w.delivers()
		if s := w.sent(id, "webhook"); s.State == tally.AlertFailed {
			break
		}
		tries++
		w.wait(time.Hour + 13*time.Minute)
	}
	s := w.sent(id, "webhook")
	if s.State != tally.AlertFailed || tries < 15 || tries > 25 || strings.Count(w.log.String(), "says=Lost") != 1 {
		t.Errorf("%+v after %d tries", s, tries)
	}
	r.answers(200)
	next := w.raises("Found")
	w.wait(2 * sendAgainMost)
	w.delivers()
	if s := w.sent(next, "webhook"); s.State != tally.AlertSent {
		t.Errorf("the next: %+v", s)
	}
	w.wait(48 * time.Hour) // the machine sleeps between the alert and its first try
	r.answers(500)
	slept := w.raises("Slept")
	w.wait(48 * time.Hour)
	w.delivers()
	if s := w.sent(slept, "webhook"); s.State != tally.AlertWaits {
		t.Errorf("after a sleep: %+v", s)
	}
}

// One alert that a receiver does not take keeps the others for a moment only, and once it
// takes one, what waits for it goes at once.
func TestWhatWaitsGoesOnceItCan(t *testing.T) {
	w, r, _ := hooked(t)
	r.answers(500)
	var ids []string
	for i := range 4 {
		ids = append(ids, w.raises(fmt.Sprint("Bill ", i)))
		w.delivers()
		w.wait(sendAgainMost * 2)
	}
	r.answers(200)
	w.delivers()
	for _, id := range ids {
		if s := w.sent(id, "webhook"); s.State != tally.AlertSent {
			t.Errorf("%s: %+v", id, s)
		}
	}
	r.answers(500)
	last := w.raises("Last")
	w.delivers()
	r.answers(200)
	w.wait(deliverEvery)
	do(w, control.AlertsTest, control.None{})
	w.delivers()
	if s := w.sent(last, "webhook"); s.State != tally.AlertSent {
		t.Errorf("after a test that arrived: %+v", s)
	}
}

// What was stored and not sent is sent after a crash; what was sent and not stored is sent
// again under the same ID. A clock that steps sends nothing twice and lets nothing wait for
// ever.
func TestAlertsSurviveACrash(t *testing.T) {
	w, r, _ := hooked(t)
	id := w.raises("Before the crash")
	w.restart()
	w.reaches(r)
	due := w.engine.alerts.due(w.clock(), w.engine.destinations())
	if w.engine.send(t.Context(), "webhook", due["webhook"][0].Alert, w.clock()); len(r.ids()) != 1 {
		t.Fatalf("asked %d times", len(r.ids()))
	}
	w.restart() // before it was written down
	w.reaches(r)
	w.delivers()
	w.restart()
	w.reaches(r)
	w.delivers()
	if ids := r.ids(); !slices.Equal(ids, []string{id, id}) {
		t.Errorf("the attempts were %q", ids)
	}
	was := w.clock()
	r.answers(500)
	w.at(was.Add(100 * 24 * time.Hour))
	waiting := w.raises("While the clock was ahead")
	w.delivers()
	w.at(was)
	do(w, control.SettingsAcceptClock, control.AcceptClock{Yes: true})
	r.answers(200)
	w.delivers()
	if s := w.sent(waiting, "webhook"); s.State != tally.AlertSent {
		t.Errorf("after the clock was set back: %+v", s)
	}
}

// Who does not answer is waited for as long as the package says, and the log and a command
// do not wait for that. A command that does not end is ended, and its exit status is kept.
func TestSlowDestinations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &receiver{}
		e := &Engine{opts: Options{AlertCommand: func(ctx context.Context, _ []byte, _ ...string) (string, error) {
			<-ctx.Done()
			return "", ctx.Err()
		}}}
		began := time.Now()
		if got := e.runCommand(t.Context(), &tally.Alert{}, nil); got.OK || got.Said != "no end within 30s" || time.Since(began) != commandPatience {
			t.Errorf("%+v after %s", got, time.Since(began))
		}
		began = time.Now()
		got := webhook.New(r).Send(t.Context(), webhook.Target{URL: hookURL, Secrets: []string{webhook.NewSecret()}}, webhook.Message{ID: "a"}, began)
		if got.OK || got.Said != "no answer within 15 s" || time.Since(began) != webhook.Patience {
			t.Errorf("%+v after %s", got, time.Since(began))
		}
	})
}

// A command gets the alert as its input and its words in the environment; what it says is
// for who tests it.
func TestTheCommandForAlerts(t *testing.T) {
	w, r, _ := hooked(t)
	var input []byte
	var words []string
	var fails error
	w.engine.opts.AlertCommand = func(_ context.Context, message []byte, env ...string) (string, error) {
		input, words = message, env
		return "canary of the command\n", fails
	}
	id := w.raises("The bill is off")
	fails = errors.New("exit status 3")
	w.delivers()
	if s := w.sent(id, "command"); s.State != tally.AlertWaits || s.Said != "exit status 3" {
		t.Errorf("%+v", s)
	}
	for _, want := range []string{"ID=" + id, "KIND=reconcile", "GRAVITY=warn", "SENTENCE=The bill is off", "TEXT=The bill is off", "AT=2026-11-21T12:07:30Z"} {
		if !slices.Contains(words, "TALLYGATE_ALERT_"+want) {
			t.Errorf("the environment %q does not have %s", words, want)
		}
	}
	if !bytes.Equal(input, []byte(r.bodies[0])) {
		t.Errorf("the input is %s, and the webhook got %s", input, r.bodies[0])
	}
	got := do(w, control.AlertsTest, control.None{})
	if len(got) != 3 || got[2].To != "command" || got[2].OK || got[2].Said != "exit status 3: canary of the command" || !got[0].OK || !got[1].OK {
		t.Errorf("%+v", got)
	}
	if strings.Contains(w.log.String(), "canary") {
		t.Error("what the command says is in the log")
	}
	if len(do(w, control.AlertsList, control.ListAlerts{})) != 1 {
		t.Error("a test is kept")
	}
	fails = nil
	w.wait(sendAgainMost)
	w.delivers()
	if s := w.sent(id, "command"); s.State != tally.AlertSent || s.Said != "exit status 0" {
		t.Errorf("%+v", s)
	}
}

// The address is kept sealed and shown by its host; another secret is shown once, and the
// one before signs beside it for a day.
func TestTheWebhookIsSet(t *testing.T) {
	w, r, first := hooked(t)
	if got := do(w, control.AlertsShow, control.None{}); got.Webhook != "https://hooks.example.com/…" || got.At != "50,80,100" || !got.Log || got.Command {
		t.Errorf("%+v", got)
	}
	for _, url := range []string{"ftp://x/canary-path", "canary-path", "https://u:canary-path@x/", "http://169.254.169.254/canary-path"} {
		if e := refused(w, control.AlertsSet, control.SetAlerts{Webhook: control.Secret(url)}, tally.Invalid); strings.Contains(e.Message+e.Hint, "canary") {
			t.Errorf("the error repeats the address: %v", e)
		}
	}
	if again := do(w, control.AlertsSet, control.SetAlerts{Webhook: hookURL + "/2"}); again.Secret != "" {
		t.Error("another address has made another secret")
	}
	second := do(w, control.AlertsSet, control.SetAlerts{NewSecret: true}).Secret
	if second == "" || second == first {
		t.Errorf("the new secret is %q", second)
	}
	signatures := func() int {
		t.Helper()
		do(w, control.AlertsTest, control.None{})
		return len(strings.Fields(r.got[len(r.got)-1].Header.Get(webhook.HeaderSignature)))
	}
	if n := signatures(); n != 2 {
		t.Errorf("signed %d times", n)
	}
	w.wait(previousSigns)
	if n := signatures(); n != 1 {
		t.Errorf("signed %d times after a day", n)
	}
	if url := r.got[len(r.got)-1].URL.String(); url != hookURL+"/2" {
		t.Errorf("posted to %s", url)
	}
	do(w, control.AlertsSet, control.SetAlerts{Webhook: "none", AlertFields: control.AlertFields{Log: to(false)}})
	refused(w, control.AlertsSet, control.SetAlerts{NewSecret: true}, tally.Invalid, "--webhook")
	refused(w, control.AlertsTest, control.None{}, tally.Invalid, "--webhook")
	if id := w.raises("For nobody"); len(do(w, control.AlertsList, control.ListAlerts{})[0].Sent) != 0 {
		t.Errorf("%s goes somewhere", id)
	}
	w.delivers()
	do(w, control.SecretsRotate, control.RotateSecrets{})
}

// What nobody was sent yet is forgotten last, and the least grave of it first.
func TestWhatIsForgottenFirst(t *testing.T) {
	at := noon
	alert := func(id tally.ID, gravity control.Tone, state tally.AlertState, change func(*tally.Alert)) *tally.Alert {
		at = at.Add(time.Second)
		x := &tally.Alert{Meta: tally.Meta{ID: id, CreatedAt: at}, Gravity: string(gravity), Sent: []tally.AlertTo{{To: tally.AlertsToWebhook, State: state}}}
		if change != nil {
			change(x)
		}
		return x
	}
	a := alerts{list: []*tally.Alert{
		alert("grave", control.Bad, tally.AlertWaits, nil), alert("waits", control.Warn, tally.AlertWaits, nil),
		alert("sent", control.Bad, tally.AlertSent, nil), alert("known", control.Bad, tally.AlertSent, func(x *tally.Alert) { x.AckedAt = noon }),
		alert("over", control.Warn, tally.AlertSent, func(x *tally.Alert) { x.OverAt = noon }),
	}}
	var got []tally.ID
	for _, x := range a.forgettable(9) {
		got = append(got, x.ID)
	}
	if want := []tally.ID{"known", "over", "sent", "waits", "grave"}; !slices.Equal(got, want) || a.forgettable(0) != nil {
		t.Errorf("forgotten %v, want %v", got, want)
	}
}

// A destination that takes its time keeps no other one waiting: the next alert is in the log
// while the one before is still being posted.
func TestASlowDestinationDelaysNoOther(t *testing.T) {
	w, r, _ := hooked(t)
	r.answers(0)
	r.came = make(chan struct{})
	w.raises("First")
	ctx, cancel := context.WithCancel(context.Background())
	posted := make(chan error, 1)
	go func() { posted <- w.engine.deliverTo(tally.AlertsToWebhook)(ctx) }()
	<-r.came
	id := w.raises("Second")
	if err := w.engine.deliverTo(tally.AlertsToLog)(context.Background()); err != nil || w.sent(id, tally.AlertsToLog).State != tally.AlertSent {
		t.Errorf("the second is in the log: %+v, %v", w.sent(id, tally.AlertsToLog), err)
	}
	cancel()
	if err := <-posted; err != nil {
		t.Fatal(err)
	}
}
