package sim

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"math"
	"net/http"
	"strings"
	"time"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// media answers a request that is no conversation: a grey picture, a tone as long as the
// text, a sentence in the place of what was said, or a moderation that looks for a few
// words.
func (p *Provider) media(c providers.Call) (*providers.Reply, error) {
	m := c.Media
	switch c.Endpoint {
	case providers.Images, providers.ImageEdits:
		return p.images(c)
	case providers.Speech:
		return p.speech(c)
	case providers.Rerank:
		return p.rank(c)
	case providers.Moderations:
		return p.moderation(c)
	}
	const said = "This is the pretend model: nobody has listened."
	seconds := m.Units.Count
	usage := map[string]any{"type": "duration", "seconds": seconds}
	if m.Events {
		return events(m, map[string]any{"type": "transcript.text.delta", "delta": said}, map[string]any{
			"type": "transcript.text.done", "text": said, "usage": usage,
		})
	}
	if !m.Whole {
		return passing("text/plain; charset=utf-8", []byte(said+"\n"), m)
	}
	return p.json(map[string]any{"text": said, "usage": usage}, tally.SoundSecond)
}

// json is an answer in one piece.
func (p *Provider) json(v any, piece tally.Piece) (*providers.Reply, error) {
	b, _ := json.Marshal(v) // texts and numbers cannot fail
	src := new(memory)
	src.Reset(b)
	return &providers.Reply{
		Status: http.StatusOK, Header: p.plain,
		Body: providers.NewWhole(src, providers.WholeOptions{Length: int64(len(b)), Piece: piece}),
	}, nil
}

// passing is an answer that is passed on as it is.
func passing(contentType string, b []byte, m *providers.Media) (*providers.Reply, error) {
	src := new(memory)
	src.Reset(b)
	return &providers.Reply{Status: http.StatusOK, Header: http.Header{"Content-Type": {contentType}}, Passing: true,
		Body: providers.NewPassing(src, providers.PassingOptions{
			Events: m.Events, Piece: m.Units.Piece, ChunkTimeout: time.Minute,
		})}, nil
}

// events is an answer as a stream of events.
func events(m *providers.Media, list ...map[string]any) (*providers.Reply, error) {
	var b bytes.Buffer
	for _, e := range list {
		text, _ := json.Marshal(e) // texts and numbers cannot fail
		b.WriteString("event: " + e["type"].(string) + "\ndata: ")
		b.Write(text)
		b.WriteString("\n\n")
	}
	return passing("text/event-stream; charset=utf-8", b.Bytes(), m)
}

// tokensOf is a usage object.
func tokensOf(input, output int64) map[string]any {
	return map[string]any{"input_tokens": input, "output_tokens": output, "total_tokens": input + output}
}

func (p *Provider) images(c providers.Call) (*providers.Reply, error) {
	var r struct {
		Prompt string `json:"prompt"`
		Format string `json:"response_format"`
	}
	if c.Endpoint == providers.Images && (json.Unmarshal(c.Media.Raw, &r) != nil || r.Prompt == "") {
		return nil, refuse("prompt", "'prompt' must hold a text")
	}
	picture := image.NewGray(image.Rect(0, 0, 64, 64))
	for i := range picture.Pix {
		picture.Set(i%64, i/64, color.Gray{Y: uint8(64 + i%64*2)})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		return nil, err
	}
	data := base64.StdEncoding.EncodeToString(b.Bytes())
	n := c.Media.Units.Count
	usage := tokensOf(quarter(len(r.Prompt)), 272*n)
	if c.Media.Events {
		var list []map[string]any
		for range n {
			list = append(list, map[string]any{"type": "image_generation.completed", "b64_json": data, "usage": usage})
		}
		return events(c.Media, list...)
	}
	one := map[string]any{"b64_json": data}
	if r.Format == "url" {
		one = map[string]any{"url": "data:image/png;base64," + data}
	}
	list := make([]any, n)
	for i := range list {
		list[i] = one
	}
	return p.json(map[string]any{"created": time.Now().Unix(), "data": list, "usage": usage}, tally.Image)
}

const (
	toneRate   = 24_000 // samples a second
	toneEach   = 1_440  // samples of a character
	mostSpoken = 1_000  // characters
)

func (p *Provider) speech(c providers.Call) (*providers.Reply, error) {
	characters := c.Media.Units.Count
	if characters == 0 {
		return nil, refuse("input", "'input' must hold a text")
	}
	samples := min(characters, mostSpoken) * toneEach
	b := make([]byte, 44, 44+2*samples)
	copy(b, "RIFF----WAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00--------\x02\x00\x10\x00data")
	binary.LittleEndian.PutUint32(b[4:], uint32(36+2*samples))
	binary.LittleEndian.PutUint32(b[24:], toneRate)
	binary.LittleEndian.PutUint32(b[28:], 2*toneRate)
	binary.LittleEndian.PutUint32(b[40:], uint32(2*samples))
	for i := range samples {
		b = binary.LittleEndian.AppendUint16(b, uint16(int16(4000*math.Sin(float64(i)*2*math.Pi*330/toneRate))))
	}
	if c.Media.Events {
		return events(c.Media, map[string]any{"type": "speech.audio.delta", "audio": base64.StdEncoding.EncodeToString(b)},
			map[string]any{"type": "speech.audio.done", "usage": tokensOf(quarter(int(characters)), characters)})
	}
	return passing("audio/wav", b, c.Media)
}

// flagged are the words that the pretend model minds, by category.
var flagged = map[string][]string{
	"violence": {"kill", "murder"}, "hate": {"hate"}, "harassment": {"stupid", "idiot"}, "self-harm": {"suicide"},
}

func (p *Provider) moderation(c providers.Call) (*providers.Reply, error) {
	var r struct {
		Input json.RawMessage `json:"input"`
	}
	if json.Unmarshal(c.Media.Raw, &r) != nil || blank(r.Input) {
		return nil, refuse("input", "'input' must hold a text")
	}
	var list []any
	for _, input := range several(r.Input) {
		text, found := strings.ToLower(string(input)), false
		categories, scores := map[string]bool{}, map[string]float64{}
		for name, words := range flagged {
			categories[name] = contains(text, words...)
			if scores[name] = 0.01; categories[name] {
				found, scores[name] = true, 0.99
			}
		}
		list = append(list, map[string]any{
			"flagged": found, "categories": categories, "category_scores": scores,
			"category_applied_input_types": map[string][]string{},
		})
	}
	return p.json(map[string]any{"id": "modr-sim", "model": c.Model, "results": list}, "")
}

// rank ranks documents as they came.
func (p *Provider) rank(c providers.Call) (*providers.Reply, error) {
	if c.Media.Documents == 0 {
		return nil, refuse("documents", "'documents' must hold at least one text")
	}
	var list []any
	for i := range c.Media.Documents {
		list = append(list, map[string]any{"index": i, "relevance_score": 1 / float64(i+1)})
	}
	return p.json(map[string]any{
		"id": "rerank-sim", "model": c.Model, "results": list,
		"usage": map[string]any{"total_tokens": quarter(int(c.Media.Text))},
	}, tally.Query)
}
