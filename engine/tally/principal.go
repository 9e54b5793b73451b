package tally

import (
	"fmt"
	"net/http"
	"net/netip"
	"time"
)

// Principal is who sends a request, as far as its credential, address and
// origin tell. Its pointers lead into the catalog the request uses.
//
// Client and Key belong together. Without them it is the gateway's own server,
// with the private key, or a visitor of a page.
type Principal struct {
	Gateway *Gateway
	Client  *Client
	Key     *Key
	Token   *AccessToken // the one a visitor's page has
	Visitor bool         // came with an access token, or with nothing to a public gateway
	IP      netip.Addr
	Country string // of a visitor; "" if it is not known
	Origin  string
}

// Landing is the rule that the owner has made for when a budget runs low: the client's own,
// or else the gateway's.
func (p *Principal) Landing() Landing {
	if c := p.Client; c != nil && c.Landing != (Landing{}) {
		return c.Landing
	}
	return p.Gateway.Landing
}

// Who names the principal for people: by what its owner can find and change.
func (p *Principal) Who() string {
	switch {
	case p.Client != nil:
		return fmt.Sprintf("Client %q", p.Client.Name)
	case p.Token != nil:
		return fmt.Sprintf("Access token %s of gateway %q", p.Token.ID, p.Gateway.Name)
	}
	return fmt.Sprintf("Gateway %q", p.Gateway.Name)
}

// Refusal is an error of the public plane: what a client app is told, in the
// terms of OpenAI's API. n8n and others show the message to the person in
// front of them, so it names who, which limit, how much and until when.
type Refusal struct {
	Status  int
	Type    string
	Code    string
	Message string
	Param   string
	// Details are members of a JSON object that some dialects tell beside, "" for none.
	Details string
	// RetryAfter is sent in whole seconds, rounded up; 0 sends none.
	RetryAfter time.Duration
	// Final tells official SDKs not to retry: it would only be refused again.
	Final bool
	// Reached is the limit, if it was one, for the record.
	Reached *Reached
}

func (r *Refusal) Error() string { return r.Message }

// Types of public errors.
const (
	TypeInvalid     = "invalid_request_error"
	TypePermission  = "permission_error"
	TypeQuota       = "insufficient_quota"
	TypeRate        = "rate_limit_exceeded"
	TypeUpstream    = "upstream_error"
	TypeUnavailable = "service_unavailable"
	TypeServer      = "server_error"
)

// Codes of public errors. They are part of the interface: clients branch on
// them, rollups count them.
const (
	CodeInvalidKey       = "invalid_api_key"
	CodeKeyExpired       = "key_expired"
	CodeKeyRevoked       = "key_revoked"
	CodeClientSuspended  = "client_suspended"
	CodeClientInactive   = "client_inactive"
	CodeGatewayDisabled  = "gateway_disabled"
	CodeTokenExpired     = "token_expired"
	CodeTokenRevoked     = "token_revoked"
	CodeTokenRefused     = "token_not_accepted" // the gateway takes no access tokens
	CodeOrigin           = "origin_not_allowed"
	CodeCountry          = "country_not_allowed"
	CodeVisitorQuota     = "ip_quota"
	CodeTokenLocked      = "token_locked"       // the page sends more than its visitor's words
	CodeTemplate         = "template_not_found" // or none is named where there are several
	CodeTokenMints       = "token_mints_only"   // a token that makes others is in a page
	CodeMintRefused      = "mint_refused"       // a token may not make the one that is asked for
	CodeModelNotAllowed  = "model_not_allowed"
	CodeModelNotFound    = "model_not_found"
	CodeModelUnpriced    = "model_unpriced"
	CodeConcurrency      = "concurrency_limit"
	CodeRate             = "rate_limit"
	CodeBudgetHeld       = "budget_held"
	CodeTooDear          = "too_dear" // for what the owner lets one request of a replay cost
	CodeExtraUnpriced    = "extra_unpriced"
	CodeSessionMissing   = "session_missing"
	CodeTooLarge         = "request_too_large"
	CodeBadRequest       = "invalid_request"
	CodeLoop             = "gateway_loop"
	CodeUnknownPath      = "unknown_path"
	CodeMethod           = "method_not_allowed"
	CodeProviderDown     = "provider_unreachable"
	CodeProviderTimeout  = "provider_timeout"
	CodeProviderBusy     = "provider_busy"
	CodeProviderCap      = "provider_cap" // every provider is at a cap of its model
	CodeProviderError    = "provider_error"
	CodeRefusedUpstream  = "refused_by_provider"
	CodeProviderQuota    = "provider_quota"
	CodeProviderAuth     = "provider_auth"
	CodeNoProvider       = "no_provider"
	CodeStopping         = "shutting_down"
	CodeCrowded          = "gateway_busy"
	CodeStore            = "store_unavailable"
	CodeInternal         = "internal_error"
	CodeClientClosed     = "client_closed_request"
	StatusClientClosed   = 499 // nginx's status for a client that left before an answer
	DefaultSessionLength = 24 * time.Hour
)

// LimitCode is the public code of an exhausted limit.
func LimitCode(m Metric) string { return string(m) + "_limit" }

// BadRequest refuses a malformed request.
func BadRequest(param, message string) *Refusal {
	return &Refusal{Status: http.StatusBadRequest, Type: TypeInvalid, Code: CodeBadRequest, Message: message, Param: param}
}
