package providers

import "testing"

func TestQuick(t *testing.T) {
	e, err := Peek([]byte(`{"messages":[{"role":"user","content":"a \" b"}],"max_tokens": 5, "max_completion_tokens":9 , "stream_options":{"x":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%s", e.Rewrite(nil, Edits{Model: "m", MaxOutput: 7, MaxField: FieldMaxTokens, Stream: true, IncludeUsage: true}))
	t.Logf("%s", e.Rewrite(nil, Edits{Model: "m", MaxOutput: 7, MaxField: FieldMaxTokens, Stream: true, OnlyMaxField: true, DropStreamOptions: true}))
}

func BenchmarkPeek(b *testing.B) {
	body := []byte(`{"model":"gpt-4o-mini","messages":[{"role":"system","content":"You are a helpful assistant that answers briefly and politely to whatever the user may ask of you today."},{"role":"user","content":"Hello there! Could you please tell me what the capital of Portugal is, and how many people live in it? Answer in one sentence."},{"role":"assistant","content":"The capital of Portugal is Lisbon; about 545,000 people live there."},{"role":"user","content":"Thanks. And how do I get from the airport to the old town in the evening?"}],"temperature":0.7,"max_tokens":256,"stream":true,"user":"u-1"}`)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	var e Envelope
	for b.Loop() {
		if err := e.Peek(body); err != nil {
			b.Fatal(err)
		}
	}
}
