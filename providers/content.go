package providers

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
)

// Content is what bounds the prompt of a request. Text is bounded by its bytes, since a
// token is at least one byte. Pictures and sound that the body carries are bounded by what
// they are. Content that the body only refers to, or whose kind the gateway does not know,
// is bounded by the model's context alone.
type Content struct {
	Images     int64 // pictures that the body carries
	ImageBytes int64 // bytes of the body that are the data of pictures
	Audio      bool  // the body carries sound, which its bytes bound
	AudioBytes int64 // bytes of the body that are the data of sound
	// Unbounded names the first content that only the model's context bounds, such as
	// "document_url in messages"; "" if there is none.
	Unbounded string
	// LongCache is whether parts are to be cached for longer than five minutes,
	// which costs more.
	LongCache bool

	blocks bool // parts are the blocks of messages, which nest
}

// refers notes content that only the model's context bounds.
func (c *Content) refers(name []byte, in string) {
	if c.Unbounded != "" {
		return
	}
	if len(name) == 0 || len(name) > 40 || !plain(name) {
		name = []byte("something")
	}
	c.Unbounded = string(name) + " in " + in
}

// messages walks over the messages of a chat.
func (c *Content) messages(b []byte, i int) int {
	if kindAt(b, i) != '[' {
		if k := kindAt(b, i); k == '{' || k == '"' {
			c.refers(nil, "messages")
		}
		return skipValue(b, i, 1)
	}
	return eachElement(b, i, 2, func(i int) int {
		switch kindAt(b, i) {
		case '{':
			return c.message(b, i)
		case '[':
			c.refers(nil, "messages")
		}
		return skipValue(b, i, 2)
	})
}

func (c *Content) message(b []byte, i int) int {
	return eachMember(b, i, 3, func(key []byte, i int) int {
		kind := kindAt(b, i)
		switch string(key) {
		case "content":
			switch kind {
			case '[':
				return c.parts(b, i, 4, "messages")
			case '{':
				c.refers(key, "messages")
			}
		case "cache_control":
			return c.cacheControl(b, i, 4)
		case "role", "name", "tool_call_id", "refusal", "reasoning", "reasoning_content", "thinking", "reasoning_details",
			"function_call", "annotations",
			"output_config": // the effort, and a schema, from this turn on
			// text, whatever is in it
		case "tool_calls": // text as well
			if kind == '[' {
				return eachElement(b, i, 4, func(i int) int { return c.cached(b, i, 4) })
			}
		default:
			if kind == '"' || kind == '[' || kind == '{' || !plain(key) {
				c.refers(key, "messages")
			}
			return c.hidden(key, b, i, 3)
		}
		return skipValue(b, i, 3)
	})
}

// parts walks over a list of parts, of a message or of a prediction.
func (c *Content) parts(b []byte, i, depth int, in string) int {
	return eachElement(b, i, depth, func(i int) int {
		switch kindAt(b, i) {
		case '{':
			return c.part(b, i, depth+1, in)
		case '[':
			c.refers(nil, in)
		}
		return skipValue(b, i, depth)
	})
}

// part is what a part of a message says of itself.
type part struct {
	kind    []byte // its type; nil if it has none
	text    bool   // its source is text that the body carries
	other   []byte // a key that a part of text does not have
	odd     bool   // whether there is such a key
	picture span   // the data of a picture
	sound   span
}

// part walks over one part and decides what bounds it.
func (c *Content) part(b []byte, i, depth int, in string) int {
	var p part
	types := 0
	end := eachMember(b, i, depth, func(key []byte, i int) int {
		kind := kindAt(b, i)
		switch string(key) {
		case "type":
			end := skipValue(b, i, depth)
			if types++; end > 0 && kind == '"' {
				p.kind = b[i+1 : end-1]
			}
			return end
		case "text", "refusal", "thinking", "signature", "data", "detail", "format", "index":
			if kind == '{' || kind == '[' {
				p.odd, p.other = true, key
			}
		case "annotations", "logprobs", "citations", "summary":
		case "cache_control":
			return c.cacheControl(b, i, depth+1)
		case "image_url", "image", "source":
			if end := p.inline(b, i, depth, key, &p.picture); end < 0 || kind != '{' || !c.blocks {
				return end
			}
			return c.hidden(nil, b, i, depth) // a source may be blocks
		case "input_audio", "audio":
			return p.inline(b, i, depth, key, &p.sound)
		default:
			if c.blocks {
				if end, is := c.inBlock(key, b, i, depth, in); is {
					return end
				}
			}
			if kind != 'n' || !plain(key) {
				p.odd, p.other = true, key
			}
			return c.hidden(key, b, i, depth)
		}
		return skipValue(b, i, depth)
	})
	if end < 0 {
		return end
	}
	data := span{}
	switch string(p.kind) {
	case "image_url", "input_image", "image":
		data = p.picture
	case "input_audio", "audio":
		data = p.sound
	}
	switch {
	case types > 1 || p.odd || !plain(p.kind):
		c.refers(p.name(), in)
	case data.present() && !(p.picture.present() && p.sound.present()):
		if data == p.sound {
			c.Audio = true
			c.AudioBytes += int64(data.To - data.From)
			if !boundedSound(b[data.From+1 : data.To-1]) {
				c.refers(p.name(), in)
			}
			break
		}
		c.Images++
		c.ImageBytes += int64(data.To - data.From)
	case p.picture.present() || p.sound.present() || !isText(p.kind) && !(c.blocks && p.isBlock()):
		c.refers(p.name(), in)
	}
	return end
}

