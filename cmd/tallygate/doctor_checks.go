package main

import (
	"cmp"
	"context"
	"crypto/tls"
	"fmt"
	"maps"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"tallygate/cmd/tallygate/process"
	"tallygate/engine/control"
	"tallygate/engine/tally"
	"tallygate/storage/backup"
	"tallygate/storage/badgerdb"
)

// folder looks who may read the data.
func (d *checkup) folder(context.Context) (out []finding) {
	dir := d.found.Data
	if err := mustBeThere(dir); err != nil {
		return []finding{wrong(fault, "folder", err)}
	}
	grave, less := process.Rights(dir)
	for _, err := range grave {
		out = append(out, wrong(fault, "folder", err))
	}
	switch {
	case less != nil:
		out = append(out, wrong(warning, "folder", less))
	case len(grave) == 0:
		out = append(out, finding{fine, "folder", dir + " is closed to others", ""})
	}
	if !process.HasKeyFile(dir) {
		out = append(out, finding{fault, "folder", "secrets.key is not there, which opens the keys of providers",
			"put back your copy of it; without one: tallygate serve --forget-secrets"})
	}
	return out
}

func (d *checkup) disk(context.Context) []finding {
	dir := d.found.Data
	free, least, err := badgerdb.Free(dir)
	f := finding{fine, "disk", cmp.Or(size(free), "no bytes") + " are free", ""}
	switch {
	case err != nil && tally.CodeOf(mustBeThere(dir)) == tally.NotFound:
		return nil // which was said
	case err != nil:
		f = finding{fault, "disk", "its free space is not known: " + err.Error(), "look at the disk and its mount"}
	case free < littleFree:
		f.Gravity, f.Next = warning, "free some space"
		f.Sentence += ": below " + size(least) + " new requests are refused"
		if free < least {
			f.Gravity = fault
		}
	}
	return []finding{f}
}

// engine finds the engine of the folder, or opens one that only reads. pid is the process
// that serves.
func (d *checkup) engine(ctx context.Context) (c connection, pid int, found []finding) {
	dir := d.found.Data
	if mustBeThere(dir) != nil {
		return c, 0, nil // which was said
	}
	other, err := process.Reach(ctx, dir)
	switch tally.CodeOf(err) {
	case "":
		return d.app.attachTo(other, dir, commandLine), other.PID, nil
	case tally.Unavailable:
	default:
		return c, process.ReadHolder(dir).PID, []finding{wrong(fault, "engine", err)}
	}
	c, err = d.app.connect(ctx, "doctor", control.Read, false)
	switch {
	case tally.CodeOf(err) == tally.InUse: // by a command that will end
		return c, 0, []finding{wrong(warning, "engine", err)}
	case err != nil:
		return c, 0, []finding{wrong(fault, "engine", err)}
	}
	return c, 0, nil
}

// ask asks an engine how it is.
func (d *checkup) ask(ctx context.Context, c control.Caller, verify bool) {
	var s *control.Status
	if answered := d.within(ctx, lookPatience, "engine", func(ctx context.Context) []finding {
		is, err := control.EngineStatus.Do(ctx, c, control.None{})
		if err != nil {
			return []finding{wrong(fault, "engine", err)}
		}
		s = &is
		return d.status(s)
	}); !answered || s == nil {
		return
	}
	if s.Serving {
		d.within(ctx, lookPatience, "address", func(ctx context.Context) []finding { return reach(ctx, s.BaseURL) })
		d.within(ctx, lookPatience, "backups", func(context.Context) []finding { return d.backups(s.Backups) })
		if at := d.opts.metrics; at != "" {
			d.within(ctx, lookPatience, "address", func(ctx context.Context) []finding { return figures(ctx, at) })
		}
	}
	d.within(ctx, 2*lookPatience, "upstreams", func(ctx context.Context) []finding { return upstreams(ctx, c) })
	d.books(ctx, c, s, verify)
}

// worthy are the kinds of warnings that are the doctor's business, and what they are of.
// Limits that are reached are what an owner has wanted.
var worthy = map[control.WarningKind]string{
	control.WarnDisk: "disk", control.WarnStore: "books", control.WarnClock: "clock", control.WarnSetUp: "setup",
	control.WarnUnusable: "upstreams", control.WarnInsecure: "upstreams", control.WarnSilent: "upstreams",
	control.WarnFailing: "upstreams", control.WarnTurnedDown: "upstreams", control.WarnBackup: "backups",
	control.WarnOldPrices: "prices", control.WarnCountries: "countries", control.WarnNodes: "nodes", control.WarnReach: "nodes",
}

