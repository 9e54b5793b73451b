package main

import (
	"net"
	"net/netip"
	"strings"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) adminCommands() *cobra.Command {
	return family(groupOwn, "admin", "who may use the control plane over a network, with serve --admin",
		list(verb[control.Rows, []control.Admin]{
			op:      control.AdminList,
			example: "  tallygate admin list",
		}, control.AdminTable).command(a),
		verb[control.AddAdmin, control.AdminAdded]{
			op: control.AdminAdd, create: true,
			example: "  tallygate admin add grafana --role viewer\n  tallygate admin add terraform --role owner",
			show: func(p *printer, _ *control.AddAdmin, out *control.AdminAdded) {
				p.say("%s may use the control plane as %s, by this token. It is shown once:", out.Name, string(out.Role))
				p.say("%s", out.Token)
			},
		}.command(a),
		verb[control.Named, control.Admin]{
			op:      control.AdminRemove,
			example: "  tallygate admin remove terraform",
			show: func(p *printer, _ *control.Named, out *control.Admin) {
				p.say("%s may come in no more; what goes on by that token ends", out.Name)
			},
		}.command(a),
	)
}

// checkAdmin refuses to send tokens in the clear over a network.
func (o *serveOptions) checkAdmin() error {
	if o.admin == "" || o.tls.Cert != "" || len(o.tls.Domains) > 0 || strings.HasPrefix(o.admin, "unix:") {
		return nil
	}
	host, _, err := net.SplitHostPort(o.admin)
	if err != nil {
		return tally.Errorf(tally.Invalid, "--admin: %q is not an address", o.admin).WithHint("like 127.0.0.1:4284")
	}
	if ip, err := netip.ParseAddr(host); host == "localhost" || err == nil && ip.IsLoopback() {
		return nil
	}
	return tally.Errorf(tally.Invalid, "--admin %s would have tokens cross a network in the clear", o.admin).
		WithHint("serve with --tls-cert and --tls-key, or --tls-domain; or on 127.0.0.1, and come in over ssh")
}
