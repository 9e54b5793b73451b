package gateway

import (
	"net/http"
	"strings"

	"tallygate/engine/auth"
	"tallygate/engine/tally"
)

// share answers what the page of a link asks for: what its client has used, or a statement.
// The link's secret opens nothing else, and no other credential opens this. Pages of other
// origins may not read it.
func (x *exchange) share(path string) bool {
	number, one := strings.CutPrefix(path, "/share/statements/")
	switch {
	case x.server.Shared == nil, one && number == "":
		return false
	case !one && path != "/share/data":
		return false
	case !one:
		number = ""
	}
	h := x.w.Header()
	h["Cache-Control"] = noStore
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	if x.r.Method == http.MethodOptions { // a page elsewhere asks whether it may
		h.Set("Allow", http.MethodGet)
		x.writeHead(http.StatusNoContent)
		return true
	}
	if !x.method(http.MethodGet) {
		return true
	}
	link, refusal := auth.VerifyShare(x.cat, auth.Credential(x.r.Header), x.at)
	if refusal != nil {
		x.server.unknown.Add(1)
		x.tell(refusal)
		return true
	}
	out, err := x.server.Shared(x.ctx, link, number)
	switch {
	case err == nil:
		x.answer(http.StatusOK, out)
	case tally.CodeOf(err) == tally.NotFound:
		x.tell(&tally.Refusal{Status: http.StatusNotFound, Type: tally.TypeInvalid, Code: tally.CodeUnknownPath, Final: true,
			Message: "There is no such statement."})
	default:
		x.server.Logger.Error("answer the page of a link", "request", x.id, "err", err)
		x.tell(internalError())
	}
	return true
}
