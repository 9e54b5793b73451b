// Package geo tells which country an address is in. It knows nothing of
// gateways and their rules: whoever calls it decides what a country, or an
// unknown one, may do.
//
// The answers come from a file in MaxMind's format: the one that ships in the
// binary, which is handed down packed and unpacked at the first look-up, or the
// owner's own, of GeoLite2, DB-IP or anybody who writes a country in one of these ways:
//
//	country: {iso_code: "PT"}, registered_country: {iso_code: "PT"}   GeoLite2, GeoIP2, DB-IP; country and city files
//	country_code: "PT"  or  country: "PT"                             flat dumps
//
// A place beats a registration: registered_country counts only where no country
// is given (satellites, anycast), because there it is the best that is known.
//
// The owner's file is read whole, not mapped: a mapped file cannot be replaced
// on Windows, and one that is cut short while it is mapped kills the process on
// the next look-up. It therefore costs its size in memory (a country file about
// 8 MB, a city file 60 MB and more), twice that while it is being replaced.
//
// database.go opens, looks up and reloads; file.go checks one file and reads
// its records; countries.go is the list of countries.
package geo
