package assets

import (
	"bytes"
	"io/fs"
	"regexp"
	"strings"
	"testing"
)

// The page is small, and nothing of it comes from elsewhere or would need a
// weaker policy than it is served with.
func TestPage(t *testing.T) {
	size := map[bool]int{} // of the page at /, and of that at /share
	files, err := fs.Glob(Page(), "*")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		content, err := fs.ReadFile(Page(), name)
		if err != nil {
			t.Fatal(err)
		}
		share := strings.HasPrefix(name, "share.")
		size[share] += len(content)
		for what, pattern := range map[string]string{
			"has something of elsewhere": `(?:src|href|action)=(?:"[a-z]+:|"/|[^"])|[: ]url\(|@import|^import .*from '[^./]`,
			"has a script inside":        `<script[^>]*>[^<]|<[^>]*\son[a-z]+=|javascript:`,
			"has a style inside":         `<style|<[^>]*\sstyle=`,
			"keeps or shows a token":     `localStorage|sessionStorage|indexedDB|\.cookie|history\.|location\.(?:hash|search|assign|replace)`,
			"writes HTML":                `innerHTML|outerHTML|insertAdjacentHTML|document\.write`,
		} {
			if share && name == "share.js" && what == "keeps or shows a token" {
				content = bytes.Replace(content, []byte("location.hash.slice(1)"), nil, 1) // which it reads, once
			}
			if found := regexp.MustCompile("(?m)" + pattern).Find(content); found != nil {
				t.Errorf("%s %s: %s", name, what, found)
			}
		}
	}
	for share, n := range size {
		if n >= 15_000 {
			t.Errorf("the page has %d bytes (of a link: %v), want less than 15 KB", n, share)
		}
	}
}
