package assets

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"embed"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
)

//go:embed sdk/webllm.js sdk/webllm.d.ts sdk/package.json sdk/README.md sdk/LICENSE
var sdk embed.FS

// Widget is a chat that a page takes in with one line, and that loads the module of the
// gateway it came from. It is a plain script, since a module cannot read what stands in
// its own line.
//
//go:embed sdk/widget.js
var Widget []byte

// SDK is the JavaScript client as a gateway serves it.
type SDK struct {
	Module  []byte // webllm.js, an ES module
	Types   []byte // webllm.d.ts, its types
	Tarball []byte // webllm.tgz, both as an npm package, for npm install URL
}

// unset is the one line of the module that a gateway fills in.
const unset = "const PUBLIC_URL = ''\n"

// NewSDK makes the JavaScript client of the gateway at publicURL, an http or
// https URL that may have a path. With "" the client asks the origin that it was
// loaded from, which a module in a bundle cannot know: whoever serves the tarball
// without a public URL should give the URL that it was asked at.
//
// The same URL always makes the same bytes, whatever built the program, so that
// the checksum in an npm lock file stays true.
func NewSDK(publicURL string) (*SDK, error) {
	set := unset
	if publicURL != "" {
		u, err := url.Parse(publicURL)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
			return nil, fmt.Errorf("%q is no public URL of a gateway: it is http or https, a host, and perhaps a port and a path", publicURL)
		}
		quoted, err := json.Marshal(strings.TrimRight(u.String(), "/"))
		if err != nil {
			return nil, err
		}
		set = fmt.Sprintf("const PUBLIC_URL = %s\n", quoted)
	}
	files := map[string][]byte{}
	for _, name := range tarballOrder {
		content, err := sdk.ReadFile("sdk/" + name)
		if err != nil {
			return nil, err
		}
		files[name] = content
	}
	files["webllm.js"] = bytes.Replace(files["webllm.js"], []byte(unset), []byte(set), 1)
	tarball, err := pack(files)
	if err != nil {
		return nil, err
	}
	return &SDK{Module: files["webllm.js"], Types: files["webllm.d.ts"], Tarball: tarball}, nil
}

var tarballOrder = []string{"package.json", "LICENSE", "README.md", "webllm.d.ts", "webllm.js"}

// pack makes an npm package. It is not compressed inside its gzip frame, because
// what a compressor makes differs from one release of Go to the next.
func pack(files map[string][]byte) ([]byte, error) {
	var out bytes.Buffer
	zipped, err := gzip.NewWriterLevel(&out, gzip.NoCompression)
	if err != nil {
		return nil, err
	}
	packed := tar.NewWriter(zipped)
	for _, name := range tarballOrder {
		err := packed.WriteHeader(&tar.Header{
			Format: tar.FormatUSTAR, Typeflag: tar.TypeReg, Name: "package/" + name, Size: int64(len(files[name])), Mode: 0o644,
			ModTime: time.Date(1985, 10, 26, 8, 15, 0, 0, time.UTC), // npm's own choice
		})
		if err != nil {
			return nil, err
		}
		if _, err := packed.Write(files[name]); err != nil {
			return nil, err
		}
	}
	if err := packed.Close(); err != nil {
		return nil, err
	}
	if err := zipped.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
