package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage/backup"
)

func (a *app) backupCommands() *cobra.Command {
	return family(groupOwn, "backup", "copies of everything, and how to get it back", a.backupCreate(), a.backupList(), a.backupCheck(), a.backupRestore())
}

// backedUp is a backup for people and scripts.
type backedUp struct {
	File     string    `json:"file"`
	Bytes    int64     `json:"bytes"`
	Whole    bool      `json:"whole"`
	At       time.Time `json:"at"`
	Records  uint64    `json:"records"` // the number of the latest one
	Version  string    `json:"version"`
	Checksum bool      `json:"checked,omitempty"` // it was read to its end
}

func viewOfBackup(f *backup.File) backedUp {
	return backedUp{File: f.Path, Bytes: f.Bytes, Whole: f.Whole(), At: f.At, Records: f.Records, Version: f.Version}
}

// backupTable has the backups of a folder.
var backupTable = control.NewTable(control.Table[*backedUp]{
	Thing: "backup", Make: "tallygate backup create --to DIR",
	Columns: []control.Column[*backedUp]{
		{Name: "file", Get: func(b *backedUp) control.Value { return control.WordOf(filepath.Base(b.File)) }},
		{Name: "at", Title: "made"},
		{Name: "whole", Get: func(b *backedUp) control.Value { return control.WordOf(when(b.Whole, "whole", "goes on")) }},
		{Name: "records", Get: func(b *backedUp) control.Value { return control.CountOf(int64(b.Records)) }},
		{Name: "bytes", Title: "size", Get: func(b *backedUp) control.Value { return control.SizeOf(b.Bytes) }},
	},
})

func (a *app) backupCreate() *cobra.Command {
	var to string
	var goesOn bool
	cmd := &cobra.Command{
		Use: "create", Short: "write a backup of everything, while requests go on", Args: noArguments,
		Long: `Writes all records, sums, clients, keys, prices and settings into one file, as they
are at one instant, and reads the file again to its end before it gets its name. What
is secret of providers' and gateways' keys is sealed in it: keep the file secrets.key of
the data folder elsewhere, as a backup does not have it.

With --since-last only the records are written that the latest backup in the folder does
not have; it is restored together with those it goes on from.`,
		Example:     "  tallygate backup create --to /backups\n  tallygate backup create --to - > all.tgbackup",
		Annotations: map[string]string{madeFrom: control.BackupCreate.Name},
		RunE: func(cmd *cobra.Command, _ []string) error {
			if to == "-" && goesOn {
				return wrongUse(cmd, "--since-last looks for the last backup in a folder; name one with --to")
			}
			return a.withEngine(cmd, control.Write, false, func(ctx context.Context, c control.Caller) error {
				return a.backUp(ctx, c, to, goesOn)
			})
		},
	}
	cmd.Flags().StringVar(&to, "to", ".", "`DIR` for the file, which names itself; - for standard output")
	cmd.Flags().BoolVar(&goesOn, "since-last", false, "only what the latest backup there does not have")
	cmd.MarkFlagDirname("to")
	return cmd
}

func (a *app) backUp(ctx context.Context, c control.Caller, to string, goesOn bool) error {
	from := func(ctx context.Context, since *backup.Info, w io.Writer) error {
		var in control.BackupSince
		if since != nil {
			in = control.BackupSince{ID: since.ID, Store: since.Store, Records: since.Records}
		}
		return control.BackupCreate.Do(ctx, c, in, w)
	}
	if to == "-" {
		if a.out.is {
			return tally.Errorf(tally.Invalid, "a backup is no text for a terminal").WithHint("name a folder with --to, or send it on with |")
		}
		return from(ctx, nil, a.stdout)
	}
	defer a.progress("backing up")()
	var since *backup.Info
	if goesOn {
		last, err := backup.Latest(to, time.Time{})
		if err != nil {
			return err
		}
		since = &last.Info
	}
	made, err := backup.Make(ctx, to, since, from)
	if err != nil {
		return err
	}
	out := viewOfBackup(&made)
	out.Checksum = true
	return a.print(func(p *printer) {
		p.say("wrote %s, %s, and read it again: records up to %s", out.File, size(out.Bytes), tally.Group(int64(out.Records)))
		if !made.Whole() {
			p.say("it goes on from the backups before it: keep them together")
		}
	}, func() any { return out })
}

