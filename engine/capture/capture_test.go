package capture

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"tallygate/engine/auth"
	"tallygate/engine/tally"
)

var quiet = slog.New(slog.DiscardHandler)

// unsealed seals nothing, so that a test sees what a file has in it.
type unsealed struct{}

func (unsealed) Seal(_ tally.ID, b []byte) tally.Sealed          { return b }
func (unsealed) Open(_ tally.ID, b tally.Sealed) ([]byte, error) { return b, nil }

var (
	aKey    = tally.SubjectOf("key", "key_1")
	aClient = tally.SubjectOf("client", "cl_1")
)

// asks has a request with a body pass, and its answer.
func asks(s *Store, id, key, body, answer string, at time.Time) bool {
	t := s.Begin(tally.ID(key), "cl_1", at)
	if t == nil {
		return false
	}
	t.ID, t.Method, t.Path = tally.ID(id), "POST", "/v1/chat/completions"
	t.Asked([]byte(body))
	for part := range strings.SplitAfterSeq(answer, "\n") {
		t.Answered([]byte(part))
	}
	s.Keep(t)
	return true
}

func all(*Head) bool { return true }

func none(tally.Subject) bool { return false }

// mustStart starts a capture for an hour.
func mustStart(t *testing.T, s *Store, of tally.Subject, size int64, disk bool, now time.Time) {
	t.Helper()
	if _, err := s.Start(Terms{Of: of, Since: now, Until: now.Add(time.Hour), Size: size, Disk: disk}); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyWhatIsWantedIsKept(t *testing.T) {
	now := time.Now()
	s := Open("", unsealed{}, quiet, now)
	if asks(s, "req_0", "key_1", "{}", "", now) || !s.Off() {
		t.Error("something is captured before anybody wanted that")
	}
	mustStart(t, s, aKey, UsualSize, false, now)
	if asks(s, "req_1", "key_2", "{}", "", now) {
		t.Error("another key is captured")
	}
	if !asks(s, "req_2", "key_1", `{"a":1}`, "one\ntwo\n", now) {
		t.Error("the key is not captured")
	}
	x, ok, err := s.Get("req_2")
	if !ok || err != nil || string(x.Request) != `{"a":1}` || string(x.Answer) != "one\ntwo\n" || x.AnswerBytes != 8 || x.AnswerCut {
		t.Errorf("%+v %v %v", x, ok, err)
	}
	mustStart(t, s, aClient, UsualSize, false, now)
	if !asks(s, "req_3", "key_2", "{}", "", now) {
		t.Error("a key of a client is not captured")
	}
	if _, ok := s.Stop(aKey); !ok {
		t.Error("the capture of the key is not there")
	}
	if _, ok, _ := s.Get("req_2"); ok {
		t.Error("what was captured is there after its end")
	}
	if asks(s, "req_4", "key_1", "{}", "", now.Add(time.Hour)) {
		t.Error("something is captured at the end of its time")
	}
	s.flush()
	if ended := s.End(now.Add(time.Hour), none); len(ended) != 1 || ended[0].Kept != 1 || !s.Off() {
		t.Errorf("%+v has ended, off %v", ended, s.Off())
	}
}

// A capture never takes more than its size, and the latest push out the oldest.
func TestARingIsBounded(t *testing.T) {
	now := time.Now()
	for _, disk := range []bool{false, true} {
		dir := t.TempDir()
		s := Open(filepath.Join(dir, "captures"), unsealed{}, quiet, now)
		mustStart(t, s, aKey, LeastSize, disk, now)
		for i := range 200 {
			asks(s, fmt.Sprintf("req_%03d", i), "key_1", `{"a":"`+strings.Repeat("x", 3000)+`"}`, "yes\n", now.Add(time.Duration(i)))
			s.flush()
		}
		st := s.States()[0]
		if st.Bytes > LeastSize || st.Kept < 10 || st.Pushed != int64(200-st.Kept) || st.Missed != 0 {
			t.Errorf("disk %v: %+v", disk, st)
		}
		if heads := s.Heads(all); len(heads) != st.Kept || heads[0].ID != "req_199" {
			t.Errorf("disk %v: %d heads, the first %s", disk, len(heads), heads[0].ID)
		}
		files, size := 0, int64(0)
		filepath.Walk(dir, func(path string, info os.FileInfo, _ error) error {
			if !info.IsDir() {
				files, size = files+1, size+info.Size()
			}
			if info.Mode().Perm()&0o077 != 0 && path != dir {
				t.Errorf("%s has mode %v", path, info.Mode())
			}
			return nil
		})
		if disk && (files != st.Kept+1 || size > LeastSize+1000) || !disk && files > 0 {
			t.Errorf("disk %v: %d files of %d bytes", disk, files, size)
		}
		s.Stop(aKey)
		if left, err := os.ReadDir(filepath.Join(dir, "captures")); err == nil {
			t.Errorf("disk %v: the end has left %v", disk, left)
		}
	}
}

// A body that is too large is cut and says so; what passes is not touched by that.
func TestALargeBodyIsCut(t *testing.T) {
	now := time.Now()
	s := Open("", unsealed{}, quiet, now)
	mustStart(t, s, aKey, LeastSize, false, now)
	large := strings.Repeat("word ", 20_000)
	asks(s, "req_1", "key_1", large, large, now)
	x, _, _ := s.Get("req_1")
	if !x.RequestCut || !x.AnswerCut || x.RequestBytes != 100_000 || len(x.Request) > LeastSize/4 || !strings.HasPrefix(large, string(x.Request)) {
		t.Errorf("cut %v %v, %d of %d bytes", x.RequestCut, x.AnswerCut, len(x.Request), x.RequestBytes)
	}
	if n := s.passing.Load(); n != 0 {
		t.Errorf("%d bytes are still taken for tapes", n)
	}
}

func TestAllSizesTogetherAreBounded(t *testing.T) {
	now := time.Now()
	s := Open("", unsealed{}, quiet, now)
	mustStart(t, s, aKey, AllSizes-LeastSize, false, now)
	if _, err := s.Start(Terms{Of: aClient, Until: now.Add(time.Hour), Size: 2 * LeastSize}); tally.CodeOf(err) != tally.Invalid {
		t.Errorf("got %v", err)
	}
	mustStart(t, s, aKey, LeastSize, false, now) // again, with other terms
	mustStart(t, s, aClient, 2*LeastSize, false, now)
}

// What is on disk is sealed, is there after a restart, and goes when its time is over, also
// when nothing runs then; what a crash has left half written goes, too.
func TestOnDisk(t *testing.T) {
	now := time.Now().Round(0)
	dir := t.TempDir()
	kept := filepath.Join(dir, "captures")
	sealer, err := auth.CreateSealer(auth.Keys{Path: filepath.Join(dir, "key")})
	if err != nil {
		t.Fatal(err)
	}
	s := Open(kept, sealer, quiet, now)
	mustStart(t, s, aKey, UsualSize, true, now)
	asks(s, "req_1", "key_1", `{"a":"a canary"}`, "another canary\n", now)
	asks(s, "req_2", "key_1", `{"a":"a canary"}`, "another canary\n", now.Add(1))
	s.Close()
	read := func() (out []byte) {
		filepath.Walk(kept, func(path string, info os.FileInfo, _ error) error {
			b, _ := os.ReadFile(path)
			out = append(append(out, b...), path...)
			return nil
		})
		return out
	}
	if b := read(); len(b) < 200 || bytes.Contains(b, []byte("canary")) {
		t.Errorf("what is kept on disk can be read, or is not there: %q", b)
	}
	whole, _ := os.ReadFile(filepath.Join(kept, "key_1", "req_2"))
	os.WriteFile(filepath.Join(kept, "key_1", "req_3"), whole[:len(whole)/2], 0o600)
	os.WriteFile(filepath.Join(kept, "key_1", "req_4"), whole, 0o600) // sealed for another name
	if err := sealer.Rotate(false); err != nil {
		t.Fatal(err)
	}
	s = Open(kept, sealer, quiet, now.Add(59*time.Minute))
	if heads := s.Heads(all); len(heads) != 2 || heads[0].ID != "req_2" {
		t.Errorf("a restart finds %+v", heads)
	}
	s.Reseal()
	if err := sealer.Rotated(); err != nil {
		t.Fatal(err)
	}
	s = Open(kept, sealer, quiet, now.Add(59*time.Minute))
	if x, ok, err := s.Get("req_1"); !ok || err != nil || string(x.Answer) != "another canary\n" {
		t.Errorf("after another key: %+v %v %v", x, ok, err)
	}
	other, err := auth.CreateSealer(auth.Keys{Path: filepath.Join(dir, "other")})
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := filepath.Join(dir, "elsewhere")
	if err := os.CopyFS(elsewhere, os.DirFS(kept)); err != nil {
		t.Fatal(err)
	}
	if s := Open(elsewhere, other, quiet, now); !s.Off() {
		t.Error("what another key has sealed was taken over")
	}
	s = Open(kept, sealer, quiet, now.Add(time.Hour))
	if !s.Off() {
		t.Error("what is over goes on after a restart")
	}
	for _, d := range []string{kept, elsewhere} {
		if left, err := os.ReadDir(d); err == nil {
			t.Errorf("%s has %v", d, left)
		}
	}
}

// When a key is gone, so is what came with it, in a capture of its client as well.
func TestAKeyThatIsGone(t *testing.T) {
	now := time.Now()
	s := Open(t.TempDir(), unsealed{}, quiet, now)
	mustStart(t, s, aKey, UsualSize, false, now)
	mustStart(t, s, aClient, UsualSize, true, now)
	asks(s, "req_1", "key_1", "{}", "", now)
	asks(s, "req_2", "key_2", "{}", "", now)
	asks(s, "req_3", "key_3", "{}", "", now)
	s.flush()
	ended := s.End(now, func(of tally.Subject) bool { return of == aKey || of == tally.SubjectOf("key", "key_2") })
	if heads := s.Heads(all); len(ended) != 1 || ended[0].Of != aKey || len(heads) != 1 || heads[0].ID != "req_3" {
		t.Errorf("%+v ended, %+v are left", ended, heads)
	}
	if _, err := os.Stat(filepath.Join(s.dir, "cl_1", "req_2")); err == nil {
		t.Error("the file of a key that is gone is left")
	}
}

// Requests at the same time, and an end in between, lose nothing else.
func TestAtTheSameTime(t *testing.T) {
	now := time.Now()
	s := Open(t.TempDir(), unsealed{}, quiet, now)
	mustStart(t, s, aKey, UsualSize, true, now)
	mustStart(t, s, tally.SubjectOf("key", "key_2"), UsualSize, false, now)
	var all8 sync.WaitGroup
	for g := range 8 {
		all8.Go(func() {
			for i := range 20 {
				asks(s, fmt.Sprintf("req_%d_%d", g, i), fmt.Sprintf("key_%d", 1+g%2), `{"a":1}`, "yes\n", now)
				if i == 10 && g == 0 {
					s.Stop(aKey)
				}
				s.States()
			}
		})
	}
	all8.Wait()
	if heads := s.Heads(all); len(heads) != 80 || s.passing.Load() != 0 {
		t.Errorf("%d are kept, want 80; %d bytes are taken", len(heads), s.passing.Load())
	}
}

func TestSpoken(t *testing.T) {
	for name, c := range map[string]struct{ asked, answer, want string }{
		"chat": {`{"messages":[{"role":"system","content":"Be kind."},{"role":"user","content":[{"type":"text","text":"hi"},{"type":"image_url","image_url":{}}]}]}`,
			`{"choices":[{"message":{"content":"hello"}}]}`, "system: Be kind.|user: hi\n[image_url]|answer: hello"},
		"stream": {`{"messages":[{"role":"user","content":"hi"}]}`,
			"data: {\"choices\":[{\"delta\":{\"content\":\"hel\"}}]}\n\ndata: {\"choices\":[{\"delta\":{\"content\":\"lo\"}}]}\n\ndata: [DONE]\n\n", "user: hi|answer: hello"},
		"messages": {`{"system":[{"type":"text","text":"Be kind."}],"messages":[{"role":"user","content":"hi"}]}`,
			"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"delta\":{\"type\":\"text_delta\",\"text\":\"hello\"}}\n\n", "system: Be kind.|user: hi|answer: hello"},
		"whole message": {`{"messages":[]}`, `{"type":"message","content":[{"type":"text","text":"hello"}]}`, "answer: hello"},
		"responses": {`{"instructions":"Be kind.","input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"hi"}]}]}`,
			"data: {\"type\":\"response.output_text.delta\",\"delta\":\"hello\"}\n\ndata: {\"type\":\"response.completed\",\"response\":{\"output\":[]}}\n\n", "system: Be kind.|user: hi|answer: hello"},
		"whole response": {`{"input":"hi"}`, `{"object":"response","output":[{"type":"message","content":[{"type":"output_text","text":"hello"}]}]}`, "user: hi|answer: hello"},
		"ollama":         {`{"messages":[{"role":"user","content":"hi"}]}`, "{\"message\":{\"content\":\"hel\"}}\n{\"message\":{\"content\":\"lo\"}}\n", "user: hi|answer: hello"},
		"call": {`{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"look","arguments":"{}"}}]},{"role":"tool","content":"seen"}]}`,
			`{"choices":[{"message":{"tool_calls":[{"function":{"name":"look","arguments":"{\"a\":1}"}}]}}]}`, "assistant: calls look {}|tool: seen|answer: \ncalls look {\"a\":1}"},
		"refusal": {`{"prompt":"hi"}`, `{"error":{"message":"no"}}`, "prompt: hi|answer: error: no"},
		"neither": {"--b", "\xff", ""},
	} {
		x := Exchange{Request: []byte(c.asked), Answer: []byte(c.answer)}
		var got []string
		for _, s := range x.Spoken() {
			got = append(got, s.Who+": "+s.Text)
		}
		if got := strings.Join(got, "|"); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}

// slow seals when it is let.
type slow struct {
	unsealed
	begun, may chan struct{}
}

func (x slow) Seal(of tally.ID, b []byte) tally.Sealed {
	if !strings.HasSuffix(string(of), termsFile) {
		x.begun <- struct{}{}
		<-x.may
	}
	return b
}

// A disk that is slow keeps no caller waiting for the end of its answer.
func TestNobodyWaitsForTheDisk(t *testing.T) {
	now, x := time.Now(), slow{begun: make(chan struct{}), may: make(chan struct{})}
	s := Open(t.TempDir(), x, quiet, now)
	mustStart(t, s, aKey, UsualSize, true, now)
	asks(s, "req_1", "key_1", `{}`, `{}`, now)
	<-x.begun
	asks(s, "req_2", "key_1", `{}`, `{}`, now) // while the first is being written
	x.may <- struct{}{}
	<-x.begun
	x.may <- struct{}{}
	if got := s.Heads(all); len(got) != 2 {
		t.Errorf("kept are %+v", got)
	}
}

// A disk that is full keeps no parts of files, and the terms that were in force stay.
func TestADiskThatIsFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("there is no disk that is full")
	}
	now, dir := time.Now(), t.TempDir()
	s := Open(dir, unsealed{}, quiet, now)
	mustStart(t, s, aKey, UsualSize, true, now)
	for _, file := range []string{"req_1", termsFile} {
		if err := os.Symlink("/dev/full", filepath.Join(dir, "key_1", file+".new")); err != nil {
			t.Fatal(err)
		}
	}
	asks(s, "req_1", "key_1", `{}`, `{}`, now)
	if got := s.Heads(all); len(got) != 0 || s.States()[0].Missed != 1 {
		t.Errorf("kept are %+v of %+v", got, s.States())
	}
	if _, err := s.Start(Terms{Of: aKey, Until: now.Add(2 * time.Hour), Size: UsualSize, Disk: true}); tally.CodeOf(err) != tally.Unavailable {
		t.Errorf("%v", err)
	}
	files, err := os.ReadDir(filepath.Join(dir, "key_1"))
	if err != nil || len(files) != 1 {
		t.Errorf("left are %v, %v", files, err)
	}
	if got := Open(dir, unsealed{}, quiet, now).States(); len(got) != 1 || !got[0].Until.Equal(now.Add(time.Hour)) {
		t.Errorf("after a restart %+v", got)
	}
}
