package providers

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"tallygate/engine/tally"
)

const oneForm = "--b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nm\r\n--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"v.ogg\"\r\nContent-Type: audio/ogg\r\n\r\nOggS\r\n--b--\r\n"

const formType = "multipart/form-data; boundary=b"

// Forms that two readers could read in two ways are refused: one could be billed for what
// the other does not see.
func TestFormsThatAreNotClear(t *testing.T) {
	var m Media
	if err := m.Peek(Transcriptions, formType, []byte(oneForm)); err != nil || m.Model != "m" || !m.Whole {
		t.Fatalf("%v, %+v", err, m)
	}
	const dotNet = "--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: form-data; name=model\r\n\r\nm\r\n--b\r\nContent-Disposition: form-data; name=file; filename=v.ogg; filename*=utf-8''v.ogg\r\n\r\nOggS\r\n--b--\r\n"
	if err := m.Peek(Transcriptions, "multipart/form-data; boundary=\"b\"", []byte(dotNet)); err != nil || m.Model != "m" || m.Units.Count != 1 {
		t.Fatalf("%v, %+v", err, m)
	}
	change := func(old, new string) string {
		if !strings.Contains(oneForm, old) {
			t.Fatalf("no %q", old)
		}
		return strings.Replace(oneForm, old, new, 1)
	}
	field := func(head, value string) string { return "--b\r\n" + head + "\r\n\r\n" + value + "\r\n" + oneForm }
	for name, body := range map[string]string{
		"empty":                   "",
		"text before it":          "x\r\n" + oneForm,
		"text behind it":          oneForm + "--b\r\n",
		"no end":                  change("--b--\r\n", ""),
		"lines that end with LF":  strings.ReplaceAll(oneForm, "\r\n", "\n"),
		"a boundary in the sound": change("OggS", "Ogg\n--b--"),
		"a longer boundary":       change("OggS", "OggS\r\n--bb"),
		"two models":              field(`Content-Disposition: form-data; name="model"`, "n"),
		"two files":               field(`Content-Disposition: form-data; name="file"; filename="a"`, "n"),
		"a model of another case": field(`Content-Disposition: form-data; name="Model"`, "n"),
		"a name without quotes":   field(`Content-Disposition: form-data; name=model`, "n"),
		"a name that is encoded":  field(`Content-Disposition: form-data; name*=utf-8''model`, "n"),
		"a name with a backslash": field(`Content-Disposition: form-data; name="mo\del"`, "n"),
		"a quote in a file name":  field(`Content-Disposition: form-data; filename="a\"; name="user"; x="`, "n"),
		"two names":               field(`Content-Disposition: form-data; name="user"; name="model"`, "n"),
		"two heads":               field("Content-Disposition: form-data; name=\"user\"\r\nContent-Disposition: form-data; name=\"model\"", "n"),
		"a folded head":           field("Content-Disposition: form-data;\r\n name=\"user\"", "n"),
		"a head that is no word":  field("Content-Disposition: form-data; name=\"user\"\r\n\":", "n"),
		"a control character":     field("Content-Disposition: form-data; name=\"user\"; filename=\"\x7f\"", "n"),
		"an encoded part":         field("Content-Disposition: form-data; name=\"user\"\r\nContent-Transfer-Encoding: base64", "bg=="),
		"no head":                 "--b\r\n\r\nx\r\n" + oneForm,
		"a file elsewhere":        field(`Content-Disposition: form-data; name="url"`, "https://example.com/a.ogg"),
		"no file":                 change(`name="file"`, `name="user"`),
	} {
		if err := new(Media).Peek(Transcriptions, formType, []byte(body)); err == nil {
			t.Errorf("%s: is taken", name)
		}
	}
}

