package tally

import (
	"encoding/json"
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
		"gpt-4o": "gpt-4o", "": "''", "my model": "'my model'", "x; rm -rf ~": "'x; rm -rf ~'", "it's": `'it'\''s'`, "$(id)": "'$(id)'", "a\x1bb": "'a�b'", "é": "'é'",
	} {
		if got := ShellWord(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
