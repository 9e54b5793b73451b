package sound

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"
)

func read(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// files are 3.2 seconds each, made by ffmpeg.
var files = []string{"voice.ogg", "vorbis.ogg", "cbr.mp3", "vbr.mp3", "voice.m4a", "parts.m4a", "voice.webm", "browser.webm", "voice.flac", "voice.wav", "voice.aac"}

// What phones and browsers record is held for as long as it is, to a second: budgets of
// bots are small.
func TestLengthsOfRealFiles(t *testing.T) {
	for _, name := range files {
		if seconds, known := Bound(read(t, name)); seconds != 4 || !known {
			t.Errorf("%s: %d s, known %v; want 4", name, seconds, known)
		}
	}
}

// No head of a file makes an hour of sound a second: frames count, and what does not fit
// the bytes is not believed.
func TestHeadsThatLie(t *testing.T) {
	put := func(b []byte, at int, v any) []byte {
		out := bytes.Clone(b)
		if _, err := binary.Encode(out[at:], binary.BigEndian, v); err != nil {
			t.Fatal(err)
		}
		return out
	}
	after := func(b []byte, mark string, n int) int {
		i := bytes.Index(b, []byte(mark))
		if i < 0 {
			t.Fatalf("no %q", mark)
		}
		return i + len(mark) + n
	}
	ogg, flac, wav, m4a, vbr, webm := read(t, "voice.ogg"), read(t, "voice.flac"), read(t, "voice.wav"), read(t, "voice.m4a"), read(t, "vbr.mp3"), read(t, "voice.webm")
	last := bytes.LastIndex(ogg, []byte("OggS"))
	mp4 := put(put(m4a, after(m4a, "mvhd", 16), uint32(1)), after(m4a, "mdhd", 16), uint32(1))
	live := read(t, "browser.webm")
	cluster := bytes.Index(live, []byte("\x1f\x43\xb6\x75"))
	large := func(b []byte) []byte { return append(bytes.Clone(b), make([]byte, 25<<20)...) }
	for name, tc := range map[string]struct {
		file  []byte
		least int64
	}{
		"Opus whose last page says 0":          {put(ogg, last+6, uint64(0)), 4},
		"Opus twice":                           {append(bytes.Clone(ogg), ogg...), 7},
		"FLAC that says 1 sample":              {put(flac, 18, binary.BigEndian.Uint64(flac[18:])&^(1<<36-1)|1), 4},
		"WAV whose data has no length":         {put(wav, after(wav, "data", 0), uint32(0)), 4},
		"M4A whose heads say nothing":          {mp4, 4},
		"WebM as a browser goes on":            {append(bytes.Clone(live), bytes.Repeat(live[cluster:], 20)...), 60},
		"M4A whose table of times is short":    {put(mp4, after(m4a, "stts", 8), uint32(1)), 4},
		"M4A at a rate that it has not":        {put(m4a, after(m4a, "mp4a", 24), uint32(0xffff0000)), 4},
		"MP3 whose Xing head says 1 frame":     {put(vbr, after(vbr, "Xing", 4), uint32(1)), 4},
		"WebM that says 1 tick":                {put(webm, after(webm, "\x44\x89\x88", 0), uint64(0x3ff0000000000000)), 4},
		"an m4a of 3 seconds and 25 MB behind": {large(m4a), 4},
		"MP3 and 25 MB of anything":            {append(bytes.Clone(vbr), bytes.Repeat([]byte("anything"), 25<<17)...), 50_000},
		"a WAV head and 25 MB of MP3":          {large(put(wav, after(wav, "WAVEfmt ", 5), uint8(85))), 50_000},
		"an Opus head and 25 MB":               {large(ogg[:bytes.Index(ogg[4:], []byte("OggS"))+4]), 50_000},
		"nothing that is known":                {make([]byte, 1001), 3},
		"a name alone":                         {[]byte("fLaC"), 1},
		"nothing":                              {nil, 1},
	} {
		if seconds, _ := Bound(tc.file); seconds < tc.least {
			t.Errorf("%s: %d s, want at least %d", name, seconds, tc.least)
		}
	}
}

// What a head hides is counted: sound of one format within a frame, a stream or a track of
// another.
func TestSoundWithinSound(t *testing.T) {
	mp3, opus, vorbis, webm := read(t, "cbr.mp3"), read(t, "voice.ogg"), read(t, "vorbis.ogg"), read(t, "voice.webm")
	frames := untagged(mp3)
	frames = frames[:len(frames)/400*400]
	hidden := bytes.Clone(frames[:800])
	for part := range bytes.SplitSeq(bytes.Repeat(frames, 20), frames[:4]) { // a head of AAC before each frame, as long as it can be
		hidden = append(append(append(hidden, 0xff, 0xf1, 0x18, 0x03, 0xff, 0xfc, 0x03), frames[:4]...), part...)
	}
	codec := bytes.Index(webm, []byte("A_OPUS"))
	other := append(append(bytes.Clone(webm[:codec-2]), 0x86, 0x85, 'A', '_', 'A', 'A', 'C'), webm[codec-2:]...)
	packed := append(append(bytes.Clone(webm[:codec+6]), 0x6d, 0x80, 0x81, 0), webm[codec+6:]...)
	page := bytes.Index(opus[4:], []byte("OggS")) + 4
	for name, tc := range map[string]struct {
		file  []byte
		least int64
	}{
		"MP3 in AAC":            {hidden, 55},
		"MP3 and as much noise": {append(bytes.Repeat(frames, 20), make([]byte, len(frames)*18)...), int64(len(frames) * 38 / BytesPerSecond)},
		"Opus beside Vorbis":    {append(append(bytes.Clone(opus[:page]), vorbis...), opus[page:]...), int64((len(opus) + len(vorbis)) / BytesPerSecond)},
		"Opus beside AAC":       {other, int64(len(webm) / BytesPerSecond)},
		"Opus that is packed":   {packed, int64(len(webm) / BytesPerSecond)},
	} {
		if seconds, _ := Bound(tc.file); seconds < tc.least {
			t.Errorf("%s: %d s, want at least %d", name, seconds, tc.least)
		}
	}
}

// Whatever the bytes are, there is an answer, and it is no less than the bytes bound where
// nothing better is known.
func FuzzBound(f *testing.F) {
	for _, name := range files {
		f.Add(read(f, name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		seconds, known := Bound(b)
		if seconds < 1 || !known && seconds*BytesPerSecond < int64(len(b)) {
			t.Fatalf("%d s, known %v, of %d bytes", seconds, known, len(b))
		}
	})
}