// What is taken of a form is what the standard library reads, and what is sent is the same
// but for the model.
func FuzzForm(f *testing.F) {
	f.Add(oneForm, formType)
	f.Add(strings.Replace(oneForm, "name=\"model\"", "name=\"user\"", 1), formType)
	f.Add("--b\r\nContent-Disposition: form-data; name=\"response_format\"\r\n\r\nsrt\r\n"+oneForm, formType)
	f.Add("--b\r\nContent-Disposition: form-data; name=\"stream\"\r\n\r\ntrue\r\n"+oneForm, "multipart/form-data; boundary=\"b\"")
	f.Fuzz(func(t *testing.T, body, contentType string) {
		var m Media
		if m.Peek(Transcriptions, contentType, []byte(body)) != nil {
			return
		}
		read := func(b string) (fields map[string][]string, file string) {
			_, params, err := mime.ParseMediaType(contentType)
			if err != nil {
				t.Fatal(err)
			}
			r, fields := multipart.NewReader(strings.NewReader(b), params["boundary"]), map[string][]string{}
			for {
				p, err := r.NextRawPart()
				if err == io.EOF {
					return fields, file
				}
				if err != nil {
					t.Fatalf("the standard library: %v in %q", err, b)
				}
				v, err := io.ReadAll(p)
				if err != nil {
					t.Fatal(err)
				}
				if p.FormName() == "file" {
					file = string(v)
					continue
				}
				fields[p.FormName()] = append(fields[p.FormName()], string(v))
			}
		}
		fields, file := read(body)
		if got := fields["model"]; len(got) > 1 || len(got) == 1 && got[0] != m.Model || len(got) == 0 && m.Model != "" {
			t.Fatalf("model %q, and read %q", m.Model, got)
		}
		after, same := read(string(m.Rewrite(nil, "another")))
		fields["model"] = []string{"another"}
		if same != file || len(after) != len(fields) {
			t.Fatalf("%q became %q", body, m.Rewrite(nil, "another"))
		}
		for k, v := range fields {
			if !slices.Equal(after[k], v) {
				t.Fatalf("%s: %q became %q", k, v, after[k])
			}
		}
	})
}

// A head that names two boundaries would have the upstream read another form than the one
// that was looked at.
func TestFormHasOneBoundary(t *testing.T) {
	for head, sent := range map[string]string{
		formType:                     formType,
		formType + "; charset=utf-7": formType,
		formType + "; start=x":       formType,
		"multipart/form-data; boundary=A; boundary*=utf-8''b":      formType,
		"multipart/form-data; boundary=A; boundary*0=b":            formType,
		"multipart/form-data; boundary=\"b\\\"\"":                  "",
		"multipart/form-data; boundary=b; boundary=A":              "",
		"multipart/form-data; boundary=" + strings.Repeat("b", 71): "",
	} {
		var m Media
		switch err := m.Peek(Transcriptions, head, []byte(oneForm)); {
		case sent == "" && err == nil:
			t.Errorf("%s: taken", head)
		case sent != "" && (err != nil || m.ContentType != sent):
			t.Errorf("%s: %v, sent as %q", head, err, m.ContentType)
		}
	}
}

// What is read of a request in JSON is what encoding/json reads, and what is sent is the
// same but for the model.
func FuzzMedia(f *testing.F) {
	for _, body := range []string{`{"model":"a","prompt":"x","n":3,"size":"1024x1024","quality":"hd"}`, `{"prompt":"x"}`, ` { } `, `{"model":null,"n":1e1}`,
		`{"model":"a","input":"Olá \ud83c\udf0d","voice":"alloy","stream_format":"sse"}`, `{"\u006dodel":"b"}`, `{"n":1,"N":2}`} {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		for _, e := range [...]Endpoint{Images, Speech, Moderations} {
			var m Media
			if m.Peek(e, "application/json", []byte(body)) != nil {
				continue
			}
			all, err := pairs([]byte(body))
			if err != nil {
				continue // the insides of strings are the upstream's
			}
			var r struct {
				Model string
				N     *float64
				Input string
			}
			if json.Unmarshal([]byte(body), &r) != nil && e != Images {
				continue // an input of another type
			}
			if r.Model != m.Model {
				t.Fatalf("model %q, want %q", m.Model, r.Model)
			}
			if e == Images && r.N != nil && m.Units.Count != int64(*r.N) {
				t.Fatalf("%d images, want %v", m.Units.Count, *r.N)
			}
			if want := int64(len([]rune(r.Input))); e == Speech && m.Units.Count != want {
				t.Fatalf("%d characters, want %d", m.Units.Count, want)
			}
			sent, err := pairs(m.Rewrite(nil, "another"))
			if err != nil || get(sent, "model") != `"another"` {
				t.Fatalf("%v: %q", err, m.Rewrite(nil, "another"))
			}
			sent = slices.DeleteFunc(sent, func(p pair) bool { return p.key == "model" })
			all = slices.DeleteFunc(all, func(p pair) bool { return p.key == "model" })
			if !slices.EqualFunc(sent, all, func(a, b pair) bool { return a.key == b.key && bytes.Equal(a.raw, b.raw) }) {
				t.Fatalf("%q became %q", body, m.Rewrite(nil, "another"))
			}
		}
	})
}

