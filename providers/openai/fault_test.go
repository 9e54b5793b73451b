package openai

import (
	"net/http"
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
		{403, `{"error":{"message":"Country, region, or territory not supported"}}`, providers.BadKey},
		{403, `{"code":"x","error":"You have run out of credits or need a Grok subscription."}`, providers.OutOfQuota},
		{404, `{"error":{"message":"The model does not exist","code":"model_not_found"}}`, providers.Refused},
		{404, `<html>nginx</html>`, providers.BadAnswer},
		{404, ``, providers.BadAnswer},
		{405, `{"detail":"Method Not Allowed"}`, providers.Refused},
		{408, ``, providers.TimedOut},
		{413, `<html>too large</html>`, providers.Refused},
		{422, `{"detail":[]}`, providers.Refused},
		{429, `{"error":{"message":"Rate limit reached","type":"requests","code":"rate_limit_exceeded"}}`, providers.Busy},
		{429, `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota"}}`, providers.OutOfQuota},
		{429, `{"error":{"status":"RESOURCE_EXHAUSTED","message":"You exceeded your current quota, please check your plan"}}`, providers.Busy}, // Gemini's minute
		{429, ``, providers.Busy},
		{500, ``, providers.ServerError}, {502, `<html>`, providers.ServerError}, {504, ``, providers.ServerError}, {529, ``, providers.ServerError}, {599, ``, providers.ServerError},
		{503, ``, providers.Busy},
	} {
		if got := faultOf(x.status, []byte(x.body)); got != x.want {
			t.Errorf("%d %s: %s, want %s", x.status, x.body, got, x.want)
		}
	}
}

// A status proves that nothing is charged, unless it tells of a time-out, or of a
// success whose answer we do not take.
func TestFree(t *testing.T) {
	for _, status := range []int{101, 204, 205, 301, 302, 307, 308, 400, 401, 402, 403, 404, 405, 413, 422, 429, 499, 500, 501, 502, 503, 505, 520, 529, 599} {
		if !free(status) {
			t.Errorf("%d is not free", status)
		}
	}
	for _, status := range []int{201, 202, 203, 206, 226, 408, 504, 524} {
		if free(status) {
			t.Errorf("%d is free", status)
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
