package main

import (
	"cmp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine"
	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/engine/token"
)

func (a *app) tokenCommands() *cobra.Command {
	return family(groupOwn, "tokens", "access tokens for web pages, and their visitors",
		a.mintCommand(), a.inspectCommand(),
		list(verb[control.ListTokens, []control.TokenView]{
			op:      control.TokensList,
			example: "  tallygate tokens list --since 7d",
		}, control.TokenTable).command(a),
		verb[control.PickToken, control.TokenShown]{
			op:      control.TokensShow,
			example: "  tallygate tokens show product-page --since 7d",
			show:    func(p *printer, in *control.PickToken, out *control.TokenShown) { showToken(p, out) },
		}.command(a),
		verb[control.RevokeToken, control.TokensRevoked]{
			op:      control.TokensRevoke,
			asks:    asksRevokeToken,
			example: "  tallygate tokens revoke tok_AAECAwQFBgcICQoLDA0ODw\n  tallygate tokens revoke --all --gateway my-site",
			show: func(p *printer, _ *control.RevokeToken, out *control.TokensRevoked) {
				if out.Token == "" {
					p.say("revoked every access token of gateway %s that was issued before %s", out.Gateway, moment(out.IssuedBy))
					return
				}
				p.say("revoked access token %s of gateway %s", out.Token, out.Gateway)
			},
		}.command(a),
		verb[control.SimulateVisit, control.Simulated]{
			op:      control.TokensSimulate,
			example: "  tallygate tokens simulate wlm-… --origin https://mysite.com --address 203.0.113.7",
			show: func(p *printer, _ *control.SimulateVisit, out *control.Simulated) {
				for _, s := range out.Steps {
					p.say("%s %-10s  %s", when(s.OK, "✓", "✗"), s.Name, s.Detail)
				}
				if out.Passes {
					p.say("\nThe visitor is served.")
				} else {
					p.say("\nThe visitor is refused with status %d, %s.", out.Status, out.Code)
				}
			},
			verdict: func(out *control.Simulated) error {
				if out.Passes {
					return nil
				}
				return tally.Errorf(tally.Denied, "the visitor would be refused: %s", cmp.Or(out.Message, out.Code))
			},
		}.command(a),
		verb[control.ListVisitors, control.Visitors]{
			op:      control.VisitorsList,
			example: "  tallygate tokens visitors --since 7d --gateway my-site",
			write:   writes(control.VisitorTable, func(out *control.Visitors) []control.Visitor { return out.Visitors }),
			show: func(p *printer, _ *control.ListVisitors, out *control.Visitors) {
				rows(p, control.VisitorTable, out.Visitors, "no visitors since "+moment(out.Since))
				if out.Partial {
					p.say("Only the latest %s records were looked at; there are more.", tally.Group(int64(out.Records)))
				}
			},
		}.command(a),
	)
}

// mostShownDays are the days that are shown of those that were counted.
const mostShownDays = 14

func showToken(p *printer, v *control.TokenShown) {
	thing(p, control.TokenTable, &v.TokenView, control.None{}, "cost of a visit",
		when(v.CostVisitUSD != "", v.CostVisitNano.Display(), ""))
	for _, line := range v.Allows {
		p.say("✓ %s", line)
	}
	p.limits(v.Limits)
	p.section("Visits by country, since " + moment(v.Since))
	rows(p, control.VisitsTable("country"), v.Countries, "none: nobody has come")
	if len(v.Days) > 0 {
		p.section("Visits by day")
		rows(p, control.VisitsTable("day"), v.Days[:min(len(v.Days), mostShownDays)], "")
	}
	if v.Partial {
		p.say("There were more records than are looked at: the oldest of the span are missing.")
	}
	if !v.Mints {
		p.section("A page that uses it")
		sayLines(p, v.Page)
	}
	p.section("The same with a chat")
	p.say("%s", v.Widget)
}

// secretKeyFlag lets a command work with a private key from the environment, and
// so without an engine.
func secretKeyFlag(cmd *cobra.Command, variable *string) {
	cmd.Flags().StringVar(variable, "secret-key-env", "", "take the private key from the environment `VARIABLE`, and ask no engine")
}

