package main

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) alertCommands() *cobra.Command {
	return family(groupSee, "alerts", "what you are told of by itself, and where",
		list(verb[control.ListAlerts, []control.AlertView]{
			op:      control.AlertsList,
			example: "  tallygate alerts list --open\n  tallygate alerts list --filter kind:refused",
		}, control.AlertTable).command(a),
		verb[control.None, control.AlertSettings]{
			op:      control.AlertsShow,
			example: "  tallygate alerts show",
			show:    func(p *printer, _ *control.None, out *control.AlertSettings) { showAlerts(p, out) },
		}.command(a),
		verb[control.SetAlerts, control.AlertsChanged]{
			op: control.AlertsSet, create: true,
			example: "  tallygate alerts set --at 80,100 --mute storm --balance-below 5\n" +
				"  tallygate alerts set --webhook https://ops.example.com/hook\n" +
				"  pass show chat-hook | tallygate alerts set --webhook -",
			prepare: func(cmd *cobra.Command, in *control.SetAlerts) func() error {
				return a.webhookFlag(cmd, &in.Webhook)
			},
			show: func(p *printer, _ *control.SetAlerts, out *control.AlertsChanged) {
				showAlerts(p, &out.AlertSettings)
				if out.Secret != "" {
					p.say("\nThe secret of the signatures, for the receiver, is shown once:")
					p.say("\n  %s\n", out.Secret)
				}
			},
		}.command(a),
		verb[control.None, []control.AlertTested]{
			op: control.AlertsTest, slow: "sending a test",
			example: "  tallygate alerts test",
			show: func(p *printer, _ *control.None, out *[]control.AlertTested) {
				var pairs []string
				for _, r := range *out {
					took := r.Took.Round(time.Millisecond).String()
					pairs = append(pairs, r.To, when(r.OK, "✓ ", "✗ ")+r.Said+", in "+took)
				}
				p.pairs(pairs...)
			},
			verdict: func(out *[]control.AlertTested) error {
				for _, r := range *out {
					if !r.OK {
						return tally.Errorf(tally.Upstream, "the %s did not take it: %s", r.To, r.Said).
							WithHint("see: tallygate help alerts")
					}
				}
				return nil
			},
		}.command(a),
		verb[control.AckAlerts, []control.AlertView]{
			op:      control.AlertsAck,
			example: "  tallygate alerts ack alert_01ka3f9m2x0000000000000000\n  tallygate alerts ack --all",
			show: func(p *printer, _ *control.AckAlerts, out *[]control.AlertView) {
				for i := range *out {
					p.say("acknowledged: %s", (*out)[i].Sentence)
				}
				if len(*out) == 0 {
					p.say("no alert is open")
				}
			},
		}.command(a),
	)
}

func showAlerts(p *printer, s *control.AlertSettings) {
	mute := make([]string, len(s.Mute))
	for i, k := range s.Mute {
		mute[i] = string(k)
	}
	p.pairs("at percent of limits", string(s.At),
		"balance is low below", when(s.BalanceBelow > 0, s.BalanceBelow.Display(), "a share of it, as of limits"),
		"silent", when(len(mute) > 0, strings.Join(mute, " "), "none"),
		"log", when(s.Log, "yes", "no"),
		"webhook", when(s.Webhook != "", s.Webhook, "none"),
		"command", when(s.Command, "yes, of serve --alert-command", "none"))
}

// longestWebhook bounds an address that is read, in bytes.
const longestWebhook = 4 << 10

// webhookFlag adds the flag of the webhook. What posts to a chat is as good as a password,
// and an argument is seen by other users: - reads it.
func (a *app) webhookFlag(cmd *cobra.Command, to *control.Secret) func() error {
	var url string
	cmd.Flags().StringVar(&url, "webhook", "",
		"`URL` that each alert is posted to; - reads one that is a secret itself from standard input; none: nowhere")
	cmd.RegisterFlagCompletionFunc("webhook", cobra.NoFileCompletions)
	return func() error {
		if url == "-" {
			text, err := io.ReadAll(io.LimitReader(a.stdin, longestWebhook))
			if err != nil {
				return tally.Errorf(tally.Invalid, "read the address: %w", err)
			}
			if url = strings.TrimSpace(string(text)); url == "" {
				return tally.Errorf(tally.Invalid, "standard input has no address")
			}
		}
		*to = control.Secret(url)
		return nil
	}
}

// alertCommand runs the command of the owner's for an alert, nil without one.
func alertCommand(command string) func(context.Context, []byte, ...string) (string, error) {
	if command == "" {
		return nil
	}
	return func(ctx context.Context, message []byte, env ...string) (string, error) {
		return process.Shell(ctx, command, strings.NewReader(string(message)), []string{process.PasswordVariable}, env...)
	}
}
