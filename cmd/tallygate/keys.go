package main

import (
	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) keyCommands() *cobra.Command {
	return family(groupOwn, "keys", "the keys of clients",
		list(verb[control.ListKeys, []control.KeyView]{
			op:      control.KeysList,
			example: "  tallygate keys list --client hotel-aurora",
		}, control.KeyTable).command(a),
		verb[control.CreateKey, control.KeyCreated]{
			op:      control.KeysCreate,
			example: "  tallygate keys create --client hotel-aurora --label whatsapp-bot --expires 90d",
			show:    func(p *printer, _ *control.CreateKey, out *control.KeyCreated) { showNewKey(p, out) },
		}.command(a),
		verb[control.UpdateKey, control.KeyView]{
			op:      control.KeysUpdate,
			asks:    asksUpdateKey,
			changed: func(out *control.KeyView) *tally.Meta { return &out.Meta },
			example: "  tallygate keys update whatsapp-bot --client hotel-aurora --expires 30d",
			show: func(p *printer, _ *control.UpdateKey, out *control.KeyView) {
				p.say("changed %s", keyName(out))
				p.limits(out.LimitStates)
			},
		}.command(a),
		verb[control.RaiseKey, control.LimitState]{
			op:      control.KeysRaise,
			example: "  tallygate keys raise bot requests/day --client hotel-aurora --by 500 --until 3d",
			show:    func(p *printer, _ *control.RaiseKey, out *control.LimitState) { showRaise(p, out) },
		}.command(a),
		verb[control.RotateKey, control.KeyCreated]{
			op:      control.KeysRotate,
			asks:    asksRotateKey,
			example: "  tallygate keys rotate whatsapp-bot --client hotel-aurora --grace 24h",
			show: func(p *printer, _ *control.RotateKey, out *control.KeyCreated) {
				showNewKey(p, out)
				if out.OldUntil.IsZero() {
					p.say("The old key works no more.")
				} else {
					p.say("The old key works until %s.", moment(out.OldUntil))
				}
			},
		}.command(a),
		verb[control.PickKey, control.KeyView]{
			op:      control.KeysRevoke,
			asks:    asksRevokeKey,
			example: "  tallygate keys revoke whatsapp-bot --client hotel-aurora",
			show:    func(p *printer, _ *control.PickKey, out *control.KeyView) { p.say("revoked %s for good", keyName(out)) },
		}.command(a),
	)
}

// showNewKey prints a key. The key is alone on its line, to be copied.
func showNewKey(p *printer, k *control.KeyCreated) {
	expiry := "forever"
	if !k.ExpiresAt.IsZero() {
		expiry = "until " + moment(k.ExpiresAt)
	}
	p.say("Key %s of client %s works %s. It is shown once:", k.Label, k.Client, expiry)
	p.say("\n  %s\n", k.Key)
}

func keyName(k *control.KeyView) string { return "key " + k.Label + " of client " + k.ClientSlug }
