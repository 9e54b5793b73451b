package dialect_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"tallygate/providers/dialect"
	"tallygate/providers/dialect/chat"
	"tallygate/providers/dialect/messages"
	"tallygate/providers/dialect/ollama"
	"tallygate/providers/dialect/responses"
)

var update = flag.Bool("update", false, "write the golden files anew")

var upstreams = []dialect.Upstream{chat.Dialect{}, responses.Dialect{}, messages.Dialect{}}

var dialects = []dialect.Dialect{chat.Dialect{}, responses.Dialect{}, messages.Dialect{}, ollama.Dialect{}}

func byName(name dialect.Name) dialect.Dialect {
	for _, d := range dialects {
		if d.Name() == name {
			return d
		}
	}
	return nil
}

// named is the dialect that a file's name begins with.
func named(t testing.TB, file string) dialect.Upstream {
	for _, d := range upstreams {
		if strings.HasPrefix(filepath.Base(file), string(d.Name())) {
			return d
		}
	}
	t.Fatalf("%s is of no dialect", file)
	return nil
}

func files(t testing.TB, pattern string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(names) == 0 {
		t.Fatalf("%s: %v, %d files", pattern, err, len(names))
	}
	return names
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// golden compares with a golden file.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", "golden", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want := read(t, file)
	gotLines, wantLines := bytes.Split(got, []byte("\n")), bytes.Split(want, []byte("\n"))
	for i := range max(len(gotLines), len(wantLines)) {
		var g, w []byte
		if i < len(gotLines) {
			g = gotLines[i]
		}
		if i < len(wantLines) {
			w = wantLines[i]
		}
		if !bytes.Equal(g, w) {
			t.Fatalf("%s:%d\n got %s\nwant %s", file, i+1, g, w)
		}
	}
}

// target is what golden requests are written for.
var target = dialect.Target{Model: "up-model", MaxOutput: 4096, Stream: true, Reasons: true}

// What real clients send is written for the other dialects as the golden files say.
func TestRequestsOfClients(t *testing.T) {
	for _, from := range upstreams {
		for _, to := range upstreams {
			if from.Name() == to.Name() {
				continue
			}
			var out bytes.Buffer
			for _, file := range files(t, "requests/"+string(from.Name())+".*.json") {
				at := target
				at.DropServerTools = strings.Contains(file, "codex")
				fmt.Fprintf(&out, "%s\n", strings.TrimSuffix(filepath.Base(file), ".json"))
				r, err := from.Parse(read(t, file))
				if err != nil {
					t.Errorf("%s: %v", file, err)
					continue
				}
				body, dropped, err := to.Write(nil, r, at)
				if err != nil {
					fmt.Fprintf(&out, "refused: %v\n\n", err)
					continue
				}
				if !json.Valid(body) {
					t.Errorf("%s: not JSON: %s", file, body)
				}
				fmt.Fprintf(&out, "dropped: %s\n%s\n\n", dropped.Header(), body)
			}
			golden(t, fmt.Sprintf("requests-%s-to-%s.txt", from.Name(), to.Name()), out.Bytes())
		}
	}
}

var head = dialect.Head{ID: "0abc", Created: 1700000000, Model: "asked-model", Input: 50, Request: &dialect.Request{StreamUsage: true}}

// translated is a stream translated in pieces of a size.
func translated(t testing.TB, from dialect.Upstream, to dialect.Dialect, head dialect.Head, stream []byte, size int) string {
	t.Helper()
	s := dialect.Translate(from.Reader(), to.Writer(head))
	var out []byte
	var err error
	for len(stream) > 0 && err == nil {
		n := min(size, len(stream))
		out, err = s.Push(out, bytes.Clone(stream[:n]))
		stream = stream[n:]
	}
	if err == nil {
		out, err = s.End(out)
	}
	if err != nil {
		f, ok := errors.AsType[*dialect.Failure](err)
		if !ok {
			t.Fatalf("an error that is no failure: %v", err)
		}
		return string(s.Fail(out, f))
	}
	return string(s.Finish(out, dialect.Bill{Cost: "0.00012"}))
}