func (a *app) backupList() *cobra.Command {
	var how doing
	cmd := &cobra.Command{
		Use: "list DIR", Short: "show the backups in a folder", Example: "  tallygate backup list /backups",
		Args: func(cmd *cobra.Command, args []string) error { return needsFiles(cmd, args, 1, 1) },
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := how.to.check(a, cmd); err != nil {
				return err
			}
			all, not, err := backup.List(args[0])
			if err != nil {
				return err
			}
			for _, f := range not {
				fmt.Fprintf(a.stderr, "note: left out: %s\n", clean(tally.AsError(f.Err).Message))
			}
			out := make([]backedUp, len(all))
			for i := range all {
				out[i] = viewOfBackup(&all[i])
			}
			if how.to.format != "" {
				write := writes(backupTable, func(out *[]backedUp) []backedUp { return *out })
				return a.toFile(how.to, func(w io.Writer) error { return write(w, how.to.format, &out) })
			}
			return a.print(func(p *printer) { rows(p, backupTable, out, noRows(backupTable)) }, func() any { return out })
		},
	}
	how.to.flags(a, cmd)
	return cmd
}

// needsFiles refuses another number of arguments.
func needsFiles(cmd *cobra.Command, args []string, least, most int) error {
	switch {
	case len(args) < least:
		return wrongUse(cmd, "say which: %s", cmd.UseLine())
	case len(args) > most:
		return wrongUse(cmd, "%q is too much: %s", args[most], cmd.UseLine())
	}
	return nil
}

