package sound

import "bytes"

// Frames of MPEG audio tell their length themselves, so all are counted. What a Xing head
// claims need not be looked at: a player would stop there, a decoder does not.

// kilobits are the rates of MPEG audio by version (1, then 2 and 2.5) and layer.
var kilobits = [2][3][16]int64{
	{{0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448},
		{0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384},
		{0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320}},
	{{0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256},
		{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160},
		{0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160}},
}

// otherBytes is how much between the frames may be words and pictures.
const otherBytes = 8 << 10

// mpeg counts the frames of MP1, MP2 and MP3, or those of AAC as it is broadcast (ADTS),
// whichever last longer: a decoder of the one passes over the heads of the other, and
// decodes what they are to hide. Between frames there may be anything, since decoders look
// for the next mark: of more than some words and pictures nothing is known.
func mpeg(file []byte) length {
	l, other := framesOf(file, false), framesOf(file, true)
	if other.samples > l.samples {
		l = other
	}
	if l.samples == 0 || len(file)-l.bytes > otherBytes && l.bytes < len(file)*49/50 {
		return unknown(file)
	}
	return l
}

// framesOf counts the frames of one of both.
func framesOf(file []byte, adts bool) length {
	const unit = 1_152_000 // no rate divides by all; samples are counted in parts of a second
	l := length{rate: unit, fastest: fastestMP3}
	for at := 0; at+7 <= len(file); {
		if file[at] != 0xff || file[at+1]&0xe0 != 0xe0 || (file[at+1]&0xf6 == 0xf0) != adts {
			at++
			continue
		}
		size, samples, rate := frame(file[at:])
		if size == 0 {
			at++
			continue
		}
		l.samples += (samples*unit + rate - 1) / rate
		l.bytes += min(size, len(file)-at)
		at += size
	}
	return l
}

// untagged is a file without the words and pictures in front of it.
func untagged(file []byte) []byte {
	for has(file, 0, "ID3") && len(file) >= 10 {
		size := 10 + int(file[6]&0x7f)<<21 + int(file[7]&0x7f)<<14 + int(file[8]&0x7f)<<7 + int(file[9]&0x7f)
		file = file[min(size, len(file)):]
	}
	return bytes.TrimLeft(file, "\x00")
}

// frame reads the head of a frame; size is 0 if there is none.
func frame(b []byte) (size int, samples, rate int64) {
	version, layer := b[1]>>3&3, b[1]>>1&3
	if b[1]&0xf6 == 0xf0 { // ADTS
		index := b[2] >> 2 & 15
		size = int(b[3]&3)<<11 | int(b[4])<<3 | int(b[5]>>5)
		if int(index) >= len(aacRates) || size < 7 {
			return 0, 0, 0
		}
		return size, 1024 * int64(b[6]&3+1), aacRates[index]
	}
	code, index := b[2]>>4, b[2]>>2&3
	if version == 1 || layer == 0 || code == 0 || code == 15 || index == 3 {
		return 0, 0, 0
	}
	rate = [...]int64{44100, 48000, 32000}[index]
	low := 0
	if version != 3 { // 2, and 2.5 below it
		low, rate = 1, rate/2
		if version == 0 {
			rate /= 2
		}
	}
	bits := kilobits[low][3-layer][code] * 1000
	padding := int64(b[2] >> 1 & 1)
	switch {
	case layer == 3: // which is the code of the first
		return int((12*bits/rate + padding) * 4), 384, rate
	case layer == 1 && low == 1:
		return int(72*bits/rate + padding), 576, rate
	}
	return int(144*bits/rate + padding), 1152, rate
}
