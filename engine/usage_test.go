package engine

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// used makes traffic: two clients with a key each, two models, a refusal of
// each, and a request with the gateway's private key.
func used(w *world) (aurora, borealis tally.Client, keys [2]control.KeyCreated) {
	w.Helper()
	w.setUp()
	u := newUpstream(w)
	w.provider("up", u)
	for _, m := range []string{"cheap", "dear"} {
		do(w, control.ModelsCreate, control.CreateModel{Provider: "up", Name: m, ModelFields: control.ModelFields{
			Upstream: map[string]*string{"cheap": to("cheap-2026")}[m],
			Prices:   []control.PriceField{price("input", map[string]string{"cheap": "1", "dear": "10"}[m]), price("output", "0")}}})
	}
	aurora, keys[0] = w.client("Aurora")
	borealis, keys[1] = w.client("Borealis", "requests=1/day")
	private := do(w, control.GatewaysRotate, control.RotateGateway{Gateway: "main"}).PrivateKey
	w.served(keys[0].Key, "cheap")
	w.served(keys[0].Key, "dear")
	w.served(keys[1].Key, "cheap")
	if a := w.chat(keys[1].Key, "cheap"); a.code != "requests_limit" {
		w.Fatalf("%d %s", a.status, a.code)
	}
	w.chat(keys[0].Key, "no-such-model")
	w.wait(26 * time.Hour) // 14:07 of the next day
	w.served(keys[0].Key, "cheap")
	w.served(private, "sim-small")
	return aurora, borealis, keys
}

// rowsOf writes rows as people compare them.
func rowsOf(u control.Usage) (out []string) {
	for _, r := range u.Rows {
		at := ""
		if !r.At.IsZero() {
			at = r.At.Format("01-02T15:04 ")
		}
		out = append(out, at+r.Name+" "+strings.Repeat("+", int(r.Requests))+strings.Repeat("-", int(r.Refused))+" $"+r.CostUSD)
	}
	return out
}

