package control

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tallygate/engine/tally"
)

func TestCall(t *testing.T) {
	p := newPlant(t, Write)
	for _, op := range []Op[Named, Named]{look, change} {
		if out, err := op.Do(t.Context(), p.client, Named{Name: "ä \"quoted\" <thing>"}); err != nil || out.Name != "ä \"quoted\" <thing>" {
			t.Errorf("%s = %q, %v", op.Name, out.Name, err)
		}
	}
}

// A reader of the JSON meets [] and {}, never null.
func TestEmptyListsAreLists(t *testing.T) {
	p := newPlant(t, Read)
	_, _, body := p.send("POST /control/v1/things.list HTTP/1.1\r\nHost: control\r\nContent-Length: 0\r\n\r\n")
	if want := `{"names":[],"boxes":[{"lids":[]}],"sizes":{}}` + "\n"; body != want {
		t.Errorf("got %s, want %s", body, want)
	}
}

// Every code comes through to the caller as it was, with its hint.
func TestErrorsComeThrough(t *testing.T) {
	p := newPlant(t, Read)
	for _, code := range []tally.Code{tally.Invalid, tally.NotFound, tally.Conflict, tally.InUse, tally.Denied, tally.Unavailable, tally.Upstream, tally.Corrupt, tally.Internal} {
		_, err := fail.Do(t.Context(), p.client, Named{Name: string(code)})
		if e := tally.AsError(err); e.Code != code || e.Message != "it is "+string(code) || e.Hint != "a hint" {
			t.Errorf("%s came through as %+v", code, e)
		}
	}
	if _, err := fail.Do(t.Context(), p.client, Named{Name: "plain"}); tally.CodeOf(err) != tally.Internal || err.Error() != "something broke" {
		t.Errorf("a plain error came through as %v (%s)", err, tally.CodeOf(err))
	}
}

func TestPanicsAreTheOperationsOwn(t *testing.T) {
	p := newPlant(t, Read)
	_, err := panics.Do(t.Context(), p.client, Named{Name: "at the disco"})
	if e := tally.AsError(err); e.Code != tally.Internal || e.Hint == "" || e.Message != "things.panic failed inside: at the disco" {
		t.Errorf("got %+v", e)
	}
	if !strings.Contains(p.log.String(), "at the disco") || !strings.Contains(p.log.String(), "plant_test.go") {
		t.Errorf("the log does not say what panicked, and where: %s", p.log.String())
	}
	if _, err := look.Do(t.Context(), p.client, Named{Name: "x"}); err != nil {
		t.Errorf("the next operation: %v", err)
	}
}

func TestRights(t *testing.T) {
	for _, tc := range []struct {
		have, need Need
		want       bool
	}{
		{Write, Write, true}, {Write, Read, true}, {Read, Read, true},
		{Read, Write, false}, {"", Read, false}, {"", Write, false}, {"root", Read, false}, {Write, "", false}, {Read, "", false}, {Read, "root", false},
	} {
		if got := tc.have.Covers(tc.need); got != tc.want && tc.need != "" {
			t.Errorf("%q covers %q: %v, want %v", tc.have, tc.need, got, tc.want)
		}
	}
	viewer := newPlant(t, Read)
	if _, err := look.Do(t.Context(), viewer.client, Named{Name: "x"}); err != nil {
		t.Errorf("a viewer looks: %v", err)
	}
	_, err := change.Do(t.Context(), viewer.client, Named{Name: "x"})
	if e := tally.AsError(err); e.Code != tally.Denied || e.Message != "things.update changes things, and this connection may only look" {
		t.Errorf("a viewer changes: %+v", e)
	}
	nobody := newPlant(t, "")
	for _, path := range []string{"", "events", "things.show"} {
		if status, _, body := nobody.send("GET " + Prefix + path + " HTTP/1.1\r\nHost: control\r\n\r\n"); status != 403 {
			t.Errorf("without a right, %q answers %d: %s", path, status, body)
		}
	}
}