// slow gives an answer in pieces.
type slow struct {
	memory
	r io.Reader
}

func (s *slow) Read(p []byte) (int, error) { return s.r.Read(p) }

// However an answer comes, all of it is passed on, the end of it last, and its usage read.
func TestPassingInPieces(t *testing.T) {
	const usage = "data: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":4,\"output_tokens\":30}}\r\n\r\n"
	const begins = "event: speech.audio.delta\ndata: {\"type\":\"speech.audio.delta\",\"audio\":\"aGk=\"}\n\n"
	for name, tc := range map[string]struct {
		answer, passed, end string
		events              bool
		fault               Fault
	}{
		"sound":                 {strings.Repeat("abc", 50_000), strings.Repeat("abc", 50_000)[:149_999], "c", false, ""},
		"one byte":              {"a", "", "a", false, ""},
		"nothing":               {"", "", "", false, BadAnswer},
		"events":                {begins + usage, begins, usage, true, ""},
		"events and a mark":     {begins + usage + "data: [DONE]\n\n", begins, usage + "data: [DONE]\n\n", true, ""},
		"a comment":             {": wait\n\n" + begins + usage, begins, usage, true, ""},
		"data that is no JSON":  {begins + "data: sk-secret\n\n" + usage, begins, usage, true, ""},
		"events without an end": {begins, begins, "", true, BadAnswer},
		"an error":              {begins + "data: {\"type\":\"error\",\"error\":{\"message\":\"no\"}}\n\n" + usage, begins, "", true, ServerError},
		"an event that is torn": {begins + "data: {\"type\":", begins, "", true, BadAnswer},
	} {
		for _, read := range []func(io.Reader) io.Reader{iotest.OneByteReader, iotest.HalfReader, iotest.DataErrReader} {
			p := NewPassing(&slow{r: read(strings.NewReader(tc.answer))}, PassingOptions{Events: tc.events, Piece: tally.Character})
			var passed, end []byte
			var err error
			for {
				var b []byte
				if b, err = p.Next(); err != nil {
					break
				}
				if len(b) == 0 {
					t.Fatalf("%s: no bytes and no error", name)
				}
				mark := len(b)
				if p.Final() >= 0 {
					mark = p.Final()
				}
				passed, end = append(passed, b[:mark]...), append(end, b[mark:]...)
			}
			up, failed := errors.AsType[*UpstreamError](err)
			if string(passed) != tc.passed || string(end) != tc.end || failed != (tc.fault != "") || failed && up.Fault != tc.fault {
				t.Errorf("%s: passed %.80q, then %.80q, %v", name, passed, end, err)
			}
			if r := p.Report(); tc.fault == "" && tc.events && (r.Tokens != tally.Tokens{Input: 4, Output: 30} || r.Known != KnownWhole) {
				t.Errorf("%s: %+v", name, r)
			}
			p.Close()
		}
	}
}

// Long documents count as several, and a hundred are one query.
func TestQueriesOfARanking(t *testing.T) {
	for _, tc := range []struct {
		documents int
		each      string
		query     string
		least     int64
		most      int64
	}{{1, "a", "q", 1, 1}, {90, "short", "q", 1, 1}, {250, "a", "q", 3, 3}, {10, strings.Repeat("word ", 5000), "q", 5, 7}, {2, strings.Repeat("a", 4000), strings.Repeat("q", 499), 80, 90}} {
		body, err := json.Marshal(map[string]any{"query": tc.query, "documents": slices.Repeat([]string{tc.each}, tc.documents)})
		if err != nil {
			t.Fatal(err)
		}
		var m Media
		if err := m.Peek(Rerank, "application/json", body); err != nil || m.Units.Count < tc.least || m.Units.Count > tc.most || m.Documents != int64(tc.documents) {
			t.Errorf("%d documents of %d bytes: %d queries, %v", tc.documents, len(tc.each), m.Units.Count, err)
		}
	}
}
