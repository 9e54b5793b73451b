package main

import (
	"context"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
)

func (a *app) shareCommands() *cobra.Command {
	return family(groupOwn, "share", "links to clients' own pages, which show what they have used",
		list(verb[control.ListShares, []control.ShareView]{
			op:      control.ShareList,
			example: "  tallygate share list --client hotel-aurora",
		}, control.ShareTable).command(a),
		verb[control.CreateShare, control.ShareCreated]{
			op:      control.ShareCreate,
			example: "  tallygate share create hotel-aurora --expires 30d",
			show: func(p *printer, _ *control.CreateShare, out *control.ShareCreated) {
				p.say("The link of client %s works until %s. It is shown once:", out.ClientSlug, moment(out.ExpiresAt))
				p.say("\n  %s\n", out.URL)
				p.say("Whoever has it sees what the client has used, what is left and its statements, and can do nothing else.")
			},
		}.command(a),
		verb[control.PickShare, control.ShareView]{
			op:      control.ShareRevoke,
			asks:    asksRevokeShare,
			example: "  tallygate share revoke shr_01kb3vp8",
			show: func(p *printer, _ *control.PickShare, out *control.ShareView) {
				p.say("the link of client %s works no more", out.ClientSlug)
			},
		}.command(a),
	)
}

// asksRevokeShare says whose link ends.
func asksRevokeShare(ctx context.Context, c control.Caller, in *control.PickShare) (string, error) {
	all, err := control.ShareList.Do(ctx, c, control.ListShares{})
	for _, v := range all {
		if string(v.ID) == in.ID && v.State == "active" {
			return "End the link of " + v.ClientName + " for good: whoever has it sees nothing any more.", nil
		}
	}
	return "", err
}
