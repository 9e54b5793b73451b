package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// capturedWorld is served, and has the first client captured.
func capturedWorld(t *testing.T) (*world, string) {
	w := newWorld(t)
	key := w.setUp().Key
	w.engine.SetBaseURL(DefaultBaseURL)
	do(w, control.CaptureStart, control.StartCapture{PickCapture: control.PickCapture{Client: "default"}})
	return w, key
}

func TestCapturesAreToldOfAndEnd(t *testing.T) {
	w, key := capturedWorld(t)
	warned := func() (out []control.Warning) {
		for _, x := range do(w, control.EngineStatus, control.None{}).Warnings {
			if x.Kind == control.WarnCapture {
				out = append(out, x)
			}
		}
		return out
	}
	if x := warned(); len(x) != 1 || !strings.Contains(x[0].Sentence, "is on until Sat 21 Nov 13:07") || x[0].Next != "tallygate capture stop --client default" {
		t.Errorf("status warns of %+v", x)
	}
	k := do(w, control.KeysList, control.ListKeys{})[0]
	if !k.CapturedUntil.Equal(noon.Add(time.Hour)) || k.CaptureOf != "client" {
		t.Errorf("the key is captured until %s by its %s", k.CapturedUntil, k.CaptureOf)
	}
	a := w.served(key, "sim-small")
	if x := do(w, control.CaptureShow, control.PickCaptured{Request: a.id}); x.Spoken[0].Text != "hi" || x.Spoken[1].Text != a.text || x.Client != "default" {
		t.Errorf("shown is %+v", x)
	}
	w.wait(time.Hour)
	if err := w.engine.endCaptures(t.Context()); err != nil {
		t.Fatal(err)
	}
	refused(w, control.CaptureShow, control.PickCaptured{Request: a.id}, tally.NotFound, "nothing is")
	if x := warned(); len(x) != 0 || !strings.Contains(w.log.String(), "a capture has ended") {
		t.Errorf("after its end status warns of %+v", x)
	}
	var acts []string
	for _, x := range do(w, control.AuditList, control.AuditQuery{Limit: 5}).Entries {
		acts = append(acts, x.Op+" by "+strings.SplitN(x.Actor, " ", 2)[0])
	}
	if got := strings.Join(acts, ", "); !strings.Contains(got, "capture.stop by engine, capture.show by") || !strings.Contains(got, "capture.start by") {
		t.Errorf("the audit log has %s", got)
	}
	w.consistent()
}

// Who has looked at something has not changed it: the change before that can still be undone.
func TestALookCanNotBeUndone(t *testing.T) {
	w, key := capturedWorld(t)
	id := do(w, control.KeysList, control.ListKeys{})[0].ID
	do(w, control.KeysUpdate, control.UpdateKey{PickKey: control.PickKey{Key: string(id)}, Label: to("other")})
	do(w, control.CaptureStart, control.StartCapture{PickCapture: control.PickCapture{Key: string(id)}})
	do(w, control.CaptureShow, control.PickCaptured{Request: w.served(key, "sim-small").id})
	entries := do(w, control.AuditUndo, control.UndoChange{})
	if len(entries) != 1 || entries[0].Op != "keys.update" {
		t.Errorf("undone is %+v", entries)
	}
	if k := do(w, control.KeysList, control.ListKeys{})[0]; k.Label != "default" {
		t.Errorf("the label is %q", k.Label)
	}
	refused(w, control.AuditUndo, control.UndoChange{Entry: "1000"}, tally.NotFound)
	latest := do(w, control.AuditList, control.AuditQuery{Limit: 10}).Entries
	for _, x := range latest {
		if x.Op == "capture.show" {
			refused(w, control.AuditUndo, control.UndoChange{Entry: strconv.FormatUint(x.Seq, 10)}, tally.Invalid, "changed nothing")
		}
	}
}

// Viewers see that something is captured, and nothing of what.
func TestViewersSeeNoCapture(t *testing.T) {
	w, key := capturedWorld(t)
	id := w.served(key, "sim-small").id
	ln, dial := control.Memory()
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- w.engine.Control().Serve(ctx, ln, control.Read) }()
	defer func() { stop(); <-served }()
	viewer := control.NewClient(dial)
	defer viewer.Close()
	for op, in := range map[string]any{
		control.CaptureList.Name: control.ListCaptured{}, control.CaptureShow.Name: control.PickCaptured{Request: id},
		control.CaptureCurl.Name: control.PickCaptured{Request: id}, control.CaptureReplay.Name: control.ReplayCaptured{},
		control.CaptureStart.Name: control.StartCapture{}, control.CaptureStop.Name: control.PickCapture{},
	} {
		if err := viewer.Call(t.Context(), op, in, new(json.RawMessage)); tally.CodeOf(err) != tally.Denied {
			t.Errorf("%s: %v", op, err)
		}
	}
	if status, err := control.EngineStatus.Do(t.Context(), viewer, control.None{}); err != nil || len(status.Warnings) == 0 {
		t.Errorf("%+v %v", status.Warnings, err)
	}
}

