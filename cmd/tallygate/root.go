package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/tui/screen"
)

// execute runs the command that the arguments name.
func (a *app) execute(ctx context.Context, args []string) error {
	a.args = args
	root := a.root()
	root.SetArgs(args)
	root.SetIn(a.stdin)
	root.SetOut(a.stdout)
	root.SetErr(a.stderr)
	return root.ExecuteContext(ctx)
}

func (a *app) root() *cobra.Command {
	cobra.MousetrapHelpText = "" // started from a window, it serves as well
	var serve serveOptions
	root := &cobra.Command{
		Use:   "tallygate",
		Short: "An LLM gateway: hands out AI access and never lets anyone spend more than you said",
		Long: `An LLM gateway you run from your terminal: it hands out AI access, keeps the
tally, and never lets anyone spend more than you said.

Without a command it shows the interface, which serves as long as it is open, or
attaches to the tallygate that serves already. Where there is no terminal it sets
itself up if need be, and serves.`,
		Example: `  tallygate
  tallygate serve --listen 127.0.0.1:4283
  tallygate clients create --name "Hotel Aurora" --limit cost=50/month
  tallygate keys create --client hotel-aurora --label bot --expires 90d
  tallygate usage --by client --since 30d`,
		Args:               noCommand,
		SilenceUsage:       true,
		SilenceErrors:      true,
		DisableSuggestions: true, // noCommand has its own
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.interactive() {
				return a.open(cmd, serve, screen.Goto{})
			}
			return a.serve(cmd, serve, true)
		},
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return a.begin(cmd) },
	}
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveNoFileComp)
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return flagError(cmd, err, "") })
	root.SetUsageFunc(func(cmd *cobra.Command) error {
		_, err := io.WriteString(cmd.OutOrStderr(), a.usageOf(cmd))
		return err
	})
	root.SetHelpFunc(func(cmd *cobra.Command, _ []string) { io.WriteString(cmd.OutOrStdout(), helpOf(cmd)) })
	global := root.PersistentFlags()
	global.StringVar(&a.data, "data", "", "`DIR` of the data; default "+a.defaultData())
	global.BoolVar(&a.json, "json", false, "write JSON")
	global.StringVar(&a.config, "config", "", "config `FILE`, in JSON; see below")
	global.StringVar(&a.host, "host", "", "ask the tallygate of another machine, over ssh: `HOST` is user@server[:port]")
	global.StringVar(&a.keyFile, "secrets-key-file", "", "`FILE` with the key that seals secrets; default secrets.key, a credential of systemd or of the data folder; see help secrets")
	global.StringVar(&a.passphraseFile, "passphrase-file", "", "`FILE` with the passphrase that wraps the key; else the terminal is asked")
	root.MarkPersistentFlagFilename("secrets-key-file")
	root.MarkPersistentFlagFilename("passphrase-file")
	root.MarkPersistentFlagDirname("data")
	root.MarkPersistentFlagFilename("config", "json")
	serve.interfaceFlags(root.Flags())

	root.AddGroup(&cobra.Group{ID: groupRun, Title: "Run"}, &cobra.Group{ID: groupOwn, Title: "Own"}, &cobra.Group{ID: groupSee, Title: "See"})
	root.SetHelpCommand(a.helpCommand())
	root.SetCompletionCommandGroupID(groupRun)
	root.AddCommand(
		a.serveCommand(), a.stopCommand(), a.upgradeCommand(), a.tuiCommand(), a.initCommand(), a.statusCommand(), a.tryCommand(), a.runCommand(), a.demoCommand(), a.serviceCommand(), a.versionCommand(), a.moveCommand(), a.relayCommand(),
		a.gatewayCommands(), a.templateCommands(), a.tokenCommands(), a.clientCommands(), a.entryCommands(), a.statementCommands(), a.shareCommands(), a.keyCommands(), a.providerCommands(), a.modelCommands(), a.priceCommands(), a.recostCommand(), a.reconcileCommand(), a.settingsCommands(), a.sshCommands(), a.adminCommands(), a.backupCommands(), a.configCommands(), a.secretsCommands(),
		a.usageCommand(), a.forecastCommand(), a.whatIfCommand(), a.requestCommands(), a.captureCommands(), a.alertCommands(), a.metricsCommand(), a.doctorCommand(), a.nodeCommands(), a.auditCommands(), a.undoCommand(groupOwn), a.verifyCommand(),
	)
	return root
}

// begin is what comes before every command.
func (a *app) begin(cmd *cobra.Command) error {
	if a.guest != nil {
		return a.checkGuest(cmd)
	}
	if err := a.applySettings(cmd); err != nil || a.host == "" {
		return err
	}
	return a.refusesHost(cmd)
}

// The groups of commands in the help.
const (
	groupRun = "run"
	groupOwn = "own"
	groupSee = "see"
)

