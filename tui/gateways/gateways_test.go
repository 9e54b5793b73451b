package gateways_test

import (
	"fmt"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/tui/gateways"
	"tallygate/tui/tuitest"
)

func TestAnAccessTokenIsMinted(t *testing.T) {
	tuitest.Run(t, tuitest.Only(gateways.New), func(d *tuitest.Driver) {
		d.Press("down", "t").Expect("Mint an access token of website", "chat.agency.example")
		d.Type(" https://mysite.com").Press("tab").Expect("is not a host like mysite.com or")
		d.Press("shift+tab")
		for range " https://mysite.com" {
			d.Press("backspace")
		}
		d.Type(" *.example.com").Press("ctrl+s")
		in := tuitest.Last(t, d, control.TokensMint)
		if len(in.Domains) != 2 || in.Domains[1] != "*.example.com" || in.Requests != "10000/month" || in.Cost != "10" || in.Models != nil {
			t.Errorf("the token was asked for as %+v", in)
		}
		d.Expect("Access token tok_", "pages of chat.agency.example and *.example.com", "up to $10.00 in all")
		d.Press("Y").Expect("A page that uses it").Press("enter").ExpectNot("Access token tok_")
	})
}

func TestAnAccessTokenIsRevoked(t *testing.T) {
	tuitest.Run(t, tuitest.Only(gateways.New), func(d *tuitest.Driver) {
		busiest := tuitest.Do(t, d.World, control.TokensList, control.ListTokens{})[0]
		short := busiest.ID[:8]
		d.Resize("120x60").Press("b").Expect("There is no access token of agency")
		d.Press("down").Expect(short).Press("b").Expect("state", "refused").Press("/").Type(short).Press("enter", "enter")
		d.Expect("Access token "+busiest.ID, fmt.Sprintf("%d requests", busiest.Month.Requests))
		d.Press("esc", "d").Expect("Revoke access token").Press("right", "enter")
		if in := tuitest.Last(t, d, control.TokensRevoke); in.Token != busiest.ID || in.All {
			t.Errorf("revoked %+v", in)
		}
		d.Expect("Revoked " + short)
	})
}

func TestAVisitorIsSimulated(t *testing.T) {
	tuitest.Run(t, tuitest.Only(gateways.New), func(d *tuitest.Driver) {
		minted := tuitest.Do(t, d.World, control.TokensMint, control.MintToken{Gateway: "website"})
		d.Press("down", "x").Expect("Simulate a visitor of website").Press("ctrl+s").Expect("is not public")
		d.Paste(minted.Token).Press("tab", "tab", "tab").Type("RU").Press("ctrl+s")
		if in := tuitest.Last(t, d, control.TokensSimulate); in.Token != minted.Token || in.Origin != "https://www.agency.example" || in.Country != "RU" {
			t.Errorf("simulated %+v", in)
		}
		d.Expect("The visitor is refused: country not allowed", "does not serve")
	})
}

// What a site's owner sees at a glance: who came, why some were refused, and
// which token is nearly used up.
func TestAGatewayShowsItsVisitors(t *testing.T) {
	tuitest.Run(t, tuitest.Only(gateways.New), func(d *tuitest.Driver) {
		d.Resize("120x60").Press("down")
		d.Expect("VISITORS, 24 HOURS", "PT", "REFUSALS, 24 HOURS", "country not allowed", "token revoked", "ACCESS TOKENS", "requests=40/day")
	})
}

func TestVisitorsAndTokensAreExplained(t *testing.T) {
	tuitest.Run(t, tuitest.Only(gateways.New), func(d *tuitest.Driver) {
		d.Press("w").Expect("Nobody has come to agency").Press("down", "w")
		visitors := tuitest.Do(t, d.World, control.VisitorsList, control.ListVisitors{Gateway: "website"}).Visitors
		d.Expect("Visitors of website", visitors[0].Network, visitors[0].Country, visitors[0].Visitor[:8], visitors[3].Network, "refused").Press("esc")
		d.Press(":").Type("explain an access").Press("enter").Expect("Explain an access token")
		d.Type("llm_gw_abc").Press("ctrl+s").Expect("does not work", "it is the key of a client")
	})
}

func TestAGatewayIsMadeWithAPrivateKeyShownOnce(t *testing.T) {
	tuitest.Run(t, tuitest.Only(gateways.New), func(d *tuitest.Driver) {
		d.Press("n").Type("Shop").Press("tab").Type("Mars/Phobos").Press("tab").Expect("not a time zone")
		d.Press("shift+tab")
		for range "Mars/Phobos" {
			d.Press("backspace")
		}
		d.Type("Europe/Lisbon").Press("tab", "tab").Type("cost=200/month").Press("ctrl+s")
		in := tuitest.Last(t, d, control.GatewaysCreate)
		if *in.Name != "Shop" || *in.TimeZone != "Europe/Lisbon" || *in.CycleDay != 1 || in.Access != nil || len(in.Limits) != 1 {
			t.Errorf("it was made as %+v", in)
		}
		d.Expect("Private key of gateway", "only time").Press("enter").Ticks(4).Expect("▸ ● Shop")
	})
}

