package openai

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"tallygate/providers"
	"tallygate/providers/transport"
)

// maxRefusal bounds what is kept of a refusal's body.
const maxRefusal = 64 << 10

// refusal reads an answer that is none, closes it and says what it means.
func (p *Provider) refusal(res *transport.Response) error {
	defer res.Body.Close() // what matters of it was read
	e := &providers.UpstreamError{Status: res.Status, RetryAfter: retryAfter(res.RetryAfter, time.Now()), Free: free(res.Status)}
	if res.Status < http.StatusBadRequest {
		e.Fault, e.Err = providers.BadAnswer, errStatus
		return e
	}
	res.Body.SetReadDeadline(time.Now().Add(p.chunk)) // a body without deadlines does not hang
	body, err := io.ReadAll(io.LimitReader(res.Body, maxRefusal))
	e.Fault = faultOf(res.Status, body)
	if up, ok := errors.AsType[*providers.UpstreamError](err); ok && up.Fault == providers.Gone {
		e.Fault, e.Err = providers.Gone, err
		return e // otherwise the status says enough, even if the words broke off
	}
	if res.Encoding == "" {
		e.Body = body
		e.Said = providers.ReportOf(body)
		e.Free = e.Free && e.Said == nil
	}
	return e
}

// free reports whether nothing is charged for what a status refuses. Behind a
// time-out the model may have been at work, and a success of another kind than 200
// refuses nothing, unless it has no content.
func free(status int) bool {
	switch status {
	case http.StatusNoContent, http.StatusResetContent:
		return true
	case http.StatusRequestTimeout, http.StatusGatewayTimeout, statusOriginTimeout:
		return false
	}
	return status < http.StatusOK || status >= http.StatusMultipleChoices
}

// statusOriginTimeout is what Cloudflare says of an upstream behind it.
const statusOriginTimeout = 524

// faultOf sorts a status, with a look at the words where upstreams disagree
// about the number: xAI and Gemini call a wrong key a bad request, xAI forbids
// an empty account, OpenAI limits the rate of one.
func faultOf(status int, body []byte) providers.Fault {
	switch {
	case status == http.StatusPaymentRequired:
		return providers.OutOfQuota
	case status == http.StatusTooManyRequests || status == http.StatusForbidden:
		if says(body, "insufficient_quota", "insufficient_balance", "billing_hard_limit", "out of credits", "available credits") {
			return providers.OutOfQuota
		}
		switch {
		case status == http.StatusTooManyRequests:
			return providers.Busy
		case says(body, "model_not_allowed"): // by another gateway
			return providers.Refused
		}
		return providers.BadKey
	case status == http.StatusServiceUnavailable:
		return providers.Busy
	case status == http.StatusUnauthorized:
		return providers.BadKey
	case status == http.StatusBadRequest && says(body, "api_key_invalid", "incorrect api key", "invalid_api_key"):
		return providers.BadKey
	case status == http.StatusRequestTimeout:
		return providers.TimedOut
	case status >= http.StatusInternalServerError && status != http.StatusLoopDetected:
		return providers.ServerError
	case (status == http.StatusNotFound || status == http.StatusMethodNotAllowed) && !bytes.HasPrefix(bytes.TrimSpace(body), []byte("{")):
		return providers.BadAnswer // nothing of an API is there: the base URL is wrong
	}
	return providers.Refused
}

// says reports whether a refusal contains one of the words, in any case.
func says(body []byte, words ...string) bool {
	body = bytes.ToLower(body)
	for _, w := range words {
		if bytes.Contains(body, []byte(w)) {
			return true
		}
	}
	return false
}

// maxRetryAfter bounds what is believed of an upstream's wish to be left alone.
const maxRetryAfter = 24 * time.Hour

// retryAfter reads Retry-After, in seconds or as a date; 0 for nonsense.
func retryAfter(s string, now time.Time) time.Duration {
	if s == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(s, 10, 32); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	if at, err := http.ParseTime(s); err == nil && at.After(now) {
		return min(at.Sub(now), maxRetryAfter)
	}
	return 0
}
