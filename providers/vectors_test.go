package providers

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestConvertVectors(t *testing.T) {
	for _, x := range []struct {
		in   string
		to   Encoding
		want string // "" if it stays as it is
	}{
		{`{"data":[{"embedding":[0.5,-0.25]}]}`, Base64, `{"data":[{"embedding":"AAAAPwAAgL4="}]}`},
		{`{"data":[{"embedding":"AAAAPwAAgL4="}]}`, Floats, `{"data":[{"embedding":[0.5,-0.25]}]}`},
		{`{"data":[{"embedding":[0.5,-0.25]}]}`, Floats, ""},
		{`{"data":[{"embedding":"AAAAPwAAgL4="}]}`, Base64, ""},
		{`{"data":[]}`, Base64, ""},
		{`{"data":[{"embedding":[]},{"embedding":[ 0.5 , 1E0 ]}]}`, Base64, `{"data":[{"embedding":""},{"embedding":"AAAAPwAAgD8="}]}`},
		{`{"data":[{"embedding":""}]}`, Floats, `{"data":[{"embedding":[]}]}`},
		// Only the vectors change, and only those that need to.
		{` {"x":[1.50], "data" : [ {"index":1e0,"embedding": [0.5],"y":"z"} ] ,"usage":{}} `, Base64, ` {"x":[1.50], "data" : [ {"index":1e0,"embedding": "AAAAPw==","y":"z"} ] ,"usage":{}} `},
		{`{"data":[{"embedding":"AAAAPw=="},{"embedding":[0.5]}]}`, Base64, `{"data":[{"embedding":"AAAAPw=="},{"embedding":"AAAAPw=="}]}`},
		{`{"data":[{"embedding":"\/\/9\/Pw=="}]}`, Floats, `{"data":[{"embedding":[0.99999994]}]}`}, // as PHP escapes
		// 1 + 2^-24 + 2^-60 is nearest to 1 + 2^-23. By way of a double it would
		// be a tie first, and then 1.
		{`{"data":[{"embedding":[0.1,1e-7,1.000000059604644775390625867361737988403547,1e-50]}]}`, Base64, `{"data":[{"embedding":"zczMPZW/1jMBAIA/AAAAAA=="}]}`},
	} {
		got, err := convertVectors([]byte(x.in), x.to)
		if err != nil || string(got) != x.want {
			t.Errorf("%s to %s:\n got %s, %v\nwant %s", x.in, x.to, got, err, x.want)
		}
	}
	for _, in := range []string{
		`{}`, `{"data":null}`, `{"data":{}}`, `{"data":[7]}`, `{"data":[{}]}`, `{"data":[{"embedding":null}]}`, `{"data":[{"embedding":7}]}`,
		`{"data":[{"embedding":["0.5"]}]}`, `{"data":[{"embedding":[null]}]}`, `{"data":[{"embedding":[[0.5]]}]}`, `{"data":[{"embedding":[1e39]}]}`,
	} {
		if got, err := convertVectors([]byte(in), Base64); err == nil {
			t.Errorf("%s became %s", in, got)
		}
	}
	for _, vector := range []string{"A", "AAAA", "AAAAPw", "!!!!", "AACAfw==", "AADAfw==", `\ud800`} { // the last but one are ∞ and NaN
		if got, err := convertVectors([]byte(`{"data":[{"embedding":"`+vector+`"}]}`), Floats); err == nil {
			t.Errorf("%s became %s", vector, got)
		}
	}
}

// FuzzVectors: there and back is the same to the last bit, and what a client
// reads with a JSON decoder are these very floats.
func FuzzVectors(f *testing.F) {
	f.Add([]byte{0, 0, 0, 0x3f, 0, 0, 0x80, 0xbe, 1, 0, 0, 0, 0xff, 0xff, 0x7f, 0x7f, 0, 0, 0, 0x80})
	f.Fuzz(func(t *testing.T, raw []byte) {
		raw = raw[:len(raw)/4*4]
		text := `{"data":[{"embedding":"` + base64.StdEncoding.EncodeToString(raw) + `"}]}`
		numbers, err := convertVectors([]byte(text), Floats)
		var want []float32
		for i := 0; i < len(raw); i += 4 {
			x := math.Float32frombits(binary.LittleEndian.Uint32(raw[i:]))
			if x64 := float64(x); math.IsNaN(x64) || math.IsInf(x64, 0) {
				if err == nil {
					t.Fatalf("%v became %s", x, numbers)
				}
				return
			}
			want = append(want, x)
		}
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		var got struct {
			Data []struct{ Embedding []float32 }
		}
		if err := json.Unmarshal(numbers, &got); err != nil || len(got.Data[0].Embedding) != len(want) {
			t.Fatalf("%s: %v", numbers, err)
		}
		for i, x := range got.Data[0].Embedding {
			if math.Float32bits(x) != math.Float32bits(want[i]) {
				t.Fatalf("%v became %v", want[i], x)
			}
		}
		back, err := convertVectors(numbers, Base64)
		if err != nil || string(back) != text {
			t.Fatalf("%s became %s (%v)", text, back, err)
		}
		if len(numbers) > 3*len(text) || len(back) > 3*len(numbers) {
			t.Fatalf("%d bytes became %d and %d", len(text), len(numbers), len(back))
		}
	})
}

func BenchmarkConvertVectors(b *testing.B) {
	in := []byte(`{"data":[{"embedding":[` + strings.Repeat("-0.012345678,", 1535) + `0.5]}]}`)
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := convertVectors(in, Base64); err != nil {
			b.Fatal(err)
		}
	}
}
