package gateway

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tallygate/engine/tally"
	"tallygate/engine/token"
	"tallygate/providers/openai"
)

// scripted makes the world's upstream answer every call with the same status and
// body: JSON, or the data of events, each of which may have several lines, and a name
// among them; "cut" breaks the connection.
func (w *world) scripted(status int, events ...string) {
	up := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a cut body asks for no stream
		if status != 200 || !strings.Contains(string(body), `"stream":true`) {
			out.Header().Set("Content-Type", "application/json")
			out.WriteHeader(status)
			io.WriteString(out, events[0])
			return
		}
		out.Header().Set("Content-Type", "text/event-stream")
		for _, e := range events {
			if e == "cut" {
				panic(http.ErrAbortHandler)
			}
			lines := strings.ReplaceAll("data: "+strings.ReplaceAll(e, "\n", "\ndata: "), "data: event:", "event:")
			io.WriteString(out, lines+"\n\n")
			out.(http.Flusher).Flush()
		}
	}))
	w.t.Cleanup(up.Close)
	w.kinds = openai.Kinds()
	w.provider.Name, w.provider.ProviderKind, w.provider.BaseURL = "up", "custom", up.URL
	w.models = w.models[:1]
}

// as makes the caller a visitor, or a client who pays half as much again, and
// returns its headers.
func (w *world) as(who string) []string {
	switch who {
	case "visitor":
		return []string{w.mint(token.Options{})}
	case "client":
		w.client.Tariffs = []tally.Tariff{{Added: 5000}}
	}
	return nil
}

// TestTheOwnersCostIsNowhere: visitors, and clients who pay something else, see
// the owner's cost in no form, however the upstream tells it; a client who pays
// the same sees all as it is.
func TestTheOwnersCostIsNowhere(t *testing.T) {
	const counts = `"prompt_tokens":10,"completion_tokens":5`
	for name, more := range map[string]string{
		"other names":          `,"usage":{` + counts + `,"estimated_cost":0.777,"total_cost":0.777,"prompt_cost":0.777,"cost_usd":0.777}`,
		"in the details":       `,"usage":{` + counts + `,"completion_tokens_details":{"cost":0.777}}`,
		"at the top":           `,"usage":{` + counts + `},"cost":0.777`,
		"in metadata":          `,"usage":{` + counts + `},"provider_metadata":{"gateway":{"Cost":"0.777"}}`,
		"beside, in x_groq":    `,"usage":{` + counts + `},"x_groq":{"usage":{"cost":0.777}}`,
		"only in x_groq":       `,"x_groq":{"usage":{` + counts + `,"cost":0.777}}`,
		"with an escape":       `,"usage":{` + counts + `,"c\u006fst":0.777}`,
		"not to be believed":   `,"usage":{"prompt_tokens":-1,"cost":0.777}`,
		"in a word of its own": `,"usage":{` + counts + `,"units":0.777},"x_pricing":{"amount":0.777},"account":{"balance":"0.777"}`,
		"in other words":       `,"usage":{` + counts + `},"note":"$0.777 were taken"`,
		"over several lines":   ",\n\"usage\":\n{" + counts + `,"cost":0.777}`,
		"and without any cost": `,"usage":{` + counts + `}`,
	} {
		for _, who := range []string{"visitor", "client", ""} {
			for _, stream := range []string{"", `,"stream":true,"stream_options":{"include_usage":true}`, `,"stream":true`} {
				w := newWorld(t)
				if stream == "" {
					w.scripted(200, `{"choices":[{"message":{"content":"\"price\":1"},"usage":{"cost":0.777},"finish_reason":"stop"}]`+more+`}`)
				} else {
					w.scripted(200, `{"choices":[{"index":0,"delta":{"content":"\"price\":1"},"finish_reason":"stop"}]`+more+`}`,
						`{"choices":[]`+more+`}`, `[DONE]`)
				}
				headers := w.as(who)
				w.open()
				a := w.chat(stream, headers...)
				told := a.body + fmt.Sprint(a.header, a.trailer)
				if a.status != 200 || !strings.Contains(a.body, `"content":"\"price\":1"`) {
					t.Fatalf("%s: %d %s", name, a.status, a.body)
				}
				switch who {
				case "":
					if strings.Contains(more, "0.777") && !strings.Contains(told, "0.777") {
						t.Errorf("%s: its own cost is not told: %s", name, told)
					}
				default:
					if strings.Contains(told, "0.777") || strings.Contains(told, "cost_") || who == "visitor" && strings.Contains(told, "ost\":") {
						t.Errorf("%s: a %s is told %s", name, who, told)
					}
				}
				if r := w.one(); who == "client" && strings.Contains(more, `,"usage"`) && !strings.Contains(more, "-1") && stream != `,"stream":true` &&
					!strings.Contains(a.body, fmt.Sprintf(`"cost":%s}`, strings.TrimPrefix(r.Credits.String(), "$"))) {
					t.Errorf("%s: the credits %s are not told: %s", name, r.Credits, a.body)
				}
			}
		}
	}
}

