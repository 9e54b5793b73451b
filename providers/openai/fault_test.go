package openai

import (
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"tallygate/providers"
)

// The words of upstreams, as they have been seen.
func TestFaultOf(t *testing.T) {
	for _, x := range []struct {
		status int
		body   string
		want   providers.Fault
	}{
		{400, `{"error":{"message":"temperature is too hot","type":"invalid_request_error"}}`, providers.Refused},
		{400, `{"code":"Client specified an invalid argument","error":"Incorrect API key provided: sk***yz. You can obtain an API key from https://console.x.ai."}`, providers.BadKey},
		{400, `[{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT","details":[{"reason":"API_KEY_INVALID"}]}}]`, providers.BadKey},
		{401, `{"error":{"message":"Incorrect API key provided"}}`, providers.BadKey},
		{402, `{"error":{"message":"Insufficient Balance"}}`, providers.OutOfQuota},
		{400, `{"type":"error","error":{"type":"invalid_request_error","message":"Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing."}}`, providers.OutOfQuota},
		{400, `{"error":{"message":"Invalid value: 'what do I do about my insufficient balance?'. Expected one of: user.","type":"invalid_request_error"}}`, providers.Refused},
		{400, `{"error":{"code":"Arrearage","message":"Access denied, please make sure your account is in good standing."}}`, providers.OutOfQuota},
		{400, `{"error":{"message":"foo/bar is not a valid model ID","code":400}}`, providers.NotHere},
		{400, `[{"error":{"code":400,"message":"User location is not supported for the API use.","status":"FAILED_PRECONDITION"}}]`, providers.NotHere},
		{400, `{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","code":"context_length_exceeded"}}`, providers.Refused},
		{403, `{"error":{"message":"Country, region, or territory not supported","code":"unsupported_country_region_territory"}}`, providers.NotHere},
		{403, `{"error":{"code":403,"message":"openai/gpt-4 requires moderation. Your input was flagged for \"violence\". No credits were charged."}}`, providers.Refused},
		{403, `{"error":{"message":"Project does not have access to model gpt-5","code":"model_not_found"}}`, providers.NotHere},
		{403, `{"error":{"message":"Your API key does not have access to model gpt-5"}}`, providers.NotHere},
		{403, `{"error":{"message":"Invalid API key","code":"invalid_api_key"}}`, providers.BadKey},
		{403, `{"error":{"message":"Request had insufficient authentication scopes.","status":"PERMISSION_DENIED"}}`, providers.BadKey},
		{403, `{"error":{"message":"Client X may not use model Y.","type":"permission_error","code":"model_not_allowed"}}`, providers.NotHere}, // another gateway
		{403, `<html><title>API key | Just a moment...</title></html>`, providers.NotHere},
		{403, ``, providers.NotHere},
		{403, `{"error":{"message":"Your account has been flagged. Please contact support about your credentials."}}`, providers.BadKey},
		{403, `{"error":{"message":"Client \"A\" is suspended.","type":"permission_error","code":"client_suspended"}}`, providers.BadKey}, // there, too
		{403, `{"code":30001,"message":"Sorry, your account balance is insufficient"}`, providers.OutOfQuota},
		{403, `{"code":"x","error":"You have run out of credits or need a Grok subscription."}`, providers.OutOfQuota},
		{404, `{"error":{"message":"The model does not exist","code":"model_not_found"}}`, providers.NotHere},
		{404, `model 'x' not found, try pulling it first`, providers.NotHere},
		{404, `<html>nginx</html>`, providers.BadAnswer},
		{404, ``, providers.BadAnswer},
		{405, `{"detail":"Method Not Allowed"}`, providers.NotHere},
		{409, ``, providers.NotHere}, {451, ``, providers.NotHere}, {508, ``, providers.Refused},
		{408, ``, providers.TimedOut},
		{413, `<html>too large</html>`, providers.Refused},
		{413, `{"error":{"message":"Request too large for model x in organization org_1 on tokens per minute (TPM): Limit 6000, Requested 7000","code":"rate_limit_exceeded"}}`, providers.TooLarge},
		{422, `{"detail":[]}`, providers.Refused},
		{429, `{"error":{"message":"Request too large for gpt-4 in organization org-1 on tokens per min (TPM): Limit 10000, Requested 12000.","type":"tokens","code":"rate_limit_exceeded"}}`, providers.TooLarge},
		{429, `{"error":{"message":"Rate limit reached on tokens per min (TPM): Limit 10,000, Used 0, Requested 12,000.","type":"tokens"}}`, providers.TooLarge},
		{429, `{"error":{"message":"Rate limit reached on tokens per min (TPM): Limit 10,000, Used 9,000, Requested 2,000.","type":"tokens"}}`, providers.Busy},
		{429, `{"error":{"message":"Spend limit","code":"project_spend_limit_exceeded"}}`, providers.OutOfQuota},
		{429, `{"error":{"code":"1113","message":"余额不足或无可用资源包,请充值。"}}`, providers.OutOfQuota},
		{429, `{"error":{"code":"1113","message":"?"}}`, providers.OutOfQuota},
		{429, `{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}`, providers.Busy},
		{429, `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota"}}`, providers.OutOfQuota},
		{429, `{"error":{"status":"RESOURCE_EXHAUSTED","message":"You exceeded your current quota, please check your plan"}}`, providers.Busy}, // Gemini's minute
		{429, ``, providers.Busy},
		{500, ``, providers.ServerError}, {502, `<html>`, providers.ServerError}, {504, ``, providers.ServerError}, {529, ``, providers.ServerError}, {599, ``, providers.ServerError},
		{503, ``, providers.Busy},
	} {
		w := providers.WordsOf([]byte(x.body))
		if got := faultOf(x.status, &w, providers.IsPage([]byte(x.body))); got != x.want {
			t.Errorf("%d %s: %s, want %s", x.status, x.body, got, x.want)
		}
	}
}

