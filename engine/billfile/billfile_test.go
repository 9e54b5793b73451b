package billfile

import (
	"fmt"
	"io"
	"strings"
	"testing"

	"tallygate/engine/control"
	"tallygate/engine/tally"
)

// openAI, anthropic and openRouter are exports as the consoles write them, with invented
// figures.
const (
	openAI = "start_time,end_time,start_time_iso,end_time_iso,amount_value,amount_currency,quantity,quantity_unit,line_item,user_id,api_key_id,project_id,organization_id,project_name,organization_name,user_email,api_source\n" +
		"1790467200,1790553600,2026-09-27T00:00:00+00:00,2026-09-28T00:00:00+00:00,,,,,,,,,,,,,\n" +
		"1790553600,1790640000,2026-09-28T00:00:00,2026-09-29T00:00:00,0.500000000000000000000000,usd,200000,tokens,\"gpt-4o-2024-08-06, input\",,key_1,proj_a,org-x,A,X,,\n" +
		"1790553600,1790640000,2026-09-28T00:00:00,2026-09-29T00:00:00,1.2E-05,usd,9600,tokens,\"gpt-4o-2024-08-06, cached input\",,key_1,proj_a,org-x,A,X,,\n" +
		"1790553600,1790640000,2026-09-28T00:00:00,2026-09-29T00:00:00,0.04,usd,1,images,\"gpt-image-2-2026-04-21 image, output\",,key_1,proj_a,org-x,A,X,,\n" +
		"1790553600,1790640000,2026-09-28T00:00:00,2026-09-29T00:00:00,0.01,usd,1,calls,web search tool calls,,key_1,proj_a,org-x,A,X,,\n"
	anthropic = "usage_date_utc,model,workspace,api_key,usage_type,context_window,token_type,cost_usd,list_price_usd,cost_type,inference_geo,speed\n" +
		"2026-09-28,Claude Haiku 4.5,Default,bot,message,≤ 200k,input_no_cache,0.05,0.06,token,global,\n" +
		"2026-09-28,Claude Haiku 4.5,Default,bot,message,≤ 200k,output,0.02,0.03,token,global,\n" +
		"2026-09-29,,Default,bot,message,,,0.10,0.10,web_search,global,\n"
	openRouter = "generation_id,created_at,cost_total,cost_web_search,tokens_prompt,model_permaslug,provider_name\n" +
		"gen-1,2026-09-28 23:59:59.713,0.0123,0,10389,deepseek/deepseek-v4.1-flash-20260910,Novita\n" +
		"gen-2,2026-09-29T00:00:00+02:00,0.0007,0,10,deepseek/deepseek-v4.1-flash-20260910,Novita\n" +
		"gen-1,2026-09-28 23:59:59.713,0.0123,0,10389,deepseek/deepseek-v4.1-flash-20260910,Novita\n"
	costsAPI = `{"object":"page","data":[{"object":"bucket","start_time":1790553600,"end_time":1790640000,"results":[
		{"object":"organization.costs.result","amount":{"value":"0.000004500000000000000000000000000000000","currency":"usd"},"line_item":"gpt-4o-mini-2024-07-18, input","project_id":"p"},
		{"object":"organization.costs.result","amount":{"value":0.06,"currency":"usd"},"line_item":null}]}],"has_more":true,"next_page":"x"}
		{"object":"page","data":[{"object":"bucket","start_time":1790640000,"end_time":1790726400,"results":[]}],"has_more":false}`
	costReport = `{"data":[{"starting_at":"2026-09-28T00:00:00Z","ending_at":"2026-09-29T00:00:00Z","results":[
		{"amount":"123.456","currency":"USD","model":"claude-opus-4-6","cost_type":"tokens","token_type":"output_tokens"},
		{"amount":"100","currency":"USD","model":null,"cost_type":"web_search","description":"Web Search Usage"}]}],"has_more":false,"next_page":null}`
	activity = `{"data":[{"date":"2026-09-28","model":"openai/gpt-4.1","model_permaslug":"openai/gpt-4.1-2025-04-14","usage":0.015,"byok_usage_inference":0.4,"requests":5}]}`
)

// told writes a bill in short.
func told(b *control.Bill) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s..%s unit %s", b.Format, b.First, b.Last, b.Unit)
	for i := range b.Lines {
		l := &b.Lines[i]
		fmt.Fprintf(&out, "\n%s %s|%s %s", l.Day, l.Model, l.Item, l.Cost)
		if l.List != nil {
			fmt.Fprintf(&out, " of %s", *l.List)
		}
	}
	return out.String()
}

