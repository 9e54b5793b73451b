package auth

import "testing"

func TestRedact(t *testing.T) {
	key, _, _, _ := NewClientKey()
	for said, want := range map[string]string{
		"/v1/" + key: "/v1/[redacted]", key + "x": "[redacted]", "/v1/chat/completions": "/v1/chat/completions",
		"sk-proj-abcdefghijkl": "[redacted]", "ask-me": "ask-me", "task-force": "task-force", "gpt-5": "gpt-5", "": "",
	} {
		if got := Redact(said); got != want {
			t.Errorf("%q: %q, want %q", said, got, want)
		}
	}
}
