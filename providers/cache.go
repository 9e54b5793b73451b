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

// cached walks over a tool, or over a call of a tool, for what it says of the upstream's
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

// hidden walks over what only the model's context bounds, for what it says of the upstream's
// cache, however deep and however it is spelled; key is what it stands under.
func (c *Content) hidden(key, b []byte, i, depth int) int {
	switch kindAt(b, i) {
	case '{':
		if string(meant(key)) == "cache_control" {
			return c.cacheControl(b, i, depth+1)
		}
		return eachMember(b, i, depth+1, func(key []byte, i int) int { return c.hidden(key, b, i, depth+1) })
	case '[':
		return eachElement(b, i, depth+1, func(i int) int { return c.hidden(nil, b, i, depth+1) })
	}
	return skipValue(b, i, depth)
}
