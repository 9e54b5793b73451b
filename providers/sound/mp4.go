package sound

import (
	"bytes"
	"math"
)

// mp4 takes the longest of what the heads of the film, of its tracks and the tables of
// samples say. A decoder goes by the number of samples, and by the rate that the codec's
// own head tells: 1,024 samples of sound each in AAC. Other codecs are not known.
func mp4(file []byte) length {
	var m movie
	m.boxes(file, 0)
	frames := max(m.timed, m.sized)
	if frames == 0 || m.rate == 0 {
		l := unknown(file)
		l.claimed = m.longest
		return l
	}
	return length{samples: frames * 1024, rate: m.rate, claimed: m.longest, bytes: m.media, fastest: fastestAAC}
}

// movie is what was found in the boxes of a file.
type movie struct {
	timed   int64 // frames of all tracks in the tables of times
	sized   int64 // and in those of sizes, which decoders go by
	rate    int64 // the lowest of all tracks; 0 if one is not known
	tracks  int
	longest int64 // seconds, as one of the heads claims
	media   int   // bytes
}

// boxes walks over the boxes of a file, or of a box.
func (m *movie) boxes(b []byte, depth int) {
	for len(b) >= 8 {
		size, head := int64(be.Uint32(b)), 8
		switch {
		case size == 1 && len(b) >= 16:
			size, head = int64(min(be.Uint64(b[8:]), math.MaxInt64)), 16
		case size == 0:
			size = int64(len(b))
		}
		if size < int64(head) {
			return
		}
		size = min(size, int64(len(b)))
		body := b[head:size]
		switch string(b[4:8]) {
		case "moov", "trak", "mdia", "minf", "stbl", "moof", "traf", "mvex":
			if depth < 8 {
				m.boxes(body, depth+1)
			}
		case "mdat":
			m.media += len(body)
		case "mvhd", "mdhd":
			m.head(body)
		case "stsd":
			rate := aacRate(body)
			if m.tracks++; m.tracks == 1 || rate < m.rate {
				m.rate = rate
			}
		case "stts":
			m.table(body)
		case "trun": // of a film in parts
			if len(body) >= 8 {
				m.timed += int64(be.Uint32(body[4:]))
			}
		case "stsz", "stz2":
			if len(body) >= 12 {
				m.sized += int64(be.Uint32(body[8:]))
			}
		}
		b = b[size:]
	}
}

// head reads the length of the film or of a track.
func (m *movie) head(b []byte) {
	var scale, units int64
	switch {
	case len(b) >= 32 && b[0] == 1:
		scale, units = int64(be.Uint32(b[20:])), int64(min(be.Uint64(b[24:]), math.MaxInt64))
	case len(b) >= 20 && b[0] == 0:
		scale, units = int64(be.Uint32(b[12:])), int64(be.Uint32(b[16:]))
	}
	if scale > 0 && units < math.MaxUint32 { // all ones are a length that is not known
		m.longest = max(m.longest, (units+scale-1)/scale)
	}
}

// table reads how many samples a track has.
func (m *movie) table(b []byte) {
	if len(b) < 8 {
		return
	}
	for i, left := 8, be.Uint32(b[4:]); left > 0 && i+8 <= len(b); i, left = i+8, left-1 {
		m.timed += int64(be.Uint32(b[i:]))
	}
}

// aacRate is the rate in the head of AAC, behind the descriptions of a track's samples; 0
// if they are of anything else, or several.
func aacRate(b []byte) int64 {
	i := bytes.Index(b, []byte("esds"))
	if len(b) < 16 || be.Uint32(b[4:]) != 1 || !has(b, 12, "mp4a") || i < 0 {
		return 0
	}
	b = b[min(i+8, len(b)):]
	for _, d := range [...]struct {
		tag  byte
		skip int // of what stands before the next one
	}{{3, 3}, {4, 13}, {5, 0}} {
		if len(b) == 0 || b[0] != d.tag {
			return 0
		}
		n := 1
		for ; n < len(b) && n < 4 && b[n]&0x80 != 0; n++ { // its length, in up to four bytes
		}
		b = b[min(n+1+d.skip, len(b)):]
	}
	if len(b) < 5 {
		return 0
	}
	index := int(b[0]&7)<<1 | int(b[1]>>7)
	if kind := b[0] >> 3; kind == 31 || kind == 0 || index >= len(aacRates) {
		return 0
	}
	return aacRates[index]
}

// aacRates are the rates of AAC by their numbers.
var aacRates = [...]int64{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}
