package gateway

import (
	"encoding/base64"
	"encoding/json"
	"image/png"
	"strings"
	"testing"

	"tallygate/engine/tally"
	"tallygate/providers/sim"
)

// The pretend upstream makes pictures that open, sound that plays and moderations that
// flag, so that all of it can be tried without a key.
func TestMediaOfThePretendUpstream(t *testing.T) {
	w := newWorld(t)
	w.models[0].Mode = "moderation"
	w.open()
	post := func(path, body string, headers ...string) answered {
		t.Helper()
		a := w.send("POST", path, body, headers...)
		if a.status != 200 {
			t.Fatalf("%s: %d %s", path, a.status, a.body)
		}
		return a
	}
	var images struct {
		Data []struct{ URL, B64JSON string }
	}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(post("/v1/images/generations", `{"model":"sim-small","prompt":"a cat","n":2}`).body, "b64_json", "B64JSON")), &images); err != nil || len(images.Data) != 2 {
		t.Fatal(err, images)
	}
	if _, err := png.Decode(base64.NewDecoder(base64.StdEncoding, strings.NewReader(images.Data[1].B64JSON))); err != nil {
		t.Error(err)
	}
	if a := post("/openai/deployments/sim-small/audio/speech?api-version=2025-01-01", `{"voice":"alloy","input":"Hello there"}`); a.header.Get("Content-Type") != "audio/wav" {
		t.Errorf("%s", a.header)
	} else if !strings.HasPrefix(a.body, "RIFF") || len(a.body) < 20_000 {
		t.Errorf("%d bytes of sound", len(a.body))
	}
	for format, want := range map[string]string{"json": `"text":"This is`, "text": "This is", "srt": "This is"} {
		body, kind := formOf(t, voice(t, "voice.ogg"), "model", sim.Small, "response_format", format)
		if a := post("/audio/transcriptions", body, "Content-Type: "+kind); !strings.Contains(a.body, want) {
			t.Errorf("%s: %s", format, a.body)
		}
	}
	// Without a name, the model is one that is for what is asked.
	if a := post("/v1/moderations", `{"input":["hello","I hate you"]}`); strings.Count(a.body, `"flagged":true`) != 1 || !strings.Contains(a.body, sim.Small) {
		t.Errorf("%s", a.body)
	}
	for _, r := range w.records() {
		if r.Outcome != tally.OK || r.Endpoint == "" {
			t.Errorf("%+v", r)
		}
	}
}

// A page may use the models that its token allows, and send no field that is not known.
func TestMediaOfVisitors(t *testing.T) {
	w := newWorld(t)
	w.gw.Access = tally.AccessPublic
	w.gw.Limits = append(limit(tally.Requests, 100), tally.Limit{Metric: tally.Requests, Window: tally.Window{Unit: tally.Minute}, Max: 50}, tally.Limit{Metric: tally.Requests, Window: tally.Window{Unit: tally.Day}, Max: 50})
	w.gw.VisitorLimits = limit(tally.Requests, 50)
	w.gw.Models = []string{"m"}
	w.studio("m", pieces(tally.Image, 1000), reply("application/json", `{"data":[{"url":"x"}],"usage":{"cost":0.5}}`))
	other := *w.models[0]
	other.ID, other.Name = "mo_other", "other"
	w.models = append(w.models, &other)
	w.open()
	for body, status := range map[string]int{
		`{"model":"m","prompt":"x"}`:                 200,
		`{"model":"m","prompt":"x","odd":1}`:         400,
		`{"model":"m","prompt":"x","num_outputs":2}`: 400,
		`{"model":"other","prompt":"x"}`:             403,
	} {
		a := w.send("POST", "/v1/images/generations", body, "Authorization: ", "Origin: https://example.com")
		if a.status != status || strings.Contains(a.body, "0.5") {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
}
