package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) captureCommands() *cobra.Command {
	var raw bool
	return family(groupSee, "capture", "what a client has really sent, and what came back, kept for a while",
		verb[control.StartCapture, control.CaptureView]{
			op: control.CaptureStart,
			example: "  tallygate capture start bot --client hotel-aurora --for 1h\n" +
				"  tallygate capture start --client hotel-aurora --for 24h --disk",
			show: func(p *printer, _ *control.StartCapture, out *control.CaptureView) {
				p.say("Capturing %s until %s, at most %s %s; then what was kept is removed.", captureName(out), minute(out.Until),
					size(out.Most), when(out.Disk, "sealed on disk", "in memory"))
				p.say("What looks like a key or a password is replaced before it is kept. See: tallygate capture list")
			},
		}.command(a),
		verb[control.PickCapture, control.CaptureView]{
			op:      control.CaptureStop,
			example: "  tallygate capture stop bot --client hotel-aurora",
			show: func(p *printer, _ *control.PickCapture, out *control.CaptureView) {
				p.say("stopped capturing %s, and removed what it had kept: %s", captureName(out), countOf(out.Kept, "request", "requests"))
			},
		}.command(a),
		verb[control.ListCaptured, control.Captured]{
			op:      control.CaptureList,
			example: "  tallygate capture list\n  tallygate capture list bot --client hotel-aurora --filter status:>399",
			show: func(p *printer, _ *control.ListCaptured, out *control.Captured) {
				if len(out.Captures) == 0 {
					p.say("nothing is captured; begin with: tallygate capture start KEY")
				}
				for i := range out.Captures {
					sayCapture(p, &out.Captures[i])
				}
				rows(p, control.CapturedTable, out.Requests, "")
			},
			write: writes(control.CapturedTable, func(out *control.Captured) []control.CapturedView { return out.Requests }),
		}.command(a),
		verb[control.PickCaptured, control.CapturedRequest]{
			op:      control.CaptureShow,
			example: "  tallygate capture show req_01kb3x0000000000000000000000\n  tallygate capture show req_01kb3x0000000000000000000000 --raw",
			prepare: func(cmd *cobra.Command, _ *control.PickCaptured) func() error {
				cmd.Flags().BoolVar(&raw, "raw", false, "the bodies as they passed, in the place of the conversation")
				return nil
			},
			show: func(p *printer, _ *control.PickCaptured, out *control.CapturedRequest) { showCaptured(p, out, raw) },
		}.command(a),
		verb[control.PickCaptured, control.CapturedCurl]{
			op:      control.CaptureCurl,
			example: "  tallygate capture curl req_01kb3x0000000000000000000000",
			show: func(p *printer, _ *control.PickCaptured, out *control.CapturedCurl) {
				fmt.Fprintln(p, out.Curl) // whole and made safe by the engine, to be copied
			},
			aside: func(out *control.CapturedCurl) string { return out.Note },
		}.command(a),
		verb[control.ReplayCaptured, control.Replayed]{
			op: control.CaptureReplay, slow: "asking",
			example: "  tallygate capture replay req_01kb3x0000000000000000000000 --model gpt-5-mini --max 0.50",
			show:    func(p *printer, _ *control.ReplayCaptured, out *control.Replayed) { showReplayed(p, out) },
			aside:   func(out *control.Replayed) string { return out.Note },
			verdict: func(out *control.Replayed) error {
				if s := out.After.Status; s < 200 || s > 299 {
					return tally.Errorf(tally.Upstream, "the replay was not answered: %s", out.After.Reason).
						WithHint("see: tallygate requests show %s", out.After.Request)
				}
				return nil
			},
		}.command(a),
	)
}

func captureName(v *control.CaptureView) string {
	return when(v.Of == "client", "all keys of client "+v.Name, v.Of+" "+v.Name)
}

// sayCapture says how a capture stands.
func sayCapture(p *printer, v *control.CaptureView) {
	text := fmt.Sprintf("Capturing %s until %s, begun by %s: %s, %s of %s %s", captureName(v), minute(v.Until), v.By,
		countOf(v.Kept, "request", "requests"), when(v.Bytes > 0, size(v.Bytes), "nothing"), size(v.Most), when(v.Disk, "on disk", "in memory"))
	if v.Pushed > 0 {
		text += "; " + tally.Group(v.Pushed) + " were pushed out by later ones"
	}
	if v.Missed > 0 {
		text += "; " + tally.Group(v.Missed) + " could not be kept"
	}
	p.say("%s.", p.wrapped(clean(text), 0))
}

// showCaptured shows a request and its answer.
func showCaptured(p *printer, v *control.CapturedRequest, raw bool) {
	p.pairs(
		"request", string(v.ID), "counted by", string(v.Record), "at", moment(v.At), "client", v.Client, "key", v.Key,
		"asked", v.Method+" "+v.Path+when(v.Stream, " (stream)", ""), "model", v.Model, "status", count(v.Status), "took", millis(v.TookMS),
		"sent", size(v.RequestBytes), "answer", size(v.AnswerBytes), "not as it was", v.Marks(),
	)
	headers := func(h map[string][]string) {
		for _, name := range slices.Sorted(maps.Keys(h)) {
			p.say("%s: %s", name, strings.Join(h[name], ", "))
		}
	}
	p.section("Headers of the request")
	headers(v.RequestHeader)
	p.section("Headers of the answer")
	headers(v.AnswerHeader)
	if raw || len(v.Spoken) == 0 {
		p.section("Request")
		sayLines(p, v.RequestBody)
		p.section("Answer")
		sayLines(p, v.AnswerBody)
		return
	}
	for _, s := range v.Spoken {
		p.section(strings.ToUpper(s.Who[:1]) + s.Who[1:])
		for line := range strings.Lines(s.Text) {
			p.say("%s", p.wrapped(clean(strings.TrimRight(line, "\n")), 0))
		}
	}
}

// showReplayed sets two answers beside each other.
func showReplayed(p *printer, v *control.Replayed) {
	for i, a := range []*control.ReplaySide{&v.Before, &v.After} {
		if i == 0 {
			p.say("As it was asked:")
		} else {
			p.say("\nReplayed:")
		}
		p.pairs(
			"  request", string(a.Request), "  model", joinWith(" at ", a.Model, a.Provider), "  status", count(a.Status),
			"  tokens", when(a.Recorded, tally.Group(a.Input)+" in, "+tally.Group(a.Output)+" out", ""), "  answer", size(a.AnswerBytes), "  took", millis(a.TookMS),
			"  cost", when(a.Recorded, "$"+a.Cost.String(), "not recorded"), "  credits", when(a.Credits != a.Cost, "$"+a.Credits.String(), ""),
			"  length", when(a.Cut, "cut where its bound was", ""),
		)
	}
	if v.Difference == nil {
		p.say("\nThe difference of their prices is not known: one of them was not answered, or is not on record.")
		return
	}
	d := *v.Difference
	switch {
	case d > 0:
		p.say("\nThe replay cost $%s more.", d.String())
	case d < 0:
		p.say("\nThe replay cost $%s less.", (-d).String())
	default:
		p.say("\nBoth cost the same.")
	}
}