func TestUsageBreakdowns(t *testing.T) {
	w := newWorld(t)
	used(w)
	for _, tc := range []struct {
		in    control.UsageQuery
		total string
		rows  []string
	}{
		{control.UsageQuery{}, "+++++-- $0.013", nil},
		{control.UsageQuery{By: "client"}, "+++++-- $0.013", []string{"aurora +++- $0.012", "borealis +- $0.001", "without client + $0"}},
		{control.UsageQuery{By: "key"}, "+++++-- $0.013", []string{"aurora/default +++- $0.012", "borealis/default +- $0.001", "without key + $0"}},
		{control.UsageQuery{By: "model"}, "+++++-- $0.013", []string{"dear + $0.01", "cheap +++- $0.003", "sim-small + $0", "no-such-model - $0"}},
		{control.UsageQuery{By: "upstream"}, "+++++-- $0.013", []string{"dear + $0.01", "cheap-2026 +++ $0.003", "sim-small + $0", "without upstream -- $0"}},
		{control.UsageQuery{By: "provider"}, "+++++-- $0.013", []string{"up ++++ $0.013", "sim + $0", "without provider -- $0"}},
		{control.UsageQuery{By: "gateway"}, "+++++-- $0.013", []string{"main +++++-- $0.013"}},
		{control.UsageQuery{By: "status"}, "+++++-- $0.013", []string{"200 ++++ $0.013", "404 - $0", "429 - $0", "without client + $0"}},
		{control.UsageQuery{By: "code"}, "+++++-- $0.013", []string{"model_not_found - $0", "requests_limit - $0", "without code +++++ $0.013"}},
		{control.UsageQuery{By: "country"}, "+++++-- $0.013", []string{"unknown country +++++-- $0.013"}},
		{control.UsageQuery{By: "token"}, "+++++-- $0.013", []string{"without access token +++++-- $0.013"}},
		{control.UsageQuery{Client: "aurora"}, "+++- $0.012", nil},
		{control.UsageQuery{Client: "aurora", By: "client"}, "+++- $0.012", []string{"aurora +++- $0.012"}},
		{control.UsageQuery{Client: "aurora", By: "model"}, "+++- $0.012", []string{"dear + $0.01", "cheap ++ $0.002", "no-such-model - $0"}},
		{control.UsageQuery{Client: "aurora", By: "key"}, "+++- $0.012", []string{"aurora/default +++- $0.012"}},
		{control.UsageQuery{Client: "borealis", By: "status"}, "+- $0.001", []string{"200 + $0.001", "429 - $0"}},
		{control.UsageQuery{Client: "borealis", By: "code"}, "+- $0.001", []string{"requests_limit - $0", "without code + $0.001"}},
		{control.UsageQuery{By: "client", Since: "2h"}, "++ $0.001", []string{"aurora + $0.001", "without client + $0"}},
		{control.UsageQuery{By: "client", Since: "2026-11-22"}, "++ $0.001", []string{"aurora + $0.001", "without client + $0"}},
		{control.UsageQuery{By: "client", Since: "2026-11-21", Until: "2026-11-22"}, "+++-- $0.012", []string{"aurora ++- $0.011", "borealis +- $0.001"}},
		{control.UsageQuery{Every: "day", Since: "2026-11-20"}, "+++++-- $0.013", []string{"11-21T00:00  +++-- $0.012", "11-22T00:00  ++ $0.001"}},
		{control.UsageQuery{Every: "hour", By: "client", Since: "30h"}, "+++++-- $0.013",
			[]string{"11-21T12:00 aurora ++- $0.011", "11-21T12:00 borealis +- $0.001", "11-22T14:00 aurora + $0.001", "11-22T14:00 without client + $0"}},
		{control.UsageQuery{Every: "day", Client: "borealis"}, "+- $0.001", []string{"11-21T00:00  +- $0.001"}},
	} {
		got := do(w, control.UsageShow, tc.in)
		total := strings.TrimSpace(rowsOf(control.Usage{Rows: []control.UsageRow{{Sums: got.Total}}})[0])
		if total != tc.total || !slices.Equal(rowsOf(got), tc.rows) {
			t.Errorf("%+v: total %s, rows\n%s\nwant total %s, rows\n%s", tc.in, total, strings.Join(rowsOf(got), "\n"), tc.total, strings.Join(tc.rows, "\n"))
		}
		var sum control.Sums
		for _, r := range got.Rows {
			sum.Requests += r.Requests
			sum.Refused += r.Refused
			sum.CostNanoUSD += r.CostNanoUSD
			sum.InputTokens += r.InputTokens
			if r.By != tc.in.By {
				t.Errorf("%+v: row %+v", tc.in, r)
			}
		}
		if adds := sum.Requests == got.Total.Requests && sum.Refused == got.Total.Refused && sum.CostNanoUSD == got.Total.CostNanoUSD && sum.InputTokens == got.Total.InputTokens; len(tc.rows) > 0 && !adds {
			t.Errorf("%+v: the rows add up to %+v, the total is %+v", tc.in, sum, got.Total)
		}
		if got.Rows == nil {
			t.Errorf("%+v: the rows are null in JSON", tc.in)
		}
		if now := w.clock(); got.Until.After(now) || !got.Since.Before(got.Until) {
			t.Errorf("%+v: from %v until %v", tc.in, got.Since, got.Until)
		}
	}
}

