package storetest

import (
	"errors"
	"fmt"
	"time"

	"pgregory.net/rapid"

	"tallygate/engine/tally"
	"tallygate/storage"
)

// booked makes an entry of a client.
func (b *bench) booked(kind tally.EntryKind, credits, funds int64) tally.Record {
	b.ids++
	return tally.Record{ID: tally.ID(fmt.Sprintf("en_%06d", b.ids)), At: b.now, Gateway: "gw_1", Client: "cl_1", Outcome: tally.Booked,
		Credits: tally.NanoUSD(credits), Entry: &tally.Entry{Kind: kind, Funds: tally.NanoUSD(funds), Reason: "as agreed"}}
}

func (b *bench) enter(r tally.Record) tally.Record {
	b.Helper()
	kept, err := b.Enter(ctx, r)
	if err != nil {
		b.Fatalf("enter: %v", err)
	}
	return kept
}

// entered is the error of an entry.
func (b *bench) entered(r tally.Record) error {
	_, err := b.Enter(ctx, r)
	return err
}

// book: entries count at once, on their client and its gateway, and are told of for good.
func book(b *bench) {
	balance := b.charge(client, tally.Balance, tally.Total, 0)
	month := b.charge(client, tally.Credits, tally.Month, 100)
	poor := b.request(balance)
	b.refused(poor)

	paid := b.booked(tally.TopUp, 0, 100)
	paid.Entry.Reference, paid.Entry.Expires = "invoice 7", b.now.AddDate(0, 1, 0)
	if got := b.enter(paid).Charges; len(got) != 1 || got[0] != (tally.Charged{Subject: client, Metric: tally.Balance, Window: "total", Amount: -100, Used: -100}) {
		b.Errorf("charged %+v", got)
	}
	b.wantCode("the same once more", b.entered(paid), tally.Conflict)
	b.wantUsage(balance.Counter, -100, 0)
	at, err := b.LastUsed(ctx, client)
	if err != nil || !at[0].IsZero() {
		b.Errorf("an entry is no use: %v, %v", at, err)
	}

	r := b.request(balance, month)
	r.Bounds[tally.Credits.Index()], r.Bounds[tally.Balance.Index()] = tally.Bound{Base: 60}, tally.Bound{Base: 1000}
	b.reserve(r)
	b.wantUsage(balance.Counter, -100, 60)
	more := b.request(balance)
	more.Bounds[tally.Credits.Index()] = tally.Bound{Base: 41}
	if e := b.refused(more); e.Used != -100 || e.Held != 60 || e.Need != 41 {
		b.Errorf("refused with %+v", e)
	}
	rec := answered(r, 1)
	rec.Credits = 50
	b.settleAs(r, rec)
	cost := int64(rec.Cost)
	b.wantUsage(balance.Counter, -50, 0)
	b.wantUsage(month.Counter, 50, 0)

	back := b.enter(b.booked(tally.Adjustment, -20, 0))
	b.wantUsage(balance.Counter, -70, 0)
	b.wantUsage(month.Counter, 30, 0)
	b.wantUsage(b.counter(gateway, tally.Credits, tally.Day), 30, 0)
	over := b.booked(tally.Expiry, 0, -500)
	over.Entry.Reverses = paid.ID
	also := b.request(balance)
	also.Bounds[tally.Credits.Index()] = tally.Bound{Base: 30}
	b.reserve(also)
	over = b.enter(over)
	b.wantEqual("what is left and not held", over.Entry.Funds, tally.NanoUSD(-40))
	none := b.booked(tally.Expiry, 0, -1)
	b.wantCode("nothing is left", b.entered(none), tally.NotFound)
	rec = answered(also, 1)
	rec.Credits = 0
	b.settleAs(also, rec)
	b.wantUsage(balance.Counter, -30, 0)
	gift := b.enter(b.booked(tally.Gift, 0, 40))
	fee := b.booked(tally.Fee, 5, 0)
	fee.Cost, fee.Model = 3, "m_1"
	b.enter(fee)
	b.wantUsage(b.counter(client, tally.Cost, tally.Minute), cost+int64(rec.Cost)+3, 0)
	nobody := b.booked(tally.Recost, 0, 0)
	nobody.Client, nobody.Cost, nobody.Model, nobody.Entry.Day = "", -2, "m_1", "2026-11-20"
	if got := b.enter(nobody); len(got.Charges) != 0 || got.Entry.Day != nobody.Entry.Day {
		b.Errorf("without a client: %+v", got)
	}
	b.wantUsage(b.counter(gateway, tally.Cost, tally.Day), cost+int64(rec.Cost)+1, 0)
	bill := b.booked(tally.Adjustment, 0, 0)
	bill.Client, bill.Cost, bill.Model, bill.Entry.Day = "", 2, "gpt of theirs", "2026-11-20"
	if got := b.enter(bill); got.Model != bill.Model || got.Entry.Day != bill.Entry.Day {
		b.Errorf("to a bill: %+v", got)
	}
	b.wantUsage(b.counter(gateway, tally.Cost, tally.Day), cost+int64(rec.Cost)+3, 0)

	for _, bad := range []func(*tally.Record){
		func(r *tally.Record) { r.Entry = nil }, func(r *tally.Record) { r.Outcome = tally.OK }, func(r *tally.Record) { r.Client = "" },
		func(r *tally.Record) { r.ID = "" }, func(r *tally.Record) { r.At = time.Time{} }, func(r *tally.Record) { r.Credits = tally.MaxMoney + 1 },
		func(r *tally.Record) { r.Entry.Funds = -tally.MaxMoney - 1 }, func(r *tally.Record) { r.Entry.Reason = "\xff" },
	} {
		r := b.booked(tally.Fee, 1, 0)
		bad(&r)
		b.wantCode(fmt.Sprintf("%+v", r), b.entered(r), tally.Invalid)
	}

	of := nobody
	of.ID, of.Credits = "en_charged", 1
	b.wantCode("credits of nobody", b.entered(of), tally.Invalid)

	want := []tally.ID{paid.ID, back.ID, over.ID, gift.ID, fee.ID, nobody.ID, bill.ID}
	check := func(when string, q storage.EntryQuery, want ...tally.ID) {
		b.Helper()
		list, err := b.Entries(ctx, q)
		var got []tally.ID
		for _, r := range list {
			got = append(got, r.ID)
		}
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			b.Errorf("%s: entries %v, %v; want %v", when, got, err, want)
		}
	}
	all := func(when string) {
		b.Helper()
		check(when, storage.EntryQuery{}, want...)
		check(when, storage.EntryQuery{Client: "cl_1", ID: back.ID}, back.ID)
		check(when, storage.EntryQuery{Client: "cl_2"})
		check(when, storage.EntryQuery{Until: paid.At})
		list, err := b.Entries(ctx, storage.EntryQuery{ID: paid.ID})
		if err != nil || len(list) != 1 || *list[0].Entry != *paid.Entry || !list[0].At.Equal(paid.At) || list[0].Seq == 0 || list[0].Count != 1 {
			b.Errorf("%s: %+v, %v; want %+v", when, list, err, paid)
		}
		b.wantUsage(balance.Counter, -65, 0)
		b.wantUsage(month.Counter, 35, 0)
	}
	all("at once")
	if n := len(b.all(storage.RecordQuery{})); n != 2 {
		b.Errorf("%d records of requests, want 2", n)
	}
	b.verified()
	if b.subject.Keeps {
		b.reopen()
		all("opened again")
		b.kill()
		all("after a kill")
	}
	b.now = b.now.AddDate(0, 0, 3)
	gone := 9
	if b.subject.Apart {
		gone = 2
	}
	if n, err := b.Prune(ctx, storage.Before(b.now), 0); err != nil || n != gone {
		b.Errorf("pruned %d, %v, want %d", n, err, gone)
	}
	check("pruned", storage.EntryQuery{}, want...)
	b.wantUsage(b.charge(client, tally.Balance, tally.Total, 0).Counter, -65, 0)
	b.verified()
}

