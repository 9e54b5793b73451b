package engine

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"tallygate/engine/capture"
	"tallygate/engine/control"
	"tallygate/engine/gateway"
	"tallygate/engine/tally"
)

// notWhole is what is said of a request that had secrets in it.
const notWhole = `the request had secrets in it, which were not kept: "[redacted]" stands in their place`

// sendable says why a request that was captured cannot be sent again, nil if it can.
func sendable(x *capture.Exchange) error {
	switch {
	case x.RequestCut:
		return tally.Errorf(tally.Invalid, "only the first %s of %s bytes of the request were kept, so it cannot be sent again",
			tally.Group(int64(len(x.Request))), tally.Group(x.RequestBytes)).WithHint("a quarter of a capture's size is kept of one body, and 4 MiB at most: capture start … --size 20M")
	case len(x.Request) == 0:
		return tally.Errorf(tally.Invalid, "the request was refused before its body was read, so there is nothing to send again").
			WithHint("tallygate capture show %s tells why", x.ID)
	}
	if _, binary := bodyText(x.Request); binary || !json.Valid(x.Request) {
		return tally.Errorf(tally.Invalid, "the body of the request is no JSON, and only conversations and embeddings are sent again")
	}
	return nil
}

// automatic are headers that whoever sends a request again makes itself, or that were about
// the way it came.
var automatic = map[string]bool{
	"Accept": true, "Accept-Encoding": true, "Connection": true, "Content-Encoding": true, "Content-Length": true, "Content-Type": true,
	"Expect": true, "Forwarded": true, "Te": true, "Traceparent": true, "Tracestate": true, "User-Agent": true, "Via": true,
}

// headersAgain are the headers that are sent again, in their order.
func headersAgain(x *capture.Exchange) []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(x.RequestHeader)), func(name string) bool {
		return automatic[name] || strings.HasPrefix(name, "X-Forwarded") || strings.HasPrefix(name, "X-Stainless") ||
			strings.HasPrefix(name, "Sec-")
	})
}

// curlCaptured writes a request as a command line. The key stands in a variable, as it is
// nowhere kept.
func (e *Engine) curlCaptured(ctx context.Context, in control.PickCaptured) (out control.CapturedCurl, err error) {
	x, err := e.captured(ctx, in.Request)
	if err == nil {
		err = sendable(&x)
	}
	if err != nil {
		return out, err
	}
	base, _ := e.publicURL()
	line := []string{"curl"}
	if x.Stream {
		line = append(line, "-N")
	}
	line = append(line, tally.ShellWord(strings.TrimSuffix(base, "/v1")+x.Path), `-H "Authorization: Bearer $TALLYGATE_KEY"`, "-H 'Content-Type: application/json'")
	for _, name := range headersAgain(&x) {
		for _, v := range x.RequestHeader[name] {
			line = append(line, "-H "+tally.ShellWord(name+": "+tally.Printable(v)))
		}
	}
	out.Curl = strings.Join(append(line, "--data-raw "+tally.ShellQuote(string(tally.EscapeControls(x.Request)))), " \\\n  ")
	if x.Redacted {
		out.Note = notWhole
	}
	return out, nil
}

// replayCaptured sends a request again, as one of its key, on another model.
func (e *Engine) replayCaptured(ctx context.Context, in control.ReplayCaptured) (out control.Replayed, err error) {
	if in.Max <= 0 {
		return out, tally.Errorf(tally.Invalid, "say what it may cost at most").WithHint("like --max 0.50, in US dollars")
	}
	c := e.catalog.Load()
	m, err := findModel(c, in.Model, in.Provider)
	if err != nil && (in.Provider != "" || len(c.ModelsNamed(in.Model)) == 0) {
		return out, err
	}
	trial := gateway.Trial{Most: in.Max}
	if in.Provider != "" {
		trial.Provider = m.Provider
	}
	x, err := e.captured(ctx, in.Request)
	if err == nil {
		err = sendable(&x)
	}
	if err != nil {
		return out, err
	}
	trial.Key = x.Key
	path, model := x.Path, in.Model
	if m != nil {
		model = m.Name
	}
	if rest, azure := strings.CutPrefix(path, "/openai/deployments/"); azure { // which has the model in it
		_, rest, _ = strings.Cut(rest, "/")
		path = "/v1/" + rest
	}
	body, ok := withModel(x.Request, model)
	if !ok {
		return out, tally.Errorf(tally.Invalid, "the body of the request is no object of JSON, so it has no place for another model")
	}
	r, err := http.NewRequestWithContext(ctx, x.Method, "http://tallygate"+path, bytes.NewReader(body))
	if err != nil {
		return out, tally.Errorf(tally.Invalid, "send it again: %w", err)
	}
	for _, name := range headersAgain(&x) {
		r.Header[name] = x.RequestHeader[name]
	}
	r.Header.Set("Content-Type", "application/json")
	w := &captured{header: http.Header{}, status: http.StatusOK}
	e.gateway.ServeAs(w, r, trial)
	after, err := e.record(ctx, tally.ID(w.header.Get("X-Request-Id")))
	if err != nil {
		return out, err
	}
	_, failure := readAnswer(w.body.Bytes())
	if after == nil { // it was refused before anything was sent
		return out, tally.Errorf(tally.Conflict, "it was not sent: %s", cmp.Or(failure, http.StatusText(w.status))).
			WithHint("tallygate try %s tells which check it does not pass", tally.ShellWord(model))
	}
	out.After = e.replaySide(c, after)
	out.After.AnswerBytes, out.After.Reason = int64(w.body.Len()), failure
	before, err := e.record(ctx, cmp.Or(x.Record, x.ID))
	if err != nil {
		return out, err
	}
	out.Before = control.ReplaySide{Request: x.ID, Model: x.Model, Status: x.Status, TookMS: float64(x.Took.Microseconds()) / 1000}
	if before != nil && x.Record == "" {
		out.Before = e.replaySide(c, before)
	}
	out.Before.AnswerBytes = x.AnswerBytes
	if out.Before.Recorded && answered(&out.Before) && answered(&out.After) {
		out.Difference = new(out.After.Cost - out.Before.Cost)
	}
	if x.Redacted {
		out.Note = notWhole
	}
	return out, nil
}

func answered(s *control.ReplaySide) bool { return s.Status >= 200 && s.Status < 300 }

func (e *Engine) replaySide(c *tally.Catalog, r *tally.Record) control.ReplaySide {
	v := viewRequest(c, r, e.clock())
	return control.ReplaySide{
		Request: v.ID, Model: v.Model, Provider: v.Provider, Status: v.Status, Input: v.InputTokens, Output: v.OutputTokens, TookMS: v.TotalMS,
		Cost: v.CostNanoUSD, Credits: v.CreditsNano, Cut: v.Cut, Recorded: true,
	}
}

// withModel puts another model into the body of a request, and leaves the rest as it is.
func withModel(body []byte, model string) ([]byte, bool) {
	name, _ := json.Marshal(model) // a string cannot fail
	d := json.NewDecoder(bytes.NewReader(body))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	begin := d.InputOffset()
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, false
		}
		var value json.RawMessage
		if d.Decode(&value) != nil {
			return nil, false
		}
		if key == "model" {
			end := d.InputOffset()
			return slices.Concat(body[:end-int64(len(value))], name, body[end:]), true
		}
	}
	out := slices.Concat(body[:begin], []byte(`"model":`), name)
	if rest := bytes.TrimSpace(body[begin:]); len(rest) > 0 && rest[0] != '}' {
		out = append(out, ',')
	}
	return append(out, body[begin:]...), true
}
