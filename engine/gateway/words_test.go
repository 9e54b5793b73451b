package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"tallygate/engine/tally"
	"tallygate/providers"
	"tallygate/providers/providertest"
)

// errorTold is what a caller reads of an error.
type errorTold struct {
	status                     int
	kind, code, param, message string
	final                      bool // it is told not to try again
}

func (a answered) told(t testing.TB) errorTold {
	t.Helper()
	var e struct {
		Error struct {
			Message, Type, Code string
			Param               *string
		}
	}
	if err := json.Unmarshal([]byte(a.body), &e); err != nil || e.Error.Message == "" {
		t.Fatalf("status %d: not an error: %v in %q", a.status, err, a.body)
	}
	out := errorTold{a.status, e.Error.Type, e.Error.Code, "", e.Error.Message, a.header.Get("X-Should-Retry") == "false"}
	if e.Error.Param != nil {
		out.param = *e.Error.Param
	}
	return out
}

// TestWhatTheUpstreamSays: a client reads why its request was refused, in its own shape
// whatever the upstream's, with the upstream's status; and what concerns the owner only
// as our sentence.
func TestWhatTheUpstreamSays(t *testing.T) {
	const invalid, refused = tally.TypeInvalid, tally.CodeRefusedUpstream
	for _, x := range []struct {
		status int
		body   string
		want   errorTold // an empty message is ours
		says   string
	}{
		{400, `{"error":{"message":"bad role","type":"t","param":"messages[0].role","code":"invalid_value"}}`, errorTold{400, "t", "invalid_value", "messages[0].role", "bad role", true}, ""},
		{404, `[{"error":{"code":404,"message":"no models/x","status":"NOT_FOUND"}}]`, errorTold{404, invalid, "NOT_FOUND", "", "no models/x", true}, ""},
		{404, "model 'x' not found,\n try pulling it", errorTold{404, invalid, refused, "", "model 'x' not found, try pulling it", true}, ""},
		{422, `{"detail":[{"loc":["body","top_p"],"msg":"too large","type":"less"}]}`, errorTold{422, "less", refused, "top_p", "top_p: too large", true}, ""},
		{400, `{"error":"registry: model is required"}`, errorTold{400, invalid, refused, "", "registry: model is required", true}, ""},
		{413, "<html><title>413 Too Large</title></html>", errorTold{413, invalid, refused, "", "", true}, "status 413"},
		{403, `{"error":{"code":403,"message":"Your input was flagged. No credits were charged."}}`, errorTold{403, invalid, "403", "", "Your input was flagged. No credits were charged.", true}, ""},
		{403, `{"error":{"message":"Country not supported","code":"unsupported_country"}}`, errorTold{403, invalid, "unsupported_country", "", "Country not supported", true}, ""},
		{403, `<title>Just a moment...</title>`, errorTold{403, invalid, refused, "", "", true}, "status 403"},
		{403, `{"error":{"message":"Invalid API key"}}`, errorTold{502, tally.TypeUpstream, tally.CodeProviderAuth, "", "", true}, "API key of this gateway's owner. Tell the owner"},
		{429, `{"error":{"message":"Request too large for m in organization org-Canary"}}`, errorTold{400, invalid, tally.CodeTooLarge, "", "", true}, "as large as"},
		{429, `{"error":{"message":"Request too large: send less","code":"rate_limit_exceeded"}}`, errorTold{400, invalid, tally.CodeTooLarge, "", "Request too large: send less", true}, ""},
		{429, `{"error":{"message":"Slow down"}}`, errorTold{502, tally.TypeUpstream, tally.CodeProviderBusy, "", "", false}, "too much to do"},
		{429, `{"error":{"message":"x","code":"project_spend_limit_exceeded"}}`, errorTold{502, tally.TypeUpstream, tally.CodeProviderQuota, "", "", true}, "used up. Tell the owner"},
		{500, `{"error":{"message":"CUDA"}}`, errorTold{502, tally.TypeUpstream, tally.CodeProviderError, "", "", false}, "status 500"},
		{200, `{"error":{"message":"no such role","code":400}}`, errorTold{400, invalid, "400", "", "no such role", true}, ""},
		{200, `{"error":{"message":"slow","code":429}}`, errorTold{502, tally.TypeUpstream, tally.CodeProviderBusy, "", "", false}, "too much to do"},
		{200, `{"choices":null}`, errorTold{502, tally.TypeUpstream, tally.CodeProviderError, "", "", false}, "cannot be used"},
	} {
		for _, extra := range []string{"", `,"stream":true`} {
			if extra != "" && strings.Contains(x.body, "choices") {
				continue // a stream has begun with it
			}
			w := newWorld(t)
			w.scripted(x.status, x.body)
			w.open()
			a := w.chat(extra)
			got, want := a.told(t), x.want
			if want.message == "" && strings.Contains(got.message, x.says) && !strings.Contains(a.body, "Canary") {
				want.message = got.message
			}
			if got != want {
				t.Errorf("%d %s%s:\n got %+v\nwant %+v", x.status, x.body, extra, got, want)
			}
			if r := w.one(); r.Cost != 0 || r.Uncounted != (x.want.status == 502) || len(r.Tries) != 1 || x.want.code != r.Code && r.Code != refused {
				t.Errorf("%d %s: recorded %s, %s, %+v", x.status, x.body, r.Code, r.Cost, r.Tries)
			}
		}
	}
	w := newWorld(t)
	w.scripted(400, `[{"error":{"code":400,"message":"bad role"}}]`)
	w.open()
	if a := w.send("POST", "/api", `{"model":"sim-small","messages":[{"role":"user","content":"hi"}]}`); a.status != 400 || a.body != `{"error":"400","message":"bad role"}` {
		t.Errorf("the daemon's client reads %d %s", a.status, a.body)
	}
}

