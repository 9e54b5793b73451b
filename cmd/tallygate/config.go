package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) configCommands() *cobra.Command {
	return family(groupOwn, "config", "what is set, as a file: written, compared and applied", a.configExport(), a.configImport(), a.configApply())
}

func (a *app) configExport() *cobra.Command {
	var to, file string
	var force, secrets, ask bool
	var in control.ExportSecrets
	cmd := &cobra.Command{
		Use: "export", Short: "write settings, providers, models, prices, gateways, clients and keys as a file", Args: noArguments,
		Long: `Writes what is set as YAML, to be read, kept under version control, changed and
applied; see help config. The same store gives the same file. There are no secrets in
it unless --secrets says so; then they are in one block that age has encrypted, for
recipients or by a passphrase.`,
		Example: "  tallygate config export --to tallygate.yaml\n  tallygate config export --secrets --recipient age1qyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqszqgpqyqs3290gq --to moving.yaml",
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to == "-" {
				to = ""
			}
			need := control.Read
			if secrets {
				need = control.Write
				if ask || file != "" {
					var err error
					if in.Passphrase, err = a.newPassphrase(cmd.Context(), file); err != nil {
						return err
					}
				}
			} else if ask || file != "" || len(in.Recipients) > 0 {
				return wrongUse(cmd, "only secrets are encrypted: say --secrets")
			}
			var out control.ConfigText
			err := a.withEngine(cmd, need, false, func(ctx context.Context, c control.Caller) (err error) {
				if secrets {
					out, err = control.ConfigSecrets.Do(ctx, c, in)
				} else {
					out, err = control.ConfigExport.Do(ctx, c, control.None{})
				}
				return err
			})
			if err != nil {
				return err
			}
			write := func(w io.Writer) error { _, err := io.WriteString(w, out.Text); return err }
			if to == "" && a.json {
				return writeJSON(a.stdout, out)
			}
			if err := a.toFile(destination{path: to, force: force}, write); err != nil || to == "" {
				return err
			}
			return a.print(func(p *printer) { p.say("wrote %s", to) }, func() any { return map[string]string{"file": to} })
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "`FILE` to write; it appears once it is complete; default: standard output")
	cmd.Flags().BoolVar(&force, "force", false, "replace the file if it is there already")
	cmd.Flags().BoolVar(&secrets, "secrets", false, "also API keys of providers, private keys of gateways, and what clients' keys are known by, encrypted")
	cmd.Flags().BoolVar(&ask, "passphrase", false, "ask for a passphrase to encrypt them by")
	cmd.Flags().StringVar(&file, "new-passphrase-file", "", "`FILE` with the passphrase to encrypt them by, on one line")
	addFlags(cmd.Flags(), &in)
	cmd.MarkFlagFilename("to", "yaml")
	cmd.MarkFlagFilename("new-passphrase-file")
	return cmd
}

// opening says what opens the secrets of a file.
type opening struct {
	identity, file string
	ask            bool
	in             control.ApplyConfig
}

func (o *opening) flags(cmd *cobra.Command, skip ...string) {
	cmd.Flags().StringVar(&o.identity, "identity", "", "`FILE` with the age identity that decrypts the file's secrets")
	cmd.Flags().BoolVar(&o.ask, "passphrase", false, "ask for the passphrase that decrypts the file's secrets")
	cmd.Flags().StringVar(&o.file, "file-passphrase-file", "", "`FILE` with the passphrase that decrypts the file's secrets")
	addFlags(cmd.Flags(), &o.in, skip...)
	cmd.MarkFlagFilename("identity")
	cmd.MarkFlagFilename("file-passphrase-file")
}

// maxConfig bounds a file that is read, in bytes.
const maxConfig = 8 << 20

// read reads the file, and what opens its secrets.
func (o *opening) read(cmd *cobra.Command, a *app, path string) error {
	from := a.stdin
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return tally.Errorf(tally.NotFound, "%w", err).
				WithHint("name a file as tallygate config export writes it, or - for standard input")
		}
		defer file.Close()
		from = file
	}
	text, err := io.ReadAll(io.LimitReader(from, maxConfig+1))
	if err != nil || len(text) > maxConfig {
		return tally.Errorf(tally.Invalid, "%s cannot be read, or is larger than 8 MiB", path)
	}
	o.in.Text = string(text)
	if o.identity != "" {
		text, err := os.ReadFile(o.identity)
		if err != nil {
			return tally.Errorf(tally.Invalid, "the identity: %w", err).WithHint("name a file as age-keygen writes it")
		}
		o.in.Identity = control.Secret(text)
	}
	var passphrase []byte
	switch {
	case o.file != "":
		passphrase, err = readPassphrase(o.file)
	case o.ask:
		passphrase, err = a.askPassphrase(cmd.Context(), "Passphrase of the file's secrets: ")
	}
	o.in.Passphrase = control.Secret(passphrase)
	return err
}

func oneFile(cmd *cobra.Command, args []string) error { return needsFiles(cmd, args, 1, 1) }