// What consoles and APIs write is added up by day and model, to the nano-dollar.
func TestFormats(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"OpenAI": {openAI, "OpenAI costs 2026-09-27..2026-09-28 unit 0\n2026-09-28 |web search tool calls 0.01\n" +
			"2026-09-28 gpt-4o-2024-08-06| 0.500012\n2026-09-28 gpt-image-2-2026-04-21| 0.04"},
		"Anthropic": {anthropic, "Anthropic costs 2026-09-28..2026-09-29 unit 0.01\n2026-09-28 Claude Haiku 4.5| 0.07 of 0.09\n2026-09-29 |web_search 0.1 of 0.1"},
		"OpenRouter": {openRouter, "OpenRouter requests 2026-09-28..2026-09-28 unit 0.0001\n" +
			"2026-09-28 deepseek/deepseek-v4.1-flash-20260910| 0.013"},
		"OpenRouter by day": {"Date,Slug,Usage,BYOK Usage,Requests\n\"2026-05-12 00:00:00\",\"anthropic/claude-opus-4.7\",\"430.07\",\"9\",\"4115\"\n",
			"OpenRouter activity 2026-05-12..2026-05-12 unit 0.01\n2026-05-12 anthropic/claude-opus-4.7| 430.07"},
		"costs":       {costsAPI, "OpenAI costs 2026-09-28..2026-09-29 unit 0\n2026-09-28 | 0.06\n2026-09-28 gpt-4o-mini-2024-07-18| 0.0000045"},
		"cost_report": {costReport, "Anthropic costs 2026-09-28..2026-09-28 unit 0.00001\n2026-09-28 |web_search 1\n2026-09-28 claude-opus-4-6| 1.23456"},
		"activity":    {activity, "OpenRouter activity 2026-09-28..2026-09-28 unit 0.001\n2026-09-28 openai/gpt-4.1| 0.015"},
		"a table of one's own, with all that spreadsheets do": {
			"\ufeffDay;Model;Cost\r\n\r\n2026-09-28;a;1,50\r\n2026-09-28;a;1,50\r\n2026-09-28;\"b;c\";-0,25\r\n;;\r\nTotal;;2,75\r\n",
			"a table 2026-09-28..2026-09-28 unit 0.01\n2026-09-28 a| 3\n2026-09-28 b;c| -0.25"},
		"thousands, and what is finer than a nano-dollar": {
			"day,model,cost\n2026-09-28,a,\"$1,234.5\"\n2026-09-28,a,0.0000000004\n2026-09-28,a,0.0000000004\n",
			"a table 2026-09-28..2026-09-28 unit 0\n2026-09-28 a| 1234.500000001"},
	} {
		b, err := Read(strings.NewReader(c.text))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		} else if got := told(b); got != c.want {
			t.Errorf("%s:\n%s\nwant\n%s", name, got, c.want)
		}
	}
	b, err := Read(strings.NewReader(openRouter))
	if err != nil || b.Twice != 1 || b.Rows != 2 {
		t.Errorf("a request that stands there twice: %+v, %v", b, err)
	}
	if b, err = Read(strings.NewReader(openAI + openAI[strings.Index(openAI, "\n")+1:])); err != nil || b.Twice != 4 || b.Rows != 4 {
		t.Errorf("an export appended to itself: %+v, %v", b, err)
	}
	for name, text := range map[string]string{"costs": costsAPI, "cost_report": costReport, "activity": activity} {
		once, _ := Read(strings.NewReader(text))
		if b, err = Read(strings.NewReader(text + "\n" + text)); err != nil || told(b) != told(once) || b.Twice != once.Rows {
			t.Errorf("%s, asked for twice: %+v, %v", name, b, err)
		}
	}
}

