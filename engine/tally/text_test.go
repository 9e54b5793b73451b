package tally

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestPrintable(t *testing.T) {
	for in, want := range map[string]string{
		"gpt-4o": "gpt-4o", "modèle": "modèle", "\x1b[2J": "�[2J", "a\u009b31m": "a�31m", "a\x7f": "a�", "a\xc2": "a�", "a\r\nb": "a��b",
	} {
		if got := Printable(in); got != want || Unprintable(got) {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestEscapeControls(t *testing.T) {
	for _, in := range []string{"plain", "é", "\u009b2J", "x\x7fy\u0080", "\u00a0", "\x7f"} {
		text, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		var back string
		out := EscapeControls(text)
		if err := json.Unmarshal(out, &back); err != nil || back != in || Unprintable(string(out)) {
			t.Errorf("%q: %q, read as %q (%v)", in, out, back, err)
		}
	}
}

func TestCell(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "model": "model", "-1": "'-1", "=1+1": "'=1+1", "@x": "'@x", "a=b": "a=b", "a;b": "a;b",
		"a;=1": "a;'=1", "a;;-1": "a;;'-1", "a\t+1": "a\t'+1", `a;"=1"`: `a;'"=1"`, "\t=1": "'\t'=1", "a\r\n=1": "a\r\n'=1", `"=1`: `"=1`,
	} {
		if got := Cell(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestShellWord(t *testing.T) {
	for in, want := range map[string]string{
		"gpt-4o": "gpt-4o", "": "''", "my model": "'my model'", "x; rm -rf ~": "'x; rm -rf ~'", "it's": `'it'\''s'`, "$(id)": "'$(id)'", "a\x1bb": "'a?b'", "é": "'é'",
	} {
		if got := ShellWord(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestBaseURLRisk(t *testing.T) {
	for url, says := range map[string]string{
		"https://api.openai.com/v1": "", "http://127.0.0.1:11434/v1": "", "http://[::1]:8000": "", "http://localhost/v1": "", "": "",
		"http://10.0.0.5:8000/v1": "not encrypted", "http://llm.example/v1": "not encrypted",
		"http://169.254.169.254/latest": "link-local", "https://169.254.169.254": "link-local", "http://[fe80::1]/v1": "link-local", "http://[::ffff:169.254.169.254]/": "link-local",
	} {
		if got := BaseURLRisk(url); (says == "") != (got == "") || !strings.Contains(got, says) {
			t.Errorf("%q: %q, want %q", url, got, says)
		}
	}
}
