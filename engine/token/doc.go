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
//
// golang-jwt signs, and it compares signatures on the text that was sent, before any of
// that is parsed. Its parser is not used: there must be no choice of algorithm, no number
// may pass through a float, and a claim that is not understood must refuse the token
// instead of being ignored.
//
// mint.go makes tokens, byte for byte as generateGatewayToken of the JavaScript client
// does; read.go checks them; claims.go reads what they say, strictly, with the JSON of
// json.go; host.go matches pages; words.go explains.
package token
