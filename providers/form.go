package providers

import (
	"bytes"
	"mime"
	"strconv"
	"strings"
	"unicode"

	"tallygate/engine/tally"
	"tallygate/providers/sound"
)

// The bounds on forms. Fields of those that are taken are words and numbers.
const (
	maxParts    = 64
	maxPartHead = 2 << 10
	maxField    = 64 << 10 // bytes of a field that is no file
)

func badForm(format string, args ...any) error {
	return tally.Errorf(tally.Invalid, "the form cannot be read: "+format, args...)
}

// peekForm looks at a form with a file of sound, or with pictures. Forms are read in many ways, so this takes
// only what all readers agree on: lines that end with CRLF, no text before the first
// boundary or behind the last, heads in one line each, no encoding of a part, and a boundary
// that stands nowhere but between parts.
func (m *Media) peekForm(contentType string) error {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return tally.Errorf(tally.Invalid, "the request must be a form with its file (multipart/form-data)")
	}
	if m.boundary = params["boundary"]; !isBoundary(m.boundary) {
		return badForm("its boundary %.80q is none", m.boundary)
	}
	// The head is written anew: one that names two boundaries, or a charset, is read in two ways.
	m.ContentType = mime.FormatMediaType(kind, map[string]string{"boundary": m.boundary})
	mark := []byte("--" + m.boundary)
	b := m.Raw
	if !bytes.HasPrefix(b, mark) {
		return badForm("it does not begin with its boundary")
	}
	i, seen, file := len(mark), map[string]bool{}, span{}
	for parts := 0; ; parts++ {
		if bytes.HasPrefix(b[i:], []byte("--")) {
			if len(bytes.Trim(b[i+2:], "\r\n")) > 0 {
				return badForm("it goes on after its end")
			}
			break
		}
		if !bytes.HasPrefix(b[i:], []byte("\r\n")) || parts == maxParts {
			return badForm("a boundary is not followed by a part, or there are more than %d", maxParts)
		}
		name, from, err := partHead(b, i+2)
		if err != nil {
			return err
		}
		n := bytes.Index(b[from:], mark)
		if n < 2 || string(b[from+n-2:from+n]) != "\r\n" {
			return badForm("the part %.60q does not end with its boundary", name)
		}
		s := span{KeyFrom: from, From: from, To: from + n - 2}
		i = from + n + len(mark)
		if seen[name] && !strings.HasSuffix(name, "[]") {
			return tally.Errorf(tally.Invalid, "the field %.60q occurs twice", name)
		}
		seen[name] = true
		switch of := strings.TrimSuffix(name, "[]"); {
		case m.Endpoint != ImageEdits && name == "file":
			file = s
			continue
		case m.Endpoint == ImageEdits && (of == "image" || of == "mask"):
			m.Pictures++
			continue
		}
		if s.To-s.From > maxField {
			return badForm("the field %.60q is too long", name)
		}
		if err := m.field(name, string(s.of(b)), s); err != nil {
			return err
		}
		m.Text += int64(s.To - s.From)
	}
	switch {
	case m.Endpoint == ImageEdits && m.Pictures == 0:
		return tally.Errorf(tally.Invalid, `"image" is missing: the picture must be sent with the request`)
	case m.Endpoint == ImageEdits:
		return nil
	case !seen["file"]:
		return tally.Errorf(tally.Invalid, `"file" is missing: the sound must be sent with the request`)
	}
	m.Units.Count, m.Known = sound.Bound(file.of(b))
	return nil
}

// isBoundary reports whether a boundary is one by RFC 2046.
func isBoundary(s string) bool {
	return len(s) <= 70 && !strings.HasSuffix(s, " ") && strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') &&
			!strings.ContainsRune("'()+_,-./:=? ", r)
	}) < 0
}

