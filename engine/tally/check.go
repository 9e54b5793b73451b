package tally

import (
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

var slugPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// CheckSlug says what is wrong with a slug.
func CheckSlug(s string) error {
	if !slugPattern.MatchString(s) {
		return Errorf(Invalid, "%q is not a slug", s).WithHint("1 to 63 characters of a-z, 0-9 and -, not starting or ending with -")
	}
	return nil
}

// CheckName says what is wrong with a name that people see.
func CheckName(what, s string) error {
	if strings.TrimSpace(s) == "" {
		return Errorf(Invalid, "the %s is empty", what)
	}
	if len(s) > 200 {
		return Errorf(Invalid, "the %s is longer than 200 bytes", what)
	}
	if !utf8.ValidString(s) {
		return Errorf(Invalid, "the %s is not text in UTF-8", what)
	}
	if strings.ContainsFunc(s, unicode.IsControl) { // a terminal may obey one
		return Errorf(Invalid, "the %s contains a control character", what)
	}
	return nil
}

// CheckZone says what is wrong with an IANA zone name.
func CheckZone(name string) error {
	if name == "" || name == "Local" {
		return Errorf(Invalid, "%q is not a time zone", name).WithHint("an IANA name such as Europe/Lisbon or UTC")
	}
	if _, err := time.LoadLocation(name); err != nil {
		return Errorf(Invalid, "%q is not a time zone", name).WithHint("an IANA name such as Europe/Lisbon or UTC")
	}
	return nil
}
