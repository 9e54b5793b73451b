package meter

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"tallygate/engine/tally"
)

// visit is a request of a visitor with an access token.
func (w *world) visit(t *tally.AccessToken, ip string) *Request {
	r := w.request()
	r.Principal = &tally.Principal{Gateway: w.cat.Gateway("gw_1"), Token: t, Visitor: true, IP: netip.MustParseAddr(ip), Country: "PT"}
	return r
}

// Each visitor has a quota of its own; the token's limit is over all of them.
func TestVisitorsHaveQuotas(t *testing.T) {
	w := newWorld(t)
	token := &tally.AccessToken{ID: "tok_1", Limits: limits(t, "requests=5/day"), VisitorLimits: limits(t, "requests=2/hour")}
	for i, tc := range []struct{ ip, code, says string }{
		{"203.0.113.5", "", ""},
		{"203.0.113.5", "", ""},
		{"203.0.113.5", "ip_quota", "This visitor's address, with access token tok_1, has used 2 of 2 requests this hour; it resets on 2026-11-21 13:00 (Europe/Lisbon)."},
		{"203.0.113.6", "", ""}, // a neighbour
		{"2001:db8:1:1::1", "", ""},
		{"2001:db8:1:1:2::7", "", ""},
		{"2001:db8:1:1:3::", "ip_quota", "has used 2 of 2 requests this hour"}, // the same /64
		{"198.51.100.1", "requests_limit", "Access token tok_1 of gateway \"Main\" has used 5 of 5 requests today"},
	} {
		ticket, refusal := w.meter.Admit(context.Background(), w.visit(token, tc.ip))
		if refusal == nil {
			ticket.Settle(context.Background(), &Result{Outcome: tally.OK, Status: 200})
			if tc.code != "" {
				t.Errorf("request %d of %s was admitted, want %s", i, tc.ip, tc.code)
			}
		} else if refusal.Code != tc.code || !strings.Contains(refusal.Message, tc.says) {
			t.Errorf("request %d of %s: %s: %s", i, tc.ip, refusal.Code, refusal.Message)
		}
	}
}

// A network of /48 has 65,536 addresses to come from. It gets the quota of 16.
func TestNetworkHasACeiling(t *testing.T) {
	w := newWorld(t)
	token := &tally.AccessToken{ID: "tok_1", VisitorLimits: limits(t, "requests=2/day")}
	admitted := 0
	for i := range 200 {
		if ticket, refusal := w.meter.Admit(context.Background(), w.visit(token, fmt.Sprintf("2001:db8:7:%x::1", i))); refusal == nil {
			ticket.Settle(context.Background(), &Result{Outcome: tally.OK, Status: 200})
			admitted++
		} else if refusal.Code != tally.CodeVisitorQuota {
			t.Fatal(refusal)
		}
	}
	if admitted != 32 {
		t.Errorf("%d requests of one /48 were admitted, want 32", admitted)
	}
	if _, refusal := w.meter.Admit(context.Background(), w.visit(token, "2001:db8:8::1")); refusal != nil {
		t.Errorf("the next network: %v", refusal)
	}
}

// The gateway's quota of a visitor is one over all its tokens.
func TestGatewaysQuotaSpansTokens(t *testing.T) {
	w := newWorld(t)
	w.gateway.VisitorLimits = limits(t, "requests=2/day")
	w.use()
	admitted := 0
	for i := range 5 {
		if ticket, refusal := w.meter.Admit(context.Background(), w.visit(&tally.AccessToken{ID: fmt.Sprint("tok_", i)}, "203.0.113.5")); refusal == nil {
			ticket.Settle(context.Background(), &Result{Outcome: tally.OK, Status: 200})
			admitted++
		}
	}
	if admitted != 2 {
		t.Errorf("%d requests were admitted with five tokens, want 2", admitted)
	}
	r := w.request() // the owner's own server is no visitor
	r.Principal = &tally.Principal{Gateway: w.cat.Gateway("gw_1"), IP: netip.MustParseAddr("203.0.113.5")}
	if _, refusal := w.meter.Admit(context.Background(), r); refusal != nil {
		t.Error(refusal)
	}
}

// Records keep a network and a hash, never an address.
func TestRecordsKeepNoAddress(t *testing.T) {
	w := newWorld(t)
	token := &tally.AccessToken{ID: "tok_1", Gateway: "abc123xyz", VisitorLimits: limits(t, "requests=1/day")}
	for _, ip := range []string{"203.0.113.77", "2001:db8:1:2:aaaa:bbbb:cccc:dddd"} {
		for range 3 {
			r := w.visit(token, ip)
			ticket, refusal := w.meter.Admit(context.Background(), r)
			if refusal != nil {
				w.meter.Refuse(context.Background(), r.Principal, tally.Record{ID: r.ID, At: r.At, Status: 429, Outcome: tally.OutcomeLimited, Code: refusal.Code})
				continue
			}
			ticket.Settle(context.Background(), &Result{Outcome: tally.OK, Status: 200})
		}
	}
	records := w.records()
	nets := map[string]int{}
	for _, r := range records {
		nets[r.VisitorNet]++
		if r.Token != "abc123xyz.tok_1" || r.Country != "PT" {
			t.Errorf("record without its token or country: %+v", r)
		}
		if text := fmt.Sprintf("%+v", r); strings.Contains(text, "113.77") || strings.Contains(text, "dddd") {
			t.Errorf("a record has the address: %s", text)
		}
	}
	if nets["203.0.113.0/24"] != 2 || nets["2001:db8:1::/48"] == 0 || len(nets) != 2 {
		t.Errorf("networks of the records: %v", nets)
	}
}
