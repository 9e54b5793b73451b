// Package token knows access tokens as bytes: it makes them, reads them and says in words
// what they allow. Package auth and the meter decide whether a token may be used now, by
// whom and how often.
//
// A token is "wlm-", the public ID of its gateway, a dot, and a JWT that is signed
// with HMAC-SHA256 under the bytes of the gateway's whole private key, so that a
// build script can make it without asking the gateway. Its claims:
//
//	tid, gid                 its ID, and the gateway's
//	iat, exp, nbf            seconds; above 1e11 milliseconds, which others write
//	requests {limit, period}                  of all visitors together
//	ipQuota  {limit, period}                  of each visitor's address
//	cost     {limit, currency: "USD", period} without a period for its life
//	quota    {type: requests|tokens, limit, period}
//	domains, allowedCountries, blockedCountries, models
//	maxOutput                output tokens of one answer
//	templates                what it is locked to; without it the page writes its own prompt
//	mints                    true: a site's server may make short-lived tokens of it
//
// A short-lived token has the claims of the one that it was made of inside, as parent, word
// for word: it may do what they say, and what it says of itself only narrows that. Its own
// limits are of one visitor:
//
//	tid, gid, iat, exp       its own; at most a day
//	requests, cost, quota    of the visitor, or of each address
//	ipQuota, templates       as above
//	visitor, name            as the site calls whom it is for; what it is for
//	parent {…}
//
// golang-jwt signs, and it compares signatures on the text that was sent, before any of
// that is parsed. Its parser is not used: there must be no choice of algorithm, no number
// may pass through a float, and a claim that is not understood must refuse the token
// instead of being ignored.
//
// mint.go makes tokens, byte for byte as generateGatewayToken of the JavaScript client
// does; child.go those that are made of others; read.go checks them; claims.go reads what they say, strictly, with the JSON of
// json.go; host.go matches pages; words.go explains.
package token