// bookWakes wants a request that waits for room to get what an entry gives back.
func bookWakes(b *bench) {
	balance := b.charge(client, tally.Balance, tally.Total, 0)
	b.enter(b.booked(tally.Gift, 0, 60))
	price := func() tally.Reservation {
		r := b.request(balance)
		r.Bounds[tally.Credits.Index()] = tally.Bound{Base: 50}
		return r
	}
	b.reserve(price())
	r := price()
	r.Wait = time.Minute
	done := make(chan error, 1)
	go func() {
		_, err := b.Reserve(ctx, r)
		done <- err
	}()
	for {
		if st, err := b.Status(ctx); err != nil || st.Waiting > 0 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	b.enter(b.booked(tally.Gift, 0, 40))
	if err := <-done; err != nil {
		b.Errorf("a request that waited for money: %v", err)
	}
	b.wantUsage(balance.Counter, -100, 100)
}

// Acts of random histories.

func (h *history) enter(t *rapid.T) {
	kind := pick(t, "kind", tally.EntryKinds...)
	money := func(what string) int64 { return upTo(t, what, 600) - 300 }
	r := h.bench.booked(kind, money("credits"), money("funds"))
	r.Client, r.Cost, r.Model = pick[tally.ID](t, "client", "cl_1", "cl_2"), tally.NanoUSD(money("cost")), pick(t, "model", "", "m_1")
	if kind == tally.Recost && rapid.Bool().Draw(t, "of nobody") {
		r.Client, r.Credits, r.Entry.Funds = "", 0, 0
	}
	if upTo(t, "again", 5) == 0 {
		r.ID = "en_000001"
	}
	if kind == tally.Expiry {
		r.Entry.Funds = -1 - tally.NanoUSD(upTo(t, "expires", 300))
	}
	if kind == tally.Closing {
		r.Cost, r.Credits, r.Entry.Funds, r.Entry.Document = 0, 0, 0, `{"number":"2026-0001"}`
	}
	again := r
	again.Entry = new(*r.Entry)
	got, err := h.bench.Enter(ctx, r)
	want, wantErr := h.want.Enter(ctx, again)
	h.same(nil, nil, err, wantErr, "enter %+v %+v", r, *r.Entry)
	if err == nil {
		h.same(h.numbered([]tally.Record{got}), h.numbered([]tally.Record{want}), nil, nil, "entered")
		if h.bench.subject.Apart { // what records go by has come as far only with the next one
			h.bench.ids++
			rec := tally.Record{ID: tally.ID(fmt.Sprintf("rf_%06d", h.bench.ids)), At: h.bench.now, Gateway: "gw_1",
				Client: "cl_1", Outcome: tally.OutcomeDenied, Status: 403, Code: "key_revoked", Count: 1}
			h.same(nil, nil, h.bench.Refuse(ctx, rec), h.want.Refuse(ctx, rec), "refuse %+v", rec)
		}
	}
	h.entries(t)
}

func (h *history) entries(t *rapid.T) {
	q := storage.EntryQuery{Client: pick[tally.ID](t, "client", "", "cl_1")}
	if rapid.Bool().Draw(t, "since") {
		q.Since = h.bench.now.Add(-time.Duration(upTo(t, "hours ago", 72)) * time.Hour)
	}
	got, err := h.bench.Entries(ctx, q)
	want, wantErr := h.want.Entries(ctx, q)
	h.same(len(got), len(want), errors.Join(err), errors.Join(wantErr), "entries %+v", q)
	h.same(h.numbered(got), h.numbered(want), nil, nil, "entries")
}