// secretKey reads the private key, "" if no variable is named.
func (a *app) secretKey(variable string) (string, error) {
	if variable == "" {
		return "", nil
	}
	key, _ := a.env(variable)
	key = strings.TrimSpace(key)
	if key == "" {
		return "", tally.Errorf(tally.Invalid, "the environment variable %s is not set", variable).WithHint("export %s=sk-webllm-gateway-…", variable)
	}
	if _, ok := token.GatewayOfKey(key); !ok {
		return "", tally.Errorf(tally.Invalid, "what the environment variable %s holds is not the private key of a gateway", variable).WithHint("it looks like sk-webllm-gateway-abc123xyz-…; tallygate gateways rotate makes a new one")
	}
	return key, nil
}

func (a *app) mintCommand() *cobra.Command {
	var variable string
	return verb[control.MintToken, control.TokenMinted]{
		op: control.TokensMint,
		example: "  tallygate tokens mint --requests 10000/month --ip-quota 20/day --cost 10 --domain mysite.com --expires 90d\n" +
			"  tallygate tokens mint --secret-key-env WEBLLM_SECRET_KEY --domain mysite.com --cost 10",
		prepare: func(cmd *cobra.Command, _ *control.MintToken) func() error {
			secretKeyFlag(cmd, &variable)
			return func() error { return nil }
		},
		alone: func(in *control.MintToken) (out *control.TokenMinted, done bool, err error) {
			key, err := a.secretKey(variable)
			if err != nil || key == "" {
				return out, false, err
			}
			if gid, _ := token.GatewayOfKey(key); in.Gateway != "" && in.Gateway != gid {
				return out, false, tally.Errorf(tally.Invalid, "the private key is of gateway %s, not of %s", gid, in.Gateway).WithHint("leave out --gateway: the key says it")
			}
			now := time.Now()
			credential, t, err := engine.Mint(key, *in, nil, now, time.Local)
			if err != nil {
				return out, false, err
			}
			minted := engine.Minted(credential, t, now)
			return &minted, true, nil
		},
		show: func(p *printer, _ *control.MintToken, out *control.TokenMinted) {
			p.say("Access token %s of gateway %s. %s; this is what it allows:", out.ID, out.Gateway, when(out.Mints, "It is for your server only", "It may be public"))
			for _, line := range out.Allows {
				p.say("  %s", line)
			}
			p.say("\n%s", out.Token)
			if out.Mints {
				p.say("\nIt makes other tokens, so it belongs on your server and in no page.")
			}
		},
	}.command(a)
}

func (a *app) inspectCommand() *cobra.Command {
	var variable string
	return verb[control.InspectToken, control.TokenReport]{
		op:      control.TokensInspect,
		example: "  tallygate tokens inspect wlm-abc123xyz.eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.…",
		prepare: func(cmd *cobra.Command, _ *control.InspectToken) func() error {
			secretKeyFlag(cmd, &variable)
			return func() error { return nil }
		},
		alone: func(in *control.InspectToken) (out *control.TokenReport, done bool, err error) {
			key, err := a.secretKey(variable)
			if err != nil {
				return out, false, err
			}
			if key == "" {
				dir, err := a.dataDir()
				if err != nil {
					return out, false, err
				}
				if there, err := process.HasStore(dir); err != nil || there {
					return out, false, err
				}
			}
			report := engine.Inspected(token.Inspect(strings.TrimSpace(in.Token), []byte(key), time.Now()))
			return &report, true, nil
		},
		show: func(p *printer, _ *control.InspectToken, out *control.TokenReport) {
			p.pairs("token", out.ID, "gateway", out.Gateway, "signature", out.Signature)
			for _, line := range out.Says {
				p.say("✓ %s", line)
			}
			for _, line := range out.Wrong {
				p.say("✗ %s", line)
			}
			p.limits(out.Limits)
		},
		verdict: func(out *control.TokenReport) error {
			if out.Works {
				return nil
			}
			return tally.Errorf(tally.Denied, "the access token does not work").WithHint("mint another one: tallygate tokens mint --help")
		},
	}.command(a)
}
