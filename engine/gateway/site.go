package gateway

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io/fs"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"tallygate/engine/tally"
)

// policy keeps the page to itself: nothing of it comes from elsewhere, nothing
// stands in its HTML, and nobody frames it to have a token typed in.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// site answers what browsers are served: the pages at / and /share, and the JavaScript client
// and the chat below /sdk. It reports whether the path is one of these.
func (x *exchange) site(path string) bool {
	if name, ok := strings.CutPrefix(path, "/sdk/webllm."); ok && x.server.SDK != nil {
		return x.sdk(name)
	}
	if path == "/sdk/widget.js" && x.server.Widget != nil {
		x.server.open(x, func(x *exchange) {
			x.w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
			x.file("widget.js", x.server.Widget)
		})
		return true
	}
	if x.server.Page == nil {
		return false
	}
	name := strings.TrimPrefix(path, "/")
	switch name {
	case "":
		name = "index.html"
	case "share":
		name = "share.html"
	case "favicon.ico": // asked for by browsers that show an answer of the API
		name = "icon.svg"
	}
	content, err := fs.ReadFile(x.server.Page, name)
	if err != nil || strings.Contains(name, "/") {
		return false
	}
	h := x.w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Frame-Options", "DENY")
	x.server.probe(x, func(x *exchange) { x.file(name, content) })
	return true
}

// open answers a path that needs no credential and that pages of any origin may
// read.
func (s *Server) open(x *exchange, answer func(*exchange)) {
	if x.r.Method == http.MethodOptions {
		x.letOn("*", http.MethodGet)
		x.writeHead(http.StatusNoContent)
		return
	}
	x.w.Header()["Access-Control-Allow-Origin"] = anyOrigin
	s.probe(x, answer)
}

// sdk serves the JavaScript client. It is for any page: it is no secret, and
// without a token it can do nothing.
func (x *exchange) sdk(name string) bool {
	if name != "js" && name != "d.ts" && name != "tgz" {
		return false
	}
	x.server.open(x, func(x *exchange) { x.sendSDK(name) })
	return true
}

// sendSDK sends a file of the client. A module knows where it was loaded from,
// and by which scheme, better than a gateway behind a proxy does; a package does
// not, so that gets the address that it was asked at.
func (x *exchange) sendSDK(name string) {
	base := publicURL(x.cat.Gateways, x.r.Host)
	if name == "tgz" && base == "" {
		if !isHost(x.r.Host) {
			x.tell(tally.BadRequest("", fmt.Sprintf("%.100q is not the host of this gateway.", x.r.Host)))
			return
		}
		base = "http://" + x.r.Host
		if x.r.TLS != nil {
			base = "https://" + x.r.Host
		}
	}
	c, err := x.server.clients.of(base, x.server.SDK)
	if err != nil {
		x.server.Logger.Error("make the JavaScript client", "request", x.id, "err", err)
		x.tell(internalError())
		return
	}
	x.w.Header().Set("Cross-Origin-Resource-Policy", "cross-origin")
	x.file("webllm."+name, map[string][]byte{"js": c.module, "d.ts": c.types, "tgz": c.tarball}[name])
}

// mediaTypes are those of all files, by what follows the first dot of a name. The
// system's own table may say anything, and browsers are told not to guess.
var mediaTypes = map[string]string{
	"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8",
	"svg": "image/svg+xml", "d.ts": "text/plain; charset=utf-8", "tgz": "application/gzip",
}

// file serves a file, unless the browser has it already.
func (x *exchange) file(name string, content []byte) {
	sum := sha256.Sum256(content)
	_, extension, _ := strings.Cut(name, ".")
	h := x.w.Header()
	h.Set("Content-Type", mediaTypes[extension])
	h.Set("Etag", `"`+base64.RawURLEncoding.EncodeToString(sum[:12])+`"`)
	h.Set("X-Content-Type-Options", "nosniff")
	h["Cache-Control"] = noCache // ask again: it changes with the program and the settings
	x.started = true
	http.ServeContent(fileOut{x.w, x}, x.r, name, time.Time{}, bytes.NewReader(content))
}

// fileOut remembers the status of a file, which net/http chooses.
type fileOut struct {
	http.ResponseWriter
	x *exchange
}

func (o fileOut) WriteHeader(status int) {
	o.x.status = status
	o.ResponseWriter.WriteHeader(status)
}

// publicURL is the public URL that a client is given who asked at host: the one
// that leads to that host, else the only one there is, else "". All of them lead
// to this server, so of several at one host any will do.
func publicURL(gateways []*tally.Gateway, host string) (only string) {
	several := false
	for _, g := range gateways {
		if !g.Enabled || g.PublicURL == "" {
			continue
		}
		if u, err := url.Parse(g.PublicURL); err == nil && bareHost(u.Host, u.Scheme) == bareHost(host, u.Scheme) {
			return g.PublicURL
		}
		several = several || only != "" && only != g.PublicURL
		only = g.PublicURL
	}
	if several {
		return ""
	}
	return only
}

// bareHost is a host without the port that its scheme implies.
func bareHost(host, scheme string) string {
	port := ":80"
	if scheme == "https" {
		port = ":443"
	}
	return strings.TrimSuffix(strings.ToLower(host), port)
}

// isHost reports whether a Host header is a name or address with or without a
// port, and nothing else: it ends in a program.
func isHost(host string) bool {
	name := host
	if i := strings.LastIndexByte(host, ':'); i >= 0 && !strings.HasSuffix(host, "]") {
		name = host[:i]
		if port, err := strconv.ParseUint(host[i+1:], 10, 16); err != nil || port == 0 {
			return false
		}
	}
	if bracketed, ok := strings.CutPrefix(name, "["); ok {
		inside, ok := strings.CutSuffix(bracketed, "]")
		ip, err := netip.ParseAddr(inside)
		return ok && err == nil && ip.Is6() && ip.Zone() == ""
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(name, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' || strings.Trim(label, hostLetters) != "" {
			return false
		}
	}
	return len(name) <= 253
}

const hostLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// client is the JavaScript client of one address.
type client struct{ module, types, tarball []byte }

// mostClients is how many addresses' clients are kept: as a rule there is one.
const mostClients = 8

// sdkFiles keeps the JavaScript clients that were asked for.
type sdkFiles struct {
	mu sync.Mutex // guards the field that follows
	at map[string]client
}

func (c *sdkFiles) of(base string, build func(string) (module, types, tarball []byte, err error)) (client, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if made, ok := c.at[base]; ok {
		return made, nil
	}
	var made client
	var err error
	if made.module, made.types, made.tarball, err = build(base); err != nil {
		return client{}, err
	}
	if c.at == nil || len(c.at) >= mostClients {
		c.at = map[string]client{}
	}
	c.at[base] = made
	return made, nil
}