// What a web page can make a browser send is refused, wherever it goes.
func TestGuard(t *testing.T) {
	p := newPlant(t, Write)
	for _, tc := range []struct {
		head   string
		status int
	}{
		{"Host: control", 200},
		{"Host: localhost", 200},
		{"Host: LOCALHOST:4284", 200},
		{"Host: 127.0.0.1", 200},
		{"Host: 127.8.9.10:80", 200},
		{"Host: [::1]:80", 200},
		{"Host: [::1]", 200},
		{"Host: evil.example", 403},
		{"Host: localhost.evil.example", 403},
		{"Host: control.evil.example", 403},
		{"Host: 127.0.0.1.evil.example", 403},
		{"Host: 192.168.1.7", 403},
		{"Host: 0.0.0.0", 403},
		{"Host: [fe80::1]", 403},
		{"Host:", 403},
		{"Host: control\r\nOrigin: http://localhost:3000", 403},
		{"Host: control\r\nOrigin: null", 403},
		{"Host: control\r\nReferer: http://localhost/", 403},
		{"Host: control\r\nSec-Fetch-Site: none", 403},
	} {
		for _, request := range []string{"POST " + Prefix + "things.show", "GET " + Prefix} {
			status, header, body := p.send(request + " HTTP/1.1\r\n" + tc.head + "\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}")
			if status != tc.status {
				t.Errorf("%s with %q: status %d, want %d: %s", request, tc.head, status, tc.status, body)
			}
			if header.Get("Access-Control-Allow-Origin") != "" || header.Get("Cache-Control") != "no-store" {
				t.Errorf("%s with %q: headers %v", request, tc.head, header)
			}
		}
	}
}

func TestWrongRequests(t *testing.T) {
	p := newPlant(t, Write)
	long := strings.Repeat("x", 5000)
	for _, tc := range []struct {
		name, line, body string
		status           int
		code             tally.Code
		says             string
	}{
		{"another path", "GET /", "", 404, tally.NotFound, "there is nothing at /"},
		{"an old path", "POST /control/v0/things.show", "{}", 404, tally.NotFound, "there is nothing at"},
		{"a typing error", "POST " + Prefix + "thing.show", "{}", 404, tally.NotFound, "did you mean things.show?"},
		{"no such operation", "POST " + Prefix + "world.destroy", "{}", 404, tally.NotFound, `there is no operation \"world.destroy\"`},
		{"a very long name", "POST " + Prefix + long, "{}", 404, tally.NotFound, `xxx`},
		{"asked for with GET", "GET " + Prefix + "things.show", "", 405, tally.Invalid, "is asked for with POST"},
		{"events with POST", "POST " + Prefix + "events", "{}", 405, tally.Invalid, "is asked for with GET"},
		{"the list with DELETE", "DELETE " + Prefix, "", 405, tally.Invalid, "is asked for with GET"},
		{"not a number", "GET " + Prefix + "events?after=yesterday", "", 400, tally.Invalid, `after=\"yesterday\" is not a sequence number`},
		{"no object", "POST " + Prefix + "things.show", "[]", 400, tally.Invalid, "not a JSON object"},
		{"unknown field", "POST " + Prefix + "things.show", `{"nme":"x"}`, 400, tally.Invalid, `did you mean \"name\"?`},
		{"too large", "POST " + Prefix + "things.show", `{"name":"` + strings.Repeat("x", maxBody) + `"}`, 400, tally.Invalid, "the input is larger than 8 MiB"},
	} {
		status, _, body := p.send(fmt.Sprintf("%s HTTP/1.1\r\nHost: control\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%s", tc.line, len(tc.body), tc.body))
		var e tally.Error
		err := json.Unmarshal([]byte(body), &e)
		if err != nil || status != tc.status || e.Code != tc.code || !strings.Contains(body, tc.says) || len(body) > 2000 {
			t.Errorf("%s: %d %s, want %d %s, %q", tc.name, status, body, tc.status, tc.code, tc.says)
		}
	}
}

// A body that does not come holds nobody up.
func TestSlowBody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, Write)
		began := time.Now()
		status, _, body := p.send("POST " + Prefix + "things.show HTTP/1.1\r\nHost: control\r\nContent-Length: 10\r\n\r\n{")
		if status != 400 || !strings.Contains(body, "read the input") || time.Since(began) != bodyPatience {
			t.Errorf("after %v: %d %s", time.Since(began), status, body)
		}
	})
}