func (a *app) configImport() *cobra.Command {
	var o opening
	cmd := &cobra.Command{
		Use: "import FILE|-", Short: "set up a store that has nothing yet as a file says", Args: oneFile,
		Example: "  tallygate --data /var/lib/tallygate config import tallygate.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.read(cmd, a, args[0]); err != nil {
				return err
			}
			o.in.Empty = true
			return a.apply(cmd, &o.in, args[0], true)
		},
	}
	o.flags(cmd, "prune")
	return cmd
}

func (a *app) configApply() *cobra.Command {
	var o opening
	var dry, yes bool
	cmd := &cobra.Command{
		Use: "apply FILE|-", Short: "make what is set as a file says, after showing what that changes", Args: oneFile,
		Long: `Compares what is set with a file, shows each difference from what to what, asks, and
makes them in one act. What the file does not name stays as it is, unless --prune is
given. Applied again, it changes nothing.`,
		Example: "  tallygate config apply --dry-run tallygate.yaml\n  tallygate config apply --prune tallygate.yaml",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.read(cmd, a, args[0]); err != nil {
				return err
			}
			diff, err := a.diff(cmd, &o.in, args[0])
			if err != nil {
				return err
			}
			if dry || len(diff.Changes) == 0 {
				return a.print(func(p *printer) { showDiff(p, &diff, dry) }, func() any { return diff })
			}
			switch deletes := diff.Deletes(); {
			case yes:
			case a.canAsk():
				showDiff(&printer{a.stderr, a.err}, &diff, false)
				if err := a.confirm(cmd, func(context.Context, control.Caller) (string, error) {
					gone := when(deletes > 0, ", "+tally.Group(int64(deletes))+" of them deleted", "")
					return "Change " + countOf(len(diff.Changes), "thing", "things") + gone + "." + when(diff.Undoable(), canUndo, ""), nil
				}); err != nil {
					return err
				}
			case deletes > 0:
				return tally.Errorf(tally.Invalid, "%s would be deleted", countOf(deletes, "thing", "things")).
					WithHint("see them with --dry-run, and do it with --yes")
			}
			o.in.Rev = diff.Rev
			return a.apply(cmd, &o.in, args[0], false)
		},
	}
	o.flags(cmd)
	cmd.Flags().BoolVar(&dry, "dry-run", false, "show what would change, and change nothing")
	cmd.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return cmd
}

func (a *app) diff(cmd *cobra.Command, in *control.ApplyConfig, path string) (out control.ConfigApplied, err error) {
	err = a.withEngine(cmd, control.Read, false, func(ctx context.Context, c control.Caller) (err error) {
		out, err = control.ConfigDiff.Do(ctx, c, *in)
		return err
	})
	return out, ofFile(path, err)
}

// apply applies a file, and tells what has become of it.
func (a *app) apply(cmd *cobra.Command, in *control.ApplyConfig, path string, create bool) error {
	var out control.ConfigApplied
	err := a.withEngine(cmd, control.Write, create, func(ctx context.Context, c control.Caller) (err error) {
		out, err = control.ConfigApply.Do(ctx, c, *in)
		return err
	})
	if err != nil {
		return ofFile(path, err)
	}
	return a.print(func(p *printer) { showDiff(p, &out, false) }, func() any { return out })
}

// ofFile puts the name of the file before an error that names a line of it.
func ofFile(path string, err error) error {
	if err == nil {
		return nil
	}
	if e := tally.AsError(err); strings.HasPrefix(e.Message, "line ") {
		return tally.Errorf(e.Code, "%s, %s", path, e.Message).WithHint("%s", e.Hint)
	}
	return err
}

// mostShown bounds the things of a kind that are named one by one.
const mostShown = 12

// showDiff says what a file changes: what is changed field by field, what is made or
// deleted by its name.
func showDiff(p *printer, out *control.ConfigApplied, dry bool) {
	if dry {
		p.say("nothing is changed: this is what applying the file would do")
	}
	if len(out.Changes) == 0 {
		p.say("nothing differs from the file")
	}
	names := map[string][]string{}
	var order []string
	for i := range out.Changes {
		v := &out.Changes[i]
		if v.Kind == tally.KindSecret && (v.Action != tally.Changed || len(v.Text) == 0) {
			continue // it goes with what it is of
		}
		if v.Action == tally.Changed || v.Kind == tally.KindSettings {
			p.say("%s %s", v.Kind, v.Name)
			for _, line := range v.Text {
				p.say("  %s", line)
			}
			continue
		}
		group := v.What() + " " + string(v.Kind)
		if names[group] == nil {
			order = append(order, group)
		}
		names[group] = append(names[group], v.Name)
	}
	for _, group := range order {
		list := names[group]
		n := len(list)
		more := when(n > mostShown, fmt.Sprintf(" and %d more", n-mostShown), "")
		p.say("%s%s: %s", group, when(n > 1, "s", ""), strings.Join(list[:min(n, mostShown)], ", ")+more)
	}
	for i := range out.Keys {
		showNewKey(p, &out.Keys[i])
	}
	for i := range out.Gateways {
		gw := &out.Gateways[i]
		p.say("Private key of gateway %s. It is shown once:", gw.Slug)
		p.say("\n  %s\n", gw.PrivateKey)
	}
	for _, w := range out.Warnings {
		p.warning(control.Warn, w, "", "", 0)
	}
}
