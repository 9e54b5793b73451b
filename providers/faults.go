package providers

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ErrPage is the cause of a failure whose words are a web page: what answered is no API.
var ErrPage = errors.New("the answer is a web page (text/html)")

// bad makes a BadAnswer.
func bad(err error) error { return &UpstreamError{Fault: BadAnswer, Err: err} }

// page makes the error of a web page in the place of an answer. No model has written such a
// page.
func page(text []byte, keys []string) *UpstreamError {
	return &UpstreamError{Fault: BadAnswer, Free: true, Words: WordsOf(text, keys...), Err: ErrPage}
}

// cut classifies an error that ended an answer early.
func cut(err error) error {
	if up, ok := errors.AsType[*UpstreamError](err); ok {
		return up
	}
	return bad(err)
}

// free marks an error of a call that is proven to have cost nothing.
func free(err error, proven bool) error {
	up, ok := errors.AsType[*UpstreamError](err)
	if !ok || !proven || up.Free {
		return err
	}
	marked := *up
	marked.Free = true
	return &marked
}

// worded adds the upstream's words to an error that has none.
func worded(err error, words Words) error {
	up, ok := errors.AsType[*UpstreamError](err)
	if !ok || words.zero() || !up.Words.zero() {
		return err
	}
	marked := *up
	marked.Words = words
	return &marked
}

// IsPage reports whether text begins as a web page does.
func IsPage(b []byte) bool {
	i := space(b, 0)
	return i < len(b) && b[i] == '<'
}

