package providers

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"tallygate/engine/tally"
)

// TestContent: what a part of a message counts for, in the spellings of all that
// are known, and of some that nobody has invented yet.
func TestContent(t *testing.T) {
	const picture = "data:image/png;base64,iVBORw0KGgo="
	for part, want := range map[string]Content{
		`"just text"`:                                {},
		`{"type":"text","text":"hi"}`:                {},
		`{"text":"hi"}`:                              {},
		`{"type":"input_text","text":"https://x/y"}`: {},
		`{"type":"text","text":"hi","cache_control":{"type":"ephemeral"}}`:                                                {},
		`{"type":"text","text":"hi","cache_control":{"type":"ephemeral","ttl":"5m"}}`:                                     {},
		`{"type":"text","text":"hi","cache_control":{"type":"ephemeral","ttl":"1h"}}`:                                     {LongCache: true},
		`{"type":"image_url","image_url":{"url":"` + picture + `","detail":"low"}}`:                                       {Images: 1, ImageBytes: int64(len(picture) + 2)},
		`{"type":"image_url","image_url":"` + picture + `"}`:                                                              {Images: 1, ImageBytes: int64(len(picture) + 2)},
		`{"type":"input_image","image_url":"` + picture + `"}`:                                                            {Images: 1, ImageBytes: int64(len(picture) + 2)},
		`{"type":"image","source":{"type":"base64","media_type":"image/png","data":"iVBORw0KGgo="}}`:                      {Images: 1, ImageBytes: 14},
		`{"type":"input_audio","input_audio":{"data":"UklGRiQAAABXQVZFZm10IBAAAAABAAEAgD4AAAB9AAACABAA","format":"wav"}}`: {Audio: true, AudioBytes: 50},
		`{"type":"input_audio","input_audio":{"data":"data:audio/mpeg;base64,//uQxAAA","format":"wav"}}`:                  {Audio: true, AudioBytes: 33},

		`{"type":"input_audio","input_audio":{"data":"UklGRiQAAABXQVZFZm10IBAAAAABAAEAAQAAAAIAAAACABAA","format":"wav"}}`: {Audio: true, AudioBytes: 50, Unbounded: "input_audio"},
		`{"type":"input_audio","input_audio":{"data":"ZkxhQwAAACI=","format":"flac"}}`:                                    {Audio: true, AudioBytes: 14, Unbounded: "input_audio"},

		`{"type":"image_url","image_url":{"url":"https://x/a.png"}}`:                                    {Unbounded: "image_url"},
		`{"type":"image_url","image_url":{"url":"data:application/pdf;base64,AAAA"}}`:                   {Unbounded: "image_url"},
		`{"type":"image_url","image_url":{"url":"` + picture + `","url":"https://x/a.png"}}`:            {Unbounded: "image_url"},
		`{"type":"image_url","image_url":{"url":"` + picture + `"},"image_url":"https://x"}`:            {Unbounded: "image_url"},
		`{"type":"image_url","image_url":{"url":"` + picture + `"},"type":"file"}`:                      {Unbounded: "file"},
		`{"type":"image_url","image_url":{"url":"` + picture + `"},"video":"https://x"}`:                {Unbounded: "image_url"},
		`{"type":"text","text":"hi","file_id":"f"}`:                                                     {Unbounded: "text"},
		`{"type":"text","text":{"url":"https://x"}}`:                                                    {Unbounded: "text"},
		`{"type":"Text","text":"hi"}`:                                                                   {Unbounded: "something"},
		`{"type":"te\u0078t","text":"hi"}`:                                                              {Unbounded: "something"},
		`{"Type":"text","text":"hi"}`:                                                                   {Unbounded: "something"},
		`{"type":"document_url","document_url":"https://x/a.pdf"}`:                                      {Unbounded: "document_url"},
		`{"type":"video","video":["https://x/1.jpg","https://x/2.jpg"]}`:                                {Unbounded: "video"},
		`{"type":"video_url","video_url":{"url":"` + picture + `"}}`:                                    {Unbounded: "video_url"},
		`{"type":"input_audio","input_audio":{"data":"https://x/a.mp3","format":"mp3"}}`:                {Unbounded: "input_audio"},
		`{"type":"input_audio","input_audio":"https://x/a.mp3"}`:                                        {Unbounded: "input_audio"},
		`{"type":"image","image":"https://x/a.png"}`:                                                    {Unbounded: "image"},
		`{"type":"image","source":{"type":"url","url":"https://x/a.png"}}`:                              {Unbounded: "image"},
		`{"type":"image","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"}}`:      {Unbounded: "image"},
		`{"type":"image","source":{"type":"file","data":"file-1"}}`:                                     {Unbounded: "image"},
		`{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"}}`:   {Unbounded: "document"},
		`{"type":"file","file":{"file_id":"f1"}}`:                                                       {Unbounded: "file"},
		`{"type":"file","file":{"file_data":"data:application/pdf;base64,AAAA"}}`:                       {Unbounded: "file"},
		`{"type":"hologram","hologram":"h1"}`:                                                           {Unbounded: "hologram"},
		`{"hologram":"h1"}`:                                                                             {Unbounded: "hologram"},
		`[{"type":"text","text":"hi"}]`:                                                                 {Unbounded: "something"},
		`{"type":"tool_result","content":[{"type":"image","source":{"type":"url","url":"https://x"}}]}`: {Unbounded: "tool_result"},
	} {
		if want.Unbounded != "" {
			want.Unbounded += " in messages"
		}
		body := `{"messages":[{"role":"user","content":[` + part + `]}]}`
		e, err := Peek([]byte(body))
		if err != nil {
			t.Errorf("%s: %v", part, err)
		} else if e.Content != want {
			t.Errorf("%s:\n got %+v\nwant %+v", part, e.Content, want)
		}
	}
	// Two pictures are two.
	e, err := Peek([]byte(strings.ReplaceAll(`{"messages":[{"content":[P,P]}]}`, "P", `{"type":"image_url","image_url":{"url":"`+picture+`"}}`)))
	if err != nil || e.Content.Images != 2 {
		t.Errorf("%+v, %v", e.Content, err)
	}
}