func TestReplay(t *testing.T) {
	w, key := capturedWorld(t)
	u := newUpstream(t, `{"id":"gpt-mini"}`, `{"id":"gpt-large"}`)
	w.provider("up", u, upstreamKey)
	a := w.served(key, "gpt-mini")
	in := control.ReplayCaptured{PickCaptured: control.PickCaptured{Request: a.id}, Model: "gpt-large", Max: tally.Dollar}
	out := do(w, control.CaptureReplay, in)
	before, after := do(w, control.RequestsShow, control.PickRequest{ID: a.id}), do(w, control.RequestsShow, control.PickRequest{ID: string(out.After.Request)})
	if out.Difference == nil || *out.Difference <= 0 || *out.Difference != after.CostNanoUSD-before.CostNanoUSD || after.Model != "gpt-large" || after.KeyID != before.KeyID {
		t.Errorf("%+v; the records say %s and %s", out, before.CostNanoUSD, after.CostNanoUSD)
	}
	if out.After.AnswerBytes == 0 || out.Before.AnswerBytes == 0 || out.Before.TookMS <= 0 {
		t.Errorf("%+v", out)
	}
	if x := do(w, control.CaptureShow, control.PickCaptured{Request: string(out.After.Request)}); !strings.HasPrefix(x.RequestBody, `{"max_tokens":20,"messages":[{"content":"hi","role":"user"}],"model":"gpt-large"}`) {
		t.Errorf("sent was %s", x.RequestBody)
	}
	if _, bodies := u.seen(); !strings.Contains(bodies[len(bodies)-1], `"model":"gpt-large"`) {
		t.Errorf("the upstream got %s", bodies[len(bodies)-1])
	}
	in.Max = 1
	refused(w, control.CaptureReplay, in, tally.Conflict, "not sent", "may cost")
	in.Max = 0
	refused(w, control.CaptureReplay, in, tally.Invalid, "--max")
	denied := w.chat(key, "no-such-model")
	in.Max, in.Request = tally.Dollar, denied.id
	if out := do(w, control.CaptureReplay, in); out.Difference != nil || out.Before.Status != 404 || out.After.Status != 200 {
		t.Errorf("%+v", out)
	}
	report := do(w, control.EngineVerify, control.None{})
	if !report.OK {
		t.Errorf("%+v", report.Faults)
	}
}

func TestWithModel(t *testing.T) {
	for body, want := range map[string]string{
		`{"a":1,"model":"old","b":[{"model":"x"}]}`: `{"a":1,"model":"new","b":[{"model":"x"}]}`,
		`{ "model" : "old" }`:                       `{ "model" : "new" }`,
		` {"a":1}`:                                  ` {"model":"new","a":1}`,
		`{}`:                                        `{"model":"new"}`,
		`{ }`:                                       `{"model":"new" }`,
		`[]`:                                        "",
		`{"a":`:                                     "",
	} {
		if got, ok := withModel([]byte(body), "new"); string(got) != want || ok != (want != "") {
			t.Errorf("%s: %s, want %s", body, got, want)
		}
	}
}

// What was captured on disk is in no copy of the store, and goes with its key.
func TestCapturesGoWithTheirKey(t *testing.T) {
	w := newWorld(t)
	done := w.setUp()
	id := string(do(w, control.KeysList, control.ListKeys{})[0].ID)
	do(w, control.CaptureStart, control.StartCapture{PickCapture: control.PickCapture{Key: id}, Disk: true})
	w.ask(done.Key, "chat/completions", `{"model":"sim-small","messages":[{"role":"user","content":"a canary"}],"max_tokens":20}`)
	if got := do(w, control.CaptureList, control.ListCaptured{}); len(got.Requests) != 1 {
		t.Fatalf("%+v", got)
	}
	folder := filepath.Join(w.engine.opts.Captures, id)
	if files, err := os.ReadDir(folder); err != nil || len(files) != 2 {
		t.Errorf("%v %v", files, err)
	}
	var copied bytes.Buffer
	if _, err := w.store.Backup(t.Context(), nil, &copied); err != nil {
		t.Fatal(err)
	}
	if config := do(w, control.ConfigExport, control.None{}); strings.Contains(config.Text, "capture") {
		t.Error("the config file tells of a capture")
	}
	plain, _ := io.ReadAll(&copied)
	if bytes.Contains(plain, []byte("canary")) || len(plain) == 0 {
		t.Error("a copy of the store has what was captured")
	}
	do(w, control.SecretsRotate, control.RotateSecrets{})
	w.restart()
	if got := do(w, control.CaptureList, control.ListCaptured{}); len(got.Requests) != 1 || len(got.Captures) != 1 {
		t.Errorf("after another key and a restart %+v", got)
	}
	do(w, control.KeysRevoke, control.PickKey{Key: id})
	if _, err := os.Stat(folder); err == nil {
		t.Error("the folder is there after the key was revoked")
	}
	refused(w, control.CaptureStart, control.StartCapture{PickCapture: control.PickCapture{Key: id}, Disk: true}, tally.Invalid, "revoked")
}
