package providers

import (
	"slices"
	"strings"
	"unicode/utf8"

	"tallygate/engine/tally"
)

// The endpoints whose requests are no conversation. What a call of them costs is told by
// its fields, most often by the piece, and it is passed to the upstream as it is, but for
// the model's name.
const (
	Moderations    Endpoint = "moderations"
	Images         Endpoint = "images/generations"
	ImageEdits     Endpoint = "images/edits" // of pictures that the request brings
	Speech         Endpoint = "audio/speech"
	Transcriptions Endpoint = "audio/transcriptions"
	Translations   Endpoint = "audio/translations" // into English
	Rerank         Endpoint = "rerank"             // documents by a query
)

// MediaEndpoints lists them.
var MediaEndpoints = [...]Endpoint{Moderations, Images, ImageEdits, Speech, Transcriptions, Translations, Rerank}

// IsMedia reports whether requests of an endpoint are read as [Media].
func (e Endpoint) IsMedia() bool { return slices.Contains(MediaEndpoints[:], e) }

// Draws reports whether the endpoint makes pictures.
func (e Endpoint) Draws() bool { return e == Images || e == ImageEdits }

// Media is a request of one of those endpoints that has been looked at once: where its
// model stands, and what bounds its cost. [Media.Peek] fills one.
type Media struct {
	Endpoint Endpoint
	Raw      []byte
	// ContentType is what the body is: JSON, or a form of which Raw must keep the boundary.
	ContentType string
	Model       string // "" if the request names none
	Session     string // the end user that the request names; "" if none
	// Events is whether the answer is to come as server-sent events. Whole is whether it is
	// JSON in one piece; otherwise it is text, or sound.
	Events, Whole bool
	// Units is the most that is billed by the piece: images, characters of the text to be
	// spoken, or seconds of sound; nothing for moderations.
	Units tally.Units
	// Known is whether the length of the sound was found in its frames; otherwise its bytes
	// bound it.
	Known bool
	// Text bounds the tokens of what is written in the request, in bytes.
	Text int64
	// Partial is how many pictures are sent before each one is ready, which are billed too.
	Partial int64
	// Pictures is how many pictures go in.
	Pictures int64
	// Documents is how many documents are ranked, and Query the length of what they are ranked
	// by, in bytes.
	Documents, Query int64
	// Billed names a field that changes what is billed in a way that nobody knows; "" if
	// there is none.
	Billed string
	// Unknown is the first field whose meaning the gateway does not know; "" if there is
	// none.
	Unknown string

	model    span
	boundary string // of a form
	open     int    // offset behind the outer brace
	empty    bool   // the object has no members
}

// Peek looks at a request and keeps its body, which must not change while the Media is in
// use. As [Envelope.Peek] it refuses what two readers could take for two different
// requests. A refusal is a *tally.Error Invalid.
func (m *Media) Peek(e Endpoint, contentType string, body []byte) error {
	*m = Media{Endpoint: e, Raw: body, ContentType: "application/json", Whole: true}
	switch e {
	case Images:
		m.Units = tally.Units{Piece: tally.Image, Count: 1}
	case ImageEdits:
		m.Units = tally.Units{Piece: tally.Image, Count: 1}
		return m.peekForm(contentType)
	case Speech:
		m.Units, m.Whole = tally.Units{Piece: tally.Character}, false
	case Rerank:
		m.Units = tally.Units{Piece: tally.Query}
	case Transcriptions, Translations:
		m.Units = tally.Units{Piece: tally.SoundSecond}
		return m.peekForm(contentType)
	}
	return m.peekJSON(e)
}

// largestImages is how many images a request may ask for.
const largestImages = 100

