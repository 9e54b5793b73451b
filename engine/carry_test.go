package engine

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// slowBody calls a function before it is read.
type slowBody struct {
	io.Reader
	before func()
}

func (b *slowBody) Read(p []byte) (int, error) {
	if b.before != nil {
		b.before()
		b.before = nil
	}
	return b.Reader.Read(p)
}

// What was left of a day is carried over once: a request whose body arrives only on the
// next day is one of that day.
func TestSlowRequestTakesNothingOfTheDayBefore(t *testing.T) {
	w := newWorld(t)
	w.setUp()
	_, made := w.client("acme", "requests=1/day,carry=100%")
	now := w.clock()
	w.wait(now.Truncate(24 * time.Hour).Add(48*time.Hour - 30*time.Second).Sub(now))
	served := 0
	count := func(status int) {
		if status == 200 {
			served++
		}
	}
	r := httptest.NewRequest(http.MethodPost, "/v1/chat/completions", &slowBody{strings.NewReader(
		`{"model":"sim-small","messages":[{"role":"user","content":"Hello"}]}`), func() {
		w.wait(time.Minute)
		for range 3 {
			count(w.chat(made.Key, "sim-small").status)
		}
	}})
	r.Header.Set("Authorization", "Bearer "+made.Key)
	out := httptest.NewRecorder()
	w.engine.Public().ServeHTTP(out, r)
	if count(out.Code); served != 2 {
		t.Errorf("%d requests of two days are served, and a day has one: %s", served, out.Body)
	}
}