func TestUsageSpans(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	for _, tc := range []struct {
		in           control.UsageQuery
		since, until string
	}{
		{control.UsageQuery{}, "2026-10-22T12:00", "2026-11-21T12:07"},
		{control.UsageQuery{Since: "24h"}, "2026-11-20T12:00", "2026-11-21T12:07"},
		{control.UsageQuery{Since: "90d"}, "2026-08-23T12:00", "2026-11-21T12:07"},
		{control.UsageQuery{Since: "2026-07-01", Until: "2026-08-01"}, "2026-06-30T23:00", "2026-07-31T23:00"}, // summer time in Lisbon
		{control.UsageQuery{Since: "2026-10-25", Until: "2026-10-26", Every: "day"}, "2026-10-24T23:00", "2026-10-26T00:00"},
		{control.UsageQuery{Since: "100y", Until: "2199-01-01"}, "", ""},
		{control.UsageQuery{Since: "36500d", Until: "2199-01-01"}, "2000-01-01T00:00", "2026-11-21T12:07"},
		{control.UsageQuery{Since: "24h", Until: "2199-01-01", Every: "day"}, "2026-11-20T00:00", "2026-11-21T12:07"},
		{control.UsageQuery{Since: "2026-11-21T12:00:00Z", Every: "hour"}, "2026-11-21T12:00", "2026-11-21T12:07"},
	} {
		if tc.since == "" {
			refused(w, control.UsageShow, tc.in, tally.Invalid, "24h, 7d")
			continue
		}
		got := do(w, control.UsageShow, tc.in)
		const layout = "2006-01-02T15:04"
		if s, u := got.Since.Format(layout), got.Until.Format(layout); s != tc.since || u != tc.until {
			t.Errorf("%+v: from %s until %s, want from %s until %s", tc.in, s, u, tc.since, tc.until)
		}
	}
	for _, tc := range []struct {
		in   control.UsageQuery
		code tally.Code
		says string
	}{
		{control.UsageQuery{By: "clients"}, tally.Invalid, "One of client, key"},
		{control.UsageQuery{Every: "week"}, tally.Invalid, "one of hour, day"},
		{control.UsageQuery{Every: "hour", Since: "2000-01-01"}, tally.Invalid, "shorter"},
		{control.UsageQuery{Since: "soon"}, tally.Invalid, "24h, 7d"},
		{control.UsageQuery{Since: "-3d"}, tally.Invalid, "24h, 7d"},
		{control.UsageQuery{Until: "2026-02-30"}, tally.Invalid, "not a time"},
		{control.UsageQuery{Since: "2026-11-10", Until: "2026-11-01"}, tally.Invalid, "empty"},
		{control.UsageQuery{Since: "2027-01-01"}, tally.Invalid, "empty"},
		{control.UsageQuery{Client: "nobody"}, tally.NotFound, "default"},
		{control.UsageQuery{Client: "default", By: "provider"}, tally.Invalid, "by key, code, model, session, status, tag, tool"},
		{control.UsageQuery{Client: "default", By: "gateway"}, tally.Invalid, "by key, code, model, session, status, tag, tool"},
	} {
		refused(w, control.UsageShow, tc.in, tc.code, tc.says)
	}
	// With gateways in several zones, days are those of UTC, and of the client's
	// gateway if one is named.
	do(w, control.GatewaysCreate, control.CreateGateway{GatewayFields: control.GatewayFields{Name: to("Tokyo"), TimeZone: to(control.Zone("Asia/Tokyo"))}})
	do(w, control.ClientsCreate, control.CreateClient{Gateway: "tokyo", ClientFields: control.ClientFields{Name: to("Sushi")}})
	if got := do(w, control.UsageShow, control.UsageQuery{Since: "2026-07-01"}); got.Since.Format(time.RFC3339) != "2026-07-01T00:00:00Z" {
		t.Errorf("since %v", got.Since)
	}
	if got := do(w, control.UsageShow, control.UsageQuery{Since: "2026-07-01", Client: "sushi"}); got.Since.Format(time.RFC3339) != "2026-06-30T15:00:00Z" {
		t.Errorf("since %v", got.Since)
	}
}

