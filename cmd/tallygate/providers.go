package main

import (
	"bufio"
	"cmp"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) providerCommands() *cobra.Command {
	return family(groupOwn, "providers", "upstream accounts: who answers the requests",
		list(verb[control.Listing, []control.ProviderView]{
			op:      control.ProvidersList,
			example: "  tallygate providers list",
		}, control.ProviderTable).command(a),
		verb[control.Named, control.ProviderView]{
			op:      control.ProvidersShow,
			example: "  tallygate providers show openai",
			show:    func(p *printer, _ *control.Named, out *control.ProviderView) { showProvider(p, out) },
		}.command(a),
		verb[control.CreateProvider, control.ProviderCreated]{
			op: control.ProvidersCreate, create: true, slow: "importing models",
			example: "  tallygate providers create --name openai --kind openai --api-key-env OPENAI_API_KEY\n" +
				"  pass show llm | tallygate providers create --name spare --kind custom --base-url https://llm.example/v1 --api-key-stdin",
			prepare: func(cmd *cobra.Command, in *control.CreateProvider) func() error {
				return a.apiKeyFlags(cmd, &in.APIKeys)
			},
			show: func(p *printer, _ *control.CreateProvider, out *control.ProviderCreated) {
				p.say("created provider %s", out.Name)
				sayRisk(p, &out.Provider)
				showImport(p, &out.Import)
			},
		}.command(a),
		verb[control.UpdateProvider, tally.Provider]{
			op:      control.ProvidersUpdate,
			changed: func(out *tally.Provider) *tally.Meta { return &out.Meta },
			example: "  tallygate providers update openai --timeout 5m --api-key-env OPENAI_API_KEY",
			prepare: func(cmd *cobra.Command, in *control.UpdateProvider) func() error {
				return a.apiKeyFlags(cmd, &in.APIKeys)
			},
			show: func(p *printer, _ *control.UpdateProvider, out *tally.Provider) {
				p.say("changed provider %s", out.Name)
				sayRisk(p, out)
			},
		}.command(a),
		verb[control.Named, control.None]{
			op:      control.ProvidersDelete,
			asks:    asksDeleteProvider,
			example: "  tallygate providers delete spare",
			show: func(p *printer, in *control.Named, _ *control.None) {
				p.say("deleted provider %s and its models", in.Name)
			},
		}.command(a),
		verb[control.Named, control.ProviderTest]{
			op: control.ProvidersTest, slow: "asking the provider",
			example: "  tallygate providers test openai",
			show: func(p *printer, in *control.Named, out *control.ProviderTest) {
				if out.OK {
					p.say("%s works: %s models, answered in %s", in.Name, strconv.Itoa(out.Models), out.Latency.Round(time.Millisecond).String())
				}
			},
			verdict: func(out *control.ProviderTest) error {
				if out.OK {
					return nil
				}
				return &tally.Error{Code: tally.Upstream, Message: out.Message, Hint: out.Hint}
			},
		}.command(a),
		verb[control.OrderProviders, []string]{
			op:      control.ProvidersOrder,
			example: "  tallygate providers order openai spare",
			show: func(p *printer, _ *control.OrderProviders, out *[]string) {
				p.say("asked in this order: %s", strings.Join(*out, ", then "))
			},
		}.command(a),
		a.kindsCommand(),
	)
}

// kindsCommand answers from the program itself, because somebody may ask before
// there is any data.
func (a *app) kindsCommand() *cobra.Command {
	return list(verb[control.None, []control.ProviderKindView]{
		op:      control.ProvidersKinds,
		example: "  tallygate providers kinds",
		absent: func(string) (*[]control.ProviderKindView, error) {
			var out []control.ProviderKindView
			for _, k := range process.Kinds() {
				out = append(out, engine.ViewKind(&k))
			}
			return &out, nil
		},
	}, control.KindTable).command(a)
}

func showProvider(p *printer, v *control.ProviderView) {
	set := control.CurrentProvider(&v.Provider)
	thing(p, control.ProviderTable, v, set, "local", when(v.Local, "yes: costs nothing", ""),
		"created", minute(v.CreatedAt))
	if len(v.Health) > 0 {
		p.section("Not well")
		for i := range v.Health {
			h := &v.Health[i]
			p.pairs(cmp.Or(h.Of, "all of it"), healthText(h))
		}
	}
	p.sums("This month", v.Month)
	p.sums("Last 30 days", v.Last30Days)
	if len(v.Failures) == 0 && v.LastFailure == nil {
		return
	}
	p.section("Failed attempts")
	p.pairs("last 24 hours", v.Failures.String())
	if f := v.LastFailure; f != nil {
		p.pairs("the last", moment(f.At)+", request "+string(f.Request)+when(f.RequestOf != "", ", which it calls "+f.RequestOf, ""), "why", f.Why())
	}
}

// healthText is "cooling until 12:03:04: 3 attempts failed in a row: …".
func healthText(h *control.HealthView) string {
	switch h.State {
	case control.HealthCooling:
		return "cooling until " + moment(h.Until) + ", asked last: " + h.Why()
	case control.HealthHalfOpen:
		return "half open, the next attempt tries it: " + h.Why()
	}
	return h.Why()
}

// maxAPIKey bounds a key that is read; the longest known are below 300 bytes.
const maxAPIKey = 16 << 10

// apiKeyFlags adds the two ways to give API keys. A key is never an argument,
// because other users can see those, and shells remember them.
func (a *app) apiKeyFlags(cmd *cobra.Command, keys *[]control.Secret) func() error {
	var variables []string
	var stdin bool
	cmd.Flags().StringArrayVar(&variables, "api-key-env", nil, "environment `VARIABLE` that holds the API key; repeat")
	cmd.Flags().BoolVar(&stdin, "api-key-stdin", false, "read the API key from standard input, one a line")
	cmd.RegisterFlagCompletionFunc("api-key-env", cobra.NoFileCompletions)
	return func() error {
		for _, name := range variables {
			value, _ := a.env(name)
			if value = strings.TrimSpace(value); value == "" {
				return tally.Errorf(tally.Invalid, "the environment variable %s is not set", name).WithHint("the flag takes the variable's name, not the key")
			}
			*keys = append(*keys, control.Secret(value))
		}
		if stdin {
			read, err := readSecrets(a.stdin)
			if err != nil {
				return err
			}
			*keys = append(*keys, read...)
		}
		return nil
	}
}

func readSecrets(r io.Reader) ([]control.Secret, error) {
	var out []control.Secret
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxAPIKey)
	for lines.Scan() {
		if key := strings.TrimSpace(lines.Text()); key != "" {
			out = append(out, control.Secret(key))
		}
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, tally.Errorf(tally.Invalid, "a line of standard input is too long for an API key")
	case err != nil:
		return nil, tally.Errorf(tally.Internal, "read the API key: %w", err)
	case len(out) == 0:
		return nil, tally.Errorf(tally.Invalid, "there is no API key on standard input")
	}
	return out, nil
}

// sayRisk warns of an address that may not be what the owner means.
func sayRisk(p *printer, of *tally.Provider) {
	if risk := tally.BaseURLRisk(of.BaseURL); risk != "" {
		p.say("warning: %s", risk)
	}
}
