package providertest

import (
	"testing"

	"tallygate/engine/tally"
	"tallygate/providers"
)

// A scenario that is named twice, or whose request is refused before it
// reaches the upstream, would test nothing without anybody noticing.
func TestScenariosArePlayable(t *testing.T) {
	seen := map[string]bool{"healthy": true}
	for _, s := range Scenarios() {
		if seen[s.Name] {
			t.Errorf("%s is there twice", s.Name)
		}
		seen[s.Name] = true
		e, err := providers.Peek(s.Request())
		if err != nil {
			t.Errorf("%s: %v", s.Name, err)
			continue
		}
		if e.Model != s.Name || e.Stream != s.Stream || e.Base64 != s.Base64 {
			t.Errorf("%s asks for %s", s.Name, s.Request())
		}
		if s.Fault == "" && (s.Or != "" || s.Status != 0 || s.Told) || s.Fault != "" && s.Text != "" && !s.Stream {
			t.Errorf("%s contradicts itself: %+v", s.Name, s)
		}
		if s.Tokens != (tally.Tokens{}) && !s.Tokens.Sane() {
			t.Errorf("%s reports %+v", s.Name, s.Tokens)
		}
	}
}