// What a filter finds does not depend on whether the store could select by it, nor on the
// size of the pages.
func TestRequestsByFilter(t *testing.T) {
	w := newWorld(t)
	used(w)
	do(w, control.ClientsCreate, control.CreateClient{ClientFields: control.ClientFields{Name: new("aurora two")}, Slug: "aurora-two"})
	for range 2 { // of one name, and neither is any more
		gone, key := w.client("Gone")
		w.served(key.Key, "cheap")
		do(w, control.ClientsDelete, control.Named{Name: gone.Slug})
	}
	w.served(do(w, control.TokensMint, control.MintToken{TokenFields: control.TokenFields{Requests: "3/day", Cost: "1"}}).Token, "sim-small")
	everything := do(w, control.RequestsList, control.RequestQuery{Limit: 100}).Requests
	words := []string{"aurora", "aur", "borealis", "two", "small", "such", "200", "20", "cheap", "up", "404", "ok", "limited", "", "never", "5", "4xx", "40", "limit", "not", "model_not_found", "Cheap", "main", "chat/completions", "comp"}
	terms := []string{"latency:>1ms", "cost:>0", "cost:=0", "tokens:>10", "-outcome:ok", "-client:aurora", "at:today", "-at:today", "at:yesterday", "at:>=today", "at:<=yesterday", "at:<today", "at:>1h", "at:2026-11", "at:2025-01", "client:gone", "client:=gone"}
	for _, column := range []string{"", "client:", "client:=", "provider:", "provider:=", "model:", "model:=", "status:", "status:=", "outcome:", "outcome:=", "-model:", "-status:=", "-outcome:", "code:", "code:=", "-code:", "gateway:", "gateway:=", "endpoint:", "endpoint:="} {
		for _, word := range words {
			terms = append(terms, column+word)
		}
	}
	for _, r := range everything {
		terms = append(terms, "key_id:="+string(r.KeyID), "token:="+r.Token, "token:="+strings.ToLower(r.Token), "id:"+string(r.ID), "id:="+string(r.ID), "id:"+string(r.ID)[:12])
	}
	cal := control.Calendar{Now: w.clock(), Zone: time.UTC}
	random := rand.New(rand.NewPCG(3, 4))
	found := 0
	for i := range len(terms) + 300 {
		words := terms[i%len(terms)]
		if i >= len(terms) {
			words += " " + terms[random.IntN(len(terms))]
		}
		f, err := control.RequestTable.ParseFilter(words, cal)
		if err != nil {
			refused(w, control.RequestsList, control.RequestQuery{Filter: words}, tally.Invalid)
			continue
		}
		var want, got []uint64
		for i := range everything {
			if f.Match(&everything[i]) {
				want = append(want, everything[i].Seq)
			}
		}
		in := control.RequestQuery{Filter: words, Limit: 1 + random.IntN(4)}
		for page := (control.RequestPage{Next: "first"}); page.Next != ""; in.After = page.Next {
			page = do(w, control.RequestsList, in)
			for _, r := range page.Requests {
				got = append(got, r.Seq)
			}
		}
		found += len(got)
		if !slices.Equal(got, want) {
			t.Fatalf("%q in pages of %d finds %v, want %v", words, in.Limit, got, want)
		}
	}
	if found < 200 {
		t.Errorf("only %d requests were found in all", found)
	}
}

// A sorted page has what has the most of a column, of all that pass the filter.
func TestRequestsAreSorted(t *testing.T) {
	w := newWorld(t)
	used(w)
	everything := do(w, control.RequestsList, control.RequestQuery{Limit: 100}).Requests
	for _, by := range []string{"latency", "-latency", "cost", "tokens", "-model", "at"} {
		for _, filter := range []string{"", "client:aurora", "cost:>0"} {
			column, turned := strings.CutPrefix(by, "-")
			f, err := control.RequestTable.ParseFilter(filter, control.Calendar{Now: noon, Zone: time.UTC})
			if err != nil {
				t.Fatal(err)
			}
			var want []*control.RequestView
			for i := range everything {
				if f.Match(&everything[i]) {
					want = append(want, &everything[i])
				}
			}
			control.RequestTable.Sort(want, column, turned)
			page := do(w, control.RequestsList, control.RequestQuery{Filter: filter, Sort: by, Limit: 3})
			if page.Next != "" || !page.Since.IsZero() || len(page.Requests) != min(len(want), 3) {
				t.Fatalf("%q by %s has %d rows, next %q, since %s", filter, by, len(page.Requests), page.Next, page.Since)
			}
			for i := range page.Requests {
				if page.Requests[i].ID != want[i].ID {
					t.Errorf("%q by %s: row %d is %s, want %s", filter, by, i, page.Requests[i].ID, want[i].ID)
				}
			}
		}
	}
	refused(w, control.RequestsList, control.RequestQuery{Sort: "speed"}, tally.Invalid)
	refused(w, control.RequestsList, control.RequestQuery{Sort: "cost", After: "x"}, tally.Invalid)
}

