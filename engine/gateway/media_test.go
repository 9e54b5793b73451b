package gateway

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers/openai"
)

// studio is an upstream for pictures, sound and moderations that answers as a test says.
type studio struct {
	*httptest.Server
	mu     sync.Mutex // guards the fields that follow
	bodies []string
	kinds  []string
	paths  []string
	answer func(w http.ResponseWriter, r *http.Request)
}

func reply(kind, body string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		io.WriteString(w, body)
	}
}

// studio makes the world's only model one of a name and a price.
func (w *world) studio(model string, p tally.Price, answer func(http.ResponseWriter, *http.Request)) *studio {
	s := &studio{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body) // a cut body is what a test sees
		s.mu.Lock()
		s.bodies, s.kinds, s.paths = append(s.bodies, string(body)), append(s.kinds, r.Header.Get("Content-Type")), append(s.paths, r.URL.Path)
		s.mu.Unlock()
		s.answer(out, r)
	}))
	w.t.Cleanup(s.Close)
	w.kinds = openai.Kinds()
	w.provider.Name, w.provider.ProviderKind, w.provider.BaseURL = "up", "custom", s.URL
	w.models = w.models[:1]
	w.models[0].Name, w.models[0].Upstream, w.models[0].Prices = model, "up-"+model, tally.Prices{p}
	return s
}

func (s *studio) calls() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.bodies)
}

func pieces(of ...any) tally.Price {
	p := tally.Price{Pieces: map[tally.Piece]tally.NanoUSD{}}
	for i := 0; i < len(of); i += 2 {
		p.Pieces[of[i].(tally.Piece)] = tally.NanoUSD(of[i+1].(int))
	}
	return p
}

// formOf is a request with a file of sound, and other fields as name and value.
func formOf(t testing.TB, file []byte, fields ...string) (body, contentType string) {
	t.Helper()
	var b bytes.Buffer
	f := multipart.NewWriter(&b)
	for i := 0; i < len(fields); i += 2 {
		f.WriteField(fields[i], fields[i+1])
	}
	part, err := f.CreateFormFile("file", "voice.ogg")
	if err != nil {
		t.Fatal(err)
	}
	part.Write(file)
	f.Close()
	return b.String(), f.FormDataContentType()
}

