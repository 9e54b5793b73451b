package engine

import (
	"cmp"
	"strconv"
	"strings"

	"tallygate/engine/slug"
	"tallygate/engine/tally"
)

// slugFor returns the slug that was asked for, or one made from the name and
// numbered if that is taken.
func slugFor(what, asked, name string, taken func(slug string) bool) (string, error) {
	if asked == "" {
		return freeSlug(what, name, taken), nil
	}
	if err := tally.CheckSlug(asked); err != nil {
		return "", err
	}
	if taken(asked) {
		return "", tally.Errorf(tally.Conflict, "there is a %s %q already", what, asked).WithHint("%s is free", freeSlug(what, asked, taken))
	}
	return asked, nil
}

func freeSlug(what, name string, taken func(string) bool) string {
	base := cmp.Or(slug.Of(name), what)
	free := base
	for n := 2; taken(free); n++ {
		number := "-" + strconv.Itoa(n)
		free = strings.TrimRight(base[:min(len(base), slug.Longest-len(number))], "-") + number
	}
	return free
}

// setName puts a name that people see into a field.
func setName(field *string, what string, name *string) error {
	if name == nil {
		return nil
	}
	if err := tally.CheckName(what, *name); err != nil {
		return err
	}
	*field = strings.TrimSpace(*name)
	return nil
}

// nameTaken is the error for a name that another thing has: people could not
// tell the two apart.
func nameTaken(what, name string) error {
	return tally.Errorf(tally.Conflict, "there is a %s named %q already", what, name).WithHint("give it a name of its own, or change the one there is")
}