func TestRequests(t *testing.T) {
	w := newWorld(t)
	_, _, keys := used(w)
	count := func(in control.RequestQuery) int { t.Helper(); return len(do(w, control.RequestsList, in).Requests) }
	for _, tc := range []struct {
		in   control.RequestQuery
		want int
	}{
		{control.RequestQuery{}, 7}, {control.RequestQuery{Client: "aurora"}, 4}, {control.RequestQuery{Key: string(keys[1].ID)}, 2}, {control.RequestQuery{Key: "default", Client: "borealis"}, 2},
		{control.RequestQuery{Model: "cheap"}, 4}, {control.RequestQuery{Model: "never heard of"}, 0}, {control.RequestQuery{Provider: "up"}, 4}, {control.RequestQuery{Status: 404}, 1},
		{control.RequestQuery{Outcome: "limited"}, 1}, {control.RequestQuery{Outcome: "denied"}, 1}, {control.RequestQuery{Code: "requests_limit"}, 1},
		{control.RequestQuery{Since: "2h"}, 2}, {control.RequestQuery{Until: "2026-11-22"}, 5}, {control.RequestQuery{Since: "2026-11-22", Client: "aurora"}, 1},
	} {
		if got := count(tc.in); got != tc.want {
			t.Errorf("%+v: %d, want %d", tc.in, got, tc.want)
		}
	}
	// Pages, the latest first, each record once.
	var seqs []uint64
	in := control.RequestQuery{Limit: 3}
	for {
		page := do(w, control.RequestsList, in)
		for _, r := range page.Requests {
			seqs = append(seqs, r.Seq)
		}
		if in.After = page.Next; in.After == "" {
			break
		}
	}
	if want := []uint64{7, 6, 5, 4, 3, 2, 1}; !slices.Equal(seqs, want) {
		t.Errorf("pages gave %v, want %v", seqs, want)
	}

	r := do(w, control.RequestsList, control.RequestQuery{Model: "dear"}).Requests[0]
	r2 := do(w, control.RequestsShow, control.PickRequest{ID: " " + string(r.ID) + "\n"})
	if r2.ID != r.ID || r.Gateway != "main" || r.Client != "aurora" || r.Key != "default" || r.KeyID != keys[0].ID || r.Provider != "up" || r.Model != "dear" || r.Endpoint != "chat/completions" ||
		r.Status != 200 || r.Outcome != tally.OK || r.Basis != tally.Exact || r.InputTokens != 1000 || r.OutputTokens != 10 || r.CostUSD != "0.01" || r.CostNanoUSD != 10_000_000 || r.Attempts != 1 || r.Count != 1 {
		t.Errorf("request %+v", r)
	}
	if first := do(w, control.RequestsList, control.RequestQuery{Client: "borealis", Outcome: "ok"}).Requests[0]; len(first.Charges) != 1 || first.Charges[0].Amount != 1 || first.Charges[0].Max != 1 {
		t.Errorf("charges %+v", first.Charges)
	}
	for _, tc := range []struct {
		in   control.RequestQuery
		code tally.Code
	}{
		{control.RequestQuery{Limit: -1}, tally.Invalid}, {control.RequestQuery{Limit: 1001}, tally.Invalid}, {control.RequestQuery{After: "x"}, tally.Invalid}, {control.RequestQuery{Status: 42}, tally.Invalid},
		{control.RequestQuery{Outcome: "good"}, tally.Invalid}, {control.RequestQuery{Client: "nobody"}, tally.NotFound}, {control.RequestQuery{Provider: "nobody"}, tally.NotFound},
		{control.RequestQuery{Key: "bot"}, tally.NotFound}, {control.RequestQuery{Since: "noon"}, tally.Invalid},
	} {
		refused(w, control.RequestsList, tc.in, tc.code)
	}
	refused(w, control.RequestsShow, control.PickRequest{ID: "req_00000000000000000000000000"}, tally.NotFound, "tallygate requests list")
	refused(w, control.RequestsShow, control.PickRequest{ID: " "}, tally.Invalid, "x-request-id")
}

