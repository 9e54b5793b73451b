// Package webhook posts messages to an address of an owner's, signed as Standard Webhooks
// 1.0.0 says: over the message's ID, the time of the attempt and the body, with
// HMAC-SHA256. It sends one attempt and says what came of it; when to try again is its
// caller's to know.
//
// The address may be as secret as a password, as those of chats are: no error of this
// package has more of it than its host. What the receiver says beside its status is not
// read, and redirects are not followed. Addresses at which clouds keep the secrets of a
// machine are not asked, whatever name leads there; those of this machine and of private
// networks are.
package webhook
