package sound

// ogg counts the packets: one of Opus tells in its first byte how long it is, and one of
// Vorbis has half of the longest block that the head of the stream names, at most. The
// position of the last page is a claim. A file with streams of two kinds is not known, since
// a decoder may take the one or the other.
func ogg(file []byte) length {
	l := length{rate: opusRate, fastest: fastestOpus}
	var opus, vorbis bool
	var latest, block int64
	first := make([]byte, 0, 2) // of the packet that is read
	packets := 0
	for at := 0; at+27 <= len(file); {
		if !has(file, at, "OggS") {
			at++ // decoders look for the next page
			continue
		}
		segments := int(file[at+26])
		body := at + 27 + segments
		if body > len(file) {
			break
		}
		if file[at+5]&2 != 0 && packets > 0 && !(opus && has(file, body, "OpusHead")) &&
			!(vorbis && has(file, body, "\x01vorbis")) {
			return unknown(file)
		}
		if granule := int64(le.Uint64(file[at+6:])); granule > latest {
			latest = granule
		}
		if file[at+5]&1 == 0 {
			first = first[:0]
		}
		for _, n := range file[at+27 : at+27+segments] {
			end := min(body+int(n), len(file))
			if take := min(cap(first)-len(first), end-body); take > 0 {
				first = append(first, file[body:body+take]...)
			}
			switch {
			case packets == 0 && has(file, body, "OpusHead"):
				opus = true
			case packets == 0 && has(file, body, "\x01vorbis") && body+16 <= len(file):
				vorbis, l.rate = true, max(int64(le.Uint32(file[body+12:])), 1)
				if body+29 <= len(file) {
					block = 1 << (file[body+28] >> 4) / 2
				}
			}
			l.bytes += end - body
			if body = end; n == 255 {
				continue
			}
			switch packets++; {
			case packets <= 2 || len(first) == 0:
			case opus:
				l.samples += opusSamples(first)
			case vorbis:
				l.samples += block
			}
			first = first[:0]
		}
		at = body
	}
	if l.samples == 0 {
		return unknown(file)
	}
	if latest < 1<<40 { // positions beyond that are none
		l.claimed = latest / l.rate
	}
	return l
}

// opusSamples is how long a packet of Opus is, at 48 kHz, by its first two bytes.
func opusSamples(b []byte) int64 {
	config, size := b[0]>>3, int64(0)
	switch {
	case config < 12:
		size = [...]int64{480, 960, 1920, 2880}[config&3]
	case config < 16:
		size = [...]int64{480, 960}[config&1]
	default:
		size = [...]int64{120, 240, 480, 960}[config&3]
	}
	switch b[0] & 3 {
	case 0:
		return size
	case 1, 2:
		return 2 * size
	}
	if len(b) < 2 {
		return 0
	}
	return min(int64(b[1]&63)*size, 5760) // no packet has more than 120 ms
}

// opusRate is that of positions and packets, whatever the sound was made at.
const opusRate = 48_000