// TestWhatIsTheOwners: no caller reads a key, part of one, or what the upstream says of
// the owner's account, in whatever part of whatever answer; a visitor reads none of an
// upstream's words.
func TestWhatIsTheOwners(t *testing.T) {
	const key, fine = providertest.Key, "the roof is on fire"
	for name, words := range map[string]string{
		"fine": fine, "the key": "got " + key, "part of it": "got …" + key[8:20], "its ends": "got " + key[:5] + "****" + key[len(key)-4:], "another key": "got sk-other-CANARY",
		"a header": "got Bearer abcdef-CANARY-1", "an account": "your account CANARY is closed", "an organization": "see org-CANARY9", "billing": "CANARY: billing, please",
		"a balance": "CANARY has no balance", "in Chinese": "CANARY 账户",
		"a project": "denied on //x.example/projects/CANARY-prod/locations/us", "a subscription": "no /subscriptions/CANARY-1/x", "an account's path": "no route to /v4/accounts/0123456789abcdef/CANARY", "a team": "your team CANARY has no access",
	} {
		quoted, _ := json.Marshal(words)
		failure := fmt.Sprintf(`{"error":{"message":%s,"type":"x","headers":{"authorization":"Bearer %s"}}}`, quoted, key)
		hello := `{"choices":[{"index":0,"delta":{"content":"hello"},"message":{"content":"hello"}}]`
		for form, x := range map[string]struct {
			status int
			events []string
			stream bool
		}{
			"refusal":         {400, []string{failure}, false},
			"a code":          {400, []string{fmt.Sprintf(`{"error":{"message":%q,"code":%s}}`, fine, quoted)}, false},
			"a refusal's 503": {503, []string{failure}, false},
			"at once":         {200, []string{failure}, true},
			"in the stream":   {200, []string{hello + "}", failure, "[DONE]"}, true},
			"with the text":   {200, []string{hello + "," + failure[1:], "[DONE]"}, true},
			"as text":         {200, []string{hello + "}", words + "\nevent: error", "[DONE]"}, true},
			"whole":           {200, []string{hello + "," + failure[1:]}, false},
			"beside an error": {200, []string{hello + fmt.Sprintf(`,"error":true,"message":%s}`, quoted)}, false},
			"spelt otherwise": {200, []string{hello + `,"\u0065rror"` + failure[len(`{"error"`):]}, false},
		} {
			for _, who := range []string{"visitor", "client", ""} {
				w := newWorld(t)
				w.scripted(x.status, x.events...)
				headers := w.as(who)
				w.open()
				extra := ""
				if x.stream {
					extra = `,"stream":true`
				}
				a := w.chat(extra, headers...)
				seen := a.body + fmt.Sprint(a.header, a.trailer)
				if strings.Contains(strings.ToLower(seen), "canary") || strings.Contains(seen, key[8:20]) || strings.Contains(seen, key[len(key)-4:]) || strings.Contains(a.body, "uthorization") {
					t.Errorf("%s, %s: a %s reads %d %s", form, name, who, a.status, a.body)
				}
				if !strings.Contains(a.body, `"error":{`) || name != "fine" {
					if !strings.Contains(a.body, `"error":{`) {
						t.Errorf("%s, %s: a %s is told of no error: %d %s", form, name, who, a.status, a.body)
					}
					continue
				}
				hidden := who == "visitor" || form == "a refusal's 503" || form == "at once" || form == "spelt otherwise" || form == "with the text" && a.status != 200
				if strings.Contains(a.body, fine) == hidden {
					t.Errorf("%s: a %s reads %d %s", form, who, a.status, a.body)
				}
			}
		}
	}
}