// family makes a command that only has commands below it.
func family(group, name, short string, commands ...*cobra.Command) *cobra.Command {
	cmd := &cobra.Command{
		Use: name, Short: short, GroupID: group, Args: noCommand,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(commands...)
	return cmd
}

// noCommand refuses arguments where a command was expected.
func noCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	e := tally.Errorf(tally.Invalid, "there is no command %q", strings.TrimPrefix(cmd.CommandPath()+" ", "tallygate ")+args[0])
	var names []string
	for _, c := range cmd.Commands() {
		names = append(names, c.Name())
	}
	if near := control.Nearest(args[0], names); near != "" {
		return e.WithHint("did you mean: %s %s", cmd.CommandPath(), near)
	}
	return e.WithHint("see: %s --help", cmd.CommandPath())
}

// flagError says what is wrong with a flag; from tells where its value came
// from, if not from the command line.
func flagError(cmd *cobra.Command, err error, from string) error {
	var unknown *pflag.NotExistError
	var missing *pflag.ValueRequiredError
	var invalid *pflag.InvalidValueError
	see := "see: " + cmd.CommandPath() + " --help"
	switch {
	case cmd.HasSubCommands() && len(cmd.Flags().Args()) > 0: // the flag is of a command that does not exist
		return noCommand(cmd, cmd.Flags().Args())
	case errors.As(err, &unknown):
		name := unknown.GetSpecifiedName()
		if len(unknown.GetSpecifiedShortnames()) > 0 {
			return tally.Errorf(tally.Invalid, "there is no flag -%s", name).WithHint("flags have long names, with two dashes; %s", see)
		}
		var names []string
		cmd.Flags().VisitAll(func(f *pflag.Flag) { names = append(names, f.Name) })
		e := tally.Errorf(tally.Invalid, "there is no flag --%s", name)
		if near := control.Nearest(name, names); near != "" {
			return e.WithHint("did you mean --%s?", near)
		}
		return e.WithHint("%s", see)
	case errors.As(err, &missing):
		return tally.Errorf(tally.Invalid, "--%s needs a value", missing.GetSpecifiedName()).WithHint("%s", see)
	case errors.As(err, &invalid):
		if from == "" {
			from = "--" + invalid.GetFlag().Name
		}
		e := tally.Errorf(tally.Invalid, "%s: %w", from, invalid.Unwrap())
		if inner := tally.AsError(invalid.Unwrap()); inner.Hint != "" {
			return e.WithHint("%s", inner.Hint)
		}
		return e.WithHint("%s", see)
	}
	return tally.Errorf(tally.Invalid, "%w", err).WithHint("%s", see)
}

// wrongUse makes an error of the command line with the place where help is.
func wrongUse(cmd *cobra.Command, format string, args ...any) error {
	return tally.Errorf(tally.Invalid, format, args...).WithHint("see: %s --help", cmd.CommandPath())
}

// usageOf is how a command is used. It is written without a template: what reads templates
// looks up methods by name, and keeps every method of the program in the binary.
func (a *app) usageOf(cmd *cobra.Command) string {
	var b strings.Builder
	b.WriteString("Usage: " + cmd.UseLine())
	list := func(title, group string) {
		b.WriteString("\n\n" + title + ":")
		for _, c := range cmd.Commands() {
			if c.GroupID == group && c.IsAvailableCommand() {
				fmt.Fprintf(&b, "\n  %-*s %s", c.NamePadding(), c.Name(), c.Short)
			}
		}
	}
	for _, g := range cmd.Groups() {
		list(g.Title, g.ID)
	}
	if cmd.HasAvailableSubCommands() && len(cmd.Groups()) == 0 {
		list("Commands", "")
	}
	if !cmd.HasParent() {
		b.WriteString("\n\n" + a.topicList())
	}
	if cmd.HasExample() {
		b.WriteString("\n\nExample:\n" + cmd.Example)
	}
	flags := func(title string, of *pflag.FlagSet) {
		b.WriteString("\n\n" + title + ":\n" + strings.TrimRight(of.FlagUsagesWrapped(96), " \n"))
	}
	if cmd.HasAvailableLocalFlags() {
		flags("Flags", cmd.LocalFlags())
	}
	if cmd.HasAvailableInheritedFlags() {
		flags("Flags of every command", cmd.InheritedFlags())
	}
	if !cmd.HasParent() {
		b.WriteString("\n\n" + settingsHelp + "\n\n" + exitCodesHelp)
	}
	return b.String() + "\n"
}

// helpOf is what a command's --help says.
func helpOf(cmd *cobra.Command) string {
	return strings.TrimSpace(cmp.Or(cmd.Long, cmd.Short)) + "\n\n" + cmd.UsageString()
}