// TestContentElsewhere: fields of messages and of the request that bring in more
// than they say.
func TestContentElsewhere(t *testing.T) {
	for body, want := range map[string]string{
		`{"messages":[{"role":"assistant","audio":{"id":"a1"}}]}`:                                      "audio in messages",
		`{"messages":[{"role":"assistant","audio":null,"refusal":null,"prefix":true}]}`:                "",
		`{"messages":[{"role":"assistant","content":null,"tool_calls":[{"function":{"file_id":1}}]}]}`: "",
		`{"messages":[{"role":"user","images":["https://x"],"content":"hi"}]}`:                         "images in messages",
		`{"messages":[{"role":"user","content":{"url":"https://x"}}]}`:                                 "content in messages",
		`{"messages":[{"role":"system","content":"hi","output_config":{"effort":"medium"}}]}`:          "",
		`{"messages":{"0":{"content":"hi"}}}`:                                                          "something in messages",
		`{"conversation":"c"}`:                                                                         "conversation in the request",
		`{"previous_response_id":"r"}`:                                                                 "previous_response_id in the request",
		`{"previous_response_i\u0064":"r"}`:                                                            "previous_response_id in the request",
		`{"Dossier_ID":"d"}`:                                                                           "dossier_id in the request",
		`{"system":[{"type":"text","text":"hi"}]}`:                                                     "",
		`{"system":[{"type":"document","source":{"type":"url","url":"https://x/a.pdf"}}]}`:             "document in the request",
		`{"instructions":[{"type":"input_file","url":"https://x/a.pdf"}]}`:                             "input_file in the request",
		`{"documents":[{"url":"https://x/a.pdf"}]}`:                                                    "url in the request",
		`{"messages":[[{"role":"user","content":[{"type":"video","video":"https://x"}]}]]}`:            "something in messages",
		`{"input":[[{"image":"https://x"}]]}`:                                                          "something in the input",
		`{"previous_response_id":null}`:                                                                "",
		`{"dossier_id":"d"}`:                                                                           "dossier_id in the request",
		`{"user_id":"u","session_id":"s"}`:                                                             "",
		`{"x_do":{"text":"hi"}}`:                                                                       "",
		`{"x_more":"https://x"}`:                                                                       "x_more in the request",
		`{"x_more":["https:\/\/x"]}`:                                                                   "x_more in the request",
		`{"x_more":"\u0068ttps\u003a//x"}`:                                                             "x_more in the request",
		`{"x_more":{"image_url":"https://x"}}`:                                                         "x_more in the request",
		`{"tools":[{"type":"function","function":{"parameters":{"properties":{"image_url":{}}}}}]}`:    "",
		`{"response_format":{"json_schema":{"schema":{"properties":{"file_id":{"type":"string"}}}}}}`:  "",
		`{"input":["a","b"]}`:                                                                          "",
		`{"input":[{"image":"https://x"}]}`:                                                            "something in the input",
		`{"prompt":{"id":"pmpt_1"}}`:                                                                   "something in the input",
	} {
		e, err := Peek([]byte(body))
		if err != nil || e.Content.Unbounded != want {
			t.Errorf("%s: %q, %v; want %q", body, e.Content.Unbounded, err, want)
		}
	}
}

