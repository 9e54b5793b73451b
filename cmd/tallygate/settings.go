package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

const settingsHelp = `Flags may also be given as environment variables and in a JSON file named by
--config. The flag says more than the variable, the variable more than the file.
  --data DIR            TALLYGATE_DATA=DIR           {"data": "DIR"}
  serve --listen ADDR   TALLYGATE_LISTEN=ADDR        {"listen": "ADDR"}
  --gateway SLUG        TALLYGATE_GATEWAY=SLUG       {"gateway": "SLUG"}, where one is needed
  usage --since 7d      TALLYGATE_USAGE_SINCE=7d     {"usage.since": "7d"}`

// settingName is what a flag of a command is called in the environment and in
// the config file. Flags of the program and of serve have their own name, and
// others the command's before it, so that a variable never changes a command
// that it was not meant for.
func settingName(cmd *cobra.Command, flag string) string {
	path := strings.Fields(cmd.CommandPath())[1:]
	own := map[string]string{"serve": "", "tui": "filter", "doctor": "verify"} // commands with serve's flags, and their own
	theirs, like := own[strings.Join(path, " ")]
	if len(path) == 0 || like && flag != theirs || cmd.InheritedFlags().Lookup(flag) != nil {
		return flag
	}
	return strings.Join(append(path, flag), ".")
}

func variable(setting string) string {
	return "TALLYGATE_" + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(setting))
}

// applySettings gives the flags of a command that were not given their values
// from the environment or the config file.
func (a *app) applySettings(cmd *cobra.Command) error {
	if !cmd.Flags().Changed("config") {
		a.config, _ = a.env("TALLYGATE_CONFIG")
	}
	file, err := readConfig(a.config, cmd.Root())
	if err != nil {
		return err
	}
	var failed error
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if f.Changed || f.Name == "help" || failed != nil {
			return
		}
		settings := []string{settingName(cmd, f.Name)}
		if f.Annotations[needsGateway] != nil {
			settings = append(settings, gatewaySetting)
		}
		from, values := "", []string(nil)
		for _, setting := range settings {
			if v, _ := a.env(variable(setting)); v != "" { // an empty one is as good as none
				from, values = variable(setting), []string{v}
			} else if v, ok := file[setting]; ok {
				from, values = a.config+": "+setting, v
			}
			if values != nil {
				break
			}
		}
		for _, v := range values {
			if err := cmd.Flags().Set(f.Name, v); err != nil {
				failed = flagError(cmd, err, from)
				return
			}
		}
		if values != nil {
			cmd.Flags().SetAnnotation(f.Name, isSetFrom, []string{from})
		}
	})
	return failed
}

// isSetFrom is the annotation of a flag that says where its value has come from.
const isSetFrom = "set-from"

// setFrom is the variable, or the place in the config file, that a flag has its value from;
// "" for the command line.
func setFrom(f *pflag.Flag) string {
	if from := f.Annotations[isSetFrom]; len(from) > 0 {
		return from[0]
	}
	return ""
}

// gatewaySetting names the gateway of commands that need one. needsGateway marks their
// flag.
const (
	gatewaySetting = "gateway"
	needsGateway   = "needs-gateway"
)

// setting is a setting of the whole program, "" if it is not set.
func (a *app) setting(cmd *cobra.Command, name string) (string, error) {
	if v, _ := a.env(variable(name)); v != "" {
		return v, nil
	}
	file, err := readConfig(a.config, cmd.Root())
	if err != nil || len(file[name]) == 0 {
		return "", err
	}
	return file[name][0], nil
}

// readConfig reads the config file: a JSON object of settings. A list gives a
// flag that may be repeated.
func readConfig(path string, root *cobra.Command) (map[string][]string, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, tally.Errorf(tally.Invalid, "config file: %w", err)
	}
	var object map[string]json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(text))
	if err := dec.Decode(&object); err != nil {
		return nil, tally.Errorf(tally.Invalid, "config file %s: %w", path, err).WithHint(`write a JSON object of flags, like {"listen": "127.0.0.1:4283"}`)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, tally.Errorf(tally.Invalid, "config file %s: there is something after the object", path)
	}
	known := append(knownSettings(root), gatewaySetting)
	out := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if !slices.Contains(known, name) {
			e := tally.Errorf(tally.Invalid, "config file %s: there is no setting %q", path, name)
			if near := control.Nearest(name, known); near != "" {
				return nil, e.WithHint("did you mean %q?", near)
			}
			return nil, e.WithHint("settings are named like flags: see tallygate --help")
		}
		if out[name], err = settingValues(object[name]); err != nil {
			return nil, tally.Errorf(tally.Invalid, "config file %s: %s: %w", path, name, err)
		}
	}
	return out, nil
}

// settingValues reads a string, number or boolean, or a list of them.
func settingValues(raw json.RawMessage) ([]string, error) {
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		list = []json.RawMessage{raw}
	}
	var out []string
	for _, item := range list {
		var v any
		dec := json.NewDecoder(bytes.NewReader(item))
		dec.UseNumber()
		if err := dec.Decode(&v); err != nil {
			return nil, err
		}
		switch v.(type) {
		case string, json.Number, bool:
			out = append(out, fmt.Sprint(v))
		default:
			return nil, errors.New("it must be a string, a number, true, false or a list of them")
		}
	}
	return out, nil
}

// knownSettings lists the settings of all commands.
func knownSettings(cmd *cobra.Command) []string {
	var out []string
	cmd.LocalFlags().VisitAll(func(f *pflag.Flag) {
		if name := settingName(cmd, f.Name); f.Name != "help" && f.Name != "config" && !slices.Contains(out, name) {
			out = append(out, name)
		}
	})
	for _, child := range cmd.Commands() {
		out = append(out, knownSettings(child)...)
	}
	return out
}
