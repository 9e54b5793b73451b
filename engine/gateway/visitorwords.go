package gateway

import (
	"fmt"
	"net/http"
	"time"

	"tallygate/engine/tally"
)

// What people read who meet a refusal on somebody's page. They cannot do anything about
// keys, providers and budgets, and need not know of them: they are told whether to try
// again, and when.

// forVisitors reports whether the caller's answer may be shown to a page's visitor.
func (x *exchange) forVisitors() bool {
	if x.principal != nil {
		return x.principal.Visitor
	}
	return x.r.Header.Get("Origin") != ""
}

// visitorMessage is a refusal for the visitor of a page; "" for other callers.
func (x *exchange) visitorMessage(r *tally.Refusal) string {
	if !x.forVisitors() {
		return ""
	}
	switch r.Code {
	case tally.CodeVisitorQuota:
		return "You have asked as much as you can here for now. " + comeBack(r, x.at)
	case tally.CodeRate, tally.CodeConcurrency, tally.CodeBudgetHeld, tally.CodeCrowded, tally.CodeProviderBusy, tally.CodeProviderCap, tally.CodeStopping:
		return "A lot of people are asking right now. Please try again in a moment."
	case tally.CodeCountry:
		return "This is not available in your country."
	case tally.CodeOrigin:
		return "This does not work on this page."
	case tally.CodeTooLarge, tally.CodeBadRequest, tally.CodeRefusedUpstream, tally.CodeTokenLocked:
		return "This could not be answered. Please ask in another way, or for less."
	case tally.CodeProviderTimeout:
		return "The answer takes too long. Please try again in a moment."
	}
	switch {
	case r.Reached != nil:
		return "This page has answered as much as it can for now. " + comeBack(r, x.at)
	case r.Status == http.StatusUnauthorized, r.Status == http.StatusForbidden, r.Code == tally.CodeTemplate:
		return "This is switched off at the moment."
	}
	return "Something went wrong. Please try again later."
}

// comeBack says when a limit lets visitors in again.
func comeBack(r *tally.Refusal, now time.Time) string {
	const day = 24 * time.Hour
	if r.Reached == nil || r.Reached.Resets.IsZero() || r.Reached.Need > r.Reached.Max {
		return "Please come back another time."
	}
	switch left := r.Reached.Resets.Sub(now); {
	case left <= 2*time.Minute:
		return "Please try again in a moment."
	case left <= time.Hour:
		return "Please come back in an hour."
	case left <= day:
		return "Please come back tomorrow."
	default:
		return fmt.Sprintf("Please come back in %d days.", (left+day-1)/day)
	}
}
