package providers

import (
	"fmt"
	"testing"
)

func TestRewrite(t *testing.T) {
	for _, x := range []struct {
		body, want string
		edits      Edits
	}{
		{`{"model":"a","x" : [1.0,2.50] }`, `{"model":"up","x" : [1.0,2.50] }`, Edits{Model: "up"}},
		{`{"model":"up"}`, `{"model":"up"}`, Edits{Model: "up"}},
		{`{"model":"a"}`, `{"model":"a"}`, Edits{}},
		{`{"model":"a"}`, `{"model":"q\"\u0001\\é"}`, Edits{Model: "q\"\x01\\é"}},
		{`{"model":null}`, `{"model":"up"}`, Edits{Model: "up"}},
		{`{"x":1}`, `{"model":"up","x":1}`, Edits{Model: "up"}},
		{`{}`, `{"model":"up"}`, Edits{Model: "up"}},
		{` { } `, ` {"model":"up","stream":true,"max_tokens":9,"stream_options":{"include_usage":true} } `, Edits{Model: "up", Stream: true, MaxOutput: 9, MaxField: FieldMaxTokens, IncludeUsage: true}},

		{`{"stream":true}`, `{"stream":false}`, Edits{}},
		{`{"stream":null}`, `{"stream":true}`, Edits{Stream: true}},

		{`{"x":1}`, `{"max_completion_tokens":9,"x":1}`, Edits{MaxOutput: 9, MaxField: FieldMaxCompletion}},
		{`{"max_tokens":5}`, `{"max_tokens":5}`, Edits{MaxOutput: 9, MaxField: FieldMaxTokens}},
		{`{"max_tokens":50}`, `{"max_tokens":9}`, Edits{MaxOutput: 9, MaxField: FieldMaxTokens}},
		{`{"max_tokens":5.0}`, `{"max_tokens":5}`, Edits{MaxOutput: 9, MaxField: FieldMaxTokens}},
		{`{"max_tokens":1e2}`, `{"max_tokens":9}`, Edits{MaxOutput: 9, MaxField: FieldMaxTokens}},
		{`{"max_tokens":1E2}`, `{"max_tokens":100}`, Edits{MaxOutput: 900, MaxField: FieldMaxTokens}},
		{`{"echo":true,"max_tokens":0}`, `{"echo":true,"max_tokens":0}`, Edits{MaxOutput: 1, MaxField: FieldMaxTokens}},
		{`{"echo":true,"max_tokens":0.0}`, `{"echo":true,"max_tokens":0}`, Edits{MaxOutput: 1, MaxField: FieldMaxTokens, OnlyMaxField: true}},
		{`{"echo":true,"max_completion_tokens":0}`, `{"echo":true,"max_tokens":0}`, Edits{MaxOutput: 1, MaxField: FieldMaxTokens, OnlyMaxField: true}},
		{`{"max_tokens":50}`, `{"max_tokens":50}`, Edits{}},
		{`{"max_tokens":null}`, `{"max_tokens":9}`, Edits{MaxOutput: 9, MaxField: FieldMaxTokens}},
		// Where the upstream obeys both fields, each is bounded and none is added.
		{`{"max_tokens":50,"max_completion_tokens":7}`, `{"max_tokens":9,"max_completion_tokens":7}`, Edits{MaxOutput: 9, MaxField: FieldMaxTokens}},
		{`{"max_tokens":50}`, `{"max_tokens":9}`, Edits{MaxOutput: 9, MaxField: FieldMaxCompletion}},
		// Where the upstream obeys one field, the other is renamed to that field, or
		// removed.
		{`{"max_completion_tokens": 5,"x":1}`, `{"max_tokens":5,"x":1}`, Edits{MaxOutput: 9, MaxField: FieldMaxTokens, OnlyMaxField: true}},
		{`{"max_completion_tokens":null}`, `{"max_tokens":9}`, Edits{MaxOutput: 9, MaxField: FieldMaxTokens, OnlyMaxField: true}},
		{`{"max_tokens":5,"max_completion_tokens":7,"x":1}`, `{"max_tokens":7,"x":1}`, Edits{MaxOutput: 9, MaxField: FieldMaxTokens, OnlyMaxField: true}},
		{`{"x":1,"max_tokens":5, "max_completion_tokens":70 }`, `{"x":1,"max_tokens":9 }`, Edits{MaxOutput: 9, MaxField: FieldMaxTokens, OnlyMaxField: true}},
		{`{"max_tokens":5,"max_completion_tokens":70}`, `{"max_completion_tokens":9}`, Edits{MaxOutput: 9, MaxField: FieldMaxCompletion, OnlyMaxField: true}},

		{`{"stream":true,"stream_options":{"x":1}}`, `{"stream":true,"stream_options":{"include_usage":true,"x":1}}`, Edits{Stream: true, IncludeUsage: true}},
		{`{"stream":true,"stream_options":{}}`, `{"stream":true,"stream_options":{"include_usage":true}}`, Edits{Stream: true, IncludeUsage: true}},
		{`{"stream":true,"stream_options":{"include_usage": false}}`, `{"stream":true,"stream_options":{"include_usage": true}}`, Edits{Stream: true, IncludeUsage: true}},
		{`{"stream":true,"stream_options":{"include_usage":true}}`, `{"stream":true,"stream_options":{"include_usage":true}}`, Edits{Stream: true, IncludeUsage: true}},
		{`{"stream":true,"stream_options":null}`, `{"stream":true,"stream_options":{"include_usage":true}}`, Edits{Stream: true, IncludeUsage: true}},
		{`{"stream_options":{"x":1}, "y":2}`, `{"y":2}`, Edits{DropStreamOptions: true}},
		{`{"y":2 , "stream_options":{"x":1} }`, `{"y":2  }`, Edits{DropStreamOptions: true}},
		{`{"stream_options":{"x":1}}`, `{}`, Edits{DropStreamOptions: true}},
		{`{"stream_options":{}}`, `{"model":"up"}`, Edits{Model: "up", DropStreamOptions: true}},
		{`{"max_completion_tokens":5,"max_tokens":6,"stream_options":{}}`, `{"max_tokens":6}`, Edits{MaxOutput: 9, MaxField: FieldMaxTokens, OnlyMaxField: true, DropStreamOptions: true}},
		{`{"max_tokens":6,"max_completion_tokens":5,"stream_options":{}}`, `{"max_tokens":6}`, Edits{MaxOutput: 9, MaxField: FieldMaxTokens, OnlyMaxField: true, DropStreamOptions: true}},

		{`{"encoding_format":"base64"}`, `{"encoding_format":"float"}`, Edits{EncodingFormat: "float"}},
		{`{"input":""}`, `{"encoding_format":"base64","input":""}`, Edits{EncodingFormat: "base64"}},
	} {
		e, err := Peek([]byte(x.body))
		if err != nil {
			t.Fatalf("%s: %v", x.body, err)
		}
		if got := string(e.Rewrite([]byte("before,"), x.edits)); got != "before,"+x.want {
			t.Errorf("%s with %+v:\n got %s\nwant before,%s", x.body, x.edits, got, x.want)
		}
	}
}

func BenchmarkRewrite(b *testing.B) {
	for _, size := range []int{400, 32 << 10} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			e, err := Peek(prompt(size))
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(e.Raw)))
			b.ReportAllocs()
			var dst []byte
			for b.Loop() {
				dst = e.Rewrite(dst[:0], Edits{Model: "upstream", MaxOutput: 128, MaxField: FieldMaxCompletion, Stream: true, IncludeUsage: true})
			}
		})
	}
}