// TestFallingOn: what one provider refuses for its content is not sent to the next;
// what it cannot do, or may not, is.
func TestFallingOn(t *testing.T) {
	for _, x := range []struct {
		status int
		body   string
		on     bool
	}{
		{400, `{"error":{"message":"bad role"}}`, false}, {413, `{}`, false}, {422, `{"detail":"x"}`, false},
		{403, `{"error":{"message":"Your input was flagged."}}`, false},
		{200, `{"error":{"message":"bad role","code":400}}`, false},
		{401, `{}`, true}, {402, `{}`, true}, {403, `{"error":{"message":"Invalid API key"}}`, true}, {403, `{"error":{"message":"Country not supported"}}`, true},
		{403, `<title>Just a moment...</title>`, true}, {403, `{"error":{"message":"no access to model m"}}`, true},
		{404, `{"error":{"message":"no model m"}}`, true}, {404, ``, true}, {400, `{"error":{"message":"m is not a valid model ID"}}`, true}, {408, ``, true},
		{429, `{}`, true}, {429, `{"error":{"message":"Request too large"}}`, true}, {500, ``, true}, {200, `{"error":{"message":"slow","code":429}}`, true}, {200, `{"x":1}`, true},
	} {
		asked := 0
		second := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			asked++
			io.WriteString(out, `{"choices":[{"message":{"content":"hello"},"finish_reason":"stop"}],"usage":{"prompt_tokens":1,"completion_tokens":1}}`)
		}))
		w := newWorld(t)
		w.scripted(x.status, x.body)
		next, other := *w.provider, *w.models[0]
		next.ID, next.Name, next.BaseURL = "pr_2", "second", second.URL
		other.ID, other.Provider = "mo_2", "pr_2"
		w.more, w.models = append(w.more, &next), append(w.models, &other)
		w.gw.Providers = []tally.ID{"pr_1", "pr_2"}
		w.open()
		if a := w.chat(""); (a.status == 200) != x.on || asked > 1 || (asked == 1) != x.on {
			t.Errorf("%d %s: asked %d times, %d %s", x.status, x.body, asked, a.status, a.body)
		}
		second.Close()
	}
}

// TestLongWaits: who is told to wait for more than a minute is told as well not to try
// again by itself: official clients would sleep through it.
func TestLongWaits(t *testing.T) {
	for _, x := range []struct {
		after string
		final bool
	}{{"60", false}, {"61", true}, {"86400", true}, {"", false}} {
		up := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
			if x.after != "" {
				out.Header().Set("Retry-After", x.after)
			}
			out.WriteHeader(429)
		}))
		w := newWorld(t)
		w.scripted(200, "")
		w.provider.BaseURL = up.URL
		w.open()
		if a := w.chat(""); a.told(t).final != x.final || (a.header.Get("Retry-After") == "") != (x.after == "") {
			t.Errorf("after %q: %v", x.after, a.header)
		}
		up.Close()
	}
}

// TestOtherAPIs: who calls an API that is not there reads what to do instead, in a page as
// well.
func TestOtherAPIs(t *testing.T) {
	w := newWorld(t).open()
	for path, says := range map[string]string{
		"/v1/responses/resp_1": "POST /v1/responses", "/v1/files": "data URL", "/v1/messages/batches": "one by one", "/v1/threads/x/runs": "whole conversation",
		"/v1/realtime": "with stream", "/v1/nothing": "/v1/chat/completions",
	} {
		a := w.send("POST", path, `{}`, "Origin: https://a.example")
		if got := a.told(t); a.status != 404 || got.code != tally.CodeUnknownPath || !strings.Contains(got.message, says) || a.header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: %d %v %s", path, a.status, a.header, a.body)
		}
	}
}

// starved is a provider of a process without file descriptors.
type starved struct{ providers.Provider }

func (starved) Do(context.Context, providers.Call) (*providers.Reply, error) {
	return nil, &providers.UpstreamError{Fault: providers.NoFiles, Free: true, Err: errors.New("no descriptors")}
}
func (starved) Close() error { return nil }

// A want of descriptors is told as the gateway's, not as the provider's.
func TestNoFiles(t *testing.T) {
	w := newWorld(t)
	w.kinds[0].New = func(providers.Config) (providers.Provider, error) { return starved{}, nil }
	w.open()
	if a := w.chat(""); a.status != 503 || a.told(t).code != tally.CodeCrowded || strings.Contains(a.body, "rovider") {
		t.Errorf("%d %s", a.status, a.body)
	}
	if r := w.one(); r.Cost != 0 || r.Outcome != tally.OutcomeFailed {
		t.Errorf("%+v", r)
	}
}
