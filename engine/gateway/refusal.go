package gateway

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"tallygate/engine/meter"
	"tallygate/engine/tally"
	"tallygate/providers"
)

const (
	// maxMessage bounds what a caller is told, whatever of its own is quoted there.
	maxMessage = 2000
	// longWait is how long official SDKs may be told to wait before they try again.
	// They would sleep through more, with their caller.
	longWait = time.Minute
)

// tell writes a refusal to the caller, in the shape of the caller's dialect.
func (x *exchange) tell(refusal *tally.Refusal) {
	if len(refusal.Message) > maxMessage {
		refusal.Message = strings.ToValidUTF8(refusal.Message[:maxMessage], "") + "…"
	}
	body := x.errorBody(refusal)
	if x.speech != nil {
		body = x.speech.refusal(x, refusal)
	}
	x.tellAs(refusal, body)
}

// tellAs writes a refusal whose body is given.
func (x *exchange) tellAs(refusal *tally.Refusal, body []byte) {
	if x.unread() {
		// Else net/http would wait for the body before it sends the answer.
		http.NewResponseController(x.w).EnableFullDuplex() // a recorder cannot, and does not wait
		x.w.Header()["Connection"] = closing
		defer x.readOn()
	}
	h := x.w.Header()
	h["Content-Type"] = jsonType
	if refusal.RetryAfter > 0 {
		seconds := (refusal.RetryAfter + time.Second - 1) / time.Second
		h["Retry-After"] = []string{strconv.FormatInt(int64(seconds), 10)}
	}
	if hopeless(refusal) {
		h["X-Should-Retry"] = []string{"false"}
	}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	x.writeHead(refusal.Status)
	x.w.Write(body) // an error here is the caller's; there is nobody left to tell
}

// hopeless reports whether the same request would only be refused again, or so late that
// nobody should sleep until then. It is said of every fault of the caller's, since some
// clients try a credential that was refused for minutes.
func hopeless(r *tally.Refusal) bool {
	callers := r.Status < http.StatusInternalServerError && r.Status != http.StatusTooManyRequests &&
		r.Status != http.StatusRequestTimeout
	return r.Final || callers || r.RetryAfter > longWait
}

// errorBody is a refusal as OpenAI's clients read it. Visitors of a page have a sentence
// of their own in it.
func (x *exchange) errorBody(refusal *tally.Refusal) []byte {
	type detail struct {
		Message string  `json:"message"`
		Type    string  `json:"type"`
		Param   *string `json:"param"`
		Code    string  `json:"code"`
		Visitor string  `json:"visitor_message,omitempty"`
	}
	d := detail{Message: refusal.Message, Type: refusal.Type, Code: refusal.Code, Visitor: x.visitorMessage(refusal)}
	if refusal.Param != "" {
		d.Param = &refusal.Param
	}
	body, _ := json.Marshal(map[string]detail{"error": d}) // strings cannot fail
	return body
}

var errAtCapacity error = &providers.UpstreamError{Fault: providers.Busy, RetryAfter: time.Second, Err: errors.New("every place in flight is taken")}

// upstreamRefusal is what the caller is told when the last upstream has failed, in our
// words; inItsWords puts the upstream's in their place.
func upstreamRefusal(x *exchange, err error) *tally.Refusal {
	refusal := &tally.Refusal{Status: http.StatusBadGateway, Type: tally.TypeUpstream}
	name, model := x.target.Upstream.Config.Name, x.target.Model.Name
	say := func(code, format string, args ...any) *tally.Refusal {
		refusal.Code = code
		who := fmt.Sprintf("Provider %q, asked for model %q, ", name, model)
		if x.template != nil {
			who = "What answers for this page "
		}
		refusal.Message = who + fmt.Sprintf(format, args...)
		return refusal
	}
	if err == meter.ErrStopping {
		return stopping()
	}
	if cut, ok := err.(refusedError); ok {
		return cut.Refusal
	}
	if x.call != nil {
		if cut := x.call.wasCut(); cut != nil {
			return cut
		}
	}
	if all, ok := err.(cappedError); ok {
		return all.refusal(x)
	}
	up, ok := errors.AsType[*providers.UpstreamError](err)
	if !ok {
		x.server.Logger.Error("provider failed in an unknown way", "request", x.id, "provider", name, "err", err)
		return say(tally.CodeProviderError, "failed.")
	}
	refusal.RetryAfter = min(up.RetryAfter, maxRetryAfter)
	switch up.Fault {
	case providers.NoFiles:
		return crowded()
	case providers.Refused, providers.NotHere:
		refusal.Status, refusal.Type, refusal.Final = passedOn(up), tally.TypeInvalid, true
		return say(tally.CodeRefusedUpstream, "refuses the request with status %d.", refusal.Status)
	case providers.TooLarge:
		refusal.Status, refusal.Type, refusal.Final, refusal.RetryAfter = http.StatusBadRequest, tally.TypeInvalid, true, 0
		return say(tally.CodeTooLarge, "takes no request as large as this one from this gateway. Send less at a time, or ask another model.")
	case providers.TimedOut:
		refusal.Status = http.StatusGatewayTimeout
		return say(tally.CodeProviderTimeout, "did not answer in time.")
	case providers.Unreachable, providers.Gone:
		return say(tally.CodeProviderDown, "cannot be reached.")
	case providers.Busy:
		return say(tally.CodeProviderBusy, "has too much to do. Try again in %s.", soon(refusal.RetryAfter))
	case providers.OutOfQuota:
		refusal.Final = true
		return say(tally.CodeProviderQuota, "says that the account of this gateway's owner is used up. Tell the owner: trying again does not help.")
	case providers.BadKey:
		refusal.Final = true
		return say(tally.CodeProviderAuth, "does not accept the API key of this gateway's owner. Tell the owner: trying again does not help.")
	case providers.ServerError:
		if up.Status < http.StatusBadRequest {
			return say(tally.CodeProviderError, "reported an error.")
		}
		return say(tally.CodeProviderError, "failed with status %d.", up.Status)
	}
	return say(tally.CodeProviderError, "gave an answer that cannot be used.")
}