// status is what an engine says of itself.
func (d *checkup) status(s *control.Status) (out []finding) {
	f := finding{note, "engine", "", ""}
	switch {
	case !s.Serving:
		f.Sentence = fmt.Sprintf("nothing serves the folder; its store opens, schema %d", badgerdb.Schema)
		f.Next = "tallygate serve"
	case s.Version != d.app.version:
		f.Sentence = fmt.Sprintf("process %d serves as tallygate %s; this is %s", s.PID, s.Version, d.app.version)
		f.Next = "tallygate upgrade"
	default:
		f.Gravity, f.Sentence = fine, fmt.Sprintf("process %d serves, up %s, tallygate %s, schema %d",
			s.PID, upText(time.Since(s.StartedAt)), s.Version, badgerdb.Schema)
	}
	out = append(out, f)
	told := map[string]bool{}
	for _, w := range s.Warnings {
		thing := worthy[w.Kind]
		if thing == "" {
			continue
		}
		told[thing] = true
		g := map[control.Tone]gravity{control.Bad: fault, control.Warn: warning}[w.Gravity]
		if w.Kind == control.WarnOldPrices { // as they are in each program that is not new
			g = note
		}
		out = append(out, finding{cmp.Or(g, note), thing, joinWith("; ", w.Sentence, w.Detail), w.Next})
	}
	for _, f := range []finding{
		{fine, "clock", "it is not behind the latest request", ""},
		{fine, "prices", "from " + pricesText(&s.Prices), ""},
		{fine, "countries", "from " + countriesText(&s.Countries), ""},
	} {
		if !told[f.Thing] && f.Sentence != "from " {
			out = append(out, f)
		}
	}
	for _, cert := range s.Certificates {
		out = append(out, certificate(&cert))
	}
	return out
}

// certificate is what there is to say of a certificate.
func certificate(c *control.Certificate) finding {
	name := strings.Join(c.Names, ", ")
	f := finding{fine, "certificates", name + " is valid until " + minute(c.Until), ""}
	next := "renew it and send SIGHUP"
	if c.File == "" { // it renews itself 30 days before its end
		next = "look at its DNS, and whether port 443 or --redirect is reached from outside"
	}
	switch {
	case c.Problem != "":
		f.Gravity, f.Sentence, f.Next = warning, name+": "+c.Problem, next
	case time.Until(c.Until) < 0:
		f.Gravity, f.Sentence, f.Next = fault, name+" was valid until "+minute(c.Until), next
	case c.Ends:
		f.Gravity, f.Next = warning, next
	}
	return f
}

// reach asks at the address of client apps whether requests are served.
func reach(ctx context.Context, baseURL string) []finding {
	// The certificate is looked at by itself.
	t := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer t.CloseIdleConnections()
	url := strings.TrimSuffix(baseURL, "/v1")
	if path, is := strings.CutPrefix(baseURL, "unix:"); is {
		t.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		}
		url = "http://localhost"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/readyz", nil)
	var resp *http.Response
	if err == nil {
		resp, err = t.RoundTrip(req)
	}
	if err != nil {
		return []finding{{warning, "address", baseURL + " cannot be reached from here: " + err.Error(),
			"look at DNS, firewall and --listen"}}
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return []finding{{fault, "address", baseURL + " answers " + resp.Status + ": requests are not served",
			"tallygate status says why"}}
	}
	return []finding{{fine, "address", baseURL + " serves requests", ""}}
}

// figures asks where Prometheus is to read them whether they are there.
func figures(ctx context.Context, address string) []finding {
	url := strings.TrimSuffix(process.BaseURLOf(address), "/v1") + "/metrics"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	var resp *http.Response
	if err == nil {
		resp, err = http.DefaultClient.Do(req)
	}
	if err != nil {
		return []finding{{warning, "address", url + " has no figures: " + err.Error(),
			"a process that serves already takes --metrics up when it is started again"}}
	}
	resp.Body.Close()
	return []finding{{fine, "address", url + " has figures for Prometheus", ""}}
}

// upstreams asks all providers for their models, some at a time.
func upstreams(ctx context.Context, c control.Caller) []finding {
	list, err := control.ProvidersList.Do(ctx, c, control.Listing{})
	if err != nil {
		return []finding{wrong(fault, "upstreams", err)}
	}
	list = slices.DeleteFunc(list, func(v control.ProviderView) bool { return !v.Provider.Enabled })
	out := make([]finding, len(list))
	var asking sync.WaitGroup
	places := make(chan struct{}, atOnce)
	for i := range list {
		asking.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			ctx, cancel := context.WithTimeout(ctx, lookPatience)
			defer cancel()
			out[i] = upstream(ctx, c, &list[i])
		})
	}
	asking.Wait()
	return out
}

func upstream(ctx context.Context, c control.Caller, v *control.ProviderView) finding {
	f := finding{fault, "upstreams", "", ""}
	test, err := control.ProvidersTest.Do(ctx, c, control.Named{Name: v.Name})
	switch {
	case err != nil:
		f.Sentence = v.Name + " did not answer in time"
		f.Next = "tallygate providers show " + tally.ShellWord(v.Name)
	case !test.OK:
		f.Sentence, f.Next = v.Name+": "+test.Message, test.Hint
	default:
		f.Gravity = fine
		f.Sentence = fmt.Sprintf("%s answers, with %s", v.Name, countOf(test.Models, "model", "models"))
	}
	if l := v.LastFailure; l != nil && time.Since(l.At) < 24*time.Hour {
		f.Sentence += "; its latest failure was at " + minute(l.At) + ": " + l.Why()
	}
	return f
}