// peekJSON looks at a body in JSON.
func (m *Media) peekJSON(e Endpoint) error {
	b := m.Raw
	i := space(b, 0)
	if i >= len(b) {
		return tally.Errorf(tally.Invalid, "the body is empty")
	}
	if b[i] != '{' {
		return tally.Errorf(tally.Invalid, "the body is not a JSON object: %s", at(b, i))
	}
	m.open, m.empty = i+1, true
	seen := map[string]bool{}
	var fault error
	end := eachMember(b, i, 1, func(key []byte, i int) int {
		m.empty = false
		s := span{KeyFrom: keyStart(b, key, i), From: i, To: skipValue(b, i, 1)}
		if s.To < 0 {
			return s.To
		}
		var name string
		if name, fault = m.named(key, s.KeyFrom); fault == nil && seen[name] {
			fault = tally.Errorf(tally.Invalid, "the field %q occurs twice", name)
		}
		if seen[name] = true; fault == nil && !s.null(b) {
			fault = m.member(name, s)
		}
		if fault != nil {
			return ^i
		}
		return s.To
	})
	switch {
	case fault != nil:
		return fault
	case end < 0:
		return malformed(b, ^end)
	}
	for _, need := range needed[e] {
		if !seen[need] {
			return tally.Errorf(tally.Invalid, "%q is missing", need)
		}
	}
	if m.Text = int64(len(b)); e == Rerank {
		m.Units.Count = m.queries()
	}
	return tail(b, end)
}

// needed are the fields that tell what is billed. What an upstream takes in their place under
// another name would be billed, and not be counted.
var needed = map[Endpoint][]string{Speech: {"input"}, Rerank: {"query", "documents"}}

// named is the name that a key spells. One that a reader who folds case takes for a field of
// ours is refused.
func (m *Media) named(key []byte, off int) (string, error) {
	if plain(key) {
		return string(key), nil
	}
	name, ok := unquote(append(append([]byte{'"'}, key...), '"'))
	if !ok {
		return "", tally.Errorf(tally.Invalid, "the key at offset %d is not a valid JSON string", off)
	}
	return name, m.folded(name)
}

// folded refuses a name that differs from one of ours by nothing but its case.
func (m *Media) folded(name string) error {
	if low := strings.ToLower(name); low != name && mediaFields[low] != unknownMedia {
		return tally.Errorf(tally.Invalid, "the field %.60q must be written %q", name, low)
	}
	return nil
}

// mediaField is what a field of such a request means.
type mediaField uint8

const (
	unknownMedia  mediaField = iota
	plainMedia               // it changes no price
	readMedia                // it is read
	billedMedia              // it changes what is billed, nobody knows how
	picturesMedia            // pictures that go in, which are billed as well
)

// mediaFields are the fields that mean something, of any of the endpoints.
var mediaFields = map[string]mediaField{
	"model": readMedia, "user": readMedia, "input": readMedia, "n": readMedia, "size": readMedia, "quality": readMedia,
	"resolution": readMedia,
	"stream":     readMedia, "stream_format": readMedia, "partial_images": readMedia, "response_format": readMedia,
	"file":  readMedia,
	"query": readMedia, "documents": readMedia,

	"prompt": plainMedia, "voice": plainMedia, "instructions": plainMedia, "speed": plainMedia, "background": plainMedia,
	"moderation":    plainMedia,
	"output_format": plainMedia, "output_compression": plainMedia, "style": plainMedia, "language": plainMedia,
	"temperature": plainMedia,
	"include":     plainMedia, "include[]": plainMedia, "timestamp_granularities": plainMedia,
	"timestamp_granularities[]": plainMedia,
	"chunking_strategy":         plainMedia, "known_speaker_names": plainMedia, "known_speaker_names[]": plainMedia,
	"seed":            plainMedia,
	"negative_prompt": plainMedia, "input_fidelity": plainMedia, "aspect_ratio": plainMedia, "top_n": plainMedia,
	"top_k": plainMedia, "return_documents": plainMedia, "max_tokens_per_doc": plainMedia, "truncation": plainMedia,
	"logprobs": plainMedia, "diarize": plainMedia,

	"num_images": billedMedia, "num_outputs": billedMedia, "batch_size": billedMedia, "samples": billedMedia,
	"num_images_per_prompt": billedMedia,
	"number_of_images":      billedMedia, "samplecount": billedMedia, "best_of": billedMedia, "width": billedMedia,
	"height": billedMedia, "steps": billedMedia,
	"num_inference_steps": billedMedia, "image_size": billedMedia, "extra_body": billedMedia, "service_tier": billedMedia,
	"known_speaker_references": billedMedia, "known_speaker_references[]": billedMedia,
	"image": picturesMedia, "images": picturesMedia, "image[]": picturesMedia, "mask": picturesMedia,
	"image_url": picturesMedia, "image_urls": picturesMedia,
	"reference_images": picturesMedia, "loras": picturesMedia, "image_loras": picturesMedia,
}

