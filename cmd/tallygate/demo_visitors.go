package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"

	"tallygate/engine/control"
)

// demoSite is the gateway of the demo whose pages have access tokens.
const demoSite = "website"

// visitors are those of the demo's site.
type visitors struct {
	tokens    []string // of a page for everybody, and of one for a few countries
	addresses []string
}

// open mints the tokens of the site's pages. The demo itself stands for the proxy
// in front of it, so that visitors may come from anywhere.
func (v *visitors) open(ctx context.Context, owner control.Caller) error {
	if _, err := control.SettingsSet.Do(ctx, owner, control.SettingsFields{TrustedProxies: &[]string{"127.0.0.1", "::1"}}); err != nil {
		return err
	}
	for _, f := range []control.TokenFields{
		{Domains: []string{"agency.example", "*.agency.example"}, Requests: "5000/month", IPQuota: "6/day", Cost: "10", Expires: "90d"},
		{Domains: []string{"beta.agency.example"}, Requests: "120/day", IPQuota: "20/hour", AllowCountries: []string{"PT", "ES", "BR", "US", "DE", "FR", "GB", "JP"}, Cost: "2/day", Expires: "30d"},
	} {
		minted, err := control.TokensMint.Do(ctx, owner, control.MintToken{Gateway: demoSite, TokenFields: f})
		if err != nil {
			return err
		}
		v.tokens = append(v.tokens, minted.Token)
	}
	dice := rand.New(rand.NewPCG(3, 5))
	for len(v.addresses) < 60 {
		if first := 1 + dice.IntN(222); first != 10 && first != 127 && first != 169 && first != 172 && first != 192 {
			v.addresses = append(v.addresses, fmt.Sprintf("%d.%d.%d.%d", first, dice.IntN(256), dice.IntN(256), 1+dice.IntN(254)))
		}
	}
	return nil
}

// visit asks as a page does.
func (v *visitors) visit(ctx context.Context, client *http.Client, url string) {
	which := rand.IntN(3) / 2 // the page for everybody twice as often
	origin := [...]string{"https://www.agency.example", "https://beta.agency.example"}[which]
	if rand.IntN(30) == 0 {
		origin = "https://copycat.example"
	}
	raw, _ := json.Marshal(map[string]any{"stream": true, "max_tokens": 60 + rand.IntN(200), // texts and numbers cannot fail
		"messages": []map[string]string{{"role": "user", "content": demoQuestions[rand.IntN(len(demoQuestions))]}}})
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, url+"/chat/completions", bytes.NewReader(raw))
	if err != nil {
		return
	}
	q.Header.Set("Authorization", "Bearer "+v.tokens[which])
	q.Header.Set("Content-Type", "application/json")
	q.Header.Set("Origin", origin)
	q.Header.Set("X-Forwarded-For", v.addresses[rand.IntN(len(v.addresses))])
	answer, err := client.Do(q)
	if err != nil {
		return // the demo is about to end
	}
	defer answer.Body.Close()
	io.Copy(io.Discard, answer.Body)
}