// TestExtras: what costs beside tokens, and what bounds it.
func TestExtras(t *testing.T) {
	for body, want := range map[string]string{
		`{"web_search_options":{}}`:                                                                 "web_search_options search×1 fetches",
		`{"web_search_options":null}`:                                                               "",
		`{"search_parameters":{"mode":"on"}}`:                                                       "search_parameters search×5 set fetches",
		`{"search_parameters":{"mode":"on","max_search_results":50}}`:                               "search_parameters search×50 set fetches",
		`{"search_parameters":{"mode":"off"}}`:                                                      "",
		`{"search_parameters":{"mode":"off","\u006dode":"on"}}`:                                     "search_parameters unbounded fetches",
		`{"search_parameters":{"mode":"off","Mode":"on"}}`:                                          "search_parameters unbounded fetches",
		`{"search_parameters":{"mode":"on","mode":"off"}}`:                                          "search_parameters search×5 set fetches",
		`{"provide\u0072":{"order":["x"]}}`:                                                         "provider unbounded fetches",
		`{"mcp_server\u0073":[{"url":"https://x"}]}`:                                                "mcp_servers unbounded fetches",
		`{"web_se\u0061rch_options":{}}`:                                                            "web_search_options search×1 fetches",
		`{"system":[{"type":"text","text":"a","cache_control":{"ttl":"1h"}}]}`:                      "cache_control with a ttl cache_write_long",
		`{"search_parameters":{"max_search_results":"many"}}`:                                       "search_parameters unbounded fetches",
		`{"plugins":[{"id":"web","max_results":10}]}`:                                               "plugins with web search×10 set fetches",
		`{"plugins":[{"id":"file-parser"}]}`:                                                        "plugins unbounded fetches",
		`{"plugins":[]}`:                                                                            "",
		`{"plugins":"web"}`:                                                                         "plugins unbounded fetches",
		`{"tools":[{"type":"function","function":{"name":"f"}},{"type":"custom"}]}`:                 "",
		`{"tools":[{"name":"f","input_schema":{}}]}`:                                                "",
		`{"tools":null}`:                                                                            "",
		`{"tools":[{"type":"web_search"}]}`:                                                         "tools of type web_search search×5 set fetches",
		`{"tools":[{"type":"web_search_preview_2025_03_11"}],"max_tool_calls":2}`:                   "tools of type web_search_preview_2025_03_11 search×2 set fetches",
		`{"tools":[{"type":"web_search_20250305","name":"w","max_uses":50}]}`:                       "tools of type web_search_20250305 search×50 set fetches",
		`{"tools":[{"type":"web_search_20250305","max_uses":1,"max_uses":90}]}`:                     "tools of type web_search_20250305 unbounded fetches",
		`{"tools":[{"type":"live_search"}]}`:                                                        "tools of type live_search unbounded fetches",
		`{"tools":[{"type":"openrouter:web_search"}]}`:                                              "tools of type openrouter:web_search unbounded fetches",
		`{"tools":[{"google_search":{}}]}`:                                                          "tools of an unknown type unbounded fetches",
		`{"tools":[{"type":"function","type":"live_search"}]}`:                                      "tools of an unknown type unbounded fetches",
		`{"tools":[{"type":"function","Type":"live_search"}]}`:                                      "tools of an unknown type unbounded fetches",
		`{"provider":{"sort":"throughput"}}`:                                                        "provider unbounded fetches",
		`{"speed":"fast"}`:                                                                          "",
		`{"speed":"warp"}`:                                                                          "speed unbounded",
		`{"modalities":["text"]}`:                                                                   "",
		`{"modalities":["text","audio"]}`:                                                           "modalities with audio audio_out",
		`{"modalities":["image","text"]}`:                                                           "modalities with image image_out",
		`{"cache_control":{"type":"ephemeral","ttl":"1h"}}`:                                         "cache_control with a ttl cache_write_long",
		`{"tools":[{"type":"function","cache_control":{"ttl":"1h"}}]}`:                              "cache_control with a ttl cache_write_long",
		`{"web_search":true}`:                                                                       "web_search unbounded fetches",
		`{"tools":[{"type":"function","function":{"name":"f","cache_control":{"ttl":"1h"}}}]}`:      "cache_control with a ttl cache_write_long",
		`{"tools":[{"type":"function","function":{"name":"f","cache_contro\u006c":{"ttl":"1h"}}}]}`: "cache_control with a ttl cache_write_long",
		`{"tools":[{"type":"function","function":{"name":"f","cache_control":{"ttl":"5m"},"parameters":{"properties":{"cache_control":{"ttl":"1h"}}}}}]}`: "",
		`{"messages":[{"role":"assistant","tool_calls":[{"id":"1","cache_control":{"ttl":"1h"}}]}]}`:                                                      "cache_control with a ttl cache_write_long",
		`{"messages":[{"role":"assistant","tool_calls":[{"id":"1","function":{"cache_control":{"ttl":"1h"}}}]}]}`:                                         "cache_control with a ttl cache_write_long",
		`{"messages":[{"role":"assistant","tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]}]}`:                        "",
		`{"tools":[{"type":"function","name":"f","google_search":{}}]}`:                                                                                   "tools of an unknown type unbounded fetches",
		`{"tools":[{"name":"f","google_search":{}}]}`:                                                                                                     "tools of an unknown type unbounded fetches",
		`{"tools":[{"type":"function","function":{"name":"f"},"code_execution":null,"strict":true,"description":"d"}]}`:                                   "",
		`{"web_search":false}`:     "",
		`{"turbo_search_depth":3}`: "turbo_search_depth unbounded fetches",
		`{"tools":[` + strings.Repeat(`{"type":"web_search_20250305"},`, 9) + `{"type":"function"}]}`: strings.TrimSuffix(strings.Repeat("tools of type web_search_20250305 search×5 set fetches, ", 7), ", ") + ", tools of type web_search_20250305 unbounded fetches",
	} {
		e, err := Peek([]byte(body))
		if err != nil {
			t.Errorf("%s: %v", body, err)
			continue
		}
		var got []string
		for _, x := range e.Extras {
			s := x.Field
			switch {
			case x.Classed:
				s += " " + x.Class.String()
			case x.Count < 0 || x.Piece == "":
				s += " unbounded"
			default:
				s += fmt.Sprintf(" %s×%d", x.Piece, x.Count)
			}
			if x.Settable && x.Piece != "" {
				s += " set"
			}
			if x.Fetches {
				s += " fetches"
			}
			got = append(got, s)
		}
		if strings.Join(got, ", ") != want {
			t.Errorf("%s:\n got %q\nwant %q", body, strings.Join(got, ", "), want)
		}
	}
	if e, err := Peek([]byte(`{"speed":"fast","service_tier":"priority","thinking":{"budget_tokens":2000},"reasoning":{"max_tokens":900},"prediction":{"type":"content","content":"abc"},"zz":1}`)); err != nil ||
		e.Tier != tally.TierFast || e.Thinking != 2000 || e.Predicted != 34 || e.Unknown != "zz" {
		t.Errorf("%+v, %v", e, err)
	}
}