func TestAGatewayIsEdited(t *testing.T) {
	tuitest.Run(t, tuitest.Only(gateways.New), func(d *tuitest.Driver) {
		d.Expect("client keys only", "fast → gpt-4.1-mini", "OPENAI_BASE_URL=http")
		d.Press("e", "tab", "tab", "tab", "tab", "tab", "tab", "tab").Press("space").Type("cheap").Press("ctrl+s").Expect("not ASKED=MODEL")
		d.Type("=gpt-4.1").Press("ctrl+s")
		in := tuitest.Last(t, d, control.GatewaysUpdate)
		if (*in.Aliases)["cheap"] != "gpt-4.1" || (*in.Aliases)["fast"] != "gpt-4.1-mini" || in.Access != nil {
			t.Errorf("the change is %+v", in)
		}
	})
}

func TestAGatewayWithClientsIsNotDeleted(t *testing.T) {
	tuitest.Run(t, tuitest.Only(gateways.New), func(d *tuitest.Driver) {
		d.Press("d").Expect("agency has 7 clients").ExpectNot("Delete gateway")
		d.Press("space").Expect("Switch off gateway agency?", "It is in use").Press("tab", "enter").Ticks(4).Expect("○ Agency")
		d.Press("r", "ctrl+s").Expect("Private key of gateway agency")
		if got := tuitest.Last(t, d, control.GatewaysRotate).Grace; got != 24*time.Hour {
			t.Errorf("the grace is %s", got)
		}
	})
}

// A site's owner sees how a token does: who came, from where, on which day, what a visit
// costs, and the line for the page again.
func TestAnAccessTokenShowsItsVisits(t *testing.T) {
	tuitest.Run(t, tuitest.Only(gateways.New), func(d *tuitest.Driver) {
		busiest := tuitest.Do(t, d.World, control.TokensList, control.ListTokens{})[0]
		shown := tuitest.Do(t, d.World, control.TokensShow, control.PickToken{Token: busiest.ID})
		d.Resize("120x60").Press("down", "b", "/").Type(busiest.ID[:8]).Press("enter", "enter").Ticks(1)
		if in := tuitest.Last(t, d, control.TokensShow); in.Token != busiest.ID || in.Gateway != "website" {
			t.Errorf("asked for %+v", in)
		}
		day := shown.Days[0]
		d.Expect(fmt.Sprintf("%d VISITS SINCE", shown.Total.Visits), "each", shown.Countries[0].Name, "BY DAY", day.Name, "sdk/widget.js", "data-title=\"Website\"")
		d.Press("y").Expect("The line of the chat was sent").Press("Y").Expect("A page that uses it was sent").Press("enter").ExpectNot("BY DAY")
		d.Resize("80x24").Press("enter").Ticks(1).Expect("more lines").ExpectNot("sdk/widget.js")
		for range 40 {
			d.Press("down")
		}
		d.Expect("sdk/widget.js").Press("up")
	})
}

// A template is made, read, changed and deleted; the text of several lines is left to a
// file, and is not lost by a change of something else.
func TestTemplates(t *testing.T) {
	tuitest.Run(t, tuitest.Only(gateways.New), func(d *tuitest.Driver) {
		d.Resize("120x60").Press("down").Expect("templates", "guide")
		d.Press("m").Expect("Templates of website", "guide").Press("enter").Expect("Give no prices").Press("enter")
		d.Press("n").Expect("New template of website").Type("Opening hours").Press("tab").Type("Say when we are open.").Press("ctrl+s").Expect("is not the name of a template")
		d.Press("shift+tab")
		for range "Opening hours" {
			d.Press("backspace")
		}
		d.Type("hours").Press("ctrl+s").Expect("Saved template hours")
		if in := tuitest.Last(t, d, control.TemplatesSet); in.Name != "hours" || in.System == nil || *in.System != "Say when we are open." {
			t.Errorf("set %+v", in)
		}
		text := "First.\nSecond."
		tuitest.Do(t, d.World, control.TemplatesSet, control.SetTemplate{Name: "hours", Gateway: "website", TemplateFields: control.TemplateFields{System: &text}})
		d.Press("m", "down", "e").Expect("Its text has 2 lines").Type("").Press("tab").Type("77").Press("ctrl+s")
		if in := tuitest.Last(t, d, control.TemplatesSet); in.Name != "hours" || in.System != nil {
			t.Errorf("set %+v", in)
		}
		if v := tuitest.Do(t, d.World, control.TemplatesShow, control.PickTemplate{Name: "hours", Gateway: "website"}); v.System != text || v.MaxOutput != 77 {
			t.Errorf("it is %+v", v)
		}
		d.Press("m", "d").Expect("Delete template guide?").Press("right", "enter").Expect("is locked to template")
	})
}

// A token that makes others is for no page, and the interface offers none for it.
func TestATokenThatMakesOthers(t *testing.T) {
	tuitest.Run(t, tuitest.Only(gateways.New), func(d *tuitest.Driver) {
		minted := tuitest.Do(t, d.World, control.TokensMint, control.MintToken{Gateway: "website", Label: "server", TokenFields: control.TokenFields{Mints: true, Templates: []string{"guide"}}})
		d.Resize("120x60").Ticks(40).Press("down", "b", "/").Type(minted.ID[:10]).Press("enter", "enter").Ticks(1)
		d.Expect("works in no page", "Locked to guide", "data-token-url=").ExpectNot("Y copy a page")
	})
}
