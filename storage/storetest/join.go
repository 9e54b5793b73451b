package storetest

import (
	"errors"
	"time"

	"tallygate/engine/tally"
)

// join: a hold is charged on more counters, with all that it holds, or not at all; what its
// request has used counts there as on the others, also when it is lost, and in the next
// process.
func join(b *bench) {
	const model = tally.Subject("model/mo_1")
	tokens, requests := b.charge(model, tally.TokensIO, tally.Day, 300), b.charge(model, tally.Requests, tally.Minute, 2)
	place := []tally.Place{{Subject: model, Max: 2}}
	first := b.request(b.charge(client, tally.TokensIO, tally.Day, 10_000))
	b.reserve(first)
	const holds = 110 // tokens, each
	if err := b.Join(ctx, first.ID, []tally.Charge{tokens, requests}, place); err != nil {
		b.Fatalf("%v", err)
	}
	b.wantUsage(tokens.Counter, 0, holds)
	b.wantUsage(requests.Counter, 0, 1)
	second := b.request()
	b.reserve(second)
	if err := b.Join(ctx, second.ID, []tally.Charge{tokens, requests}, place); err != nil {
		b.Fatalf("%v", err)
	}
	third := b.request()
	b.reserve(third)
	err := b.Join(ctx, third.ID, []tally.Charge{tokens, requests}, place)
	if e, ok := errors.AsType[*tally.LimitError](err); !ok ||
		e.Counter != tokens.Counter && e.Counter != requests.Counter || e.ByPlace() {
		b.Errorf("joined beyond a limit: %v", err)
	}
	err = b.Join(ctx, third.ID, nil, place)
	if e, ok := errors.AsType[*tally.LimitError](err); !ok || !e.ByPlace() || e.Held != 2 {
		b.Errorf("joined where all places are taken: %v", err)
	}
	b.wantUsage(requests.Counter, 0, 2)
	b.wantCode("one that is not held", b.Join(ctx, "rq_none", nil, nil), tally.NotFound)
	b.verified()
	used := b.settle(first, 10).Tokens.Total()
	b.settle(third, 10) // it counts nowhere there
	b.wantUsage(requests.Counter, 1, 1)
	b.wantUsage(tokens.Counter, used, holds)
	if err := b.Join(ctx, second.ID, nil, place); err != nil { // its place is free again
		b.Fatalf("%v", err)
	}
	b.verified()
	if b.subject.Keeps {
		b.kill()
		b.verified()
		b.wantUsage(requests.Counter, 1, 1)
		b.wantUsage(tokens.Counter, used, holds)
	}
	if n, err := b.Expire(ctx, b.now.Add(time.Hour), 10); n != 1 || err != nil {
		b.Fatalf("%d expired, %v", n, err)
	}
	b.wantUsage(requests.Counter, 2, 0)
	b.wantUsage(tokens.Counter, used+holds, 0)
	b.verified()
}