// FreeStatus reports whether nothing is charged for what a status refuses. Behind a
// time-out the model may have been at work. A success other than 200 refuses nothing,
// unless it is one without content.
func FreeStatus(status int) bool {
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

// reported makes the error that an upstream tells inside an answer of status 200. The words
// decide which error it is. silent is whether nothing was used as far as the answer says;
// behind a time-out, silence proves nothing.
func reported(err error, words Words, silent bool) *UpstreamError {
	status := words.Status()
	waited := status != 0 && !FreeStatus(status) || words.Mention("timeout", "timed out", "time-out", "deadline exceeded")
	return &UpstreamError{Fault: faultInside(status, &words), Ended: true, Free: silent && !waited, Words: words, Err: err}
}

func faultInside(status int, w *Words) Fault {
	if status != 0 {
		if f := FaultOf(status, w); f != TimedOut {
			return f
		}
		return ServerError // it was the upstream that waited, not we
	}
	text := w.text()
	switch {
	case w.usedUp(text):
		return OutOfQuota
	case mentions(text, wrongKey...):
		return BadKey
	case mentions(text, noModel...):
		return NotHere
	case mentions(text, "rate limit", "too many requests", "overloaded"):
		return Busy
	}
	return ServerError
}

// Status is the HTTP status that the words speak of, by their code or their type; 0 if the
// words speak of none.
func (w *Words) Status() int {
	if n, err := strconv.Atoi(w.Code); err == nil && n >= 400 && n < 600 {
		return n
	}
	for _, term := range [...]string{w.Code, w.Type} {
		term = strings.ToLower(term)
		for _, known := range [...]struct {
			status int
			terms  []string
		}{
			{http.StatusRequestEntityTooLarge, []string{"request_too_large"}},
			{http.StatusUnauthorized, []string{"authentication", "invalid_api_key", "invalidapikey", "unauthenticated", "unauthorized"}},
			{http.StatusTooManyRequests, []string{"rate_limit", "ratelimit", "too_many_requests", "resource_exhausted", "insufficient_quota"}},
			{http.StatusGatewayTimeout, []string{"timeout", "timed_out", "deadline_exceeded"}},
			{http.StatusServiceUnavailable, []string{"overloaded", "unavailable"}},
			{http.StatusNotFound, []string{"not_found"}},
			{http.StatusForbidden, []string{"permission", "forbidden"}},
			{http.StatusBadRequest, []string{"invalid_request", "invalid_argument", "bad_request", "context_length_exceeded", "content_filter", "content_policy", "invalid_prompt", "invalid_value"}},
		} {
			if mentions(term, known.terms...) {
				return known.status
			}
		}
	}
	return 0
}

// FaultOf sorts a status of 400 or more. It also looks at the words where upstreams
// disagree about the status. xAI and Gemini call a wrong key a bad request. An empty
// account is a bad request to Anthropic and Alibaba, forbidden to xAI, and a rate limit to
// OpenAI. The words of a bad request may quote the request, so only those words count there
// that begin with their subject or are a code.
func FaultOf(status int, w *Words) Fault {
	text := w.text()
	switch status {
	case http.StatusPaymentRequired:
		return OutOfQuota
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity:
		return faultOfRequest(status, w, text)
	case http.StatusUnauthorized:
		if w.usedUp(text) {
			return OutOfQuota
		}
		return BadKey
	case http.StatusForbidden:
		switch {
		case mentions(text, moderation...) && !mentions(text, "your account"):
			return Refused
		case w.usedUp(text):
			return OutOfQuota
		case mentions(text, ofRegions...) || mentions(text, "model") && mentions(text, "access", "allowed", "permission", "not found", "may not use"):
			return NotHere
		case mentions(text, ofKeys...):
			return BadKey
		}
		return NotHere
	case http.StatusTooManyRequests:
		switch {
		case tooLarge(text):
			return TooLarge
		case w.usedUp(text):
			return OutOfQuota
		}
		return Busy
	case http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone:
		if w.zero() {
			return BadAnswer // what answers is no API: the base URL is wrong
		}
		return NotHere
	case http.StatusRequestTimeout:
		return TimedOut
	case http.StatusServiceUnavailable:
		return Busy
	case http.StatusLoopDetected:
		return Refused
	}
	if status >= http.StatusInternalServerError {
		return ServerError
	}
	return NotHere
}

// faultOfRequest sorts a refusal that calls the request wrong.
func faultOfRequest(status int, w *Words, text string) Fault {
	terms, message := strings.ToLower(w.Type+" "+w.Code), strings.ToLower(w.Message)
	switch {
	case mentions(terms, usedUpTerms...) || w.Code == zhipuEmpty || begins(message, "your credit balance", "余额不足", "insufficient balance"):
		return OutOfQuota
	case mentions(terms, "api_key_invalid", "invalid_api_key") || begins(message, wrongKey...):
		return BadKey
	case mentions(terms, noModels...), mentions(terms, "unsupported_country"), mentions(message, "location is not supported", "country, region"),
		(w.Param == "" || w.Param == "model") && mentions(message, noModel...):
		return NotHere
	case status == http.StatusRequestEntityTooLarge && mentions(message, "per minute", "tpm", "tokens per min"): // Groq's
		return TooLarge
	}
	return Refused
}

// The words by which upstreams are understood, in lower case.
var (
	usedUpTerms = []string{"insufficient_quota", "insufficient_balance", "insufficient_user_quota", "insufficient_credit", "insufficient_fund", "spend_limit",
		"spending_limit", "hard_limit", "arrear", "overdue", "billing_not_active", "exceeded_current_quota_error", "payment_required", "out_of_credit"}
	usedUpPhrases = []string{"insufficient quota", "insufficient balance", "insufficient credit", "insufficient fund", "not enough credit", "out of credits",
		"available credits", "credit balance", "balance is insufficient", "balance is too low", "balance is not enough", "account balance", "spend limit",
		"spending limit", "hard limit", "key limit exceeded", "payment required", "good standing", "recharge", "top up", "余额", "欠费", "充值", "额度不足", "额度已"}
	wrongKey = []string{"api key not valid", "incorrect api key", "invalid api key", "invalid_api_key", "api_key_invalid"}
	ofKeys   = []string{"api key", "api-key", "api_key", "apikey", "access key", "access token", "invalid token", "invalid_token", "credential", "authenticat",
		"unauthorized", "bearer", "suspended", "deactivated", "inactive", "disabled"}
	moderation = []string{"moderation", "flagged", "content policy", "content_policy", "content filter", "content_filter", "contentfilter", "safety",
		"inappropriate", "harmful", "data_inspection", "datainspection", "sensitive", "usage polic"}
	ofRegions = []string{"country", "region", "territory", "location"}
	noModel   = []string{"not a valid model", "unknown model", "invalid model", "model not found", "model does not exist", "has been decommissioned", "no longer available"}
	noModels  = []string{"model_not_found", "model_not_exist", "modelnotfound", "model_decommissioned", "model_deprecated", "unknown_model", "model_not_available"}
)

// zhipuEmpty is Zhipu's code of an account without money.
const zhipuEmpty = "1113"

// limits finds how much a request may have, and how much it has.
var limits = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`limit:? ([0-9]+).*requested:? ([0-9]+)`) })

// tooLarge reports whether a refusal for want of a rate is final, because the request alone
// is larger than the rate.
func tooLarge(text string) bool {
	if mentions(text, "request too large", "request_too_large", "tokens per request", "must be reduced in order to run") {
		return true
	}
	of := limits().FindStringSubmatch(strings.ReplaceAll(text, ",", ""))
	if of == nil {
		return false
	}
	most, _ := strconv.ParseInt(of[1], 10, 64) // digits; too many of them are the largest number
	asked, _ := strconv.ParseInt(of[2], 10, 64)
	return asked > most
}

// text is all of the words in lower case.
func (w *Words) text() string {
	return strings.ToLower(w.Type + " " + w.Code + " " + w.Param + " " + w.Message)
}

// usedUp reports whether the words say that the account has no money left.
func (w *Words) usedUp(text string) bool {
	return w.Code == zhipuEmpty || mentions(text, usedUpTerms...) || mentions(text, usedUpPhrases...)
}

// Mention reports whether the words contain one of some that are given in lower case.
func (w *Words) Mention(any ...string) bool { return mentions(w.text(), any...) }

func mentions(text string, any ...string) bool {
	return slices.ContainsFunc(any, func(word string) bool { return strings.Contains(text, word) })
}

func begins(text string, any ...string) bool {
	return slices.ContainsFunc(any, func(word string) bool { return strings.HasPrefix(text, word) })
}
