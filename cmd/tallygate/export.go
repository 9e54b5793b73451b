package main

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

func (a *app) exportCommand() *cobra.Command {
	var in control.RequestQuery
	var format, output string
	cmd := &cobra.Command{
		Use: "export", Short: "write all selected requests as CSV or JSON, the latest first",
		Example: "  tallygate requests export --since 30d > requests.csv\n  tallygate requests export --format json --client hotel-aurora --output aurora.json",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if a.json && !cmd.Flags().Changed("format") {
				format = "json"
			}
			if format != "csv" && format != "json" {
				return wrongUse(cmd, "--format is csv or json, not %q", format)
			}
			return a.withEngine(cmd, control.Read, false, func(ctx context.Context, c control.Caller) error {
				defer a.progress("exporting")()
				return a.toFile(output, func(w io.Writer) error {
					return export(ctx, c, in, newRequestWriter(format, w))
				})
			})
		},
	}
	addFlags(cmd.Flags(), &in, "limit", "after")
	a.completeFlags(cmd, control.FieldsOf(reflect.TypeFor[control.RequestQuery]()))
	cmd.Flags().StringVar(&format, "format", "csv", "csv or json")
	cmd.Flags().StringVar(&output, "output", "", "`FILE` to write; it appears once it is complete; default: standard output")
	cmd.RegisterFlagCompletionFunc("format", cobra.FixedCompletions([]string{"csv", "json"}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

// export writes page after page; no more than one is in memory.
func export(ctx context.Context, c control.Caller, q control.RequestQuery, w requestWriter) error {
	for q.Limit = maxPage; ; {
		page, err := control.RequestsList.Do(ctx, c, q)
		if err != nil {
			return err
		}
		for i := range page.Requests {
			page.Requests[i].ForgetDetails() // they may quote prompts
			if err := w.write(&page.Requests[i]); err != nil {
				return tally.Errorf(tally.Internal, "write the export: %w", err)
			}
		}
		if q.After = page.Next; q.After == "" {
			break
		}
	}
	if err := w.end(); err != nil {
		return tally.Errorf(tally.Internal, "write the export: %w", err)
	}
	return nil
}

// toFile gives standard output to write to, or a file that takes its name only
// once it is complete.
func (a *app) toFile(path string, write func(io.Writer) error) error {
	if path == "" {
		w := bufio.NewWriter(a.stdout)
		return errors.Join(write(w), w.Flush())
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".tallygate-export-*") // mode 0600
	if err != nil {
		return tally.Errorf(tally.Invalid, "export to %s: %w", path, err)
	}
	w := bufio.NewWriter(file)
	err = write(w)
	for _, step := range []func() error{w.Flush, file.Sync, file.Close, func() error { return os.Rename(file.Name(), path) }} {
		if err == nil {
			if err = step(); err != nil {
				err = tally.Errorf(tally.Internal, "export to %s: %w", path, err)
			}
		}
	}
	if err != nil {
		file.Close()
		os.Remove(file.Name())
	}
	return err
}

// requestWriter writes requests in one format.
type requestWriter interface {
	write(*control.RequestView) error
	end() error
}

func newRequestWriter(format string, w io.Writer) requestWriter {
	if format == "json" {
		return &jsonWriter{w: w}
	}
	return &csvWriter{w: csv.NewWriter(w)}
}

// jsonWriter writes an array, one request a line.
type jsonWriter struct {
	w       io.Writer
	started bool
}

func (j *jsonWriter) write(r *control.RequestView) error {
	text, err := json.Marshal(r)
	if err == nil {
		_, err = fmt.Fprintf(j.w, "%s%s", when(j.started, ",\n", "[\n"), tally.EscapeControls(text))
		j.started = true
	}
	return err
}

func (j *jsonWriter) end() error {
	_, err := io.WriteString(j.w, when(j.started, "\n]\n", "[]\n"))
	return err
}

// csvWriter writes a header and a line per request; new columns go to its end.
// The charges, a list, are left out, and of the attempts there is what each came
// to.
type csvWriter struct {
	w       *csv.Writer
	started bool
}

func (c *csvWriter) header() error {
	if c.started {
		return nil
	}
	c.started = true
	return c.w.Write([]string{"id", "at", "gateway", "client", "key", "key_id", "model", "upstream_model", "provider", "endpoint", "origin", "country", "session", "new_session",
		"status", "outcome", "stream", "basis", "input_tokens", "cached_input_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens",
		"cost_usd", "cost_nano_usd", "credits_usd", "credits_nano_usd", "first_byte_ms", "total_ms", "attempts", "code", "count", "token", "visitor_net", "visitor",
		"cache_write_long_tokens", "audio_input_tokens", "image_input_tokens", "audio_output_tokens", "image_output_tokens", "searches",
		"billed_usd", "billed_nano_usd", "listed_usd", "listed_nano_usd", "price", "tier", "answered", "waited_ms", "cut", "uncounted", "tries", "reason", "upstream_request"})
}

func (c *csvWriter) write(r *control.RequestView) error {
	if err := c.header(); err != nil {
		return err
	}
	n := func(n int64) string { return strconv.FormatInt(n, 10) }
	ms := func(ms float64) string { return strconv.FormatFloat(ms, 'f', -1, 64) }
	return c.w.Write([]string{string(r.ID), r.At.UTC().Format(time.RFC3339Nano), tally.Cell(r.Gateway), tally.Cell(r.Client), tally.Cell(r.Key), string(r.KeyID), tally.Cell(r.Model), tally.Cell(r.Upstream),
		tally.Cell(r.Provider), tally.Cell(r.Endpoint), tally.Cell(r.Origin), tally.Cell(r.Country), tally.Cell(r.Session), strconv.FormatBool(r.NewSession),
		strconv.Itoa(r.Status), string(r.Outcome), strconv.FormatBool(r.Stream), string(r.Basis),
		n(r.InputTokens), n(r.Tokens.CachedInput), n(r.Tokens.CacheWrite), n(r.OutputTokens), n(r.Tokens.Reasoning),
		r.CostUSD, n(int64(r.CostNanoUSD)), r.CreditsUSD, n(int64(r.CreditsNano)), ms(r.FirstByteMS), ms(r.TotalMS), strconv.Itoa(r.Attempts), tally.Cell(r.Code), n(r.Count), tally.Cell(r.Token), r.VisitorNet, tally.Cell(r.Visitor),
		n(r.Tokens.CacheWriteLong), n(r.Tokens.AudioInput), n(r.Tokens.ImageInput), n(r.Tokens.AudioOutput), n(r.Tokens.ImageOutput), n(r.Searches),
		r.BilledUSD, nano(r.BilledNano), r.ListedUSD, nano(r.ListedNano), string(r.Price), string(r.Tier), tally.Cell(r.Answered), ms(r.WaitedMS),
		strconv.FormatBool(r.Cut), strconv.FormatBool(r.Uncounted), tally.Cell(triesText(r.Tries)),
		tally.Cell(r.Reason), tally.Cell(r.RequestOf)})
}

// nano writes an amount that may not be there.
func nano(n *tally.NanoUSD) string {
	if n == nil {
		return ""
	}
	return strconv.FormatInt(int64(*n), 10)
}

// triesText writes attempts as "spare timeout 0.0012; openai ok 0.0004": provider,
// cause and cost in US dollars.
func triesText(tries []control.AttemptView) string {
	var out []string
	for i := range tries {
		a := &tries[i]
		out = append(out, a.Provider+" "+when(a.Cause == "", "ok", a.Cause)+" "+a.CostUSD)
	}
	return strings.Join(out, "; ")
}

func (c *csvWriter) end() error {
	err := c.header()
	c.w.Flush()
	return errors.Join(err, c.w.Error())
}
