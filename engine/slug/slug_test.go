package slug

import (
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"tallygate/engine/tally"
)

func TestOf(t *testing.T) {
	for name, want := range map[string]string{
		"Clínica São João":        "clinica-sao-joao",
		"Cli\u0301nica Sa\u0303o": "clinica-sao", // as macOS writes accents
		"Straßen & Gassen GmbH":   "strassen-gassen-gmbh",
		"STRAẞE":                  "strasse",
		"Søren Ærø":               "soren-aero",
		"Łódź":                    "lodz",
		"Þór Guðmundsson":         "thor-gudmundsson",
		"Đặng Thị Nguyễn":         "dang-thi-nguyen",
		"İstanbul Işık":           "istanbul-isik",
		"Škoda Žižkov":            "skoda-zizkov",
		"Клиника Щёлково №1":      "klinika-shchelkovo-no1",
		"Київ, Єва й Ґанна":       "kiiv-ieva-i-ganna",
		"Ђорђе Љубић":             "dorde-ljubic",
		"Αθήνα Παπαδόπουλος Ψυχικό": "athina-papadopoulos-psychiko",
		"Ｆｕｌｌ　Ｗｉｄｔｈ ①":              "full-width-1",
		"東京 Tokyo 2":                "tokyo-2",
		"北京诊所":                      "",
		"서울":                        "",
		"🎉":                         "",
		"":                          "",
		"--Acme,  Inc.--":           "acme-inc",
	} {
		if got := Of(name); got != want {
			t.Errorf("%q: %q, want %q", name, got, want)
		}
	}
}

// Whatever a name is, its slug can be one, and is its own slug.
func TestOfIsSlug(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		got := Of(name)
		if got == "" {
			return
		}
		if err := tally.CheckSlug(got); err != nil || Of(got) != got || !utf8.ValidString(got) {
			t.Errorf("%q: %q, %v, and %q", name, got, err, Of(got))
		}
	})
}
