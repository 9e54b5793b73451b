// Command sdk writes the npm package of the JavaScript client, as the gateway at
// a URL serves it, to standard output.
package main

import (
	"flag"
	"log"
	"os"

	"tallygate/assets"
)

func main() {
	url := flag.String("url", "", "the gateway's public URL")
	flag.Parse()
	s, err := assets.NewSDK(*url)
	if err == nil {
		_, err = os.Stdout.Write(s.Tarball)
	}
	if err != nil {
		log.Fatal(err)
	}
}
