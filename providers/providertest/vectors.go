package providertest

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"math"
	"testing"

	"tallygate/providers"
)

// embeddings: both encodings say the same, to the last bit.
func embeddings(t *testing.T, s Subject, p providers.Provider) {
	type list struct {
		Data []struct{ Embedding json.RawMessage }
	}
	const body = `{"model":"a-name-of-ours","input":["one","two","three"]}`
	var floats, binary64 list
	for more, into := range map[string]*list{`"encoding_format":"float"`: &floats, `"encoding_format":"base64"`: &binary64} {
		a := do(t, p, call(t, providers.Embeddings, s.Embedding, with(body, more)))
		if err := json.Unmarshal([]byte(a.body.String()), into); err != nil || len(into.Data) != 3 {
			t.Fatalf("%v, %d vectors in %.300s", err, len(into.Data), a.body.String())
		}
		if a.tokens.Completion() != 0 {
			t.Errorf("an embedding has an output of %+v", a.tokens)
		}
	}
	for i := range floats.Data {
		want, err := vector(floats.Data[i].Embedding)
		if err != nil {
			t.Fatal(err)
		}
		got, err := vector(binary64.Data[i].Embedding)
		if err != nil || len(got) == 0 || len(got) != len(want) {
			t.Fatalf("vector %d: %v, %d numbers, want %d", i, err, len(got), len(want))
		}
		if binary64.Data[i].Embedding[0] != '"' {
			t.Errorf("vector %d is not in base64, though that was asked for", i)
		}
		for j := range got {
			if math.Float32bits(got[j]) != math.Float32bits(want[j]) {
				t.Fatalf("vector %d differs at %d: %v, want %v", i, j, got[j], want[j])
			}
		}
	}
}

// vector reads an embedding in either encoding. Numbers are read as doubles
// first, as JavaScript does.
func vector(raw json.RawMessage) ([]float32, error) {
	if raw[0] != '"' {
		var doubles []float64
		err := json.Unmarshal(raw, &doubles)
		v := make([]float32, len(doubles))
		for i := range doubles {
			v[i] = float32(doubles[i])
		}
		return v, err
	}
	var text string
	if err := json.Unmarshal(raw, &text); err != nil {
		return nil, err
	}
	bytes, err := base64.StdEncoding.DecodeString(text)
	v := make([]float32, len(bytes)/4)
	for i := range v {
		v[i] = math.Float32frombits(binary.LittleEndian.Uint32(bytes[4*i:]))
	}
	return v, err
}

func (s Scenario) checkVectors(t *testing.T, body string) {
	t.Helper()
	var list struct {
		Data []struct{ Embedding json.RawMessage }
	}
	if err := json.Unmarshal([]byte(body), &list); err != nil || len(list.Data) != 2 {
		t.Fatalf("%v, %d vectors in %s", err, len(list.Data), body)
	}
	for i, d := range list.Data {
		v, err := vector(d.Embedding)
		want := []float32{float32(i) + 0.5, -0.25, 0.1, 1e-7}
		if err != nil || len(v) != 4 || v[0] != want[0] || v[1] != want[1] || v[2] != want[2] || v[3] != want[3] || (d.Embedding[0] == '"') != s.Base64 {
			t.Errorf("vector %d is %s: %v", i, d.Embedding, v)
		}
	}
}
