package gateway

import (
	"bytes"
	"cmp"
	"errors"
	"regexp"
	"sync"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// inItsWords puts a refusal into the words of the upstream, made anew from the parts of
// them that are known, so that nothing else comes with them: those about the request,
// and inside an answer those about any failure, but for the owner's key and money.
// Visitors read none. Records keep the code of our own.
func (x *exchange) inItsWords(refusal *tally.Refusal, err error, inside bool) *tally.Refusal {
	up, ok := errors.AsType[*providers.UpstreamError](err)
	if !ok || x.principal.Visitor || up.Words.Message == "" || errors.Is(up, providers.ErrPage) {
		return refusal
	}
	switch up.Fault {
	case providers.Refused, providers.NotHere, providers.TooLarge:
	case providers.OutOfQuota, providers.BadKey, providers.NoFiles:
		return refusal
	default:
		if !inside {
			return refusal
		}
	}
	if isPrivate(&up.Words) || x.hides() && up.Words.TellsAmount() {
		return refusal
	}
	said := *refusal
	said.Message = up.Words.Message
	if up.Fault != providers.TooLarge { // which upstreams call a limit of the rate
		said.Type, said.Code, said.Param = cmp.Or(up.Words.Type, said.Type), cmp.Or(up.Words.Code, said.Code), up.Words.Param
	}
	return &said
}

// tellFailed tells of an upstream's failure before anything was answered. A refusal of the
// request itself that is in the caller's shape passes as it came, unless something in it is
// not for the caller.
func (x *exchange) tellFailed(refusal *tally.Refusal, err error) {
	up, ok := errors.AsType[*providers.UpstreamError](err)
	if ok {
		x.tellUpstreamID(up.RequestID)
	}
	if !ok || !providers.IsRefusal(up.Body) || up.Fault != providers.Refused && up.Fault != providers.NotHere ||
		!x.passesOn() || x.principal.Visitor ||
		isPrivate(&up.Words) || ofTheOwner().Match(up.Body) {
		x.tell(x.inItsWords(refusal, err, false))
		return
	}
	x.tellAs(refusal, up.Body)
}

// isPrivate reports whether words are about the owner: a key, the account, or money.
// Names of fields and functions, which callers give, are not such words.
func isPrivate(w *providers.Words) bool {
	for _, s := range [...]string{w.Message, w.Type, w.Code, w.Param} {
		if s != "" && ofTheOwner().MatchString(s) {
			return true
		}
	}
	return false
}

var ofTheOwner = sync.OnceValue(func() *regexp.Regexp {
	const words = `accounts?|balances?|billing|billed|invoices?|payments?|subscriptions?|organi[sz]ations?|credentials?|bearer|api[ _-]?keys?|your (?:plan|quota|credits?|key|project|team|workspace|tenant)`
	return regexp.MustCompile(`(?i)\[API key\]|\b(?:org|proj|acct)[-_][0-9a-z]{3,}|\b(?:projects|subscriptions|tenants|workspaces|organizations)/[^\s/]|\baccounts/[0-9a-f]{12}|(?:^|[\s(\[,;:])(?:` + words + `)(?:$|[\s)\],;:.!?]|'s)|余额|账户|帐户|欠费`)
})

// retold is an answer that tells of a failure beside what it holds, with what the caller
// may read of that in the place of what the upstream has written.
func (x *exchange) retold(answer []byte, failed *providers.UpstreamError) []byte {
	out := providers.HideCosts(nil, answer, providers.View{Dialect: x.form.envelope.Dialect, OnlyErrors: true})
	end := bytes.LastIndexByte(out, '}')
	if end < 0 {
		return out // cannot be: it is an object, and holds something
	}
	told := x.errorBody(x.inItsWords(upstreamRefusal(x, failed), failed, true))
	return append(append(out[:end], ','), told[1:]...)
}
