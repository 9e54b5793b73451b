package openai

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"tallygate/providers"
)

// A model is not sent again what it refuses of what we put into a request, and the caller
// hears nothing of that. The request always has a bound under one of its names.
func TestWays(t *testing.T) {
	const (
		openAI  = `{"error":{"message":"Unsupported parameter: 'max_tokens' is not supported with this model. Use 'max_completion_tokens' instead.","type":"invalid_request_error","param":"max_tokens","code":"unsupported_parameter"}}`
		fastAPI = `{"detail":[{"type":"extra_forbidden","loc":["body","FIELD"],"msg":"Extra inputs are not permitted"}]}`
		gemini  = `[{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name \"FIELD\": Cannot find field."}}]`
		large   = `{"error":{"message":"max_tokens is too large: 10. This model supports at most 5 completion tokens.","param":"max_tokens"}}`
	)
	const options, short, long = "stream_options", providers.FieldMaxTokens, providers.FieldMaxCompletion
	for name, x := range map[string]struct {
		kind    string
		body    string
		refuses map[string]string // a field, and its words
		status  int
		asked   int // the first time
		again   int // the second time
		fails   bool
		bound   string // the name under which it went out last
	}{
		"usage in words of FastAPI":        {"custom", `{"model":"m","stream":true}`, map[string]string{options: fastAPI}, 422, 2, 1, false, short},
		"usage in words of Gemini":         {"custom", `{"model":"m","stream":true}`, map[string]string{options: gemini}, 400, 2, 1, false, short},
		"usage that the caller asks for":   {"custom", `{"model":"m","stream":true,"stream_options":{"include_usage":true}}`, map[string]string{options: fastAPI}, 422, 1, 1, true, short},
		"usage, and not for its request":   {"custom", `{"model":"m","stream":true}`, map[string]string{options: gemini}, 403, 1, 1, true, short},
		"the old name of the bound":        {"custom", `{"model":"m"}`, map[string]string{short: openAI}, 400, 2, 1, false, long},
		"the old name, as the caller has":  {"openai", `{"model":"m","max_tokens":10}`, map[string]string{short: openAI}, 400, 2, 1, false, long},
		"the new name of the bound":        {"openai", `{"model":"m"}`, map[string]string{long: fastAPI}, 422, 2, 1, false, short},
		"a refusal that was paid for":      {"custom", `{"model":"m","stream":true}`, map[string]string{options: `{"detail":"stream_options","usage":{"prompt_tokens":9,"completion_tokens":0,"total_tokens":9}}`}, 422, 1, 1, true, short},
		"both at once":                     {"custom", `{"model":"m","stream":true}`, map[string]string{options: fastAPI, short: fastAPI}, 422, 3, 1, false, long},
		"both names of the bound":          {"custom", `{"model":"m"}`, map[string]string{short: fastAPI, long: fastAPI}, 422, 2, 2, true, long},
		"a value that is too large":        {"custom", `{"model":"m"}`, map[string]string{short: large}, 400, 1, 1, true, short},
		"the caller's name is one to obey": {"custom", `{"model":"m","max_completion_tokens":10}`, nil, 400, 1, 1, false, short},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			u := startUpstream(t, nil)
			u.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body) // a test compares it
				got = append(got, string(body))
				var in map[string]any
				json.Unmarshal(body, &in)
				for _, field := range []string{options, short, long} { // one at a time
					if words, refused := x.refuses[field]; refused && in[field] != nil {
						w.WriteHeader(x.status)
						io.WriteString(w, strings.ReplaceAll(words, "FIELD", field))
						return
					}
				}
				if in["stream"] == true {
					w.Header().Set("Content-Type", "text/event-stream")
					io.WriteString(w, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hello\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
					return
				}
				w.Header().Set("Content-Type", "application/json")
				io.WriteString(w, hello)
			})
			p := u.provider(t, "custom")
			if x.kind != "custom" {
				p = u.provider(t, "openai")
			}
			for i, want := range []int{x.asked, x.again} {
				got = nil
				answer, err := ask(t, p, callOf(t, providers.Chat, x.body))
				if len(got) != want || (err != nil) != x.fails || !x.fails && !strings.Contains(answer, "hello") {
					t.Errorf("time %d: asked %d times, want %d: %q; %v", i+1, len(got), want, got, err)
				}
				last := got[len(got)-1]
				for _, field := range []string{short, long} {
					if strings.Contains(last, `"`+field+`":10`) != (field == x.bound) {
						t.Errorf("time %d: %s, which bounds by another name than %s", i+1, last, x.bound)
					}
				}
			}
		})
	}
}