func TestOperationsAreDescribed(t *testing.T) {
	p := newPlant(t, Read)
	ops, err := p.client.Operations(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, op := range ops {
		names = append(names, op.Name)
	}
	if want := "things.fail things.list things.panic things.show things.update things.wait"; strings.Join(names, " ") != want {
		t.Errorf("operations %q, want %s", names, want)
	}
	show := ops[3]
	if show.Need != Read || show.Help != "show a thing" || show.Output != "object" || len(show.Input) != 1 ||
		!reflect.DeepEqual(show.Input[0], Field{Name: "name", Type: "string", Help: "slug, name or id", Arg: "1", Required: true}) {
		t.Errorf("things.show is described as %+v", show)
	}
}

func TestFieldsOf(t *testing.T) {
	got := map[string]Field{}
	for _, f := range FieldsOf(reflect.TypeFor[UpdateClient]()) {
		got[f.Name] = f
	}
	for _, want := range []Field{
		{Name: "client", Type: "string", Arg: "1", Required: true},
		{Name: "slug", Type: "string", Flag: "slug"},
		{Name: "origins", Type: "array of string", Flag: "origin"},
		{Name: "limits", Type: "array of object", Flag: "limit"},
		{Name: "max_in_flight", Type: "integer", Flag: "max-in-flight"},
		{Name: "session_length_ns", Type: "duration in nanoseconds", Flag: "session-length"},
		{Name: "session_mode", Type: "string", Flag: "session-mode"},
	} {
		f := got[want.Name]
		if f.Type != want.Type || f.Flag != want.Flag || f.Arg != want.Arg || f.Required != want.Required || f.Help == "" {
			t.Errorf("%s is %+v, want %+v", want.Name, f, want)
		}
		// The index leads to the field, through embedded structs.
		in := reflect.ValueOf(&UpdateClient{}).Elem()
		if in.FieldByIndex(f.Index).Type() != f.Go {
			t.Errorf("%s: the index leads to a %s, not a %s", want.Name, in.FieldByIndex(f.Index).Type(), f.Go)
		}
	}
}

func TestHandleTwicePanics(t *testing.T) {
	defer func() {
		if r := recover(); r != "control: operation things.show is implemented twice" {
			t.Errorf("recovered %v", r)
		}
	}()
	s := NewServer(nil)
	for range 2 {
		Handle(s, look, func(_ context.Context, in Named) (Named, error) { return in, nil })
	}
}

func TestConcurrentCalls(t *testing.T) {
	p := newPlant(t, Write)
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for j := range 50 {
				name := fmt.Sprintf("%d-%d", i, j)
				if out, err := change.Do(t.Context(), p.client, Named{Name: name}); err != nil || out.Name != name {
					t.Errorf("%s came back as %q, %v", name, out.Name, err)
				}
			}
		})
	}
	all.Wait()
}

// Operations under way get a moment when the engine stops, and no more.
func TestStop(t *testing.T) {
	for _, tc := range []struct {
		name  string
		op    waiting
		after time.Duration // the caller has its answer
		code  tally.Code
	}{
		{"a short one ends", waiting{For: 3 * time.Second}, 3 * time.Second, ""},
		{"a long one is told to", waiting{For: time.Hour}, opPatience, tally.Unavailable},
	} {
		synctest.Test(t, func(t *testing.T) {
			p := newPlant(t, Write)
			began := time.Now()
			answered := make(chan error)
			go func() {
				_, err := wait.Do(t.Context(), p.client, tc.op)
				answered <- err
			}()
			synctest.Wait()
			p.stop()
			if err := <-answered; tally.CodeOf(err) != tc.code || time.Since(began).Truncate(time.Second) != tc.after {
				t.Errorf("%s: after %v: %v (%s), want %q after %v", tc.name, time.Since(began), err, tally.CodeOf(err), tc.code, tc.after)
			}
			if _, err := look.Do(t.Context(), p.client, Named{}); tally.CodeOf(err) != tally.Unavailable || tally.AsError(err).Message != "the engine has stopped" {
				t.Errorf("%s: a caller afterwards gets %v", tc.name, err)
			}
		})
	}
}

// An operation learns that its caller has left.
func TestCallerLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlant(t, Write)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		began := time.Now()
		_, err := wait.Do(ctx, p.client, waiting{For: time.Hour})
		if e := tally.AsError(err); e.Code != tally.Unavailable || e.Message != "the engine was not waited for: context deadline exceeded" {
			t.Errorf("got %+v", e)
		}
		p.stop()
		p.served <- <-p.served
		if time.Since(began) > 2*time.Second {
			t.Errorf("the operation went on for %v", time.Since(began))
		}
	})
}

// Behind any HTTP server, too, the rights are those of the handler.
func TestServeHTTPIsTheOwners(t *testing.T) {
	s := newPlant(t, Read).server
	for _, tc := range []struct {
		handler http.Handler
		status  int
	}{{s, 200}, {s.For(Write), 200}, {s.For(Read), 403}} {
		w := &recorder{header: http.Header{}}
		r, _ := http.NewRequest("POST", "http://localhost"+Prefix+"things.update", strings.NewReader("{}"))
		tc.handler.ServeHTTP(w, r)
		if w.status != tc.status {
			t.Errorf("%T: status %d, want %d", tc.handler, w.status, tc.status)
		}
	}
}

type recorder struct {
	header http.Header
	status int
}

func (r *recorder) Header() http.Header         { return r.header }
func (r *recorder) WriteHeader(status int)      { r.status = status }
func (r *recorder) Write(b []byte) (int, error) { return len(b), nil }