func TestRetryAfter(t *testing.T) {
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	for s, want := range map[string]time.Duration{
		"": 0, "0": 0, "7": 7 * time.Second, "3600": time.Hour,
		"-1": 0, "1.5": 0, "soon": 0, "1e9": 0, " 7": 0, "99999999999999999999": 0,
		"4294967295": maxRetryAfter,
		now.Add(time.Minute).Format(http.TimeFormat):        time.Minute,
		now.Add(-time.Minute).Format(http.TimeFormat):       0,
		now.Add(1000 * time.Hour).Format(http.TimeFormat):   maxRetryAfter,
		now.Add(time.Minute).Format(time.ANSIC):             time.Minute,
		now.Add(time.Minute).Format("2006-01-02T15:04:05Z"): 0,
	} {
		if got := retryAfter(s, now); got != want {
			t.Errorf("%q: %v, want %v", s, got, want)
		}
	}
}

// What an upstream calls the request is known of answers and refusals, unless it is our
// key.
func TestRequestID(t *testing.T) {
	for said, want := range map[string]string{"up-7": "up-7", "a-secret-key": "", "id a-secret-key": "", "id-a-secret-7": ""} {
		for _, status := range []int{200, 400} {
			u := startUpstream(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "application/json")
				w.Header().Set("X-Request-Id", said)
				w.WriteHeader(status)
				io.WriteString(w, hello)
			})
			reply, err := u.provider(t, "openai", "a-secret-key").Do(t.Context(), callOf(t, providers.Chat, `{"model":"m"}`))
			got := ""
			if err == nil {
				got = reply.RequestID
				reply.Body.Close()
			} else if up, ok := err.(*providers.UpstreamError); ok {
				got = up.RequestID
			}
			if got != want || (err == nil) != (status == 200) {
				t.Errorf("%d, %q: %q, want %q (%v)", status, said, got, want, err)
			}
		}
	}
}

// Where no API answers, the owner reads what to look at, but no key that an upstream has
// put into a field of the head.
func TestWhatIsWrongWithTheHead(t *testing.T) {
	for _, x := range []struct {
		status         int
		coding, wanted string
	}{{404, "", "base URL"}, {405, "", "base URL"}, {200, "rot13", "rot13"}, {200, "a-secret-key", "compressed"}, {500, "a-secret-key", "compressed"}} {
		u := startUpstream(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Encoding", x.coding)
			w.WriteHeader(x.status)
		})
		_, err := u.provider(t, "openai", "a-secret-key").Do(t.Context(), callOf(t, providers.Chat, `{"model":"m"}`))
		if err == nil || !strings.Contains(err.Error(), x.wanted) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v", x, err)
		}
	}
}

// A web page in the place of an answer is free; an answer that is only called one is not.
func TestCalledAPage(t *testing.T) {
	for body, free := range map[string]bool{"<title>Welcome</title>": true, hello: false, "data: {}\n\n": false} {
		for _, request := range []string{`{"model":"m"}`, `{"model":"m","stream":true}`} {
			u := startUpstream(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", "text/html")
				io.WriteString(w, body)
			})
			_, err := u.provider(t, "openai", "k").Do(t.Context(), callOf(t, providers.Chat, request))
			if up, ok := err.(*providers.UpstreamError); !ok || up.Free != free {
				t.Errorf("%q to %s: %v, free: %v", body, request, err, ok && up.Free)
			}
		}
	}
}
