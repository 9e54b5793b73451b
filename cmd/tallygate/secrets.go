package main

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) secretsCommands() *cobra.Command {
	show := func(p *printer, s *control.SecretsState) {
		p.pairs("kept in", strings.TrimPrefix(s.Kept, "the "),
			"wrapped by", cmp.Or(s.Wrapped, "nothing: who can read it has the key"),
			"seals", countOf(s.Sealed, "secret", "secrets"))
		if s.Rotating {
			p.say("A rotation has not ended: the key before is still kept. Run: tallygate secrets rotate")
		}
	}
	return family(groupOwn, "secrets", "the key that seals provider keys and private keys",
		verb[control.None, control.SecretsState]{
			op: control.SecretsStatus, example: "  tallygate secrets status",
			show: func(p *printer, _ *control.None, out *control.SecretsState) { show(p, out) },
		}.command(a),
		a.wrapCommand(),
		verb[control.UnwrapSecrets, control.SecretsState]{
			op: control.SecretsUnwrap, example: "  tallygate secrets unwrap",
			prepare: func(cmd *cobra.Command, in *control.UnwrapSecrets) func() error {
				return func() (err error) {
					in.Current, err = a.currentPassphrase(cmd)
					return err
				}
			},
			show: func(p *printer, _ *control.UnwrapSecrets, out *control.SecretsState) {
				p.say("The key lies in its file as it is: keep that as you keep a password.")
				show(p, out)
			},
		}.command(a),
		verb[control.RotateSecrets, control.SecretsState]{
			op: control.SecretsRotate, example: "  tallygate secrets rotate",
			asks: func(_ context.Context, _ control.Caller, in *control.RotateSecrets) (string, error) {
				text := "Replace the key that seals secrets: backups of before go on needing the key file of before."
				if in.Visitors {
					text += " Limits of each visitor and of sessions begin anew."
				}
				return text, nil
			},
			show: func(p *printer, _ *control.RotateSecrets, out *control.SecretsState) {
				p.say("The key was replaced, and %s sealed anew.", countOf(out.Sealed, "secret", "secrets"))
				p.say("Copy the key file again to where you keep it; backups of before need the copy of before.")
				show(p, out)
			},
		}.command(a),
	)
}

// wrapCommand asks for the new passphrase twice: one with a slip of the finger would lock
// everybody out.
func (a *app) wrapCommand() *cobra.Command {
	var ask bool
	var file string
	return verb[control.WrapSecrets, control.SecretsState]{
		op: control.SecretsWrap, example: "  tallygate secrets wrap --passphrase\n  tallygate secrets wrap --new-passphrase-file /run/secrets/passphrase",
		prepare: func(cmd *cobra.Command, in *control.WrapSecrets) func() error {
			cmd.Flags().BoolVar(&ask, "passphrase", false, "ask for the new passphrase on the terminal")
			cmd.Flags().StringVar(&file, "new-passphrase-file", "", "`FILE` with the new passphrase, on one line")
			cmd.MarkFlagFilename("new-passphrase-file")
			return func() (err error) {
				if ask == (file != "") {
					return wrongUse(cmd, "say where the new passphrase comes from: --passphrase asks for it, "+
						"--new-passphrase-file FILE names a file")
				}
				if in.Current, err = a.currentPassphrase(cmd); err != nil {
					return err
				}
				in.Passphrase, err = a.newPassphrase(cmd.Context(), file)
				return err
			}
		},
		show: func(p *printer, _ *control.WrapSecrets, out *control.SecretsState) {
			p.say("The key is wrapped by %s.", out.Wrapped)
			p.say("From the next start on the passphrase is needed. Without it nothing opens the key: keep it where you keep others.")
			p.say("Copies of the key file of before open without it: replace them.")
		},
	}.command(a)
}

// newPassphrase gets one that somebody chooses now, from a file or, without one, from the
// terminal.
func (a *app) newPassphrase(ctx context.Context, file string) (control.Secret, error) {
	if file != "" {
		text, err := readPassphrase(file)
		return control.Secret(text), err
	}
	next, err := a.askPassphrase(ctx, "New passphrase: ")
	if err != nil {
		return "", err
	}
	again, err := a.askPassphrase(ctx, "Once more: ")
	if err == nil && !bytes.Equal(next, again) {
		err = tally.Errorf(tally.Invalid, "the two passphrases differ").WithHint("nothing was changed; try it again")
	}
	return control.Secret(next), err
}

