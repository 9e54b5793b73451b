// Package auth turns a request's credential into a [tally.Principal], and mints
// and seals the credentials themselves.
//
// A client key is "llm_gw_", 43 base62 characters (256 random bits) and 6 of
// checksum. The checksum lets a typing error be told from an unknown key
// without a look-up. Keys are stored as SHA-256 digests: of 256 random bits
// nothing slower is needed. A gateway's private key is
// "sk-webllm-gateway-{gateway id}-" and 43 base62 characters; it signs access
// tokens, so besides its digest it is kept sealed.
//
// An access token ([tallygate/engine/token]) is signed with the private key of
// its gateway and stored nowhere. [Verifier] checks it once and remembers it for
// as long as what vouches for it; [CheckPage] and [CheckCountry] are the rules
// about where a visitor comes from.
//
// What must be had back is sealed by a [Sealer], under the key of the store. [Keys] says
// where that is kept: in a file, wrapped by a passphrase or not, or wherever else it comes
// from.
//
// Nothing here touches a disk during a request: credentials are looked up in
// the catalog, and one that is not there costs no more than a digest.
package auth
