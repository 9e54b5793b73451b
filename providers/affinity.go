package providers

// What a conversation is told by, for those who want to keep it in one place.

// CacheKey is what the caller calls the cache of prompts that the request should find
// (OpenAI's prompt_cache_key); "" if it does not say.
func (e *Envelope) CacheKey() string {
	if e.places == nil {
		return ""
	}
	return text(e.Raw, e.cacheKey)
}

// maxBeginning bounds what is looked at of how a conversation begins, in bytes.
const maxBeginning = 4 << 10

// Beginning is how the conversation begins: its first two messages, or the beginning of its
// prompt or input. It stays the same as the conversation goes on.
func (e *Envelope) Beginning() []byte {
	if e.places == nil {
		return nil
	}
	for _, s := range [...]span{e.messages, e.input, e.prompt} {
		if !s.present() {
			continue
		}
		end := s.To
		if e.Raw[s.From] == '[' {
			n := 0
			elementsOf(e.Raw, s.From, func(one span) bool {
				end = one.To
				n++
				return n < 2
			})
		}
		return e.Raw[s.From:min(end, s.From+maxBeginning)]
	}
	return nil
}