// TestTheUpstreamsWords: a client reads why the upstream refuses a request, made anew of
// the parts that are known, unless it is about the owner's account, or about money and
// the client pays something else; a visitor only that it does.
func TestTheUpstreamsWords(t *testing.T) {
	for who, reads := range map[string]struct{ words, money bool }{"visitor": {}, "client": {words: true}, "": {true, true}} {
		for _, words := range []string{"it is too hot", "that would take $3.50", "the account of Acme is down"} {
			w := newWorld(t)
			w.scripted(422, `{"error":{"message":"`+words+`","metadata":{"cost":3.50}},"usage":{"cost":3.50}}`)
			headers := w.as(who)
			w.open()
			a := w.chat("", headers...)
			money := strings.Contains(words, "$")
			want := reads.words && !money || reads.money
			if strings.Contains(words, "account") {
				want = false
			}
			if kind, code, message := a.refusal(t); a.status != 422 || strings.Contains(a.body, words) != want || strings.Contains(a.body, "3.50") != (want && money) || strings.Contains(a.body, "metadata") ||
				message == "" || kind != tally.TypeInvalid || code != tally.CodeRefusedUpstream {
				t.Errorf("%s: %d %s", who, a.status, a.body)
			}
		}
	}
}

// TestFailuresInAnyForm: a failure is recorded as one in whatever form an upstream
// tells it, what it has used is booked, and a visitor reads none of its words; nor of
// what only looks like one.
func TestFailuresInAnyForm(t *testing.T) {
	const words, hello = "Acme is overdrawn", `{"choices":[{"index":0,"delta":{"content":"hello"},"message":{"content":"hello"},"finish_reason":null}]`
	const usage = `,"usage":{"prompt_tokens":10,"completion_tokens":5}`
	said := tally.Tokens{Input: 10, Output: 5}
	for name, tc := range map[string]struct {
		events []string
		whole  bool
		status int
		code   string
		used   tally.Tokens // where it is told
	}{
		"an object":           {[]string{hello + "}", `{"object":"error","message":"` + words + `"}`}, false, 200, tally.CodeProviderError, tally.Tokens{}},
		"a list":              {[]string{hello + "}", `{"errors":["` + words + `"]}`}, false, 200, tally.CodeProviderError, tally.Tokens{}},
		"a detail":            {[]string{hello + "}", `{"choices":[],"detail":"` + words + `"}`}, false, 200, tally.CodeProviderError, tally.Tokens{}},
		"a choice":            {[]string{hello + "}", `{"choices":[{"delta":{"content":""},"finish_reason":"error","error":{"message":"` + words + `"}}]` + usage + `}`}, false, 200, tally.CodeProviderError, said},
		"a name":              {[]string{hello + "}", "{\"message\":\"" + words + "\"}\nevent: error"}, false, 200, tally.CodeProviderError, tally.Tokens{}},
		"first":               {[]string{`{"message":"` + words + `"}`}, false, 502, tally.CodeProviderError, tally.Tokens{}},
		"a warning":           {[]string{hello + `,"warning":"` + words + `"}`, `{"choices":[{"finish_reason":"stop"}]` + usage + `}`}, false, 200, "", said},
		"whole, an object":    {[]string{`{"object":"error","message":"` + words + `"}`}, true, 502, tally.CodeProviderError, tally.Tokens{}},
		"whole, a message":    {[]string{`{"code":"x","message":"` + words + `"}`}, true, 502, tally.CodeProviderError, tally.Tokens{}},
		"whole, beside usage": {[]string{`{"error":"` + words + `"` + usage + `}`}, true, 502, tally.CodeProviderError, said},
		"whole, beside text":  {[]string{hello + `,"error":{"message":"` + words + `"}` + usage + `}`}, true, 200, tally.CodeProviderError, said},
		"whole, of a base":    {[]string{hello + `,"base_resp":{"status_code":7,"status_msg":"` + words + `"}` + usage + `}`}, true, 200, tally.CodeProviderError, said},
		"whole, in a choice":  {[]string{`{"choices":[{"message":{"content":"hello"},"error":{"message":"` + words + `"}}]` + usage + `}`}, true, 200, tally.CodeProviderError, said},
		"whole, a detail":     {[]string{hello + `,"detail":"` + words + `"` + usage + `}`}, true, 200, "", said},
		"whole, none":         {[]string{hello + `,"error":"","errors":[],"base_resp":{"status_code":0,"status_msg":"` + words + `"}` + usage + `}`}, true, 200, "", said},
	} {
		for _, who := range []string{"visitor", "client", ""} {
			w := newWorld(t)
			w.scripted(200, append(tc.events, "[DONE]")...)
			headers := w.as(who)
			w.open()
			extra := `,"stream":true`
			if tc.whole {
				extra = ""
			}
			a := w.chat(extra, headers...)
			if a.status != tc.status || strings.Contains(a.body, words) != (who != "visitor" && tc.status == 200) || strings.Contains(a.body, "hello") != (tc.status == 200) {
				t.Errorf("%s: a %s is told %d %s", name, who, a.status, a.body)
			}
			r := w.one()
			if want := tally.OK; r.Code != tc.code || (r.Outcome == want) != (tc.code == "") {
				t.Errorf("%s: recorded as %s %s for a %s", name, r.Outcome, r.Code, who)
			}
			if tc.used != (tally.Tokens{}) && (r.Tokens.Input < 10 || r.Tokens.Output < 5 || r.Cost < 20_000) || tc.status != 200 && tc.used == (tally.Tokens{}) && r.Cost != 0 {
				t.Errorf("%s: booked as %s %+v for a %s", name, r.Basis, r.Tokens, who)
			}
		}
	}
}

