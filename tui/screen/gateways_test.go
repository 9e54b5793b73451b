package screen_test

import (
	"testing"

	"tallygate/engine/control"
	"tallygate/tui/screen"
	"tallygate/tui/tuitest"
)

func TestAnAccessTokenIsMinted(t *testing.T) {
	tuitest.Run(t, only(screen.NewGateways), func(d *tuitest.Driver) {
		d.Press("down", "t").Expect("Mint an access token of site", "chat.example.com")
		d.Type(" https://mysite.com").Press("tab").Expect("is not a host like mysite.com or")
		d.Press("shift+tab")
		for range " https://mysite.com" {
			d.Press("backspace")
		}
		d.Type(" *.example.com").Press("ctrl+s")
		in := last(t, d, control.TokensMint)
		if len(in.Domains) != 2 || in.Domains[1] != "*.example.com" || in.Requests != "10000/month" || in.Cost != "10" || in.Models != nil {
			t.Errorf("the token was asked for as %+v", in)
		}
		d.Expect("Access token tok_AAECAwQFBgcICQoLDA0ODw", "pages of chat.example.com and *.example.com", "up to $10.00 in all")
		d.Press("Y").Expect("A page that uses it").Press("enter").ExpectNot("Access token tok_AAEC")
	})
}

func TestAnAccessTokenIsRevoked(t *testing.T) {
	tuitest.Run(t, only(screen.NewGateways), func(d *tuitest.Driver) {
		d.Resize("120x60").Press("b").Expect("No access token of main")
		d.Press("down").Expect("tok_Zx81").Press("b").Type("Zx81").Press("enter")
		d.Expect("Access token tok_Zx81yWvUtSrQpOnMlKjIhG", "It is active, until", "244 requests")
		d.Press("right", "enter")
		if in := last(t, d, control.TokensRevoke); in.Token != "tok_Zx81yWvUtSrQpOnMlKjIhG" || in.All {
			t.Errorf("revoked %+v", in)
		}
		d.Expect("Revoked tok_Zx81")
	})
}

func TestAVisitorIsSimulated(t *testing.T) {
	tuitest.Run(t, only(screen.NewGateways), func(d *tuitest.Driver) {
		d.Press("down", "x").Expect("Simulate a visitor of site").Press("ctrl+s").Expect("is not public")
		d.Type("wlm-x").Press("tab", "tab", "tab").Type("RU").Press("ctrl+s")
		if in := last(t, d, control.TokensSimulate); in.Token != "wlm-x" || in.Origin != "https://www.example.com" || in.Country != "RU" || in.Gateway != "" {
			t.Errorf("simulated %+v", in)
		}
		d.Expect("The visitor is refused: country not allowed", "serve visitors from RU")
	})
}

// What a site's owner sees at a glance: who came, why some were refused, and
// which token is nearly used up.
func TestAGatewayShowsItsVisitors(t *testing.T) {
	tuitest.Run(t, only(screen.NewGateways), func(d *tuitest.Driver) {
		d.Resize("120x60").Press("down")
		d.Expect("VISITORS, 24 HOURS", "PT", "REFUSALS, 24 HOURS", "country not allowed", "ip quota", "ACCESS TOKENS", "requests=20/day")
	})
}

func TestVisitorsAndTokensAreExplained(t *testing.T) {
	tuitest.Run(t, only(screen.NewGateways), func(d *tuitest.Driver) {
		d.Press("w").Expect("Nobody has come to main").Press("down", "w").Expect("203.0.113.0/24      PT", "2001:db8:7::/48", "1 refused").Press("esc")
		d.Press(":").Type("explain an access").Press("enter").Expect("Explain an access token")
		d.Type("llm_gw_abc").Press("ctrl+s").Expect("does not work", "it is the key of a client")
	})
}
