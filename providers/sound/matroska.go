package sound

import "math"

// matroska reads WebM and Matroska: packets of Opus are counted, as in Ogg. The length in the
// head and the times of blocks are claims; what browsers record has no length in its head.
// Other codecs are not known.
func matroska(file []byte) length {
	f := film{scale: 1_000_000}
	f.elements(file)
	l := length{samples: f.samples, rate: opusRate, bytes: f.bytes, fastest: fastestOpus}
	if !f.opus || f.unclear || f.samples == 0 {
		l = unknown(file)
	}
	if ticks := max(f.latest, f.claimed); ticks > 0 && f.scale > 0 && ticks < 1<<62/f.scale {
		l.claimed = ticks * f.scale / 1_000_000_000
	}
	return l
}

// film is what was found in the elements of a file.
type film struct {
	scale   int64 // nanoseconds a tick
	claimed int64 // ticks
	latest  int64 // tick of the latest block
	cluster int64
	opus    bool
	unclear bool // there is sound of another codec, or packets are not as they were
	samples int64
	bytes   int
}

const (
	idSegment   = 0x18538067
	idInfo      = 0x1549a966
	idScale     = 0x2ad7b1
	idDuration  = 0x4489
	idCluster   = 0x1f43b675
	idTimestamp = 0xe7
	idSimple    = 0xa3
	idGroup     = 0xa0
	idBlock     = 0xa1
	idTracks    = 0x1654ae6b
	idTrack     = 0xae
	idCodec     = 0x86
	idEncodings = 0x6d80
)

// elements walks over the elements of a file. Those that hold others may have no length, as
// they were written while they were recorded, so what they hold is read as if it stood
// beside them.
func (f *film) elements(b []byte) {
	for len(b) > 0 {
		id, n := number(b, true)
		if n == 0 {
			return
		}
		size, m := number(b[n:], false)
		if m == 0 {
			return
		}
		b = b[n+m:]
		switch id {
		case idSegment, idInfo, idCluster, idGroup, idTracks, idTrack:
			continue
		}
		if size < 0 || size > int64(len(b)) { // not known, or cut: it goes on to the end
			size = int64(len(b))
		}
		body := b[:size]
		switch id {
		case idScale:
			f.scale = unsigned(body)
		case idDuration:
			f.claimed = max(f.claimed, float(body))
		case idTimestamp:
			f.cluster = unsigned(body)
		case idCodec:
			f.opus = f.opus || string(body) == "A_OPUS"
			f.unclear = f.unclear || len(body) > 0 && body[0] == 'A' && string(body) != "A_OPUS"
		case idEncodings:
			f.unclear = true
		case idSimple, idBlock:
			f.block(body)
		}
		b = b[size:]
	}
}

// block reads the time of a block, which counts from that of its cluster.
func (f *film) block(b []byte) {
	_, n := number(b, false)
	if n == 0 || len(b) < n+3 {
		return
	}
	f.latest = max(f.latest, f.cluster+int64(int16(be.Uint16(b[n:]))))
	packet := b[n+3:]
	f.bytes += len(packet)
	switch {
	case len(packet) == 0:
	case b[n+2]&6 != 0: // several packets in one block, of which any may have 120 ms
		f.samples += 5760 * (int64(packet[0]) + 1)
	default:
		f.samples += opusSamples(packet)
	}
}

// number reads a number of variable length; id keeps its mark. A size of which all bits
// are set is not known, and -1.
func number(b []byte, id bool) (v int64, n int) {
	if len(b) == 0 || b[0] == 0 {
		return 0, 0
	}
	n = 1
	for mark := byte(0x80); b[0]&mark == 0; mark >>= 1 {
		n++
	}
	if n > len(b) || id && n > 4 {
		return 0, 0
	}
	v = int64(b[0])
	if !id {
		v &= 1<<(8-n) - 1
	}
	ones := v == 1<<(8-n)-1
	for _, c := range b[1:n] {
		v, ones = v<<8|int64(c), ones && c == 0xff
	}
	if !id && ones {
		return -1, n
	}
	return v, n
}

func unsigned(b []byte) (v int64) {
	if len(b) > 7 {
		b = b[len(b)-7:]
	}
	for _, c := range b {
		v = v<<8 | int64(c)
	}
	return v
}

// float reads a float as a whole number, rounded up; 0 if it is none that can be true.
func float(b []byte) int64 {
	v := 0.0
	switch len(b) {
	case 4:
		v = float64(math.Float32frombits(be.Uint32(b)))
	case 8:
		v = math.Float64frombits(be.Uint64(b))
	}
	if !(v > 0 && v < 1<<50) {
		return 0
	}
	return int64(math.Ceil(v))
}