// books looks whether the books were proved, or proves them, which takes as long as it
// takes: an engine that hangs ends the call.
func (d *checkup) books(ctx context.Context, c control.Caller, s *control.Status, verify bool) {
	records := things(int(s.Records), "record")
	switch {
	case verify:
	case s.Checked == nil:
		d.add(finding{note, "books", records + ", not proved since the start", "tallygate doctor --verify"})
		return
	case s.Checked.Faults > 0:
		return // the engine warns of it
	default:
		d.add(finding{fine, "books", records + ", proved " + minute(s.Checked.At), ""})
		return
	}
	switch report, err := control.EngineVerify.Do(ctx, c, control.None{}); {
	case err != nil:
		d.add(wrong(fault, "books", err))
	case !report.OK:
		d.add(finding{fault, "books", things(len(report.Faults), "fault") + " in the store",
			"keep a copy of the folder, and see: tallygate verify"})
	default:
		d.add(finding{fine, "books", "all counters are the sums of " + things(int(report.Records), "record"), ""})
	}
	if log, err := control.AuditVerify.Do(ctx, c, control.None{}); err != nil || !log.OK {
		d.add(finding{fault, "books", "the audit log is not whole", "tallygate audit verify"})
	}
}

// limits looks how many files the process that serves may open, or this one.
func limits(pid int) []finding {
	n := process.FileLimit(pid)
	f := finding{fine, "limits", fmt.Sprintf("%d open files", n), ""}
	switch {
	case n == 0:
		return nil
	case n < process.FewFiles:
		f.Gravity, f.Next = warning, "raise it with ulimit -n, or LimitNOFILE= of systemd"
		f.Sentence += ", so few connections"
	}
	return []finding{f}
}

// addresses looks whether one could listen, where nothing serves.
func (d *checkup) addresses(context.Context) (out []finding) {
	all := d.opts.addresses()
	for _, what := range slices.Sorted(maps.Keys(all)) {
		address := all[what]
		if address == "" || strings.HasPrefix(address, "unix:") || process.CheckAddress(address) != nil {
			continue
		}
		ln, err := process.Listen(address)
		if err != nil {
			out = append(out, wrong(fault, "address", err))
			continue
		}
		ln.Close()
		out = append(out, finding{fine, "address", fmt.Sprintf("%s is free, for %s", address, what), ""})
	}
	return out
}

// certificates looks at those that would be served with.
func (d *checkup) certificates(ctx context.Context) (out []finding) {
	t, err := process.OpenTLS(d.found.Data, d.opts.tls)
	if err != nil {
		return []finding{wrong(fault, "certificates", err)}
	}
	if t == nil {
		return nil
	}
	if open := t.WarnKey(); open != "" {
		out = append(out, finding{warning, "certificates", open, "chmod o-rwx " + tally.ShellWord(d.opts.tls.Key)})
	}
	for _, c := range t.State(ctx) {
		out = append(out, certificate(&c))
	}
	return out
}

// backups looks for the latest one, and for what is left of those that were not finished.
func (d *checkup) backups(is *control.Backups) (out []finding) {
	dir, every := d.opts.backups.Dir, d.opts.backups.Every
	if is != nil {
		dir, every = is.Dir, is.Every
	}
	if dir == "" {
		return []finding{{note, "backups", "none are scheduled",
			"tallygate serve --backup-dir DIR; see tallygate help backup"}}
	}
	if there, err := filepath.Abs(dir); err == nil {
		dir = there
	}
	again := "tallygate backup create --to " + tally.ShellWord(dir)
	latest, err := backup.Latest(dir, time.Time{})
	f := finding{fine, "backups", "the latest is of " + minute(latest.At) + ", " + size(latest.Bytes) + ", in " + dir, ""}
	if err != nil {
		f = wrong(warning, "backups", err)
		f.Next = cmp.Or(f.Next, again)
	} else if time.Since(latest.At) > 2*every {
		f.Gravity, f.Next = warning, again
	}
	out = append(out, f)
	if _, not, err := backup.List(dir); err == nil && len(not) > 0 {
		out = append(out, finding{warning, "backups", tally.AsError(not[len(not)-1].Err).Message,
			"get it again from where it was copied to, or remove it"})
	}
	if left := backup.Leftovers(dir); len(left) > 0 {
		bytes := int64(0)
		for _, path := range left {
			if info, err := os.Stat(path); err == nil {
				bytes += info.Size()
			}
		}
		of := countOf(len(left), "file", "files") + " of backups that were not finished, " + size(bytes)
		out = append(out, finding{note, "backups", of, "the next backup there removes them"})
	}
	return out
}
