package main

import (
	"slices"
	"testing"

	"github.com/spf13/pflag"

	"tallygate/storage/badgerdb"
)

// A flag of serve that SIGHUP finds changed is taken up, or named as one that needs a restart:
// whoever schedules backups in the config file must not wait for them in vain.
func TestReloadNamesWhatNeedsARestart(t *testing.T) {
	takenUp := []string{"log-level", "access-log", "drain", "trusted-proxy", "trusted-header"}
	ofTheStart := []string{"inherit", "forget-secrets"}
	flagsOf := func(o *serveOptions) *pflag.FlagSet {
		fs := pflag.NewFlagSet("serve", pflag.ContinueOnError)
		o.flags(fs, badgerdb.Server)
		return fs
	}
	var is serveOptions
	flagsOf(&is).VisitAll(func(f *pflag.Flag) {
		if slices.Contains(takenUp, f.Name) || slices.Contains(ofTheStart, f.Name) {
			return
		}
		var next serveOptions
		fs := flagsOf(&next)
		value := "another"
		switch f.Value.Type() {
		case "bool":
			value = "true"
		case "int":
			value = "17"
		case "duration":
			value = "17m"
		}
		if err := fs.Set(f.Name, value); err != nil {
			if err = fs.Set(f.Name, "17m"); err != nil {
				t.Fatal(err)
			}
		}
		next.shared.URL, next.shared.Node = next.store, next.node // as check reads them
		if len(next.later(&is)) == 0 {
			t.Errorf("--%s has changed, and nobody is told that it needs a restart", f.Name)
		}
	})
}
