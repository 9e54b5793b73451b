package main

import (
	"encoding/xml"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tallygate/assets"
	"tallygate/engine/tally"
)

// manager is what starts services on a system, with the file that it wants.
type manager struct {
	name    string
	file    string // a text of assets
	program string // where the text has the program, to be replaced by where it is
	quote   func(path string) (string, error)
}

var managers = []manager{
	{"systemd", assets.SystemdUnit, "/usr/bin/tallygate", systemdPath},
	{"launchd", assets.LaunchdJob, "/usr/local/bin/tallygate", launchdPath},
	{"windows", assets.WindowsTask, `C:\Program Files\tallygate\tallygate.exe`, windowsPath},
}

// serviceFile is what service --json writes.
type serviceFile struct {
	System string `json:"system"`
	File   string `json:"file"`
}

func (a *app) serviceCommand() *cobra.Command {
	var program string
	names := make([]string, len(managers))
	for i, m := range managers {
		names[i] = m.name
	}
	cmd := &cobra.Command{
		Use: "service [systemd|launchd|windows]", Short: "print the file with which a system starts it", GroupID: groupRun,
		Long: `Prints the file with which a system starts tallygate by itself: a unit of systemd, a
job of launchd, or a script that makes a task of Windows. Without a name it is that
of this system. The first lines of the file say where it belongs, and how to begin.

The unit has the program at /usr/bin/tallygate, since it closes homes to the service;
the others where the program is that prints them. --program names another place.`,
		Example: `  tallygate service systemd
  tallygate service launchd --program /opt/homebrew/bin/tallygate`,
		ValidArgs: names,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 || len(args) == 1 && !slices.Contains(names, args[0]) {
				return wrongUse(cmd, "name one of %s", strings.Join(names, ", "))
			}
			return nil
		},
		RunE: func(_ *cobra.Command, args []string) error {
			name := map[string]string{"windows": "windows", "darwin": "launchd"}[runtime.GOOS]
			if len(args) == 1 {
				name = args[0]
			}
			m := managers[max(0, slices.Index(names, name))]
			text, err := m.text(program, a.env)
			if err != nil {
				return err
			}
			return a.print(func(p *printer) { io.WriteString(p, text) }, func() any { return serviceFile{m.name, text} })
		},
	}
	cmd.Flags().StringVar(&program, "program", "", "`FILE` of the program, whole from its root")
	cmd.MarkFlagFilename("program")
	return cmd
}

// text is the manager's file for a program, "" for the one that is usual.
func (m manager) text(program string, env func(string) (string, bool)) (string, error) {
	of := map[string]string{"launchd": "darwin", "windows": "windows"}[m.name]
	if program == "" && of == runtime.GOOS {
		self, err := os.Executable()
		if err != nil {
			return "", tally.Errorf(tally.Internal, "where this program is: %w", err).WithHint("name it with --program")
		}
		program = self
	}
	text := m.file
	if program != "" {
		quoted, err := m.quote(program)
		if err != nil {
			return "", err
		}
		text = strings.ReplaceAll(text, m.program, quoted)
	}
	if home, _ := env("HOME"); m.name == "launchd" && filepath.IsAbs(home) {
		home, err := launchdPath(home)
		if err != nil {
			return "", err
		}
		text = strings.ReplaceAll(text, "/Users/you", home)
	}
	return text, nil
}

// systemdPath refuses what would have to be quoted: in its several places a path is
// read by several rules.
func systemdPath(path string) (string, error) {
	plain := strings.HasPrefix(path, "/") && !strings.ContainsFunc(path, func(r rune) bool {
		return r <= ' ' || r > '~' || strings.ContainsRune(`"'%$\;:#`, r)
	})
	if !plain {
		return "", tally.Errorf(tally.Invalid, "a unit cannot name the program %q", path).
			WithHint("copy it to /usr/bin/tallygate, and leave --program out")
	}
	return path, nil
}

func launchdPath(path string) (string, error) {
	if !strings.HasPrefix(path, "/") {
		return "", tally.Errorf(tally.Invalid, "launchd wants a path from the root, not %q", path).
			WithHint("like --program /usr/local/bin/tallygate")
	}
	var out strings.Builder
	err := xml.EscapeText(&out, []byte(path))
	return out.String(), err
}

// windowsPath writes a path for between single quotes, where nothing else has a meaning.
func windowsPath(path string) (string, error) {
	if strings.ContainsFunc(path, func(r rune) bool { return r < ' ' || strings.ContainsRune(`"‘’‚‛`, r) }) {
		return "", tally.Errorf(tally.Invalid, "Windows has no file %q", path).WithHint(`like --program "C:\tallygate.exe"`)
	}
	return strings.ReplaceAll(path, "'", "''"), nil
}
