package engine

import (
	"cmp"
	"os"
	"strings"

	"tallygate/engine/tally"
)

// machineZone is the IANA name of this machine's time zone, UTC if it cannot be
// told. The time package knows the zone's rules, and not its name.
func machineZone() string {
	if tz, ok := os.LookupEnv("TZ"); ok {
		return knownZone(cmp.Or(strings.TrimPrefix(tz, ":"), "UTC"))
	}
	link, err := os.Readlink("/etc/localtime")
	if err != nil {
		return "UTC"
	}
	return knownZone(link)
}

// knownZone is the zone that a name, or the path of a zone file, stands for.
func knownZone(name string) string {
	if _, after, ok := strings.Cut(name, "zoneinfo/"); ok {
		name = after
	}
	if tally.CheckZone(name) != nil || name == "Etc/UTC" {
		return "UTC" // as people write it
	}
	return name
}
