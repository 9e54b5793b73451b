package gateway

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"tallygate/engine/tally"
)

// TestWhyAnAttemptFailed: the record says why, in the upstream's words or ours, and
// names no key; without the owner's wish it says status and code only.
func TestWhyAnAttemptFailed(t *testing.T) {
	long := strings.Repeat("é", 400)
	for name, tc := range map[string]struct {
		status       int
		body         string
		code, detail string // what they hold
		without      string
		ours         bool // the detail is there without the upstream's words too
	}{
		"words":      {500, `{"error":{"message":"CUDA out of memory","code":"oom"}}`, "oom", `"CUDA out of memory"`, "", false},
		"a type":     {500, `{"error":{"message":"x","type":"overloaded_error"}}`, "overloaded_error", `"x"`, "", false},
		"plain":      {400, "unknown role: narrator", "", `"unknown role: narrator"`, "", false},
		"a list":     {400, `[{"error":{"code":400,"message":"no such field","status":"INVALID_ARGUMENT"}}]`, "", `"no such field"`, "", false},
		"its key":    {401, `{"error":{"message":"wrong key SECRET"}}`, "", `"wrong key [API key]"`, "SECRET", false},
		"long":       {500, `{"error":{"message":"` + long + `"}}`, "", strings.Repeat("é", 150) + "…", strings.Repeat("é", 151), false},
		"controls":   {500, `{"error":{"message":"a\u001b[31mb"}}`, "", "[31mb", "\x1b", false},
		"a web page": {200, "<html><title>Welcome to Acme</title></html>", "", "web page", "", true},
	} {
		for _, drop := range []bool{false, true} {
			w := newWorld(t)
			w.apiKey = "sk-very-secret-0123456789"
			w.scripted(tc.status, strings.ReplaceAll(tc.body, "SECRET", w.apiKey))
			w.settings.DropWords = drop
			w.open()
			w.chat("")
			r := w.one()
			if len(r.Tries) != 1 {
				t.Fatalf("%s: %d attempts", name, len(r.Tries))
			}
			a := r.Tries[0]
			wants := strings.Contains(a.Detail, tc.detail)
			if drop {
				wants = tc.ours && a.Detail != "" || !tc.ours && a.Detail == ""
			}
			if a.Cause == "" || tc.status != 200 && a.Status != tc.status || tc.code != "" && a.Code != tc.code || !wants {
				t.Errorf("%s, words dropped %v: %+v", name, drop, a)
			}
			for _, text := range []string{a.Detail, a.Code, w.log.String()} {
				if strings.Contains(text, w.apiKey) || tc.without != "" && tc.without != "SECRET" && strings.Contains(text, tc.without) {
					t.Errorf("%s: %q", name, text)
				}
			}
		}
	}
}

// An owner who drops words while a request is under way has none of it either.
func TestWordsDroppedMeanwhile(t *testing.T) {
	w := newWorld(t)
	w.scripted(200, "")
	up := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		settings := *w.settings
		settings.DropWords = true
		w.settings = &settings
		w.use()
		http.Error(out, "the roof is on fire", 500)
	}))
	defer up.Close()
	w.provider.BaseURL = up.URL
	w.open()
	w.chat("")
	if r := w.one(); len(r.Tries) != 1 || r.Tries[0].Detail != "" {
		t.Errorf("%+v", r.Tries)
	}
}

// TestFailuresAreLogged: once a minute for each kind, without the upstream's words,
// which may quote a prompt; also where another provider has answered. And both calls
// are named as their upstreams name them.
func TestFailuresAreLogged(t *testing.T) {
	w := newWorld(t)
	w.scripted(503, `{"error":{"message":"the prompt was: our plan","code":"overloaded"}}`)
	good := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		out.Header().Set("Content-Type", "application/json")
		out.Header().Set("X-Request-Id", "theirs_7")
		out.Write([]byte(`{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}],"usage":{"prompt_tokens":3,"completion_tokens":1}}`))
	}))
	t.Cleanup(good.Close)
	second, model := *w.provider, *w.models[0]
	second.ID, second.Name, second.BaseURL = "pr_2", "second", good.URL
	model.ID, model.Provider = "mo_2", "pr_2"
	w.more = append(w.more, &second, &model)
	w.gw.Providers = []tally.ID{"pr_1", "pr_2"}
	now := time.Now()
	w.clock = func() time.Time { return now }
	w.open()
	lines := func() int { return strings.Count(w.log.String(), "a provider failed") }
	ask := func() {
		t.Helper()
		p := *w.provider
		p.Rev++ // else it is left alone
		w.provider = &p
		if w.use(); w.chat("").status != 200 {
			t.Fatal("nobody has answered")
		}
	}
	for range 3 {
		ask()
	}
	if n := lines(); n != 1 {
		t.Errorf("%d lines, want 1", n)
	}
	now = now.Add(time.Minute)
	ask()
	log := w.log.String()
	if lines() != 2 || !strings.Contains(log, "more_since=2") || !strings.Contains(log, "code=overloaded") || strings.Contains(log, "our plan") {
		t.Errorf("log:\n%s", log)
	}
	r := w.records()[3]
	if r.Request != "theirs_7" || len(r.Tries) != 2 || r.Tries[0].Cause != "busy" || r.Tries[1].Cause != "" || r.Tries[1].Request != "theirs_7" {
		t.Errorf("record %+v", r)
	}
	if f, ok := w.server.LastFailure("pr_1"); !ok || f.Request != r.ID || !f.At.Equal(now) || f.Attempt.Detail != `"the prompt was: our plan"` {
		t.Errorf("the last failure: %+v, %v", f, ok)
	}
	if _, ok := w.server.LastFailure("pr_2"); ok {
		t.Error("the second has failed")
	}
}

// TestRefusalsAreFoundByTheirID: the id that a caller is told leads to a record with
// the sentence that it was told, and the limit.
func TestRefusalsAreFoundByTheirID(t *testing.T) {
	w := newWorld(t)
	w.client.Limits = []tally.Limit{{Metric: tally.Requests, Window: tally.Window{Unit: tally.Day}, Max: 1}}
	w.open()
	w.chat("")
	ids, message := map[string]bool{}, ""
	for range 5 {
		a := w.chat("")
		ids[a.header.Get("X-Request-Id")] = true
		_, _, message = a.refusal(t)
	}
	if len(ids) != 5 {
		t.Errorf("ids %v", ids)
	}
	w.meter.FlushRefusals(t.Context(), time.Time{})
	byID := map[string]tally.Record{}
	for _, r := range w.records() {
		byID[string(r.ID)] = r
	}
	for id := range ids {
		base, _, _ := strings.Cut(id, ".")
		r := byID[base]
		if r.Reason != message || r.Reached == nil || r.Reached.Subject != "client/cl_1" || r.Reached.Metric != tally.Requests || r.Reached.Used != 1 ||
			r.Reached.Max != 1 || r.Reached.Need != 1 || r.Reached.Resets.IsZero() {
			t.Errorf("%s: %+v", id, r)
		}
	}
}