// TestBoundExtras: the bound that was held is what the upstream reads.
func TestBoundExtras(t *testing.T) {
	for body, want := range map[string]string{
		`{"plugins":[{"id":"web"}]}`:                                                `{"plugins":[{"max_results":5,"id":"web"}]}`,
		`{"plugins":[{"id":"web","max_results":null}]}`:                             `{"plugins":[{"id":"web","max_results":5}]}`,
		`{"search_parameters":{}}`:                                                  `{"search_parameters":{"max_search_results":5}}`,
		`{"tools":[{"type":"web_search_20250305","max_uses":7}]}`:                   `{"tools":[{"type":"web_search_20250305","max_uses":7}]}`,
		`{"tools":[{"type":"web_search"},{"type":"web_search_preview"}]}`:           `{"max_tool_calls":5,"tools":[{"type":"web_search"},{"type":"web_search_preview"}]}`,
		`{"tools":[{"type":"web_search"}],"max_tool_calls":null}`:                   `{"tools":[{"type":"web_search"}],"max_tool_calls":5}`,
		`{"tools":[{"type":"live_search"}]}`:                                        `{"tools":[{"type":"live_search"}]}`,
		`{"tools":[{"type":"web_search_20250305"},{"type":"web_search_20250305"}]}`: `{"tools":[{"max_uses":5,"type":"web_search_20250305"},{"max_uses":5,"type":"web_search_20250305"}]}`,
	} {
		e, err := Peek([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		got := e.Rewrite(nil, Edits{BoundExtras: true})
		if string(got) != want || !json.Valid(got) {
			t.Errorf("%s:\n got %s\nwant %s", body, got, want)
		}
		if plain := e.Rewrite(nil, Edits{}); string(plain) != body {
			t.Errorf("%s became %s unasked", body, plain)
		}
	}
}