func (a *app) backupCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check FILE|-...", Short: "read backups to their ends, and see that nothing of them is missing or changed", Example: "  tallygate backup check /backups/*.tgbackup",
		Args: func(cmd *cobra.Command, args []string) error { return needsFiles(cmd, args, 1, len(args)) },
		RunE: func(cmd *cobra.Command, args []string) error {
			var out []backedUp
			for _, path := range args {
				file, done, err := a.fromInput(path)
				if err != nil {
					return err
				}
				f, err := checkBackup(file, when(path == "-", "standard input", path))
				done()
				if err != nil {
					return err
				}
				view := viewOfBackup(&f)
				view.Checksum = true
				out = append(out, view)
			}
			return a.print(func(p *printer) {
				for i := range out {
					p.say("%s is whole as it was written", out[i].File)
				}
			}, func() any { return out })
		},
	}
}

// checkBackup reads a backup to its end, and calls it by a name.
func checkBackup(path, name string) (backup.File, error) {
	f, err := backup.Look(path)
	if err != nil {
		e := *tally.AsError(err)
		e.Message = strings.Replace(e.Message, path, name, 1)
		return f, &e
	}
	f.Path = name
	file, err := os.Open(path)
	if err != nil {
		return f, tally.Errorf(tally.Internal, "%w", err)
	}
	defer file.Close()
	if _, _, err = backup.Check(file); err != nil {
		e := *tally.AsError(err)
		e.Message = name + ": " + e.Message
		return f, &e
	}
	return f, nil
}

// restored is what a restored data folder has.
type restored struct {
	Data    string       `json:"data"`
	From    []string     `json:"from"` // the latest first
	At      time.Time    `json:"at"`
	Sealed  bool         `json:"needs_key_file"` // secrets.key is not there yet
	Verify  tally.Report `json:"verify"`
	Version string       `json:"version"`
}

func (a *app) backupRestore() *cobra.Command {
	var to, at string
	cmd := &cobra.Command{
		Use: "restore FILE|DIR|-", Short: "make a new data folder from a backup, and prove its books",
		Long: `Makes a new data folder from a backup, or from the latest one in a folder, with those
that it goes on from. The books are replayed before it says that all is there. It never
writes into a folder that has something in it.

The keys of providers and gateways are sealed: put the file secrets.key of the old data
folder into the new one before you serve.`,
		Example: "  tallygate backup restore /backups --to /var/lib/tallygate\n  tallygate backup restore /backups --at 2026-11-29T12:00:00Z --to /tmp/as-it-was",
		Args:    func(cmd *cobra.Command, args []string) error { return needsFiles(cmd, args, 1, 1) },
		RunE: func(cmd *cobra.Command, args []string) error {
			if to == "" {
				return wrongUse(cmd, "say where: %s --to DIR", cmd.UseLine())
			}
			return a.restore(cmd.Context(), args[0], to, at)
		},
	}
	cmd.Flags().StringVar(&to, "to", "", "`DIR` of the new data, which must be empty or not there")
	cmd.Flags().StringVar(&at, "at", "", "`TIME` that it is to be of, like yesterday, 2d or 2026-11-29T12:00:00Z: of a folder's backups the latest up to then")
	cmd.MarkFlagDirname("to")
	return cmd
}

func (a *app) restore(ctx context.Context, from, to, at string) error {
	from, done, err := a.fromInput(from)
	if err != nil {
		return err
	}
	defer done()
	chain, err := chosen(from, at)
	if err != nil {
		return err
	}
	dir, err := filepath.Abs(to)
	if err != nil {
		return tally.Errorf(tally.Invalid, "%w", err)
	}
	defer a.progress("restoring")()
	report, err := process.Restore(ctx, dir, chain, a.version)
	if err != nil {
		return err
	}
	out := restored{Data: dir, At: chain[0].At, Sealed: !process.HasKeyFile(dir), Verify: report, Version: chain[0].Version}
	for _, f := range chain {
		out.From = append(out.From, f.Path)
	}
	return a.print(func(p *printer) {
		p.say("restored %s as it was at %s, from %s", dir, minute(out.At), countOf(len(chain), "file", "files"))
		p.say("verified: %s replayed; all counters and rollups are the sums of the records", countOf(int(report.Records), "record", "records"))
		if out.Sealed {
			p.say("next: put secrets.key of the old data folder into %s, then: tallygate serve --data %s", dir, tally.ShellWord(dir))
		}
	}, func() any { return out })
}

// fromInput puts what comes on standard input into a file, where a path is "-"; done
// removes it again.
func (a *app) fromInput(path string) (file string, done func(), err error) {
	if path != "-" {
		return path, func() {}, nil
	}
	temp, err := os.CreateTemp("", "tallygate-*")
	if err == nil {
		_, err = io.Copy(temp, a.stdin)
		err = errors.Join(err, temp.Close())
	}
	if err != nil {
		return "", nil, tally.Errorf(tally.Internal, "keep what comes on standard input: %w", err)
	}
	return temp.Name(), func() { os.Remove(temp.Name()) }, nil
}

// chosen are the backups to restore, the latest first.
func chosen(from, at string) ([]backup.File, error) {
	var until time.Time
	if at != "" {
		var err error
		if until, err = control.Since(at).At(control.Calendar{Now: time.Now(), Zone: time.Local}, 0); err != nil {
			return nil, err
		}
	}
	info, err := os.Stat(from)
	if err != nil {
		return nil, tally.Errorf(tally.NotFound, "%s: %w", from, errors.Unwrap(err)).WithHint("name a backup, or a folder of them")
	}
	var f backup.File
	switch {
	case info.IsDir():
		f, err = latestWhole(from, until)
	case at != "":
		return nil, tally.Errorf(tally.Invalid, "--at chooses among the backups of a folder").WithHint("name the folder: %s", tally.ShellWord(filepath.Dir(from)))
	default:
		f, err = backup.Look(from)
	}
	if err != nil {
		return nil, err
	}
	return backup.Chain(f)
}

// latestWhole is the latest backup in a folder up to a time. That a later one cannot be read is
// an error: what is restored instead would lack what came since, and nobody would know.
func latestWhole(dir string, until time.Time) (backup.File, error) {
	f, err := backup.Latest(dir, until)
	if err != nil {
		return f, err
	}
	_, not, err := backup.List(dir)
	for _, lost := range not {
		if lost.At.After(f.At) && (until.IsZero() || !lost.At.After(until)) {
			return f, tally.Errorf(tally.Corrupt, "a later backup cannot be read: %w", lost.Err).
				WithHint("get it again from where it was copied to; or take what was there at %s: tallygate backup restore %s",
					minute(f.At), tally.ShellWord(f.Path))
		}
	}
	return f, err
}

// afterBackup runs the command of the owner's for a backup: its path is in the environment
// and its content on standard input.
func afterBackup(command string, log func(string)) func(context.Context, backup.File) error {
	if command == "" {
		return nil
	}
	return func(ctx context.Context, f backup.File) error {
		file, err := os.Open(f.Path)
		if err != nil {
			return err
		}
		defer file.Close()
		said, err := process.Shell(ctx, command, file, nil, "TALLYGATE_BACKUP="+f.Path)
		if said = strings.TrimSpace(said); said != "" {
			log(said)
		}
		if err != nil {
			return tally.Errorf(tally.Unavailable, "the command for backups failed: %w", err)
		}
		return nil
	}
}
