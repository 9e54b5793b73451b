package providers

import "tallygate/providers/dialect"

// readSession takes the first name of an end user there is.
func (e *Envelope) readSession(b []byte) {
	if e.Session = text(b, e.user); e.Session != "" {
		return
	}
	if e.metadata.present() && b[e.metadata.From] == '{' {
		var found [4]span
		members(b, e.metadata.From, func(key []byte, s span) bool {
			switch string(key) {
			case "session_id":
				found[0] = s
			case "user_id":
				found[1] = s
			case "wa_id":
				found[2] = s
			case "phone":
				found[3] = s
			}
			return true
		})
		for _, s := range found {
			if e.Session = text(b, s); e.Session != "" {
				return
			}
		}
	}
	if e.Session = text(b, e.safety); e.Session != "" {
		return
	}
	if e.conversation.present() && b[e.conversation.From] == '{' {
		members(b, e.conversation.From, func(key []byte, s span) bool {
			if string(key) == "id" {
				e.Session = text(b, s)
			}
			return true
		})
	} else {
		e.Session = text(b, e.conversation)
	}
	if e.Session == "" && e.Dialect == dialect.Responses {
		e.Session = text(b, e.cacheKey)
	}
}

// EachMetadata calls yield with the texts of the body's metadata, except those that name an
// end user. The body must be there.
func (e *Envelope) EachMetadata(yield func(key, value string)) {
	if e.places == nil || !e.metadata.present() || e.Raw[e.metadata.From] != '{' {
		return
	}
	members(e.Raw, e.metadata.From, func(key []byte, s span) bool {
		switch string(key) {
		case "session_id", "user_id", "wa_id", "phone":
		default:
			if value := text(e.Raw, s); value != "" {
				yield(string(key), value)
			}
		}
		return true
	})
}

// text returns a string or a number as text, "" for anything else.
func text(b []byte, s span) string {
	if !s.present() {
		return ""
	}
	switch c := b[s.From]; {
	case c == '"':
		t, _ := unquote(s.of(b))
		return t
	case c == '-' || c-'0' <= 9:
		return string(s.of(b))
	}
	return ""
}