// partHead reads the head of a part that begins at i, and returns the part's name and where
// its value begins.
func partHead(b []byte, i int) (name string, value int, err error) {
	end := bytes.Index(b[i:min(i+maxPartHead, len(b))], []byte("\r\n\r\n"))
	if end < 0 {
		return "", 0, badForm("a part has no head, or a long one")
	}
	found := false
	for line := range strings.SplitSeq(string(b[i:i+end]), "\r\n") {
		key, text, ok := strings.Cut(line, ":")
		if !ok || !isWord(key) || strings.IndexFunc(line, unicode.IsControl) >= 0 {
			return "", 0, badForm("a line of a part's head is none")
		}
		switch strings.ToLower(key) {
		case "content-disposition":
			if found {
				return "", 0, badForm("a part has two names")
			}
			if name, found = partName(text); !found {
				return "", 0, badForm("the name of a part is not clear")
			}
		case "content-transfer-encoding":
			if e := strings.ToLower(strings.TrimSpace(text)); e != "binary" && e != "8bit" && e != "7bit" {
				return "", 0, badForm("a part is encoded as %.20q", e)
			}
		}
	}
	if !found {
		return "", 0, badForm("a part has no name")
	}
	return name, i + end + 4, nil
}

// partName is the name that a Content-Disposition gives a part. It stands in quotes that
// nothing in them may end or escape, or is a plain word, as .NET writes it.
func partName(text string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimSpace(text), "form-data")
	for ok && rest != "" {
		var key, value string
		if rest, ok = strings.CutPrefix(strings.TrimLeft(rest, " "), ";"); !ok {
			break
		}
		if key, rest, ok = strings.Cut(strings.TrimLeft(rest, " "), "="); !ok {
			break
		}
		if strings.HasPrefix(rest, "\"") {
			value, rest, ok = strings.Cut(rest[1:], "\"")
		} else {
			i := strings.IndexByte(rest+";", ';')
			value, rest = rest[:i], rest[i:]
			ok = key == "filename*" || isWord(value)
		}
		switch ok = ok && !strings.Contains(value, "\\"); {
		case key == "name" && name == "":
			name = value
		case key != "filename" && key != "filename*":
			return "", false
		}
	}
	return name, ok && name != ""
}

// isWord reports whether a value means the same with quotes and without.
func isWord(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '_' && r != '-' && r != '.'
	}) < 0
}

// field takes a field of a form.
func (m *Media) field(name, value string, s span) error {
	if err := m.folded(name); err != nil {
		return err
	}
	switch mediaFields[name] {
	case unknownMedia:
		if strings.Contains(name, "url") { // Groq fetches what stands there
			return tally.Errorf(tally.Invalid, "%.60q is not taken: how long a file is that lies elsewhere is not known. Send it as \"file\"", name)
		}
		if m.Unknown == "" {
			m.Unknown = name
		}
	case billedMedia, picturesMedia:
		if m.Billed == "" {
			m.Billed = name
		}
	}
	if m.Endpoint == ImageEdits {
		if taken, err := m.drawn(name, value); taken {
			return err
		}
	}
	switch name {
	case "model":
		m.Model, m.model = value, s
	case "user":
		m.Session = value
	case "stream":
		if v := strings.ToLower(strings.TrimSpace(value)); v == "true" || v == "1" {
			m.Events, m.Whole = true, false
		}
	case "response_format":
		if v := strings.TrimSpace(value); v == "text" || v == "srt" || v == "vtt" {
			m.Whole = false
		}
	}
	return nil
}

// drawn takes a field of pictures that are to be made; taken is whether the field is one.
func (m *Media) drawn(name, value string) (taken bool, err error) {
	whole := func(to *int64, least int64) {
		n, fault := strconv.ParseInt(value, 10, 64)
		if fault != nil || n < least || n > largestImages {
			err = tally.Errorf(tally.Invalid, "%q must be a whole number from %d to %d", name, least, int64(largestImages))
		}
		*to = n
	}
	switch name {
	case "n":
		whole(&m.Units.Count, 1)
	case "partial_images":
		whole(&m.Partial, 0)
	case "size", "resolution":
		m.Units.Size = asAsked(value)
	case "quality":
		m.Units.Quality = asAsked(value)
	case "response_format":
	default:
		return false, nil
	}
	return true, err
}
