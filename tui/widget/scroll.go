package widget

// Scroll is what of some lines is seen where not all of them have room.
type Scroll struct {
	top  int // the first line that is drawn
	rows int // that were drawn last, of how many
	all  int
}

// Key moves by a key, and reports whether it was one of those that do.
func (s *Scroll) Key(key string) bool {
	by := map[string]int{"down": 1, "j": 1, "up": -1, "k": -1, "pgdown": s.rows, "pgup": -s.rows}[key]
	s.top = max(min(s.top+by, s.all-s.rows), 0)
	return by != 0
}

// Cut leaves the lines that are seen in so many rows, at least one; more is how many are not.
func (s *Scroll) Cut(lines []string, rows int) (seen []string, more int) {
	s.all, s.rows = len(lines), min(len(lines), max(rows, 1))
	s.top = min(s.top, s.all-s.rows)
	return lines[s.top : s.top+s.rows], s.all - s.rows
}
