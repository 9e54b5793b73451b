package storetest

import (
	"time"

	"pgregory.net/rapid"

	"tallygate/engine/tally"
)

// answer draws the record of a request. Most of its fields are none of a store's
// business, and must come back as they were.
func (h *history) answer(t *rapid.T, r tally.Reservation) tally.Record {
	rec := answered(r, upTo(t, "output", 250))
	rec.Cost = tally.NanoUSD(upTo(t, "cost", 3000))
	rec.Outcome = pick(t, "outcome", tally.OK, tally.OutcomeFailed, tally.Canceled)
	rec.Status = pick(t, "status", 200, 502, 499)
	rec.Code = pick(t, "code", "", tally.CodeProviderDown)
	rec.Total = time.Duration(upTo(t, "total", int64(max(h.bench.now.Sub(r.At), 0))))
	if rapid.Bool().Draw(t, "plain") {
		return rec
	}
	rec.Upstream = pick(t, "upstream", "", "up_1", "up_2")
	rec.Price, rec.Tier, rec.Answered = pick[tally.ID](t, "price", "", "prc_1"), pick(t, "tier", "", tally.TierFlex), pick(t, "answered", "", "up_3")
	rec.Uncounted, rec.Cut = rapid.Bool().Draw(t, "uncounted"), rapid.Bool().Draw(t, "cut")
	rec.Waited = pick(t, "waited", 0, time.Millisecond, 999*time.Millisecond, time.Second, time.Minute)
	rec.Tokens = drawTokens(t)
	rec.Request, rec.Trace = pick(t, "request", "", "req_c"), pick(t, "trace", "", "0af7651916cd43dd8448eb211c80319c")
	if rec.Pieces = upTo(t, "pieces", 2); rec.Pieces > 0 {
		rec.Piece = pick(t, "piece", tally.Search, tally.Image, tally.SoundSecond)
	}
	if rapid.Bool().Draw(t, "billed") {
		billed := tally.NanoUSD(upTo(t, "bill", 3000))
		rec.Billed, rec.Listed = &billed, tally.NanoUSD(upTo(t, "listed", 3000))
	}
	for range upTo(t, "tries", 3) {
		rec.Tries = append(rec.Tries, tally.Attempt{
			Provider: pick[tally.ID](t, "provider", "pr_1", "pr_2"), Upstream: rec.Upstream, Price: rec.Price, Basis: pick(t, "basis", "", tally.Estimated),
			Tokens: drawTokens(t), Cost: tally.NanoUSD(upTo(t, "cost", 300)), Status: pick(t, "status", 0, 200, 500), Cause: pick(t, "cause", "", "timeout", "busy"),
			Code: pick(t, "code", "", "rate_limit"), Detail: pick(t, "detail", "", `"words"`), Request: pick(t, "request", "", "req_a", "req_b"),
			Took: time.Duration(upTo(t, "took", 1e9)),
		})
	}
	rec.Attempts = int(upTo(t, "attempts", 3)) // not all of them need have been written down
	return rec
}

// drawTokens draws some of one or two classes.
func drawTokens(t *rapid.T) tally.Tokens {
	var n [tally.NumClasses]int64
	for range 1 + upTo(t, "classes", 1) {
		n[pick(t, "class", tally.AllClasses[:]...)] = upTo(t, "tokens", 300)
	}
	return tally.TokensOf(n)
}
