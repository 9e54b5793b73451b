package demo

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// tokenRevoked is how long ago the token of the fair was revoked.
const tokenRevoked = 26 * time.Hour

// visitsPerDay is what the site's visitors ask on a working day.
const visitsPerDay = 22

// accessToken is that of a page of the website.
type accessToken struct {
	control.TokenFields
	label      string
	origin     string // of its page
	often      int    // of ten visits
	revoked    bool
	id, secret string // as the engine minted it
}

func siteTokens() []accessToken {
	return []accessToken{
		{label: "www", origin: "https://www.agency.example", often: 6, TokenFields: control.TokenFields{
			Domains: []string{"agency.example", "*.agency.example"}, Requests: "5000/month", IPQuota: "12/day", Cost: "10", Expires: "90d"}},
		{label: "beta", origin: "https://beta.agency.example", often: 3, TokenFields: control.TokenFields{
			Domains: []string{"beta.agency.example"}, Requests: "120/day", IPQuota: "20/hour", AllowCountries: []string{"PT", "ES", "BR", "US", "DE", "FR", "GB", "JP"}, Cost: "2/day", Templates: []string{siteTemplate}, Expires: "60d"}},
		{label: "fair", origin: "https://fair.agency.example", often: 1, revoked: true, TokenFields: control.TokenFields{
			Domains: []string{"fair.agency.example"}, Requests: "500", Expires: "45d"}},
	}
}

func (m *making) mint(t *accessToken) {
	minted := do(m, control.TokensMint, control.MintToken{Gateway: siteGateway, Label: t.label, TokenFields: t.TokenFields})
	t.id, t.secret = minted.ID, minted.Token
}

// networks are where visitors come from, with the country that the database has them in;
// those at the beginning come more often.
var networks = []struct{ prefix, country string }{
	{"85.240.10", "PT"}, {"81.84.20", "PT"}, {"80.58.61", "ES"}, {"177.32.7", "BR"}, {"91.0.44", "DE"}, {"90.3.12", "FR"}, {"86.128.9", "GB"}, {"73.12.80", "US"}, {"126.5.3", "JP"}, {"95.24.6", "RU"},
}

// visit is who asks on which page.
type visit struct {
	token   int
	origin  string
	address string
	country string
	asks    string
	most    int // output tokens
}

func (a *Agency) visitor(dice *rand.Rand) visit {
	n := networks[min(int(dice.ExpFloat64()*3), len(networks)-1)]
	v := visit{address: fmt.Sprintf("%s.%d", n.prefix, 2+dice.IntN(9)), country: n.country, asks: questions[dice.IntN(len(questions))], most: 60 + dice.IntN(200)}
	for at := dice.IntN(10); at >= a.tokens[v.token].often; v.token++ {
		at -= a.tokens[v.token].often
	}
	v.origin = a.tokens[v.token].origin
	if dice.IntN(30) == 0 {
		v.origin = "https://copycat.example"
	}
	return v
}

// visit makes up what a visitor of the website asks.
func (a *Agency) visit(dice *rand.Rand, at time.Time) request {
	r := a.ask(dice, at, a.model("gpt-4.1-mini"))
	r.client, r.visit, r.stream = -1, a.visitor(dice), true
	r.tokens.Input, r.tokens.Output = r.tokens.Input/20, r.tokens.Output/2
	switch {
	case a.tokens[r.visit.token].revoked && at.After(a.Now.Add(-tokenRevoked)):
		r.refused(401, tally.OutcomeDenied, tally.CodeTokenRevoked)
	case !strings.HasSuffix(r.visit.origin, ".agency.example"):
		r.refused(403, tally.OutcomeDenied, tally.CodeOrigin)
	case r.visit.country == "RU":
		r.refused(403, tally.OutcomeDenied, tally.CodeCountry)
	case dice.IntN(25) == 0:
		r.refused(429, tally.OutcomeLimited, tally.CodeVisitorQuota)
	}
	r.price()
	return r
}

// visited says whose request it was.
func (a *Agency) visited(rec *tally.Record, v visit) {
	rec.Gateway, rec.Token = a.gateways[siteGateway].ID, tally.TokenName(a.gateways[siteGateway].PublicID, a.tokens[v.token].id)
	rec.Origin, rec.Country = v.origin, v.country
	hash := sha256.Sum256([]byte(v.address))
	rec.Visitor = hash[:16]
	if ip, err := netip.ParseAddr(v.address); err == nil {
		network, _ := ip.Prefix(24)
		rec.VisitorNet = network.String()
	}
}

// Visit asks the public plane at a base URL once with each token of the site.
func (a *Agency) Visit(ctx context.Context, client *http.Client, url string) {
	for i := range a.tokens {
		a.sendVisit(ctx, client, url, visit{token: i, origin: a.tokens[i].origin, address: networks[0].prefix + ".2", asks: questions[i], most: 200})
	}
}

// sendVisit asks as a page does.
func (a *Agency) sendVisit(ctx context.Context, client *http.Client, url string, v visit) {
	raw, _ := json.Marshal(map[string]any{"stream": true, "max_tokens": v.most, // texts and numbers cannot fail
		"messages": []map[string]string{{"role": "user", "content": v.asks}}})
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/chat/completions", bytes.NewReader(raw))
	if err != nil {
		return
	}
	q.Header.Set("Authorization", "Bearer "+a.tokens[v.token].secret)
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Origin", v.origin)
	q.Header.Set("X-Forwarded-For", v.address)
	answer, err := client.Do(q)
	if err != nil {
		return // the demo is about to end
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, answer.Body)
}
