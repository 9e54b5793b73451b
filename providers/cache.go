package providers

// cacheControl walks over what a part says of the upstream's cache.
func (c *Content) cacheControl(b []byte, i, depth int) int {
	if kindAt(b, i) != '{' {
		return skipValue(b, i, depth)
	}
	return eachMember(b, i, depth, func(key []byte, i int) int {
		end := skipValue(b, i, depth)
		if end > 0 && (string(key) == "ttl" && string(b[i:end]) != `"5m"` || !plain(key)) {
			c.LongCache = true
		}
		return end
	})
}

// cached walks over a tool, or the call of one, for what it says of the upstream's
// cache.
func (c *Content) cached(b []byte, i, depth int) int {
	if kindAt(b, i) != '{' {
		return skipValue(b, i, depth)
	}
	return eachMember(b, i, depth+1, func(key []byte, i int) int {
		switch string(meant(key)) {
		case "cache_control":
			return c.cacheControl(b, i, depth+2)
		case "function", "custom":
			return c.cached(b, i, depth+1)
		}
		return skipValue(b, i, depth+1)
	})
}
