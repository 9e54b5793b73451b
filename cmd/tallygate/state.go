package main

import (
	"runtime"
	"strings"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage/badgerdb"
)

func (a *app) tryCommand() *cobra.Command {
	return verb[control.Try, control.Tried]{
		op: control.EngineTry, name: "try", group: groupRun, slow: "waiting for the answer",
		example: "  tallygate try\n  tallygate try gpt-4o-mini --client hotel-aurora",
		show: func(p *printer, _ *control.Try, out *control.Tried) {
			rows(p, control.StepTable, out.Steps, "no checks")
			if out.Answer != "" {
				p.section("Answer")
				p.Write([]byte(cleanLines(strings.TrimSpace(out.Answer)) + "\n"))
			}
			if out.Request.ID != "" {
				p.say("\ntallygate requests show %s", string(out.Request.ID))
			}
		},
		verdict: func(out *control.Tried) error {
			if out.OK {
				return nil
			}
			for _, s := range out.Steps {
				if !s.OK {
					return tally.Errorf(tally.Denied, "the request failed at: %s", s.Name)
				}
			}
			return tally.Errorf(tally.Denied, "the request failed with status %d", out.Status)
		},
	}.command(a)
}

func (a *app) verifyCommand() *cobra.Command {
	return verb[control.None, tally.Report]{
		op: control.EngineVerify, name: "verify", group: groupSee, slow: "replaying the records",
		example: "  tallygate verify",
		show: func(p *printer, _ *control.None, out *tally.Report) {
			p.pairs("records replayed", tally.Group(out.Records), "vouched for after pruning", count(out.Pruned), "open holds", tally.Group(out.Holds),
				"counters", tally.Group(out.Counters), "rollups", tally.Group(out.Rollups))
			if out.OK {
				p.say("All counters and rollups are the sums of the records.")
				return
			}
			rows(p, control.FaultTable, out.Faults, "")
		},
		verdict: func(out *tally.Report) error {
			if out.OK {
				return nil
			}
			return tally.Errorf(tally.Corrupt, "the store has %d faults", len(out.Faults)).WithHint("stop using it for money; restore a backup (tallygate backup restore BACKUPS --to NEW-DIR), or keep a copy of the folder for those who can look into it")
		},
	}.command(a)
}

func (a *app) settingsCommands() *cobra.Command {
	show := func(p *printer, s *tally.Settings) {
		set := control.CurrentSettings(s)
		thing(p, &control.Table[*tally.Settings]{}, s, set)
	}
	return family(groupOwn, "settings", "what holds for all gateways",
		verb[control.None, tally.Settings]{
			op: control.SettingsShow, example: "  tallygate settings show",
			show: func(p *printer, _ *control.None, out *tally.Settings) { show(p, out) },
		}.command(a),
		verb[control.SettingsFields, tally.Settings]{
			op: control.SettingsSet, create: true, example: "  tallygate settings set --retention-days 400",
			asks:    asksSettings,
			changed: func(out *tally.Settings) *tally.Meta { return &out.Meta },
			show:    func(p *printer, _ *control.SettingsFields, _ *tally.Settings) { p.say("changed settings") },
		}.command(a),
		verb[control.AcceptClock, control.ClockAccepted]{
			op: control.SettingsAcceptClock, example: "  tallygate settings accept-clock --yes",
			show: func(p *printer, _ *control.AcceptClock, out *control.ClockAccepted) {
				p.pairs("was", minute(out.From), "is", minute(out.To))
			},
		}.command(a),
	)
}

// versionInfo is what version --json writes.
type versionInfo struct {
	Version string `json:"version"`
	Schema  int    `json:"schema"` // of the stores that it reads, at most
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "show the version", GroupID: groupSee, Args: noArguments, Example: "  tallygate version",
		RunE: func(*cobra.Command, []string) error {
			v := versionInfo{a.version, badgerdb.Schema, runtime.Version(), runtime.GOOS, runtime.GOARCH}
			return a.print(func(p *printer) { p.say("tallygate %s (%s, %s/%s)", v.Version, v.Go, v.OS, v.Arch) }, func() any { return v })
		},
	}
}