// What cannot be read says where, why, and what to do; nothing is left out in silence.
func TestRefused(t *testing.T) {
	table := func(rows string) string { return "day,model,cost\n" + rows }
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"nothing":           {" \n", []string{"empty"}},
		"another file":      {"name,age\nx,1\n", []string{"name,age", "usage_date_utc", "day, model, cost"}},
		"a column too few":  {"usage_date_utc,model\n2026-09-28,x\n", []string{"cost_usd"}},
		"a picture":         {"\x89PNG\x00\x01", []string{"UTF-8"}},
		"usage":             {"start_time,model,num_model_requests,input_tokens\n1,x,2,3\n", []string{"counts tokens", "costs"}},
		"no rows":           {table(""), []string{"no row"}},
		"no day":            {table("2026-09-28,a,1\nyesterday,a,1\n"), []string{"line 3", "yesterday"}},
		"no amount":         {table("2026-09-28,a,one\n"), []string{"line 2", "one"}},
		"no amount at all":  {table("2026-09-28,a,\n"), []string{"line 2"}},
		"two signs":         {table("2026-09-28,a,--1\n"), []string{"line 2"}},
		"signs, exponent":   {table("2026-09-28,a,+-5e3\n"), []string{"line 2"}},
		"a row cut off":     {openAI + "1790640000,1790726400,2026-09-29T00:00:00", []string{"line 7", "fewer cells", "cut off"}},
		"a strange comma":   {table("2026-09-28,a,\"1,5\"\n"), []string{"line 2"}},
		"too much":          {table("2026-09-28,a,1e30\n"), []string{"line 2"}},
		"euros":             {strings.Replace(openAI, "usd", "eur", 1), []string{"line 3", "EUR", "US dollars"}},
		"euro signs":        {table("2026-09-28,a,€1\n"), []string{"line 2", "US dollars"}},
		"a month in a row":  {"start_time,end_time,amount_value,amount_currency,line_item\n1790553600,1793145600,1,usd,x\n", []string{"line 2", "more than a day"}},
		"an open quote":     {table("2026-09-28,\"a,1\n" + strings.Repeat("x,y\n", 600_000)), []string{"quote"}},
		"half of its pages": {costsAPI[:strings.LastIndex(costsAPI, "{\"object\":\"page\"")], []string{"another page"}},
		"usage in JSON":     {strings.ReplaceAll(costsAPI, `"amount"`, `"tokens"`), []string{"no amount", "usage"}},
		"other JSON":        {`{"models":[]}`, []string{"none of a bill"}},
		"broken JSON":       {`{"data":[`, []string{"none of a bill"}},
	} {
		b, err := Read(strings.NewReader(c.text))
		e := tally.AsError(err)
		if err == nil {
			t.Errorf("%s: read as %s", name, told(b))
			continue
		}
		for _, word := range c.want {
			if !strings.Contains(e.Message+" "+e.Hint, word) {
				t.Errorf("%s: %q (%q) does not say %q", name, e.Message, e.Hint, word)
			}
		}
		if e.Code != tally.Invalid || e.Hint == "" {
			t.Errorf("%s: %s, %q without a next step", name, e.Code, e.Message)
		}
	}
}

// days repeats one day of an export for n bytes.
type days struct {
	n    int // bytes
	row  int
	rest string
}

func (d *days) Read(p []byte) (n int, err error) {
	for n < len(p) && d.n > 0 {
		if d.rest == "" {
			d.row++
			d.rest = fmt.Sprintf("gen-%d,2026-09-%02d 10:00:00,0.000000001,model-%d\n", d.row, 1+d.row%30, d.row%7)
		}
		k := copy(p[n:], d.rest)
		d.rest, n, d.n = d.rest[k:], n+k, d.n-k
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// Of a large export only the sums are kept, and it is read to its end.
func TestLarge(t *testing.T) {
	size := 20 << 20
	if testing.Short() {
		size = 2 << 20
	}
	head := "generation_id,created_at,cost_total,model_permaslug\n"
	b, err := Read(io.MultiReader(strings.NewReader(head), &days{n: size}, strings.NewReader("9,2026-09-30 10:00:00,1,model-1\n")))
	if err != nil {
		t.Fatal(err)
	}
	if len(b.Lines) != 210 || b.Rows < int64(size/60) {
		t.Errorf("%d lines of %d rows", len(b.Lines), b.Rows)
	}
}

// No text makes the reader fail, and what it reads is a bill: days in order, no more money
// than can be counted.
func FuzzRead(f *testing.F) {
	for _, text := range []string{openAI, anthropic, openRouter, costsAPI, costReport, activity, "day,model,cost\n2026-09-28,a,-1.2E-05\n"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, err := Read(strings.NewReader(text))
		if err != nil {
			if e := tally.AsError(err); e.Code != tally.Invalid || e.Hint == "" {
				t.Fatalf("%q: %v has no next step", text, err)
			}
			return
		}
		if b.First == "" || b.Last < b.First {
			t.Fatalf("%q: from %q to %q", text, b.First, b.Last)
		}
		for i := range b.Lines {
			l := &b.Lines[i]
			if l.Day < b.First || l.Day > b.Last || l.Cost > tally.MaxMoney || l.Cost < -tally.MaxMoney || l.Rows < 1 || tally.Unprintable(l.Model+l.Item) {
				t.Fatalf("%q: line %+v", text, l)
			}
		}
	})
}
