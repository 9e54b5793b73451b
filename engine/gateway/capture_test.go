package gateway

import (
	"bytes"
	"compress/gzip"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"tallygate/engine/capture"
	"tallygate/engine/tally"
)

// captures has what passes in a world captured.
func (w *world) captures() *capture.Store {
	w.t.Helper()
	s := capture.Open("", w.sealer, slog.New(slog.DiscardHandler), time.Now())
	w.server.Captures = s
	_, err := s.Start(capture.Terms{Of: tally.SubjectOf("key", w.key.ID), Until: time.Now().Add(time.Hour), Size: capture.UsualSize})
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// kept is what was captured of an answer's request.
func (a answered) kept(t testing.TB, s *capture.Store) capture.Exchange {
	t.Helper()
	x, ok, err := s.Get(tally.ID(a.header.Get("X-Request-Id")))
	if err != nil || !ok {
		t.Fatalf("it was not captured: %v", err)
	}
	return x
}

// What is captured is what was sent and what the caller got, to the byte, and what the caller
// gets is what it gets without a capture.
func TestCapture(t *testing.T) {
	w := newWorld(t)
	w.open()
	stream := `,"stream":true,"stream_options":{"include_usage":true}`
	var before []answered
	for _, extra := range []string{"", stream} {
		before = append(before, w.chat(extra))
	}
	s := w.captures()
	for i, extra := range []string{"", stream} {
		a := w.chat(extra, "X-Session-Id: guest-7")
		x := a.kept(t, s)
		if string(x.Answer) != a.body || x.AnswerBytes != int64(len(a.body)) || x.Status != a.status || x.AnswerCut {
			t.Errorf("the caller got %q, captured is %q", a.body, x.Answer)
		}
		if want := `{"model":"sim-small","messages":[{"role":"user","content":"hi"}]` + extra + `}`; string(x.Request) != want {
			t.Errorf("%s was sent, captured is %s", want, x.Request)
		}
		if x.RequestHeader["X-Session-Id"][0] != "guest-7" || x.RequestHeader["Authorization"] != nil {
			t.Errorf("headers %v", x.RequestHeader)
		}
		if x.Model != "sim-small" || x.Stream != (extra != "") || x.Key != w.key.ID || x.Path != "/v1/chat/completions" || x.Took <= 0 {
			t.Errorf("%+v", x.Head)
		}
		same := func(a answered) string { // but for what is made up for each answer
			return strings.ReplaceAll(a.body, a.header.Get("X-Request-Id"), "ID")
		}
		if len(same(a)) != len(same(before[i])) || strings.Count(a.body, "\n") != strings.Count(before[i].body, "\n") {
			t.Errorf("with a capture %q, without %q", a.body, before[i].body)
		}
		for name := range before[i].header {
			if a.header[name] == nil {
				t.Errorf("the header %s is missing where it is captured", name)
			}
		}
		if before[i].trailer.Get("X-Tallygate-Cost-Usd") != a.trailer.Get("X-Tallygate-Cost-Usd") {
			t.Errorf("trailers %v and %v", before[i].trailer, a.trailer)
		}
	}
}

// What is refused is captured with its refusal, with the body where that was read.
func TestRefusalsAreCaptured(t *testing.T) {
	w := newWorld(t)
	w.open()
	s := w.captures()
	a := w.send("POST", "/v1/chat/completions", `{"model":"none","messages":[]}`)
	if x := a.kept(t, s); x.Status != 404 || string(x.Answer) != a.body || len(x.Request) == 0 {
		t.Errorf("%+v %s", x.Head, x.Answer)
	}
	b := w.send("POST", "/v1/chat/completions", `{"model":"none","messages":[],"n":2}`) // counted with the one before
	if x := b.kept(t, s); !strings.Contains(string(x.Request), `"n":2`) || x.Status != 404 {
		t.Errorf("%+v %s", x.Head, x.Request)
	}
	if n := len(s.Heads(func(*capture.Head) bool { return true })); n != 2 {
		t.Errorf("%d are captured, want 2", n)
	}
	w.key.RevokedAt = time.Now()
	w.use()
	if x := w.send("POST", "/v1/chat/completions", `{"model":"none"}`).kept(t, s); x.Status != 401 || len(x.Request) != 0 {
		t.Errorf("%+v %s", x.Head, x.Request)
	}
}

// A body that came compressed is captured as what it says.
func TestCompressedIsCaptured(t *testing.T) {
	w := newWorld(t)
	w.open()
	s := w.captures()
	var body bytes.Buffer
	z := gzip.NewWriter(&body)
	z.Write([]byte(`{"model":"sim-small","messages":[{"role":"user","content":"hi"}]}`))
	z.Close()
	a := w.send("POST", "/v1/chat/completions", body.String(), "Content-Encoding: gzip")
	if x := a.kept(t, s); x.Status != http.StatusOK || !strings.Contains(string(x.Request), `"sim-small"`) {
		t.Errorf("%d: %q", x.Status, x.Request)
	}
}

// Nobody but the keys that are meant is captured: least of all the visitors of a page.
func TestOthersAreNotCaptured(t *testing.T) {
	w := newWorld(t)
	w.gw.Access = tally.AccessPublic
	w.gw.Origins = []string{"https://mysite.com"}
	w.open()
	s := w.captures()
	for _, headers := range [][]string{
		{"Authorization: ", "Origin: https://mysite.com"},
		{"Authorization: Bearer " + w.private},
		{"Authorization: Bearer llm_gw_nobody"},
	} {
		w.chat("", headers...)
	}
	if heads := s.Heads(func(*capture.Head) bool { return true }); len(heads) != 0 {
		t.Errorf("captured were %+v", heads)
	}
}

// What the owner sends itself costs no more than it has said, or is not sent.
func TestATrialIsBounded(t *testing.T) {
	w := newWorld(t)
	w.open()
	ask := func(trial Trial, body string) (int, string) {
		t.Helper()
		trial.Key = w.key.ID
		r, _ := http.NewRequest("POST", "http://tallygate/v1/chat/completions", strings.NewReader(body))
		rec := newRecorder()
		w.server.ServeAs(rec, r, trial)
		return rec.Code, rec.Body.String()
	}
	body := `{"model":"sim-small","messages":[{"role":"user","content":"hi"}]}`
	if status, text := ask(Trial{Most: 10}, body); status != http.StatusPaymentRequired || !strings.Contains(text, tally.CodeTooDear) {
		t.Errorf("%d %s", status, text)
	}
	most := tally.Dollar / 2000 // 0.0005
	if status, text := ask(Trial{Most: most}, body); status != http.StatusOK {
		t.Errorf("%d %s", status, text)
	}
	if rec := w.one(); rec.Cost > most || rec.Cost == 0 {
		t.Errorf("it has cost %s of %s", rec.Cost, most)
	}
	if status, text := ask(Trial{Most: tally.Dollar, Provider: "pr_other"}, body); status != http.StatusNotFound {
		t.Errorf("%d %s", status, text)
	}
}

// So it is of pictures and sound, of what a client may ask for at its owner's risk, and of a
// model that counts as free.
func TestATrialOfAnythingIsBounded(t *testing.T) {
	image, chat := "images/generations", "chat/completions"
	for name, tc := range map[string]struct {
		path, body string
		trial      Trial
		price      tally.Price
		change     func(*world)
		want       int
	}{
		"a picture":         {path: image, body: `"prompt":"x","n":3`, trial: Trial{Most: 10_000_000}, price: pieces(tally.Image, 4_000_000), want: 402},
		"one that fits":     {path: image, body: `"prompt":"x"`, trial: Trial{Most: 10_000_000}, price: pieces(tally.Image, 4_000_000), want: 200},
		"one by tokens":     {path: image, body: `"prompt":"x"`, trial: Trial{Most: 10_000}, price: tally.Price{Input: new(tally.NanoUSD(5e9)), ImageOutput: new(tally.NanoUSD(30e9))}, want: 402},
		"another provider":  {path: image, body: `"prompt":"x"`, trial: Trial{Provider: "pr_other"}, price: pieces(tally.Image, 1), want: 404},
		"what is not known": {path: image, body: `"prompt":"x","num_images":9`, trial: Trial{Most: tally.Dollar}, price: pieces(tally.Image, 1), change: func(w *world) { w.models[0].AllowExtras = true }, want: 400},
		"speech":            {path: "audio/speech", body: `"input":"` + strings.Repeat("a", 1000) + `"`, trial: Trial{Most: 10_000_000}, price: pieces(tally.Character, 15_000), want: 402},
		"extras": {path: chat, body: `"messages":[],"provider":{"sort":"price"}`, trial: Trial{Most: tally.Dollar}, price: tally.Price{Input: new(tally.NanoUSD(1e9)), Output: new(tally.NanoUSD(1e9))},
			change: func(w *world) { w.models[0].AllowExtras = true }, want: 400},
		"no price": {path: chat, body: `"messages":[]`, trial: Trial{Most: tally.Dollar}, change: func(w *world) { w.models[0].Prices, w.settings.Unpriced = nil, tally.AllowAtZero }, want: 403},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			s := w.studio("m", tc.price, reply("application/json", `{"created":1,"data":[{"b64_json":"aGk="}]}`))
			if tc.change != nil {
				tc.change(w)
			}
			w.open()
			tc.trial.Key = w.key.ID
			r, _ := http.NewRequest("POST", "http://tallygate/v1/"+tc.path, strings.NewReader(`{"model":"m",`+tc.body+`}`))
			r.Header.Set("Content-Type", "application/json")
			rec := newRecorder()
			w.server.ServeAs(rec, r, tc.trial)
			if rec.Code != tc.want || s.calls() != map[bool]int{true: 1}[tc.want == 200] {
				t.Errorf("%d with %d calls: %s", rec.Code, s.calls(), rec.Body.String())
			}
		})
	}
}