// currentPassphrase is the one that wraps the key, if one does.
func (a *app) currentPassphrase(cmd *cobra.Command) (control.Secret, error) {
	wrapped := false
	err := a.withEngine(cmd, control.Read, false, func(ctx context.Context, c control.Caller) error {
		is, err := control.SecretsStatus.Do(ctx, c, control.None{})
		wrapped = is.Wrapped != ""
		return err
	})
	if err != nil || !wrapped {
		return "", err
	}
	text, err := a.knownPassphrase(cmd.Context())
	return control.Secret(text), err
}

// keys finds the key of a data folder, and unlocks it if a passphrase wraps it.
func (a *app) keys(ctx context.Context, dir, inherited string) (process.Keys, error) {
	k, err := process.FindKeys(dir, a.givenKey, a.keyFile, inherited, a.env)
	if err == nil {
		err = k.Unlock(func() ([]byte, error) { return a.knownPassphrase(ctx) })
	}
	return k, err
}

// knownPassphrase is the passphrase that wraps the key, asked for once.
func (a *app) knownPassphrase(ctx context.Context) ([]byte, error) {
	if a.passphrase != nil {
		return a.passphrase, nil
	}
	var err error
	if a.passphraseFile != "" {
		a.passphrase, err = readPassphrase(a.passphraseFile)
	} else {
		a.passphrase, err = a.askPassphrase(ctx, "Passphrase of the key that seals secrets: ")
	}
	return a.passphrase, err
}

// maxPassphrase bounds a passphrase, in bytes.
const maxPassphrase = 4 << 10

// readPassphrase reads a file of one line; /dev/fd/3 is one, too.
func readPassphrase(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, tally.Errorf(tally.Invalid, "the file with the passphrase: %w", err).
			WithHint("name one that you can read; /dev/fd/3 is what comes in on descriptor 3")
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxPassphrase+1))
	if err != nil {
		return nil, tally.Errorf(tally.Internal, "the file with the passphrase: %w", err)
	}
	text = bytes.TrimSuffix(bytes.TrimSuffix(text, []byte("\n")), []byte("\r"))
	if len(text) == 0 || len(text) > maxPassphrase || bytes.ContainsAny(text, "\r\n") {
		return nil, tally.Errorf(tally.Invalid, "the file %s is not a passphrase on one line", path).
			WithHint("write the passphrase into it, and nothing else")
	}
	return text, nil
}

// unseenPatience is how long a terminal may take until it shows nothing of what is typed.
const unseenPatience = time.Second

// askPassphrase asks the terminal, which does not show what is typed.
func (a *app) askPassphrase(ctx context.Context, question string) ([]byte, error) {
	if !a.in || !a.err.is {
		return nil, tally.Errorf(tally.Denied, "a passphrase is needed, and there is no terminal to ask for it").
			WithHint("name a file that has it: --passphrase-file FILE, or TALLYGATE_PASSPHRASE_FILE")
	}
	keyboard := int(os.Stdin.Fd())
	was, err := term.GetState(keyboard)
	if err != nil {
		return nil, tally.Errorf(tally.Internal, "ask for the passphrase: %w", err)
	}
	type answer struct {
		text []byte
		err  error
	}
	answered := make(chan answer, 1)
	go func() { // ends with a line, or with the process
		text, err := term.ReadPassword(keyboard)
		answered <- answer{text, err}
	}()
	// What is typed at once would be shown, if the question came before the terminal is told
	// to show nothing.
	for range unseenPatience / time.Millisecond {
		if is, err := term.GetState(keyboard); err != nil || *is != *was {
			break
		}
		time.Sleep(time.Millisecond)
	}
	fmt.Fprint(a.stderr, question)
	select {
	case got := <-answered:
		fmt.Fprintln(a.stderr)
		if got.err != nil || len(got.text) == 0 {
			return nil, tally.Errorf(tally.Denied, "no passphrase was given").WithHint("try it again")
		}
		return got.text, nil
	case <-ctx.Done():
		term.Restore(keyboard, was)
		fmt.Fprintln(a.stderr)
		return nil, ctx.Err()
	}
}
