// Package providertest is the suite that every provider passes, and a scripted
// upstream full of faults.
//
// [Run] checks the contract of package providers on well-behaved answers; any
// provider can run it, with or without an upstream behind it. [RunHostile]
// checks a provider that speaks OpenAI's dialect over HTTP against each of the
// [Scenarios] of an [Upstream]: however the upstream behaves, an answer ends in
// bounded time and memory, with the right fault, and leaves nothing behind.
//
// An [Upstream] is a listener on loopback that writes raw bytes, so that it can lie where a
// well-made server cannot. The model's name says what it does: the name of a scenario plays
// that scenario, and any other name gets a healthy answer. The tests of the gateway range
// over the same scenarios.
package providertest