// TestTheUpstreamsWordsInStreams: so it is with an error behind the first words of
// an answer.
func TestTheUpstreamsWordsInStreams(t *testing.T) {
	booked := map[tally.Tokens]bool{} // what is hidden costs what it costs others
	for who, want := range map[string]bool{"visitor": false, "client": true, "": true} {
		w := newWorld(t)
		w.scripted(200, `{"choices":[{"delta":{"content":"hello"}}]}`, `{"error":{"message":"Acme is asleep","user_id":"user_9"}}`, "[DONE]")
		headers := w.as(who)
		w.open()
		a := w.chat(`,"stream":true`, headers...)
		if strings.Contains(a.body, "Acme") != want || !strings.Contains(a.body, "hello") || strings.Count(a.body, `"error":`) != 1 || strings.Contains(a.body, "user_9") || strings.Contains(a.body, "[DONE]") {
			t.Errorf("%s: %s", who, a.body)
		}
		if r := w.one(); r.Outcome != tally.OutcomeFailed || r.Code != tally.CodeProviderError {
			t.Errorf("%s: booked as %s %s", who, r.Outcome, r.Code)
		} else if booked[tally.Tokens{Output: r.Tokens.Output}] = true; len(booked) > 1 {
			t.Errorf("%s: %+v, others otherwise", who, r.Tokens)
		}
	}
}
