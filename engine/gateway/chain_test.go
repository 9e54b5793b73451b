package gateway

import (
	"strings"
	"testing"

	"tallygate/engine/tally"
	"tallygate/engine/token"
	"tallygate/providers/openai"
)

// behind makes a world whose only provider is another gateway, asked with a
// credential.
func behind(t *testing.T, address, credential string) *world {
	w := newWorld(t)
	w.kinds = openai.Kinds()
	w.provider.ProviderKind, w.provider.BaseURL = "tallygate", address
	w.apiKey = credential
	return w
}

// A gateway may use another one, with an access token of it.
func TestGatewayBehindAGateway(t *testing.T) {
	b := newWorld(t)
	auth := b.mint(token.Options{Requests: "2/day", Models: []string{"sim-small"}})
	b.open()
	a := behind(t, b.http.URL, strings.TrimPrefix(auth, "Authorization: Bearer ")).open()
	if got := a.chat(""); got.status != 200 || !strings.Contains(got.body, "pretend model") {
		t.Fatalf("%d %s", got.status, got.body)
	}
	if got := a.chat(`,"stream":true`); got.status != 200 || !strings.Contains(got.body, "[DONE]") {
		t.Fatalf("%d %s", got.status, got.body)
	}
	got := a.chat("")
	if _, code, message := got.refusal(t); got.status != 502 || code != tally.CodeProviderQuota || !strings.Contains(message, "used up") {
		t.Errorf("the limit there: %d %s: %s", got.status, code, message)
	}
	ours, theirs := a.records(), b.records()
	for i := range 2 {
		if ours[i].Tokens != theirs[i].Tokens || ours[i].Basis != tally.Exact || theirs[i].Token == "" {
			t.Errorf("request %d: %+v here, %+v there", i, ours[i].Tokens, theirs[i].Tokens)
		}
	}
	if got := a.send("POST", "/v1/embeddings", `{"model":"sim-embed","input":"x"}`); got.status != 403 || !strings.Contains(got.body, "may not use model") {
		t.Errorf("a model that the token may not use: %d %s", got.status, got.body)
	}
}

// Gateways that lead to each other find out, whatever their limits.
func TestCircleOfGateways(t *testing.T) {
	a := behind(t, "http://127.0.0.1:1", "")
	a.apiKey = a.private
	a.open()
	a.router.Close()
	a.provider.BaseURL = a.http.URL + "/v1"
	a.use()
	got := a.chat("")
	if got.status != 508 || !strings.Contains(got.body, "lead to each other") {
		t.Errorf("%d %s", got.status, got.body)
	}
	if n := len(a.records()); n != 5 {
		t.Errorf("it went round %d times, want 5", n)
	}
	if got := a.chat("", "X-Tallygate-Hops: many"); got.status != 400 {
		t.Errorf("%d %s", got.status, got.body)
	}
}