func voice(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile("../../providers/sound/testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// What each kind of request is booked at: by the piece or by tokens, as the upstream tells,
// else as was asked.
func TestMediaIsBookedByUnit(t *testing.T) {
	nano := func(n int64) *tally.NanoUSD { return new(tally.NanoUSD(n)) }
	image := tally.Price{Input: nano(5e9), ImageInput: nano(8e9), ImageOutput: nano(30e9), Output: nano(10e9)}
	transcribe := tally.Price{Input: nano(25e8), AudioInput: nano(6e9), Output: nano(10e9)}
	const picture = `{"created":1,"data":[{"b64_json":"aGk="},{"b64_json":"aGk="}]`
	for _, tc := range []struct {
		name, path, body string // a body without a brace is a form's fields
		price            tally.Price
		kind, answer     string
		piece            tally.Piece
		pieces           int64
		cost             tally.NanoUSD
		tokens           tally.Tokens
		basis            tally.Basis
	}{
		{"images", "/v1/images/generations", `{"model":"m","prompt":"a cat","n":2}`, pieces(tally.Image, 40_000_000), "application/json", picture + `}`,
			tally.Image, 2, 80_000_000, tally.Tokens{}, tally.Exact},
		{"images of a quality and size", "/v1/images/generations", `{"model":"m","prompt":"a cat","n":2,"quality":"high","size":"1024x1024"}`,
			pieces(tally.Image, 1, tally.Piece("image_low"), 2, tally.Piece("image_high_1k"), 3_000_000, tally.Piece("image_high_2k"), 9_000_000), "application/json", picture + `}`,
			"image_high_1k", 2, 6_000_000, tally.Tokens{}, tally.Exact},
		{"fewer images than asked", "/v1/images/generations", `{"model":"m","prompt":"a cat","n":5}`, pieces(tally.Image, 40_000_000), "application/json", picture + `}`,
			tally.Image, 2, 80_000_000, tally.Tokens{}, tally.Exact},
		{"images of a quality that the answer tells", "/v1/images/generations", `{"model":"m","prompt":"a cat"}`, pieces(tally.Image, 9_000_000, tally.Piece("image_low"), 1_000_000),
			"application/json", picture + `,"quality":"low","size":"1024x1024"}`, "image_low", 2, 2_000_000, tally.Tokens{}, tally.Exact},
		{"images of a quality that has no price", "/v1/images/generations", `{"model":"m","prompt":"a cat"}`, pieces(tally.Piece("image_high"), 9_000_000, tally.Piece("image_low"), 1_000_000),
			"application/json", picture + `,"quality":"medium"}`, "image_high", 2, 18_000_000, tally.Tokens{}, tally.Exact},
		{"images by tokens", "/v1/images/generations", `{"model":"m","prompt":"a cat","size":"1024x1024","quality":"low"}`, image, "application/json",
			picture + `,"usage":{"input_tokens":10,"output_tokens":272,"total_tokens":282,"input_tokens_details":{"text_tokens":10,"image_tokens":0}}}`,
			tally.Image, 2, 10*5000 + 272*30_000, tally.Tokens{Input: 10, ImageOutput: 272}, tally.Exact},
		{"images by tokens that nobody tells", "/v1/images/generations", `{"model":"m","prompt":"a cat","size":"1024x1024","quality":"low"}`, image, "application/json", picture + `}`,
			tally.Image, 1, 0, tally.Tokens{}, tally.Held},
		{"images as events", "/v1/images/generations", `{"model":"m","prompt":"a cat","stream":true}`, image, "text/event-stream",
			"event: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"b64_json\":\"aGk=\",\"usage\":{\"input_tokens\":10,\"output_tokens\":272,\"total_tokens\":282}}\n\n",
			tally.Image, 1, 10*5000 + 272*30_000, tally.Tokens{Input: 10, ImageOutput: 272}, tally.Exact},
		{"an edited image", "/v1/images/edits", "model m n 2 prompt hat quality high", pieces(tally.Image, 40_000_000, tally.Piece("image_high"), 50_000_000), "application/json", picture + `}`,
			"image_high", 2, 100_000_000, tally.Tokens{}, tally.Exact},
		{"an edited image by tokens", "/v1/images/edits", "model m prompt hat", image, "application/json",
			picture + `,"usage":{"input_tokens":310,"output_tokens":272,"total_tokens":582,"input_tokens_details":{"text_tokens":10,"image_tokens":300}}}`,
			tally.Image, 2, 10*5000 + 300*8000 + 272*30_000, tally.Tokens{Input: 10, ImageInput: 300, ImageOutput: 272}, tally.Exact},
		{"speech", "/v1/audio/speech", `{"model":"m","voice":"alloy","input":"Olá, João!"}`, pieces(tally.Character, 15_000), "audio/mpeg", strings.Repeat("sound", 30_000),
			tally.Character, 10, 150_000, tally.Tokens{}, tally.Exact},
		{"speech by tokens", "/v1/audio/speech", `{"model":"m","voice":"alloy","input":"Hello!","stream_format":"sse"}`, tally.Price{Input: nano(6e8), AudioOutput: nano(12e9)}, "text/event-stream",
			"data: {\"type\":\"speech.audio.delta\",\"audio\":\"aGk=\"}\n\ndata: {\"type\":\"speech.audio.done\",\"usage\":{\"input_tokens\":4,\"output_tokens\":30,\"total_tokens\":34}}\n\n",
			tally.Character, 6, 4*600 + 30*12_000, tally.Tokens{Input: 4, AudioOutput: 30}, tally.Exact},
		{"a voice note", "/v1/audio/transcriptions", "model m", pieces(tally.SoundSecond, 100_000), "application/json", `{"text":"olá","usage":{"type":"duration","seconds":3}}`,
			tally.SoundSecond, 3, 300_000, tally.Tokens{}, tally.Exact},
		{"a voice note by the hour", "/v1/audio/transcriptions", "model m", pieces(tally.SoundHour, 111_000_000, tally.SoundSecond, 30_833), "application/json", `{"text":"olá","usage":{"seconds":3.2}}`,
			tally.SoundSecond, 4, 123_334, tally.Tokens{}, tally.Exact},
		{"subtitles, which tell no length", "/v1/audio/transcriptions", "model m response_format srt", pieces(tally.SoundSecond, 100_000), "text/plain", "1\n00:00 --> 00:03\nolá\n",
			tally.SoundSecond, 4, 400_000, tally.Tokens{}, tally.Estimated},
		{"with the words' times", "/v1/audio/transcriptions", "model m response_format verbose_json", pieces(tally.SoundSecond, 100_000), "application/json", `{"task":"transcribe","duration":3.2,"text":"olá","segments":[]}`,
			tally.SoundSecond, 4, 400_000, tally.Tokens{}, tally.Estimated},
		{"a voice note by tokens", "/v1/audio/transcriptions", "model m", transcribe, "application/json",
			`{"text":"olá","usage":{"type":"tokens","input_tokens":40,"input_token_details":{"text_tokens":8,"audio_tokens":32},"output_tokens":5,"total_tokens":45}}`,
			tally.SoundSecond, 4, 8*2500 + 32*6000 + 5*10_000, tally.Tokens{Input: 8, AudioInput: 32, Output: 5}, tally.Exact},
		{"a voice note as events", "/v1/audio/transcriptions", "model m stream true", transcribe, "text/event-stream",
			"data: {\"type\":\"transcript.text.delta\",\"delta\":\"olá\"}\n\ndata: {\"type\":\"transcript.text.done\",\"text\":\"olá\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":32,\"input_token_details\":{\"text_tokens\":0,\"audio_tokens\":32},\"output_tokens\":5,\"total_tokens\":37}}\n\n",
			tally.SoundSecond, 4, 32*6000 + 5*10_000, tally.Tokens{AudioInput: 32, Output: 5}, tally.Exact},
		{"a translation", "/audio/translations", "model m", pieces(tally.SoundSecond, 100_000), "application/json", `{"text":"hello"}`,
			tally.SoundSecond, 4, 400_000, tally.Tokens{}, tally.Estimated},
		{"a ranking by the query", "/v1/rerank", `{"model":"m","query":"hotel","documents":["a","b"],"top_n":1}`, pieces(tally.Query, 2_000_000), "application/json",
			`{"id":"r","results":[{"index":1,"relevance_score":0.9}],"meta":{"api_version":{"version":"2"},"billed_units":{"search_units":1}}}`, tally.Query, 1, 2_000_000, tally.Tokens{}, tally.Exact},
		{"a ranking by tokens", "/v1/rerank", `{"model":"m","query":"hotel","documents":["a","b"]}`, tally.Price{Input: nano(5e7), Output: nano(0)}, "application/json",
			`{"object":"list","data":[{"index":1,"relevance_score":0.9}],"model":"m","usage":{"total_tokens":26}}`, tally.Query, 1, 26 * 50, tally.Tokens{Input: 26}, tally.Exact},
		{"a moderation", "/v1/moderations", `{"model":"m","input":"hi"}`, tally.Price{Input: nano(0), Output: nano(0)}, "application/json", `{"id":"modr-1","model":"m","results":[{"flagged":false}]}`,
			"", 0, 0, tally.Tokens{Input: 7}, tally.Estimated},
	} {
		t.Run(tc.name, func(t *testing.T) {
			w := newWorld(t)
			w.client.Limits = limit(tally.Cost, int64(10*tally.Dollar))
			s := w.studio("m", tc.price, reply(tc.kind, tc.answer))
			w.open()
			body, kind := tc.body, "application/json"
			if !strings.HasPrefix(body, "{") {
				body, kind = formOf(t, voice(t, "voice.ogg"), strings.Fields(body)...)
				if strings.HasSuffix(tc.path, "edits") {
					body = strings.Replace(body, `name="file"`, `name="image[]"`, 1)
				}
			}
			a := w.send("POST", tc.path, body, "Content-Type: "+kind)
			if a.status != 200 || a.header.Get("Content-Type") != tc.kind {
				t.Fatalf("%d %s: %.300s", a.status, a.header.Get("Content-Type"), a.body)
			}
			if !strings.Contains(tc.answer, `"usage"`) && a.body != tc.answer {
				t.Errorf("the answer is %.100q", a.body)
			}
			r := w.one()
			if tc.basis == tally.Held {
				if r.Basis != tally.Held || r.Cost < 272*30_000 {
					t.Errorf("booked %s, %s", r.Basis, r.Cost)
				}
				return
			}
			if r.Piece != tc.piece || r.Pieces != tc.pieces || r.Cost != tc.cost || r.Tokens != tc.tokens || r.Basis != tc.basis || r.Outcome != tally.OK {
				t.Errorf("booked %d %s, %s, %+v, %s, %s; want %d %s, %s, %+v, %s", r.Pieces, r.Piece, r.Cost, r.Tokens, r.Basis, r.Outcome, tc.pieces, tc.piece, tc.cost, tc.tokens, tc.basis)
			}
			if told := a.header.Get("X-Tallygate-Cost-Usd") + a.trailer.Get("X-Tallygate-Cost-Usd"); told != r.Cost.String() {
				t.Errorf("the caller is told %q, booked is %s", told, r.Cost)
			}
			want := strings.Replace(body, `"model":"m"`, `"model":"up-m"`, 1)
			if kind != "application/json" {
				want = strings.Replace(body, "\r\n\r\nm\r\n", "\r\n\r\nup-m\r\n", 1)
			}
			if s.bodies[0] != want || s.kinds[0] != kind || !strings.HasSuffix(tc.path, s.paths[0]) {
				t.Errorf("sent to %s as %s: %.300q", s.paths[0], s.kinds[0], s.bodies[0])
			}
		})
	}
}

// What is not priced or does not fit is refused before it is sent, in words that say what
// to do.
func TestMediaIsRefused(t *testing.T) {
	cents := limit(tally.Cost, int64(tally.Dollar)/100)
	file, kind := formOf(t, voice(t, "voice.ogg"), "model", "m")
	lying := voice(t, "voice.wav")[:44]
	lying = append(bytes.Clone(lying), make([]byte, 4<<20)...) // nine minutes, whatever its head says
	long, longKind := formOf(t, lying, "model", "m")
	for _, tc := range []struct {
		name, path, body, kind string
		price                  tally.Price
		status                 int
		code, says             string
	}{
		{"no price of images", "/v1/images/generations", `{"model":"m","prompt":"x","quality":"hd"}`, "", pieces(tally.Character, 1), 403, "model_unpriced", "--price image_hd=USD"},
		{"no price of a size", "/v1/images/generations", `{"model":"m","prompt":"x","size":"4096x4096"}`, "", pieces(tally.Piece("image_1k"), 1), 403, "model_unpriced", "image_4096x4096=USD"},
		{"no price of sound", "/v1/audio/transcriptions", file, kind, pieces(tally.Image, 1), 403, "model_unpriced", "tallygate models update m --price second=USD"},
		{"no price of speech", "/v1/audio/speech", `{"model":"m","input":"x"}`, "", pieces(tally.Image, 1), 403, "model_unpriced", "--price character=USD"},
		{"no price at all", "/v1/moderations", `{"model":"m","input":"x"}`, "", tally.Price{}, 403, "model_unpriced", "which may be 0"},
		{"a conversation", "/v1/chat/completions", `{"model":"m","messages":[]}`, "", pieces(tally.Image, 1), 403, "model_unpriced", "none for tokens"},
		{"images that do not fit", "/v1/images/generations", `{"model":"m","prompt":"x","n":3}`, "", pieces(tally.Image, 4_000_000), 429, "cost_limit", "Hotel Aurora"},
		{"text that does not fit", "/v1/audio/speech", `{"model":"m","input":"` + strings.Repeat("a", 1000) + `"}`, "", pieces(tally.Character, 15_000), 429, "cost_limit", "$0.01"},
		{"sound that does not fit", "/v1/audio/transcriptions", long, longKind, pieces(tally.SoundSecond, 100_000), 429, "cost_limit", "$0.01"},
		{"pictures that go in", "/v1/images/generations", `{"model":"m","prompt":"x","image":"data:"}`, "", pieces(tally.Image, 1), 400, "extra_unpriced", `"image"`},
		{"more than one thing to count", "/v1/images/generations", `{"model":"m","prompt":"x","num_images":9}`, "", pieces(tally.Image, 1), 400, "extra_unpriced", "num_images"},
		{"a size that nobody knows", "/v1/images/generations", `{"model":"m","prompt":"x","size":"huge"}`, "", pieces(tally.Image, 1, tally.Piece("image_4k"), 2), 403, "model_unpriced", "such an image"},
		{"no text", "/v1/audio/speech", `{"model":"m","text":"spoken by another name"}`, "", pieces(tally.Character, 1), 400, "invalid_request", `\"input\" is missing`},
		{"no documents", "/v1/rerank", `{"model":"m","query":"x","texts":["a"]}`, "", pieces(tally.Query, 1), 400, "invalid_request", `\"documents\" is missing`},
		{"two counts", "/v1/images/generations", `{"model":"m","prompt":"x","n":1,"n":9}`, "", pieces(tally.Image, 1), 400, "invalid_request", "twice"},
		{"another case", "/v1/images/generations", `{"model":"m","prompt":"x","N":9}`, "", pieces(tally.Image, 1), 400, "invalid_request", `written \"n\"`},
		{"no picture to edit", "/v1/images/edits", file, kind, pieces(tally.Image, 1), 400, "invalid_request", "image"},
		{"too many edits", "/v1/images/edits", strings.Replace(file, "name=\"file\"", "name=\"image\"", 1), kind, pieces(tally.Image, 20_000_000), 429, "cost_limit", "Hotel Aurora"},
		{"no form", "/v1/audio/transcriptions", `{"model":"m"}`, "", pieces(tally.SoundSecond, 1), 400, "invalid_request", "multipart/form-data"},
	} {
		w := newWorld(t)
		w.client.Limits = cents
		s := w.studio("m", tc.price, reply("application/json", `{}`))
		w.open()
		a := w.send("POST", tc.path, tc.body, "Content-Type: "+tc.kind)
		_, code, _ := a.refusal(t)
		if a.status != tc.status || code != tc.code || !strings.Contains(a.body, tc.says) {
			t.Errorf("%s: %d %s; want %d %s with %q", tc.name, a.status, a.body, tc.status, tc.code, tc.says)
		}
		if s.calls() > 0 {
			t.Errorf("%s: it was sent", tc.name)
		}
	}
}

// Holds are exact when many come at once: as many are sent as fit, and nothing is held
// afterwards.
func TestMediaAtTheSameTime(t *testing.T) {
	w := newWorld(t)
	w.client.Limits = limit(tally.Cost, 1_000_000)
	w.settings.HoldWait = new(time.Duration)
	s := w.studio("m", pieces(tally.Image, 100_000), reply("application/json", `{"data":[{"url":"x"}]}`))
	w.open()
	var all sync.WaitGroup
	var mu sync.Mutex
	sent := map[int]int{}
	for range 40 {
		all.Go(func() {
			a := w.send("POST", "/v1/images/generations", `{"model":"m","prompt":"x"}`)
			mu.Lock()
			defer mu.Unlock()
			sent[a.status]++
		})
	}
	all.Wait()
	if sent[200]+sent[429] != 40 || sent[200] > 10 || sent[200] != s.calls() {
		t.Errorf("answers %v, of which %d were sent", sent, s.calls())
	}
	for s.calls() < 10 { // what was only held is free again
		if a := w.send("POST", "/v1/images/generations", `{"model":"m","prompt":"x"}`); a.status != 200 {
			t.Fatalf("%d with %d sent: %s", a.status, s.calls(), a.body)
		}
	}
	if a := w.send("POST", "/v1/images/generations", `{"model":"m","prompt":"x"}`); a.status != 429 {
		t.Errorf("one more than fit: %d", a.status)
	}
}

// Groq bills ten seconds at least, whatever it tells: no less is held or booked.
func TestTheLeastThatATranscriptionIsBilledFor(t *testing.T) {
	w := newWorld(t)
	w.client.Limits = limit(tally.Cost, 999_999)
	w.studio("m", pieces(tally.SoundSecond, 100_000), reply("application/json", `{"text":"olá","usage":{"seconds":3}}`))
	w.provider.ProviderKind = "groq"
	w.open()
	body, kind := formOf(t, voice(t, "voice.ogg"), "model", "m")
	if a := w.send("POST", "/v1/audio/transcriptions", body, "Content-Type: "+kind); a.status != 429 {
		t.Errorf("%d %s", a.status, a.body)
	}
	w.client.Limits = limit(tally.Cost, 1_000_000)
	w.use()
	if a := w.send("POST", "/v1/audio/transcriptions", body, "Content-Type: "+kind); a.status != 200 {
		t.Fatalf("%d %s", a.status, a.body)
	}
	if r := w.records(); len(r) != 2 || r[1].Pieces != 10 || r[1].Cost != 1_000_000 {
		t.Errorf("%+v", r)
	}
}