// Streams of each dialect become streams of each, and so do whole answers.
func TestAnswers(t *testing.T) {
	for _, file := range files(t, "answers/*") {
		from := named(t, file)
		name := filepath.Base(file)
		for _, to := range dialects {
			var got []byte
			if strings.HasSuffix(file, ".sse") {
				got = []byte(translated(t, from, to, head, read(t, file), 1<<20))
			} else {
				a, err := dialect.ReadWhole(from.Reader(), read(t, file))
				if err != nil {
					t.Errorf("%s: %v", file, err)
					continue
				}
				got = append(to.Writer(head).Whole(nil, a, dialect.Bill{}), '\n')
			}
			checkAnswer(t, file, to, got)
			golden(t, "answer-"+strings.Replace(name, ".", "-to-"+string(to.Name())+".", 1), got)
		}
	}
}

// checkAnswer holds that what a client is sent is JSON, event by event, with what its
// dialect wants of every event.
func checkAnswer(t *testing.T, file string, to dialect.Dialect, got []byte) {
	t.Helper()
	if strings.HasSuffix(file, ".json") {
		if !json.Valid(got) {
			t.Errorf("%s to %s: not JSON: %s", file, to.Name(), got)
		}
		return
	}
	if to.Name() == dialect.Ollama {
		for line := range strings.Lines(string(got)) {
			if !json.Valid([]byte(line)) {
				t.Errorf("%s to %s: not JSON: %q", file, to.Name(), line)
			}
		}
		return
	}
	for _, event := range strings.SplitAfter(string(got), "\n\n") {
		name, data, ok := strings.Cut(event, "data: ")
		if event == "" || strings.HasPrefix(data, "[DONE]") {
			continue
		}
		var v struct{ Type string }
		if err := json.Unmarshal([]byte(data), &v); !ok || err != nil {
			t.Errorf("%s to %s: %v in %q", file, to.Name(), err, event)
		}
		if want := "event: " + v.Type + "\n"; to.Name() != dialect.Chat && name != want {
			t.Errorf("%s to %s: %q is named %q", file, to.Name(), v.Type, name)
		}
	}
}

// trace is the events of a stream in words, and the error that ends it.
func trace(from dialect.Upstream, pieces ...[]byte) string {
	var b strings.Builder
	emit := func(e *dialect.Event) {
		b.WriteByte('a' + byte(e.Kind))
		for _, s := range [...]string{e.Text, e.ID, e.Name, e.Reasoning.Opaque, e.Citation.URL, e.StoppedBy} {
			b.WriteString("|" + s)
		}
		b.WriteString("|" + strconv.FormatInt(e.Usage.Input<<32|e.Usage.Output<<4|int64(e.Why), 10) + "\n")
	}
	r := from.Reader()
	for _, p := range pieces {
		if err := r.Push(p, emit); err != nil {
			return b.String() + err.Error()
		}
	}
	if err := r.End(emit); err != nil {
		return b.String() + err.Error()
	}
	return b.String()
}

// Where a stream is cut into pieces changes nothing.
func TestStreamsCutAnywhere(t *testing.T) {
	for _, file := range files(t, "answers/*.sse") {
		from, stream := named(t, file), read(t, file)
		crlf := bytes.ReplaceAll(stream, []byte("\n"), []byte("\r\n"))
		want := trace(from, stream)
		for at := range stream {
			if got := trace(from, stream[:at], stream[at:]); got != want {
				t.Fatalf("%s cut at %d: got\n%s\nwant\n%s", file, at, got, want)
			}
		}
		for at := len(crlf) / 2; at < len(crlf); at++ {
			if got := trace(from, crlf[:at], crlf[at:]); got != want {
				t.Fatalf("%s with \\r\\n cut at %d: got\n%s\nwant\n%s", file, at, got, want)
			}
		}
		for _, to := range dialects {
			want := translated(t, from, to, head, stream, len(stream))
			for _, size := range []int{1, 7} {
				if got := translated(t, from, to, head, stream, size); got != want {
					t.Errorf("%s to %s in pieces of %d: got\n%s\nwant\n%s", file, to.Name(), size, got, want)
				}
			}
		}
	}
}

// A stream that ends early is a failure, wherever it ends: no client takes the part for
// the whole.
func TestStreamsCutShort(t *testing.T) {
	for _, file := range files(t, "answers/*-tool.sse") {
		from, stream := named(t, file), read(t, file)
		whole := trace(from, stream)
		for at := range stream {
			got := trace(from, stream[:at])
			if !strings.HasSuffix(got, "cut short") && !strings.Contains(got, "\n"+string('a'+rune(dialect.Stop))+"|") {
				t.Fatalf("%s cut at %d is taken for complete:\n%s\nof\n%s", file, at, got, whole)
			}
		}
	}
}
