package tally

import "testing"

// An image is charged at the price that says most of what was asked, and at the dearest
// where the request leaves something to the upstream.
func TestImagePrices(t *testing.T) {
	all := map[Piece]NanoUSD{Image: 10, "image_low_1k": 1, "image_high_1k": 20, "image_high_2k": 40, "image_high_1024x1536": 30, "image_in": 999, Search: 999}
	sizes := map[Piece]NanoUSD{"image_1k": 5, "image_4k": 7}
	for _, tc := range []struct {
		of            map[Piece]NanoUSD
		quality, size string
		want          Piece
		each          NanoUSD
	}{
		{all, "", "", "image_high_2k", 40},
		{all, "low", "", "image_low_1k", 1},
		{all, "low", "1k", "image_low_1k", 1},
		{all, "high", "1024x1024", "image_high_1k", 20},
		{all, "high", "1024x1536", "image_high_1024x1536", 30},
		{all, "high", "1408x768", "image_high_1k", 20},
		{all, "high", "2048x2048", "image_high_2k", 40},
		{all, "hd", "1024x1024", Image, 10},
		{all, "", "1024x1024", "image_high_1k", 20},
		{all, "", "4096x4096", Image, 10},
		{sizes, "high", "", "image_4k", 7},
		{sizes, "high", "512x512", "image_1k", 5},
		{sizes, "", "2048x2048", "", 0},
		{sizes, "", "a lot", "", 0},
		{all, "high", "a lot", "", 0},
		{all, "", "32000x32000", "", 0},
		{map[Piece]NanoUSD{Image: 10, "image_low": 1}, "", "a lot", Image, 10},
		{map[Piece]NanoUSD{"image_in": 3}, "", "", "", 0},
	} {
		q := Quote{Row: &Price{Pieces: tc.of}}
		name, each, ok := q.EachOf(&Units{Piece: Image, Count: 1, Quality: tc.quality, Size: tc.size})
		if name != tc.want || each != tc.each || ok != (tc.want != "") {
			t.Errorf("%q %q of %v: %q at %d", tc.quality, tc.size, tc.of, name, each)
		}
		if cost, by := q.CostOf(&Units{Piece: Image, Count: 3, Quality: tc.quality, Size: tc.size}); cost != 3*tc.each || q.CostOfPieces(by, 3) != cost {
			t.Errorf("three cost %d", cost)
		}
	}
}

// An hour's price divides into seconds without a loss, rounded up once.
func TestSoundPrices(t *testing.T) {
	q := Quote{Row: &Price{Pieces: map[Piece]NanoUSD{SoundHour: 111_000_000, SoundSecond: 30_833}}}
	for seconds, want := range map[int64]NanoUSD{0: 0, 1: 30_834, 3600: 111_000_000, 36_001: 1_110_030_834} {
		if got, by := q.CostOf(&Units{Piece: SoundSecond, Count: seconds}); got != want || seconds > 0 && (by != SoundSecond || q.CostOfPieces(by, seconds) != want) {
			t.Errorf("%d s: %d by %q, want %d", seconds, got, by, want)
		}
	}
	if _, _, ok := q.EachOf(&Units{Piece: Character}); ok {
		t.Error("characters have a price")
	}
	for piece, want := range map[Piece]bool{Search: true, Image: true, "image_hd": true, "image_": false, "image_a b": false, "image_in": false, "google_search": false, SoundHour: true, "page": false} {
		if piece.Metered() != want {
			t.Errorf("%q metered: %v", piece, !want)
		}
	}
}
