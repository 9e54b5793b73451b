package engine

import (
	"cmp"
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"tallygate/engine/auth"
	"tallygate/engine/capture"
	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// capturedOf finds whose requests are meant: a key, or a client with all its keys.
func capturedOf(c *tally.Catalog, in control.PickCapture) (tally.Subject, error) {
	switch {
	case in.Key != "":
		k, err := findKey(c, in.Key, in.Client)
		if err != nil {
			return "", cmp.Or(visitors(c, in.Key), err)
		}
		return tally.SubjectOf("key", k.ID), nil
	case in.Client != "":
		cl, err := findClient(c, in.Client)
		if err != nil {
			return "", cmp.Or(visitors(c, in.Client), err)
		}
		return tally.SubjectOf("client", cl.ID), nil
	}
	return "", tally.Errorf(tally.Invalid, "say whose requests").WithHint("name a key, or all keys of a client: --client CLIENT")
}

// visitors refuses what visitors of a page come with; nil if a name is nothing of that kind.
func visitors(c *tally.Catalog, name string) error {
	_, err := findGateway(c, name)
	token := strings.HasPrefix(name, "tok_") || strings.Count(name, ".") == 2 || c.MintedToken(name) != nil
	if err != nil && !token {
		return nil
	}
	return tally.Errorf(tally.Invalid, "requests of a page's visitors are never captured: they are people who have not been asked").
		WithHint("capture a key of a client: tallygate keys list")
}

// note writes into the audit log that somebody has dealt with a capture. The thing itself
// stays as it is.
func (e *Engine) note(ctx context.Context, of tally.Subject) error {
	return e.act(ctx, func(c *tally.Catalog, by *tally.Act) ([]tally.Change, error) {
		if by.Op == "" {
			by.Op = control.CaptureStop.Name // its time was over
		}
		kind, id := of.Split()
		var is tally.Entity
		switch kind {
		case "key":
			if k := c.Key(id); k != nil {
				is = new(*k)
			}
		default:
			if cl := c.Client(id); cl != nil {
				is = new(*cl)
			}
		}
		if is == nil {
			return nil, nil
		}
		return []tally.Change{{Kind: is.Kind(), ID: id, Entity: is, IfRev: is.Base().Rev}}, nil
	})
}

func (e *Engine) startCapture(ctx context.Context, in control.StartCapture) (control.CaptureView, error) {
	c, now := e.catalog.Load(), e.clock()
	of, err := capturedOf(c, in.PickCapture)
	if err != nil {
		return control.CaptureView{}, err
	}
	if goneFrom(c)(of) {
		return control.CaptureView{}, tally.Errorf(tally.Invalid, "that key was revoked for good: nothing will come with it").
			WithHint("tallygate keys list shows those that work")
	}
	long, size := cmp.Or(in.For, capture.UsualTime), int64(cmp.Or(in.Size, capture.UsualSize))
	if err := during("the time of a capture", time.Minute, capture.LongTime)(long); err != nil {
		return control.CaptureView{}, err
	}
	if size < capture.LeastSize || size > capture.AllSizes {
		return control.CaptureView{}, tally.Errorf(tally.Invalid, "the size of a capture must be between %s and %s bytes, not %s",
			tally.Group(capture.LeastSize), tally.Group(capture.AllSizes), tally.Group(size)).WithHint("like --size 20M")
	}
	if _, serving := e.publicURL(); !serving && !in.Disk {
		return control.CaptureView{}, tally.Errorf(tally.Conflict, "nothing is served, and what is captured in memory would be gone with this command").
			WithHint("start tallygate serve first, or keep it with --disk")
	}
	who, _, _ := control.Acting(ctx)
	_, was := e.captureOf(of)
	s, err := e.captures.Start(capture.Terms{
		Of: of, Since: now.UTC(), Until: now.Add(long).UTC(), Size: size, Disk: in.Disk, By: who,
	})
	if err != nil {
		return control.CaptureView{}, err
	}
	if err := e.note(ctx, of); err != nil {
		if !was {
			e.captures.Stop(of)
		}
		return control.CaptureView{}, err
	}
	return e.viewCapture(c, &s), nil
}

func (e *Engine) stopCapture(ctx context.Context, in control.PickCapture) (control.CaptureView, error) {
	c := e.catalog.Load()
	of, err := capturedOf(c, in)
	if err != nil {
		return control.CaptureView{}, err
	}
	s, was := e.captures.Stop(of)
	if !was {
		kind, _ := of.Split()
		return control.CaptureView{}, tally.Errorf(tally.NotFound, "there is no capture of this %s", kind).WithHint("see: tallygate capture list")
	}
	return e.viewCapture(c, &s), e.note(ctx, of)
}

// captureOf is the capture of a key or a client itself.
func (e *Engine) captureOf(of tally.Subject) (capture.State, bool) {
	for _, s := range e.captures.States() {
		if s.Of == of {
			return s, true
		}
	}
	return capture.State{}, false
}

func (e *Engine) viewCapture(c *tally.Catalog, s *capture.State) control.CaptureView {
	kind, id := s.Of.Split()
	v := control.CaptureView{
		Of: kind, ID: id, Name: clientSlug(c, id), Since: s.Since, Until: s.Until, By: s.By, Disk: s.Disk,
		Most: s.Size, Bytes: s.Bytes, Kept: s.Kept, Pushed: s.Pushed, Missed: s.Missed,
	}
	if k := c.Key(id); k != nil {
		v.Name = keyName(c, k)
	}
	return v
}

func (e *Engine) listCaptured(_ context.Context, in control.ListCaptured) (out control.Captured, err error) {
	c := e.catalog.Load()
	var only tally.Subject
	if in.Key != "" || in.Client != "" {
		if only, err = capturedOf(c, in.PickCapture); err != nil {
			return out, err
		}
	}
	_, id := only.Split()
	for _, h := range e.captures.Heads(func(h *capture.Head) bool { return only == "" || h.Key == id || h.Client == id }) {
		out.Requests = append(out.Requests, viewCaptured(c, &h))
	}
	for _, s := range e.captures.States() {
		if only == "" || s.Of == only {
			out.Captures = append(out.Captures, e.viewCapture(c, &s))
		}
	}
	out.Requests, err = control.Select(control.CapturedTable, out.Requests, in.Rows, commonCalendar(c, e.clock()))
	return out, err
}

func viewCaptured(c *tally.Catalog, h *capture.Head) control.CapturedView {
	v := control.CapturedView{
		ID: h.ID, Record: h.Record, At: h.At, Client: clientSlug(c, h.Client), Key: string(h.Key), Path: h.Path, Model: h.Model,
		Stream: h.Stream, Status: h.Status, TookMS: float64(h.Took.Microseconds()) / 1000,
		RequestBytes: h.RequestBytes, AnswerBytes: h.AnswerBytes, RequestCut: h.RequestCut, AnswerCut: h.AnswerCut, Redacted: h.Redacted,
	}
	if k := c.Key(h.Key); k != nil {
		v.Key = k.Label
	}
	return v
}

// captured finds what was captured of a request, and writes down who looks at it.
func (e *Engine) captured(ctx context.Context, id string) (x capture.Exchange, err error) {
	x, ok, err := e.captures.Get(tally.ID(strings.TrimSpace(id)))
	switch {
	case err != nil:
		return x, err
	case !ok && e.captures.Off():
		return x, tally.Errorf(tally.NotFound, "request %q was not captured: nothing is", shown(id)).
			WithHint("start it, and have the client ask again: tallygate capture start KEY")
	case !ok:
		return x, tally.Errorf(tally.NotFound, "request %q was not captured, or later ones have pushed it out", shown(id)).
			WithHint("see: tallygate capture list")
	}
	return x, e.note(ctx, tally.SubjectOf("key", x.Key))
}

func (e *Engine) showCaptured(ctx context.Context, in control.PickCaptured) (control.CapturedRequest, error) {
	x, err := e.captured(ctx, in.Request)
	if err != nil {
		return control.CapturedRequest{}, err
	}
	out := control.CapturedRequest{
		CapturedView: viewCaptured(e.catalog.Load(), &x.Head), Method: x.Method, RequestHeader: x.RequestHeader, AnswerHeader: x.AnswerHeader,
	}
	out.RequestBody, out.RequestBinary = bodyText(x.Request)
	out.AnswerBody, out.AnswerBinary = bodyText(x.Answer)
	for _, s := range x.Spoken() {
		out.Spoken = append(out.Spoken, control.Spoken{Who: s.Who, Text: auth.Redact(s.Text)})
	}
	return out, nil
}

func bodyText(b []byte) (text string, binary bool) {
	if utf8.Valid(b) {
		return string(b), false
	}
	return base64.StdEncoding.EncodeToString(b), true
}

// goneFrom says which keys and clients are no more.
func goneFrom(c *tally.Catalog) func(tally.Subject) bool {
	return func(of tally.Subject) bool {
		kind, id := of.Split()
		if kind == "key" {
			k := c.Key(id)
			return k == nil || !k.RevokedAt.IsZero()
		}
		return c.Client(id) == nil
	}
}

// endCaptures ends the captures whose time is over, and says so.
func (e *Engine) endCaptures(ctx context.Context) error {
	c := e.catalog.Load()
	for _, s := range e.captures.End(e.clock(), goneFrom(c)) {
		v := e.viewCapture(c, &s)
		e.log.Info("a capture has ended, and what it had kept was removed", "of", v.Of, "name", v.Name, "requests", v.Kept)
		if err := e.note(ctx, s.Of); err != nil {
			return err
		}
	}
	return nil
}

// capturing tells that what clients send is kept: people who can read it should know that
// they can, and nobody should forget it.
func (e *Engine) capturing(c *tally.Catalog) (out []control.Warning) {
	for _, s := range e.captures.States() {
		_, id := s.Of.Split()
		thing, who, zone, in := clientThing(c, id), clientName(c, id), commonCalendar(c, e.clock()).Zone, control.PickCapture{Client: clientSlug(c, id)}
		if k := c.Key(id); k != nil {
			thing, who, in = keyThing(c, k), "key "+k.Label+" of "+clientName(c, k.Client), control.PickCapture{Key: string(k.ID)}
		}
		out = append(out, control.Warning{
			Kind: control.WarnCapture, Gravity: control.Warn, Thing: thing, Since: s.Since, Until: s.Until,
			Sentence: fmt.Sprintf("Capture of %s is on until %s", who, s.Until.In(zone).Format("Mon 2 Jan 15:04")),
			Detail:   "what it sends and is answered can be read",
			Next:     control.CommandLine(control.CaptureStop.Name, in),
		})
	}
	return out
}