// name is what the part is called for people.
func (p *part) name() []byte {
	if len(p.kind) > 0 {
		return p.kind
	}
	return p.other
}

// isText reports whether a type of part is of text alone. A part that has a text but no
// type is one of text.
func isText(kind []byte) bool {
	switch string(kind) {
	case "", "text", "input_text", "output_text", "refusal", "thinking", "redacted_thinking", "reasoning", "reasoning_text", "summary_text":
		return true
	}
	return false
}

// inline walks over the value of a picture or sound. It finds the data if the body carries
// them, as a data URL or as base64 under "data". Any other value, such as an address or the
// name of a file, makes the part odd.
func (p *part) inline(b []byte, i, depth int, key []byte, to *span) int {
	found := span{}
	carried := func(at, end int) bool {
		v := b[at+1 : end-1]
		return bytes.HasPrefix(v, []byte("data:")) && bytes.Contains(v[:min(len(v), 100)], []byte(";base64,"))
	}
	var end int
	switch kindAt(b, i) {
	case '"':
		if end = skipString(b, i+1); end > 0 && carried(i, end) {
			found = span{From: i, To: end}
		}
	case '{':
		odd := false
		end = eachMember(b, i, depth+1, func(k []byte, i int) int {
			end := skipValue(b, i, depth+1)
			if end < 0 {
				return end
			}
			switch string(k) {
			case "url", "data":
				isText := b[i] == '"'
				if odd = odd || found.present() || !isText; isText && (carried(i, end) || string(k) == "data" && isBase64(b[i+1:end-1])) {
					found = span{From: i, To: end}
				}
			case "detail", "format":
			case "media_type", "mime_type": // a document that is called a picture is not bounded as a picture is
				odd = odd || b[i] != '"' || !isMediaType(key, b[i+1:end-1])
			case "type":
				odd = odd || string(b[i:end]) != `"base64"`
			default:
				odd = true
			}
			return end
		})
		if odd {
			found = span{}
		}
		if p.text = isTextSource(b, i); p.text {
			return end
		}
	default:
		end = skipValue(b, i, depth)
	}
	if end < 0 {
		return end
	}
	if found.present() && !to.present() && isMediaOf(key, b[found.From+1:found.To-1]) {
		*to = found
	} else {
		p.odd, p.other = true, key
	}
	return end
}

// isMediaOf reports whether the data URL under a key is of the kind that the key names. A
// document in the place of a picture is not bounded as a picture is.
func isMediaOf(key, data []byte) bool {
	if !bytes.HasPrefix(data, []byte("data:")) {
		return true // bare base64, whose type stands beside it
	}
	return isMediaType(key, data[len("data:"):])
}

// isMediaType reports whether a media type is of what a key says.
func isMediaType(key, of []byte) bool {
	if string(key) == "input_audio" || string(key) == "audio" {
		return bytes.HasPrefix(of, []byte("audio/"))
	}
	return bytes.HasPrefix(of, []byte("image/"))
}

// leastSampleRate is below what any sound of speech has, in samples a second.
const leastSampleRate = 4000

// boundedSound reports whether the bytes of a sound bound its tokens. The bytes of MP3 do,
// since its lowest rate is 1,000 bytes a second. So do those of WAV at a rate that can be
// heard. Formats that take next to nothing for silence have no such bound.
func boundedSound(data []byte) bool {
	if bytes.HasPrefix(data, []byte("data:")) {
		data = data[bytes.IndexByte(data, ',')+1:]
	}
	var head [36]byte
	n, _ := base64.StdEncoding.Decode(head[:], data[:min(len(data), 48)]) // what cannot be decoded is no sound
	switch {
	case n >= 3 && string(head[:3]) == "ID3", n >= 2 && head[0] == 0xff && head[1]&0xe0 == 0xe0:
		return true
	case n == 36 && string(head[:4]) == "RIFF" && string(head[8:12]) == "WAVE":
		return binary.LittleEndian.Uint16(head[20:]) == 1 && binary.LittleEndian.Uint32(head[24:]) >= leastSampleRate
	}
	return false
}

// isBase64 reports whether a text is nothing but base64, and so no address.
func isBase64(s []byte) bool {
	for _, c := range s {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '+', c == '/', c == '-', c == '_', c == '=':
		case c == '\\': // some write \/ for /, and \n for the end of a line
		default:
			return false
		}
	}
	return len(s) > 0
}