// soon says when to try again, if anybody knows.
func soon(after time.Duration) string {
	if after <= time.Second {
		return "a moment"
	}
	return ((after + time.Second - 1) / time.Second * time.Second).String()
}

// maxRetryAfter bounds what an upstream may ask our callers to wait.
const maxRetryAfter = time.Hour

// passedOn is the status of an upstream's own refusal, or the one that an error inside
// an answer speaks of.
func passedOn(up *providers.UpstreamError) int {
	for _, status := range [...]int{up.Status, up.Words.Status()} {
		if status >= http.StatusBadRequest {
			return status
		}
	}
	return http.StatusBadRequest
}

func unknownPath(r *http.Request) *tally.Refusal {
	for part, hint := range otherAPIs {
		if path := r.URL.Path; strings.HasSuffix(path, part) || strings.Contains(path, part+"/") {
			return &tally.Refusal{Status: http.StatusNotFound, Type: tally.TypeInvalid, Code: tally.CodeUnknownPath, Final: true, Message: hint}
		}
	}
	return &tally.Refusal{Status: http.StatusNotFound, Type: tally.TypeInvalid, Code: tally.CodeUnknownPath,
		Message: fmt.Sprintf("There is nothing at %s %.200s. The API of this gateway is below /v1, for example POST /v1/chat/completions.", r.Method, r.URL.Path)}
}

// otherAPIs are the paths of APIs that are not built, and what to do instead.
var otherAPIs = map[string]string{
	"/batches":    "This gateway has no batches: send the requests one by one to POST /v1/chat/completions, /v1/responses or /v1/messages.",
	"/files":      "This gateway keeps no files: put the file into the request, as a data URL.",
	"/assistants": "This gateway keeps no assistants and threads: send the whole conversation to POST /v1/chat/completions or /v1/responses.",
	"/threads":    "This gateway keeps no assistants and threads: send the whole conversation to POST /v1/chat/completions or /v1/responses.",
	"/variations": "This gateway makes no variations of an image: POST /v1/images/edits with words for what should change.",
	"/videos":     "This gateway makes no videos: POST /v1/images/generations makes pictures.",
	"/realtime":   "This gateway has no realtime sessions: POST /v1/chat/completions with stream does nearly the same for text.",
	"/responses":  "This gateway keeps no answers: send the whole conversation to POST /v1/responses.",
}

func wrongMethod(r *http.Request, want string) *tally.Refusal {
	return &tally.Refusal{Status: http.StatusMethodNotAllowed, Type: tally.TypeInvalid, Code: tally.CodeMethod,
		Message: fmt.Sprintf("%.200s is asked for with %s, not with %.20s.", r.URL.Path, want, r.Method)}
}

func stopping() *tally.Refusal {
	return &tally.Refusal{Status: http.StatusServiceUnavailable, Type: tally.TypeUnavailable, Code: tally.CodeStopping,
		Message: "The gateway is shutting down. Try again in a moment.", RetryAfter: 2 * time.Second}
}

// unwritten keeps an answer back whose record could not be written: what a caller
// has seen the end of must be in the books. Its hold stays, and is paid.
func unwritten() *tally.Refusal {
	return &tally.Refusal{Status: http.StatusServiceUnavailable, Type: tally.TypeUnavailable, Code: tally.CodeStore, Final: true,
		Message: "The answer came, but the gateway cannot record it, so it keeps it back. Its owner has to look at the disk."}
}

// uncounted keeps a request from providers on whose caps it could not be counted.
func uncounted() *tally.Refusal {
	return &tally.Refusal{Status: http.StatusServiceUnavailable, Type: tally.TypeUnavailable, Code: tally.CodeStore, RetryAfter: 5 * time.Second,
		Message: "The gateway cannot count this request on the caps of its providers, so it does not send it. Its owner has to look at the disk."}
}

func internalError() *tally.Refusal {
	return &tally.Refusal{Status: http.StatusInternalServerError, Type: tally.TypeServer, Code: tally.CodeInternal,
		Message: "The gateway failed inside. Its log has the details under this request's id."}
}
