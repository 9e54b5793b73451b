package assets

import (
	"io/fs"
	"regexp"
	"testing"
)

// The page is small, and nothing of it comes from elsewhere or would need a
// weaker policy than it is served with.
func TestPage(t *testing.T) {
	size := 0
	files, err := fs.Glob(Page(), "*")
	if err != nil || len(files) < 4 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		content, err := fs.ReadFile(Page(), name)
		if err != nil {
			t.Fatal(err)
		}
		size += len(content)
		for what, pattern := range map[string]string{
			"has something of elsewhere": `(?:src|href|action)=(?:"[a-z]+:|"/|[^"])|[: ]url\(|@import|^import .*from '[^./]`,
			"has a script inside":        `<script[^>]*>[^<]|<[^>]*\son[a-z]+=|javascript:`,
			"has a style inside":         `<style|<[^>]*\sstyle=`,
			"keeps or shows a token":     `localStorage|sessionStorage|indexedDB|\.cookie|history\.|location\.(?:hash|search|assign|replace)`,
			"writes HTML":                `innerHTML|outerHTML|insertAdjacentHTML|document\.write`,
		} {
			if found := regexp.MustCompile("(?m)" + pattern).Find(content); found != nil {
				t.Errorf("%s %s: %s", name, what, found)
			}
		}
	}
	if size >= 15_000 {
		t.Errorf("the page has %d bytes, want less than 15 KB", size)
	}
}
