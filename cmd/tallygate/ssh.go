package main

import (
	"io"
	"os"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) sshCommands() *cobra.Command {
	return family(groupOwn, "ssh", "who may come in over ssh, with serve --ssh",
		list(verb[control.Rows, []tally.Guest]{
			op:      control.SSHList,
			example: "  tallygate ssh list",
		}, control.GuestTable).command(a),
		verb[control.AddGuest, tally.Guest]{
			op: control.SSHAdd, create: true,
			example: "  tallygate ssh add laptop --key-file ~/.ssh/id_ed25519.pub --role owner\n" +
				"  ssh-add -L | tallygate ssh add ana --key-file - --role viewer",
			prepare: func(cmd *cobra.Command, in *control.AddGuest) func() error { return a.publicKeyFlag(cmd, &in.Key) },
			show: func(p *printer, _ *control.AddGuest, out *tally.Guest) {
				p.say("%s may come in as %s, by the key %s", out.Name, string(out.Role), out.Fingerprint)
			},
		}.command(a),
		verb[control.Named, tally.Guest]{
			op:      control.SSHRemove,
			example: "  tallygate ssh remove laptop",
			show: func(p *printer, _ *control.Named, out *tally.Guest) {
				p.say("%s may come in no more; open sessions by that key end", out.Name)
			},
		}.command(a),
	)
}

// publicKeyFlag adds the other way to give a public key.
func (a *app) publicKeyFlag(cmd *cobra.Command, key *string) func() error {
	var path string
	cmd.Flags().StringVar(&path, "key-file", "",
		"`FILE` with the public key, like ~/.ssh/id_ed25519.pub; - for standard input")
	cmd.MarkFlagFilename("key-file", "pub")
	return func() error {
		var text []byte
		var err error
		switch {
		case path == "" && *key == "":
			return wrongUse(cmd, "say by which key: --key-file FILE, or --key \"ssh-ed25519 …\"")
		case path != "" && *key != "":
			return wrongUse(cmd, "--key and --key-file are two ways to give one key")
		case path == "":
			return nil
		case path == "-":
			text, err = io.ReadAll(io.LimitReader(a.stdin, maxAPIKey))
		case a.guest != nil:
			return errFiles("--key-file reads a file of the server", "tallygate ssh add NAME --key-file - < id_ed25519.pub")
		default:
			text, err = os.ReadFile(path)
		}
		if err != nil {
			return tally.Errorf(tally.Invalid, "read the public key: %w", err)
		}
		*key = string(text)
		return nil
	}
}
