package gateway

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"tallygate/engine/tally"
)

// What goes wrong: nothing is booked where it is proven free, and what was held where
// nobody can tell.
func TestMediaGoesWrong(t *testing.T) {
	cut := func(kind, begin string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			io.WriteString(w, begin)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}
	}
	status := func(code int, body string) func(http.ResponseWriter, *http.Request) {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			io.WriteString(w, body)
		}
	}
	const sse = `{"model":"m","voice":"a","input":"Hello","stream_format":"sse"}`
	const plain = `{"model":"m","voice":"a","input":"Hello"}`
	for _, tc := range []struct {
		name, body string
		answer     func(http.ResponseWriter, *http.Request)
		status     int // 0: the answer is cut
		cost       tally.NanoUSD
		says       string
	}{
		{"refused", plain, status(400, `{"error":{"message":"no such voice","type":"invalid_request_error","param":"voice"}}`), 400, 0, "no such voice"},
		{"busy", plain, status(429, `{"error":{"message":"slow down"}}`), 502, 0, "too much to do"},
		{"broken before anything came", plain, func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, 502, 500, ""},
		{"an error in place of sound", plain, status(200, `{"error":{"message":"it broke"}}`), 502, 0, ""},
		{"cut in the middle", plain, cut("audio/mpeg", strings.Repeat("sound", 9000)), 0, 500, ""},
		{"nothing", plain, reply("audio/mpeg", ""), 502, 500, ""},
		{"a web page", plain, reply("text/html", "<!doctype html><title>Login</title>"), 502, 0, ""},
		{"events that are cut", sse, cut("text/event-stream", "data: {\"type\":\"speech.audio.delta\",\"audio\":\"aGk=\"}\n\n"), 200, 500, `data: {"error"`},
		{"an error between events", sse, reply("text/event-stream", "data: {\"type\":\"speech.audio.delta\",\"audio\":\"aGk=\"}\n\ndata: {\"type\":\"error\",\"error\":{\"message\":\"your account is empty\"}}\n\n"), 200, 500, `data: {"error"`},
	} {
		w := newWorld(t)
		w.studio("m", pieces(tally.Character, 100), tc.answer)
		w.open()
		r, err := http.NewRequest("POST", w.http.URL+"/v1/audio/speech", strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+w.token)
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if tc.status == 0 && err == nil || tc.status != 0 && (err != nil || resp.StatusCode != tc.status) {
			t.Errorf("%s: %d, %v: %.200s", tc.name, resp.StatusCode, err, b)
		}
		rec := w.one()
		if rec.Cost != tc.cost || rec.Outcome != tally.OutcomeFailed || !strings.Contains(string(b), tc.says) || strings.Contains(string(b), "account") {
			t.Errorf("%s: booked %s as %s: %s", tc.name, rec.Cost, rec.Outcome, b)
		}
		if tc.cost > 0 && (rec.Piece != tally.Character || rec.Pieces != 5 || rec.Basis != tally.Held) {
			t.Errorf("%s: booked %d %s, %s", tc.name, rec.Pieces, rec.Piece, rec.Basis)
		}
	}
}

// A caller hears the beginning of speech while the rest is still being spoken, and the end
// only when it is in the books.
func TestSpeechPassesAsItComes(t *testing.T) {
	w := newWorld(t)
	next := make(chan struct{})
	w.studio("m", pieces(tally.Character, 100), func(out http.ResponseWriter, _ *http.Request) {
		out.Header().Set("Content-Type", "audio/mpeg")
		fmt.Fprint(out, "first")
		out.(http.Flusher).Flush()
		<-next
		fmt.Fprint(out, "last")
	})
	w.open()
	r, err := http.NewRequest("POST", w.http.URL+"/v1/audio/speech", strings.NewReader(`{"model":"m","voice":"a","input":"Hello"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+w.token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b := make([]byte, 4)
	if _, err := io.ReadFull(resp.Body, b); err != nil || string(b) != "firs" {
		t.Fatalf("%q, %v", b, err)
	}
	close(next)
	rest, err := io.ReadAll(resp.Body)
	if err != nil || string(rest) != "tlast" {
		t.Errorf("%q, %v", rest, err)
	}
	if r := w.one(); r.Cost != 500 {
		t.Errorf("%+v", r)
	}
}
