package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// figure is where the book keeps one figure of the lists: in which row of its
// model, under which heading and name there.
type figure struct {
	tier    string
	offPeak bool
	above   int64 // tokens; of a long-prompt band
	heading heading
	name    string
}

// heading is the part of a row that a figure stands in.
type heading string

const (
	rates   heading = "rates" // of a class that is metered, per million tokens
	pieces  heading = "pieces"
	other   heading = "other" // per million tokens of a class that no usage report tells apart
	factors heading = "factors"
)

// classes are the rates that may stand in any row.
var classes = map[string]string{
	"input_cost_per_token":            "input",
	"cache_read_input_token_cost":     "cached_input",
	"cache_creation_input_token_cost": "cache_write",
	"input_cost_per_audio_token":      "audio_in",
	"input_cost_per_image_token":      "image_in",
	"output_cost_per_token":           "output",
	"output_cost_per_reasoning_token": "reasoning",
	"output_cost_per_audio_token":     "audio_out",
	"output_cost_per_image_token":     "image_out",
}

// apart are the figures that stand beside the rates of the plain row. Only
// search is metered: what a chat is billed for searching the web by a tool.
var apart = map[string]figure{
	"web_search_cost_per_call":              {heading: pieces, name: "search"},
	"google_search_cost_per_query":          {heading: pieces, name: "google_search"},
	"file_search_cost_per_call":             {heading: pieces, name: "file_search"},
	"search_context_cost_per_query_low":     {heading: pieces, name: "search_low"},
	"search_context_cost_per_query_medium":  {heading: pieces, name: "search_medium"},
	"search_context_cost_per_query_high":    {heading: pieces, name: "search_high"},
	"input_cost_per_query":                  {heading: pieces, name: "query"},
	"input_cost_per_character":              {heading: pieces, name: "character"},
	"input_cost_per_second":                 {heading: pieces, name: "second"},
	"input_cost_per_hour":                   {heading: pieces, name: "hour"},
	"ocr_cost_per_page":                     {heading: pieces, name: "page"},
	"annotation_cost_per_page":              {heading: pieces, name: "annotated_page"},
	"input_cost_per_image":                  {heading: pieces, name: "image_in"},
	"output_cost_per_image":                 {heading: pieces, name: "image"},
	"output_cost_per_image_1k":              {heading: pieces, name: "image_1k"},
	"output_cost_per_image_low_1k":          {heading: pieces, name: "image_low_1k"},
	"output_cost_per_image_low_2k":          {heading: pieces, name: "image_low_2k"},
	"output_cost_per_image_medium_1k":       {heading: pieces, name: "image_medium_1k"},
	"output_cost_per_image_medium_2k":       {heading: pieces, name: "image_medium_2k"},
	"cache_read_input_audio_token_cost":     {heading: other, name: "cached_audio_in"},
	"cache_read_input_image_token_cost":     {heading: other, name: "cached_image_in"},
	"input_cost_per_video_token":            {heading: other, name: "video_in"},
	"citation_cost_per_token":               {heading: other, name: "citation"},
	"inference_geo_us_multiplier":           {heading: factors, name: "inference_geo_us"},
	"regional_processing_uplift_multiplier": {heading: factors, name: "regional_processing"},
}

// endPattern finds what may follow the name of a class.
var endPattern = regexp.MustCompile(`^_(above_[0-9]+(k_tokens|hr)|batches|flex|priority|fast|off_peak|list_price)`)

// place finds where a figure stands by the name of its field.
func place(field string, aboveTokens string) (f figure, err error) {
	f, known := apart[field]
	if known {
		return f, nil
	}
	rest := ""
	for prefix, class := range classes {
		if after, ok := strings.CutPrefix(field, prefix); ok && (after == "" || after[0] == '_') {
			f.heading, f.name, rest = rates, class, after
		}
	}
	if f.name == "" {
		return f, fmt.Errorf("the field %q is not known", field)
	}
	for rest != "" {
		end := endPattern.FindString(rest)
		switch {
		case strings.HasSuffix(end, "k_tokens"):
			if f.above, err = strconv.ParseInt(aboveTokens, 10, 64); err != nil || f.above <= 0 {
				return f, fmt.Errorf("the field %q is of a band, and above_tokens is %q", field, aboveTokens)
			}
		case end == "_above_1hr" && f.name == "cache_write":
			f.name = "cache_write_long"
		case end == "_above_12hr" && f.name == "cache_write":
			f.heading, f.name = other, "cache_write_12h"
		case end == "_batches":
			f.tier = "batch"
		case end == "_flex", end == "_priority", end == "_fast":
			f.tier = end[1:]
		case end == "_off_peak":
			f.offPeak = true
		case end == "_list_price": // what it would cost without a promotion
			f.heading, f.name = other, "list_"+f.name
		default:
			return f, fmt.Errorf("the end %q of the field %q is not known", rest, field)
		}
		rest = rest[len(end):]
	}
	if f.above == 0 && aboveTokens != "" {
		return f, fmt.Errorf("the field %q is of no band, and above_tokens is %q", field, aboveTokens)
	}
	return f, nil
}

// The hours of the lists, and what they are as spans. Public holidays are not
// expressed: on them the peak price is counted, which is the dearer one.
const (
	offPeakWords = "all hours but Mon-Fri 01:00-04:00 and 06:00-10:00 UTC; Chinese public holidays are off-peak"
	offPeakSpans = "Mon-Fri 00:00-01:00, Mon-Fri 04:00-06:00, Mon-Fri 10:00-24:00, Sat-Sun 00:00-24:00"
)

// spans writes hours as the book does.
func (f *figure) spans(words string) (string, error) {
	switch {
	case !f.offPeak && words == "":
		return "", nil
	case f.offPeak && words == offPeakWords:
		return offPeakSpans, nil
	}
	return "", fmt.Errorf("the hours %q are not known", words)
}

// shift moves the point of a decimal number by some places, exactly.
func shift(s string, places int) string {
	whole, fraction, _ := strings.Cut(s, ".")
	for ; places < 0; places++ {
		if whole == "" {
			whole = "0"
		}
		whole, fraction = whole[:len(whole)-1], whole[len(whole)-1:]+fraction
	}
	for ; places > 0; places-- {
		if fraction == "" {
			fraction = "0"
		}
		whole, fraction = whole+fraction[:1], fraction[1:]
	}
	if whole = strings.TrimLeft(whole, "0"); whole == "" {
		whole = "0"
	}
	if fraction = strings.TrimRight(fraction, "0"); fraction == "" {
		return whole
	}
	return whole + "." + fraction
}
