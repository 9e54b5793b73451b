package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) initCommand() *cobra.Command {
	var confirmed bool
	return verb[control.Setup, control.SetupDone]{
		op: control.EngineSetup, name: "init", group: groupRun, create: true, slow: "importing models",
		example: "  tallygate init --yes\n  tallygate init --yes --name \"Hotel Aurora\" --time-zone Europe/Lisbon --json",
		prepare: func(cmd *cobra.Command, in *control.Setup) func() error {
			cmd.Flags().BoolVar(&confirmed, "yes", false, "do it")
			return func() error {
				in.Providers = a.providersFromEnvironment()
				address, err := a.setting(cmd, "listen")
				if err != nil {
					return err
				}
				in.BaseURL = process.BaseURLOf(address)
				if confirmed {
					return nil
				}
				dir, err := a.dataDir()
				if err != nil {
					return err
				}
				with := "the pretend upstream sim, because the environment holds no API key"
				if len(in.Providers) > 0 {
					var names []string
					for _, p := range in.Providers {
						names = append(names, string(p.ProviderKind))
					}
					with = strings.Join(names, ", ") + ", whose API keys are in the environment"
				}
				return tally.Errorf(tally.Invalid, "init would make a gateway, a client and its first key in %s, and use %s", dir, with).WithHint("tallygate init --yes does it")
			}
		},
		show: func(p *printer, _ *control.Setup, out *control.SetupDone) {
			showSetup(p, out)
			p.say("Start it with: tallygate serve")
		},
	}.command(a)
}

// providersFromEnvironment finds the providers whose API keys are where their
// own tools look for them.
func (a *app) providersFromEnvironment() []control.SetupProvider {
	var out []control.SetupProvider
	for _, k := range process.Kinds() {
		if k.EnvKey == "" {
			continue
		}
		if key, _ := a.env(k.EnvKey); strings.TrimSpace(key) != "" {
			out = append(out, control.SetupProvider{ProviderKind: k.Name, APIKey: control.Secret(strings.TrimSpace(key))})
		}
	}
	return out
}

// firstSetup sets an engine up that has nothing, and shows the first key, once.
func (a *app) firstSetup(ctx context.Context, c control.Caller) error {
	defer a.progress("importing models")()
	done, err := control.EngineSetup.Do(ctx, c, control.Setup{Providers: a.providersFromEnvironment()})
	if err != nil {
		return err
	}
	return a.print(func(p *printer) { showSetup(p, &done) }, func() any { return done })
}

// showSetup prints what was made. The key and the call are alone on their
// lines, to be copied.
func showSetup(p *printer, s *control.SetupDone) {
	p.pairs("gateway", s.Gateway, "client", s.Client, "providers", strings.Join(s.Providers, ", "), "model", s.Model, "limits", strings.Join(s.Limits, ", "), "base URL", s.BaseURL)
	p.say("\nThe client's key, shown once:\n")
	p.say("  %s\n", s.Key)
	p.say("Try it:\n")
	p.Write([]byte(indent(cleanLines(s.Curl)) + "\n\n"))
	for _, w := range s.Warnings {
		p.warning(control.Warn, w, "", "", 0)
	}
}

func indent(text string) string { return "  " + strings.ReplaceAll(text, "\n", "\n  ") }
