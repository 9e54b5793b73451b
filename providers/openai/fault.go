package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tallygate/providers"
	"tallygate/providers/transport"
)

const (
	maxRefusal = 64 << 10 // bytes that are kept of a refusal's body
	maxPage    = 8 << 10  // bytes that are kept of a web page, for its title
	// pagePatience is how long the title of a web page is waited for.
	pagePatience = time.Second
)

// refusal reads a response that does not answer, closes it and says what it means.
func (p *Provider) refusal(res *transport.Response) error {
	defer res.Body.Close() // what matters of it was read
	e := &providers.UpstreamError{Status: res.Status, RetryAfter: retryAfter(res.RetryAfter, time.Now()), Free: providers.FreeStatus(res.Status), RequestID: p.requestID(res)}
	if res.Status < http.StatusBadRequest {
		e.Fault, e.Err = providers.BadAnswer, statusError(res.Status)
		return e
	}
	res.Body.SetReadDeadline(time.Now().Add(p.chunk)) // a body without deadlines does not hang
	body, err := io.ReadAll(io.LimitReader(res.Body, maxRefusal))
	up, _ := errors.AsType[*providers.UpstreamError](err)
	if res.Encoding != "" {
		body, up = nil, p.codingError(res)
	}
	if up != nil { // the status says enough, even if the words broke off
		e.Err = up.Err
	}
	page := providers.IsPage(body)
	if page {
		e.Err = providers.ErrPage
	} else {
		e.Said = providers.ReportOf(body)
	}
	if up == nil && len(body) < maxRefusal && json.Valid(body) && !providers.HoldsKey(body, p.keys) {
		e.Body = body
	}
	e.Words = providers.WordsOf(body, p.keys...)
	e.Fault = faultOf(res.Status, &e.Words, page)
	switch {
	case up != nil && up.Fault == providers.Gone:
		e.Fault = providers.Gone
	case e.Fault == providers.BadAnswer && e.Err == nil:
		e.Err = errNoAPI
	}
	e.Free = e.Free && e.Said == nil
	return e
}

var errCalledPage = errors.New("the answer is called a web page (text/html) and does not begin as one")

var errNoAPI = errors.New("no API has answered at this address: look whether the base URL is right, which most often ends in /v1")

// faultOf is [providers.FaultOf], but does not take the title of a web page for words about
// what was asked.
func faultOf(status int, w *providers.Words, page bool) providers.Fault {
	if page {
		w = &providers.Words{}
	}
	return providers.FaultOf(status, w)
}

// statusError says what is wrong with a status that neither answers nor refuses.
func statusError(status int) error {
	if status >= http.StatusMultipleChoices {
		return fmt.Errorf("the upstream redirects to another address (status %d), which is not followed: its base URL has changed", status)
	}
	return fmt.Errorf("the upstream answers with status %d, which is no answer", status)
}

// check refuses answers that cannot be read.
func (p *Provider) check(res *transport.Response) error {
	var err *providers.UpstreamError
	switch {
	case res.Encoding != "":
		err = p.codingError(res)
	case isType(res.ContentType, webPage):
		res.Body.SetReadDeadline(time.Now().Add(pagePatience))
		text, _ := io.ReadAll(io.LimitReader(res.Body, maxPage)) // what has come says enough
		err = &providers.UpstreamError{Fault: providers.BadAnswer, Free: true, Words: providers.WordsOf(text, p.keys...), Err: providers.ErrPage}
		if !providers.IsPage(text) { // the text may be anything, also what a model has written
			err = &providers.UpstreamError{Fault: providers.BadAnswer, Err: errCalledPage}
		}
	default:
		return nil
	}
	res.Body.Close() // it is of no use
	err.Status, err.RequestID = res.Status, p.requestID(res)
	return err
}

// isType reports whether a content type begins as one does.
func isType(contentType, is string) bool {
	return len(contentType) >= len(is) && strings.EqualFold(contentType[:len(is)], is)
}

const webPage = "text/html"

// requestID is how the upstream calls a request, unless the name holds our key, or part of
// it.
func (p *Provider) requestID(res *transport.Response) string {
	if providers.HoldsKey([]byte(res.RequestID), p.keys) {
		return ""
	}
	return res.RequestID
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
