package tuitest

import (
	"strings"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/engine/token"
)

func (w *World) answerTokens() {
	answer(w, control.TokensList, func(in control.ListTokens) ([]control.TokenView, error) {
		out := []control.TokenView{}
		for _, v := range w.tokens {
			if in.Gateway == "" || v.Gateway == in.Gateway {
				out = append(out, *v)
			}
		}
		return out, nil
	})
	answer(w, control.TokensMint, func(in control.MintToken) (control.TokenMinted, error) {
		g, err := w.oneGateway(in.Gateway)
		if err != nil {
			return control.TokenMinted{}, err
		}
		o := token.Options{Requests: in.Requests, IPQuota: in.IPQuota, Cost: in.Cost, Quota: in.Quota, Domains: in.Domains,
			AllowedCountries: in.AllowCountries, BlockedCountries: in.BlockCountries, Models: in.Models, MaxOutput: in.MaxOutput}
		if in.Expires != "" {
			o.ExpiresIn = 90 * 24 * time.Hour
		}
		credential, t, err := token.Mint("sk-webllm-gateway-"+g.PublicID+"-k3Wz", o, w.clock())
		if err != nil {
			return control.TokenMinted{}, err
		}
		// The same in every run: the real one is random.
		t.ID = "tok_AAECAwQFBgcICQoLDA0ODw"
		return control.TokenMinted{Token: credential[:16] + strings.Repeat("eyJ0aWQi", 30), ID: t.ID, ExpiresAt: t.ExpiresAt, Gateway: g.PublicID, Allows: token.Words(t, w.clock())}, nil
	})
	answer(w, control.TokensRevoke, func(in control.RevokeToken) (control.TokensRevoked, error) {
		out := control.TokensRevoked{Gateway: in.Gateway, Token: in.Token}
		if in.All {
			out.IssuedBy = w.clock()
		}
		for _, v := range w.tokens {
			if v.ID == in.Token || in.All && v.Gateway == in.Gateway {
				v.State, v.RevokedAt = "revoked", w.clock()
			}
		}
		return out, nil
	})
	answer(w, control.TokensInspect, func(in control.InspectToken) (control.TokenReport, error) {
		r := token.Inspect(in.Token, nil, w.clock())
		return control.TokenReport{Signature: r.Signature, Says: r.Lines, Wrong: r.Faults}, nil
	})
	answer(w, control.VisitorsList, func(in control.ListVisitors) (control.Visitors, error) {
		out := control.Visitors{Since: w.clock().Add(-24 * time.Hour), Visitors: []control.Visitor{}}
		if g, err := w.gateway(in.Gateway); err != nil || len(g.Countries) == 0 {
			return out, err
		}
		for i, network := range []string{"203.0.113.0/24", "2001:db8:7::/48"} {
			out.Visitors = append(out.Visitors, control.Visitor{Network: network, Visitor: strings.Repeat(string(rune('a'+i)), 22), Country: "PT", Requests: int64(40 - 30*i), Refused: int64(i)})
		}
		return out, nil
	})
	answer(w, control.TokensSimulate, func(in control.SimulateVisit) (control.Simulated, error) {
		if in.Token == "" {
			return control.Simulated{}, tally.Errorf(tally.Invalid, "gateway %q is not public: its visitors need an access token", in.Gateway).WithHint("give the token to simulate with it")
		}
		out := control.Simulated{Passes: in.Country != "RU", Status: 200, Country: in.Country, Steps: []control.TryStep{
			{Name: "signature", OK: true, Detail: "tok_AAECAwQFBgcICQoLDA0ODw was signed by gateway site"}, {Name: "time", OK: true, Detail: "it works until 2027-02-20 12:00 (UTC)"},
			{Name: "revocation", OK: true, Detail: "it was not revoked"}, {Name: "page", OK: true, Detail: in.Origin + " is on www.example.com"}}}
		if !out.Passes {
			out.Status, out.Code = 403, tally.CodeCountry
			out.Steps = append(out.Steps, control.TryStep{Name: "country", Detail: "Access token tok_AAECAwQFBgcICQoLDA0ODw of gateway \"Website chat\" does not serve visitors from RU."})
		}
		return out, nil
	})
}

// addToken is an access token of a gateway that was used.
func (w *World) addToken(g *control.GatewayView, id, state string, requests int64, share float64) *control.TokenView {
	v := &control.TokenView{ID: id, Gateway: g.Slug, State: state, LastUsedAt: w.clock().Add(-3 * time.Minute), Domains: []string{"www.example.com"},
		Used: control.NewSums(&tally.Sums{Requests: requests, Refused: requests / 9, Cost: tally.NanoUSD(requests) * tally.Dollar / 2000})}
	v.Limits = w.states("token", id, limits("requests=10000/month cost=10/total"), nil)
	w.use(v.Limits, share)
	switch state {
	case "revoked":
		v.RevokedAt = w.clock().Add(-26 * time.Hour)
	case "expired":
		v.ExpiresAt = w.clock().Add(-time.Hour)
	default:
		v.ExpiresAt = w.clock().Add(80 * 24 * time.Hour)
	}
	w.tokens = append(w.tokens, v)
	return v
}
