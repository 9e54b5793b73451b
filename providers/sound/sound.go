// Package sound tells how long recorded sound is, from the bytes of its file, without
// decoding it.
//
// It is for a bound on what a transcription costs, so it takes whatever it is given for
// hostile: a header that claims one second stands before an hour of sound at no cost. So
// lengths are counted from the frames, packets or samples that a decoder would decode,
// where the container lets them be found without decoding; what a header claims only ever
// makes a length longer. A length that is less than the bytes could hold at the highest
// rate that is known for the format says that something was not found, and is not
// believed: see [Bound].
package sound

import "encoding/binary"

// BytesPerSecond is what a second of speech takes at least, at 4 kbit/s: the least that
// codecs for speech are set to. It bounds what nothing else tells.
const BytesPerSecond = 500

// Bound is the most seconds that the sound in a file can have, rounded up, at least 1.
// It is what the file's frames come to, if that is believable: known is true then.
// Otherwise it is that or one second for each 500 bytes, whichever is more.
func Bound(file []byte) (seconds int64, known bool) {
	l := lengthOf(file)
	seconds = (l.samples + l.rate - 1) / l.rate
	seconds = max(seconds, l.claimed, 1)
	if l.samples > 0 && seconds >= int64(l.bytes)/l.fastest {
		return seconds, true
	}
	return max(seconds, (int64(len(file))+BytesPerSecond-1)/BytesPerSecond), false
}

// length is what was found out about a file.
type length struct {
	samples int64 // that a decoder would make; 0: not known
	rate    int64 // of samples, a second
	claimed int64 // seconds, as a header has it
	bytes   int   // that may be sound: all but what is known to be something else
	fastest int64 // bytes that a second of this format may take
}

// unknown is of a file of which nothing can be told.
func unknown(file []byte) length { return length{rate: 1, bytes: len(file), fastest: 1} }

// The most that a second takes, in bytes: of compressed formats at the highest rate that
// they know, and some for the container.
const (
	fastestMP3  = 48_000  // 320 kbit/s, or free format up to that
	fastestOpus = 80_000  // 510 kbit/s
	fastestAAC  = 80_000  // 288 kbit/s a channel
	fastestFLAC = 600_000 // 96 kHz, 24 bits, two channels
)

// lengthOf finds out what a file is by its first bytes, whatever its name says.
func lengthOf(file []byte) length {
	if has(file, 0, "ID3") {
		file = untagged(file)
	}
	switch {
	case has(file, 0, "RIFF") && has(file, 8, "WAVE"):
		return wav(file)
	case has(file, 0, "OggS"):
		return ogg(file)
	case has(file, 0, "fLaC"):
		return flac(file)
	case has(file, 4, "ftyp"):
		return mp4(file)
	case has(file, 0, "\x1a\x45\xdf\xa3"):
		return matroska(file)
	case len(file) > 2 && file[0] == 0xff && file[1]&0xe0 == 0xe0:
		return mpeg(file)
	}
	return unknown(file)
}

// has reports whether text stands at an offset.
func has(b []byte, at int, text string) bool {
	return len(b) >= at+len(text) && string(b[at:at+len(text)]) == text
}

var (
	le = binary.LittleEndian
	be = binary.BigEndian
)

// wav counts the samples of all bytes behind the head: decoders read on where the length
// that the head tells is 0 or too small. Only samples that are numbers can be counted.
func wav(file []byte) length {
	const pcm, float, extensible = 1, 3, 0xfffe
	at, frame, rate := 12, int64(0), int64(0)
	for at+8 <= len(file) {
		size := int64(le.Uint32(file[at+4:]))
		body := file[at+8:]
		if has(file, at, "data") {
			if frame == 0 {
				break
			}
			return length{samples: int64(len(body)) / frame, rate: rate, bytes: len(body), fastest: rate * frame * 2}
		}
		if size > int64(len(body)) {
			break
		}
		if has(file, at, "fmt ") {
			if size < 16 || frame != 0 {
				break
			}
			kind := le.Uint16(body)
			if kind == extensible && size >= 26 {
				kind = le.Uint16(body[24:])
			}
			channels, bits := int64(le.Uint16(body[2:])), int64(le.Uint16(body[14:]))
			if kind != pcm && kind != float || channels == 0 || bits < 8 || le.Uint32(body[4:]) == 0 {
				break
			}
			frame, rate = channels*((bits+7)/8), int64(le.Uint32(body[4:]))
		}
		at += 8 + int(size+size&1)
		if at > len(file) {
			break
		}
	}
	return unknown(file)
}

// flac counts the samples of the frames, which begin with a mark and end their head with a
// checksum, beside what the head of the file claims: an hour of silence takes no more than
// a second of noise.
func flac(file []byte) length {
	if len(file) < 42 || file[4]&0x7f != 0 {
		return unknown(file)
	}
	rate := int64(be.Uint32(file[18:]) >> 12)
	if rate == 0 {
		return unknown(file)
	}
	total := int64(be.Uint64(file[18:]) & (1<<36 - 1))
	at := 4
	for last := false; !last; { // pictures and words
		if at+4 > len(file) {
			return unknown(file)
		}
		head := be.Uint32(file[at:])
		last = head>>31 != 0
		at += 4 + int(head&0xffffff)
	}
	if at > len(file) {
		return unknown(file)
	}
	l := length{rate: rate, bytes: len(file) - at, fastest: fastestFLAC, claimed: (total + rate - 1) / rate}
	for ; at+6 <= len(file); at++ {
		if file[at] == 0xff && file[at+1]&0xfe == 0xf8 {
			l.samples += flacFrame(file[at:], rate)
		}
	}
	return l
}

// flacFrame is how many samples at the rate of the file the frame has that begins here; 0
// if none does.
func flacFrame(b []byte, rate int64) int64 {
	code, i := b[2]>>4, 5
	for lead := b[4] << 1; b[4] >= 0xc0 && lead&0x80 != 0; lead <<= 1 { // the number of the frame, as UTF-8 has it
		i++
	}
	size := int64(0)
	switch {
	case code == 1:
		size = 192
	case code >= 2 && code <= 5:
		size = 576 << (code - 2)
	case code == 6 && i < len(b):
		size = int64(b[i]) + 1
		i++
	case code == 7 && i+1 < len(b):
		size = int64(be.Uint16(b[i:])) + 1
		i += 2
	case code >= 8:
		size = 256 << (code - 8)
	}
	// A frame may say a rate of its own. Lower ones make it longer.
	own := rate
	switch code := b[2] & 15; {
	case code >= 1 && code <= 11:
		own = [...]int64{0, 88200, 176400, 192000, 8000, 16000, 22050, 24000, 32000, 44100, 48000, 96000}[code]
	case code == 12 && i < len(b):
		own = int64(b[i]) * 1000
		i++
	case code == 13 && i+1 < len(b):
		own = int64(be.Uint16(b[i:]))
		i += 2
	case code == 14 && i+1 < len(b):
		own = int64(be.Uint16(b[i:])) * 10
		i += 2
	}
	if size == 0 || own == 0 || i >= len(b) || crc8(b[:i]) != b[i] {
		return 0
	}
	return max(size, size*rate/own)
}

func crc8(b []byte) (sum byte) {
	for _, c := range b {
		sum ^= c
		for range 8 {
			if sum&0x80 != 0 {
				sum = sum<<1 ^ 7
			} else {
				sum <<= 1
			}
		}
	}
	return sum
}