// Whatever requests have and have not, the rows of each breakdown add up to its total,
// in each figure and span.
func TestUsageRowsAddUp(t *testing.T) {
	w := newWorld(t)
	aurora, borealis, keys := used(w)
	gateway := w.engine.catalog.Load().Gateways[0]
	dice := rand.New(rand.NewPCG(1, 2))
	some := func(values ...string) string { return values[dice.IntN(len(values))] }
	for range 300 {
		w.wait(time.Duration(dice.IntN(30)) * time.Minute)
		w.settled(1, func(r *tally.Record) {
			r.Gateway, r.Client, r.Key = gateway.ID, "", ""
			switch dice.IntN(4) {
			case 0:
				r.Client, r.Key = aurora.ID, keys[0].ID
			case 1:
				r.Client, r.Key = borealis.ID, keys[1].ID
			case 2:
				r.Token = tally.TokenName(gateway.PublicID, some("tok_1", "tok_2"))
				r.Country = some("", "PT", "US")
			}
			r.Model, r.Upstream, r.Provider = some("", "cheap", "dear"), some("", "cheap-2026"), tally.ID(some("", "pr_gone"))
			r.Outcome, r.Code, r.Status = tally.OK, "", 200
			switch dice.IntN(3) {
			case 0:
				r.Outcome, r.Code, r.Status, r.Count = tally.OutcomeDenied, some(tally.CodeModelNotFound, tally.CodeInvalidKey), 404, 3
			case 1:
				r.Outcome, r.Code, r.Status = tally.OutcomeFailed, "upstream_error", 502
			}
			if !r.Outcome.Refused() {
				r.Cost, r.Credits, r.NewSession = tally.NanoUSD(dice.IntN(1e9)), tally.NanoUSD(dice.IntN(1e9)), dice.IntN(9) == 0
				r.Tokens = tally.Tokens{Input: dice.Int64N(999), CachedInput: dice.Int64N(99), CacheWrite: dice.Int64N(99), Output: dice.Int64N(999), Reasoning: dice.Int64N(99)}
			}
		})
	}
	figures := func(s *control.Sums) [11]int64 {
		return [...]int64{s.Requests, s.Refused, s.Errors, s.Sessions, s.InputTokens, s.CachedInputTokens, s.CacheWriteTokens, s.OutputTokens, s.ReasoningTokens,
			int64(s.CostNanoUSD), int64(s.CreditsNanoUSD)}
	}
	without, asked := 0, 0
	for _, of := range []control.UsageQuery{{}, {Client: "aurora"}, {Gateway: "main"}, {Token: "tok_1"}} {
		for by := range breakdowns {
			for _, every := range []control.Step{"", "day"} {
				in := of
				in.By, in.Every, in.Since = by, every, "30d"
				got, err := control.UsageShow.Do(t.Context(), w.owner, in)
				if by == "tag" || tally.CodeOf(err) == tally.Invalid {
					continue // a request may have several tags, and one thing is not broken down by everything
				}
				if err != nil {
					t.Fatal(err)
				}
				asked++
				var sum [11]int64
				for i := range got.Rows {
					r := &got.Rows[i]
					for i, n := range figures(&r.Sums) {
						if sum[i] += n; n < 0 {
							t.Errorf("%+v: row %+v", in, r)
						}
					}
					if r.ID == "" {
						without++
						if last := i+1 == len(got.Rows) || !got.Rows[i+1].At.Equal(r.At); !last || r.Name != breakdowns[by].without {
							t.Errorf("%+v: row %d is %+v", in, i, r)
						}
					}
				}
				if want := figures(&got.Total); sum != want {
					t.Errorf("%+v: the rows add up to %v, the total is %v", in, sum, want)
				}
			}
		}
	}
	if without < 20 || asked < 30 {
		t.Errorf("%d breakdowns have %d rows of what has none", asked, without)
	}
}
