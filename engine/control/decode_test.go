package control

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"tallygate/engine/tally"
)

// An error of the input names the field as the owner wrote it, and says what
// to write instead.
func TestDecodeErrors(t *testing.T) {
	for _, tc := range []struct {
		name    string
		in      any
		body    string
		message string
		hint    string
	}{
		{"wrong type", &UpdateKey{}, `{"label":5}`, "the field label is a number; it must be a string", ""},
		{"of an embedded struct", &UpdateKey{}, `{"key":5}`, "the field key is a number; it must be a string", ""},
		{"a list for a string", &UpdateKey{}, `{"label":[]}`, "the field label is an array; it must be a string", ""},
		{"an object for a list", &UpdateKey{}, `{"limits":{}}`, "the field limits is an object; it must be an array of object", ""},
		{"deep down", &UpdateKey{}, `{"limits":[{"max":"9"}]}`, "the field limits.max is a string; it must be an integer", ""},
		{"two structs down", &CreateModel{}, `{"prices":[{"nano_usd":"5"}]}`, "the field prices.nano_usd is a string; it must be an integer", ""},
		{"a fraction", &UpdateKey{}, `{"limits":[{"max":1.5}]}`, "the field limits.max is a number 1.5; it must be an integer", ""},
		{"a number too large", &UpdateKey{}, `{"limits":[{"max":99999999999999999999}]}`, "the field limits.max is out of range: 99999999999999999999", ""},
		{"a very long number", &UpdateKey{}, `{"limits":[{"max":` + strings.Repeat("9", 5000) + `}]}`, "the field limits.max is out of range: " + strings.Repeat("9", 40), ""},
		{"a word that is not a window", &UpdateKey{}, `{"limits":[{"window":"fortnight"}]}`, `"fortnight" is not a window`, "one of minute, hour, 2h to 12h, day, week, month, month:15 (starts on the 15th), quarter, total"},
		{"unknown but near", &UpdateKey{}, `{"labl":"x"}`, `there is no field "labl" in the input`, `did you mean "label"?`},
		{"unknown", &UpdateKey{}, `{"colour":"x"}`, `there is no field "colour" in the input`, "the fields are key, client, label, expires, limits, metric, window, max, warn, carry_percent, remove, tags, end_grace"},
		{"unknown, deep down", &UpdateKey{}, `{"limits":[{"mx":1}]}`, `there is no field "mx" in the input`, `did you mean "max"?`},
		{"unknown and very long", &None{}, `{"` + strings.Repeat("x", 5000) + `":1}`, `there is no field "` + strings.Repeat("x", 100) + `" in the input`, "the operation takes no input"},
		{"not JSON", &UpdateKey{}, `{"key":}`, "the input is not JSON: invalid character '}' looking for beginning of value (at byte 8)", ""},
		{"cut", &UpdateKey{}, `{"key":"a`, "the input is not JSON: it ends too early", ""},
		{"no object", &UpdateKey{}, `[]`, "the input is not a JSON object", `send an object, like {"name":"acme"}`},
		{"null", &UpdateKey{}, `null`, "the input is not a JSON object", `send an object, like {"name":"acme"}`},
		{"two objects", &UpdateKey{}, `{"key":"a"} {}`, "there is something after the JSON object", ""},
		{"rubbish behind", &UpdateKey{}, `{"key":"a"}x`, "there is something after the JSON object", ""},
	} {
		err := tally.AsError(decodeInput([]byte(tc.body), tc.in))
		if err.Code != tally.Invalid || err.Message != tc.message || err.Hint != tc.hint {
			t.Errorf("%s: %s, %q, hint %q\nwant invalid, %q, hint %q", tc.name, err.Code, err.Message, err.Hint, tc.message, tc.hint)
		}
	}
}

func TestDecode(t *testing.T) {
	for _, body := range []string{"", " \n", "{}", ` {"key":"a","limits":[{"metric":"cost","window":"month:15","max":50}]} `} {
		var in UpdateKey
		if err := decodeInput([]byte(body), &in); err != nil {
			t.Errorf("%q: %v", body, err)
		}
		if len(body) > 10 && (in.Key != "a" || in.Limits[0].Window != tally.Window{Unit: tally.Month, Day: 15} || in.Limits[0].Max != 50) {
			t.Errorf("%q was read as %+v", body, in)
		}
	}
}

// What an operation sends is read back as it was, by every input there is.
func TestInputsSurviveTheWire(t *testing.T) {
	label, days := "bot", 7
	for _, in := range []any{
		UpdateKey{PickKey: PickKey{Key: "k", Client: "c"}, Label: &label, Limits: []tally.LimitEdit{{Limit: tally.Limit{Metric: tally.Cost, Window: tally.Window{Unit: tally.Day}, Max: 5}, Remove: true}}},
		CreateClient{Slug: "s", ClientFields: ClientFields{Name: &label, Origins: &[]string{}}},
		CreateProvider{Name: "n", ProviderFields: ProviderFields{APIKeys: []Secret{"sk-1"}}},
		SettingsFields{RetentionDays: &days},
	} {
		b, err := json.Marshal(in)
		if err != nil {
			t.Fatal(err)
		}
		out := reflect.New(reflect.TypeOf(in))
		if err := decodeInput(b, out.Interface()); err != nil || !reflect.DeepEqual(out.Elem().Interface(), in) {
			t.Errorf("%s came back as %+v, %v", b, out.Elem(), err)
		}
	}
}

// FuzzDecodeInput: whatever is sent, it is read, or refused in words.
func FuzzDecodeInput(f *testing.F) {
	for _, s := range []string{"", "{}", `{"key":"a"}`, `{"limits":[{"metric":"cost","window":"month:15","max":50}]}`, `{"limits":[{"mx":1}]}`, `{"label":5}`, `{"\u0000":1}`, `{"grace_ns":1e99}`, `{"client":{"a":[1,{}]}}`, "{\"\xff\":1}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, in := range []any{&UpdateKey{}, &CreateClient{}, &CreateModel{}, &Setup{}, &RotateKey{}, &None{}} {
			err := decodeInput(body, in)
			if err == nil {
				continue
			}
			e := tally.AsError(err)
			if e.Code != tally.Invalid || e.Message == "" || len(e.Message) > 1000 || !utf8.ValidString(e.Message) && utf8.Valid(body) {
				t.Errorf("%q into %T: %s %q", body, in, e.Code, e.Message)
			}
		}
	})
}