// member takes a member that is not null.
func (m *Media) member(name string, s span) (err error) {
	b := m.Raw
	text := func() (v string) {
		if b[s.From] != '"' {
			err = wrongType(name, "a string")
			return ""
		}
		v, ok := unquote(s.of(b))
		if !ok {
			err = tally.Errorf(tally.Invalid, "%q is not a valid JSON string", name)
		}
		return v
	}
	switch mediaFields[name] {
	case unknownMedia:
		if m.Unknown == "" {
			m.Unknown = name
		}
		return nil
	case billedMedia, picturesMedia:
		if m.Billed == "" && m.Endpoint != Moderations {
			m.Billed = name
		}
		return nil
	}
	switch name {
	case "model":
		m.Model, m.model = text(), s
	case "user":
		if b[s.From] == '"' {
			m.Session = text()
		}
	case "input":
		if m.Endpoint == Speech {
			m.Units.Count = int64(utf8.RuneCountInString(text()))
		}
	case "query":
		m.Query = int64(s.To - s.From)
	case "documents":
		if b[s.From] == '[' {
			elementsOf(b, s.From, func(span) bool {
				m.Documents++
				return true
			})
		}
	case "n":
		if m.Endpoint == Images {
			m.Units.Count, err = integer(b, s, name, largestImages)
		}
	case "size", "resolution":
		if m.Endpoint == Images {
			m.Units.Size = asAsked(text())
		}
	case "quality":
		if m.Endpoint == Images {
			m.Units.Quality = asAsked(text())
		}
	case "partial_images":
		m.Partial, err = count(b, s, name, largestImages)
	case "stream":
		if on, fault := boolean(b, s, name); fault != nil {
			err = fault
		} else if on && m.Endpoint == Images {
			m.Events, m.Whole = true, false
		}
	case "stream_format":
		m.Events = m.Endpoint == Speech && text() == "sse"
	}
	return err
}

// A query is for a hundred documents of five hundred tokens, each with the words that it is
// ranked by: longer ones count as several.
const (
	rankedAtOnce = 100
	rankedTokens = 500
)

// queries is how many queries the ranking is billed as, at most: a token is a byte or more.
func (m *Media) queries() int64 {
	room := max(rankedTokens-m.Query, 1)
	parts := m.Documents + m.Text/room
	return max((parts+rankedAtOnce-1)/rankedAtOnce, 1)
}

// asAsked is a size or a quality as prices have it; "" if it is left to the upstream.
func asAsked(v string) string {
	v = strings.ToLower(strings.TrimSpace(v))
	if v == "auto" {
		return ""
	}
	return sizeMarks.Replace(v)
}

// sizeMarks are what stands between a width and a height, as Alibaba and others write it.
var sizeMarks = strings.NewReplacer("×", "x", "*", "x", " ", "")

// Rewrite appends the body to dst with the name that the upstream has for the model.
func (m *Media) Rewrite(dst []byte, model string) []byte {
	b := m.Raw
	switch {
	case model == m.Model && m.model.present():
		return append(dst, b...)
	case m.boundary != "" && m.model.present():
		return append(append(append(dst, b[:m.model.From]...), model...), b[m.model.To:]...)
	case m.boundary != "":
		dst = append(append(append(dst, "--"...), m.boundary...),
			"\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n"...)
		return append(append(append(dst, model...), "\r\n"...), b...)
	case m.model.present():
		return append(appendQuoted(append(dst, b[:m.model.From]...), model), b[m.model.To:]...)
	}
	dst = appendQuoted(append(append(dst, b[:m.open]...), `"model":`...), model)
	if !m.empty {
		dst = append(dst, ',')
	}
	return append(dst, b[m.open:]...)
}
