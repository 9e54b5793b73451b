package control

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretIsNeverPrinted(t *testing.T) {
	s := Secret("canary")
	type holder struct {
		Key  Secret
		Keys []Secret
		Map  map[string]Secret
	}
	h := holder{s, []Secret{s}, map[string]Secret{"a": s}}
	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%10.3s"} {
		for _, v := range []any{s, &s, h, &h, []any{s}, fmt.Errorf("failed with %v", s)} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	fmt.Fprintln(&out, s, h, s.String())
	var log bytes.Buffer
	for _, handler := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(handler).Info("x", "key", s)
	}
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "input", h)
	out.Write(log.Bytes())
	for _, canary := range []string{"canary", fmt.Sprintf("%x", "canary"), fmt.Sprintf("%X", "canary")} {
		if strings.Contains(out.String(), canary) {
			t.Errorf("%q was printed:\n%s", canary, out.String())
		}
	}
	if b, err := json.Marshal(h.Keys); err != nil || string(b) != `["canary"]` || s.Reveal() != "canary" {
		t.Errorf("on the wire it is %s (%v), revealed %q", b, err, s.Reveal())
	}
}
