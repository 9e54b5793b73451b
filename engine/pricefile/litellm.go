package pricefile

import (
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"tallygate/engine/tally"
)

// liteClasses are how LiteLLM calls classes: USD per token.
var liteClasses = map[string]tally.Class{
	"input_cost_per_token": tally.ClassInput, "cache_read_input_token_cost": tally.ClassCachedInput, "cache_creation_input_token_cost": tally.ClassCacheWrite,
	"input_cost_per_audio_token": tally.ClassAudioInput, "input_cost_per_image_token": tally.ClassImageInput, "output_cost_per_token": tally.ClassOutput,
	"output_cost_per_reasoning_token": tally.ClassReasoning, "output_cost_per_audio_token": tally.ClassAudioOutput, "output_cost_per_image_token": tally.ClassImageOutput,
}

// litePieces are how it calls pieces: USD each.
var litePieces = map[string]tally.Piece{
	"output_cost_per_image": tally.Image, "input_cost_per_character": tally.Character, "input_cost_per_query": tally.Query, "input_cost_per_second": tally.SoundSecond,
}

// liteTiers are the ends of its names that say a tier.
var liteTiers = map[string]tally.Tier{"batches": tally.TierBatch, "flex": tally.TierFlex, "priority": tally.TierPriority, "fast": tally.TierFast}

// readLiteLLM reads LiteLLM's list of models.
func readLiteLLM(list []member) *List {
	out := &List{Format: LiteLLM}
	for _, m := range list {
		if m.name == "sample_spec" || m.name == "fallback_generalizations" {
			continue // no models
		}
		fields, twice, ok := unique(m.raw)
		e := Entry{Provider: word(fields["litellm_provider"]), Model: m.name}
		if e.Provider != "" {
			e.Model = strings.TrimPrefix(e.Model, e.Provider+"/")
		}
		switch {
		case !ok:
			e.Problem = "it is no object"
		case twice != "":
			e.Problem = "it says " + twice + " twice"
		default:
			var unknown []string
			if e.Prices, unknown, e.Problem = litePrices(fields); len(e.Prices) == 0 && e.Problem == "" {
				continue // its price is of a kind that nobody here charges
			}
			out.Unknown = append(out.Unknown, unknown...)
		}
		out.Entries = append(out.Entries, e)
	}
	return out
}

// liteKey is what a row of LiteLLM's is of.
type liteKey struct {
	tier  tally.Tier
	above int64
}

func litePrices(fields map[string]json.RawMessage) (rows []tally.Price, unknown []string, problem string) {
	at := map[liteKey]*tally.Price{}
	row := func(of liteKey) *tally.Price {
		if at[of] == nil {
			at[of] = &tally.Price{Tier: of.tier, AboveTokens: of.above}
		}
		return at[of]
	}
	for name, raw := range fields {
		if !strings.Contains(name, "cost") {
			continue
		}
		if name == "search_context_cost_per_query" {
			if each, wrong := liteSearch(raw); wrong != "" {
				problem = "its price of " + name + " " + wrong
			} else if each > 0 {
				piece(row(liteKey{}), tally.Search, each)
			}
			continue
		}
		text, told := figure(raw)
		stem, of, known := liteName(name)
		class, isClass := liteClasses[stem]
		if long, is := strings.CutSuffix(stem, "_above_1hr"); is && long == "cache_creation_input_token_cost" {
			class, isClass = tally.ClassCacheWriteLong, true
		}
		what, isPiece := litePieces[stem]
		places := perToken
		if isPiece || stem == "input_cost_per_request" {
			places = perPiece
		}
		switch {
		case !told:
			continue
		case !known || !isClass && !isPiece && stem != "input_cost_per_request":
			if n, wrong := money(text, perPiece); wrong != "" || n > 0 {
				unknown = append(unknown, name)
			}
			continue
		}
		n, wrong := money(text, places)
		switch {
		case wrong != "":
			problem = "its price of " + name + " " + wrong
		case isClass:
			*row(of).Rate(class) = &n
		case isPiece && n > 0:
			piece(row(of), what, n)
		case !isPiece:
			row(of).Request = n
		}
	}
	if problem != "" || len(at) == 0 {
		return nil, unknown, problem
	}
	base := at[liteKey{}]
	if base == nil {
		return nil, unknown, "it has no plain price, only one of a tier or of long prompts"
	}
	mode := word(fields["mode"])
	switch {
	case base.Input != nil && base.Output == nil && (mode == "" || slices.Contains([]string{"chat", "completion", "responses"}, mode)):
		return nil, unknown, "it names no price of output"
	case !base.Priced() && base.Request == 0 && len(base.Pieces) == 0 && len(at) == 1:
		return nil, unknown, ""
	}
	for _, p := range at {
		rows = append(rows, *p)
	}
	tally.Order(rows, func(a, b tally.Price) int {
		if c := strings.Compare(string(a.Tier), string(b.Tier)); c != 0 {
			return c
		}
		return int(min(max(a.AboveTokens-b.AboveTokens, -1), 1))
	})
	return rows, unknown, ""
}

// liteName takes the ends off a name that say of which tier and band it is.
func liteName(name string) (stem string, of liteKey, ok bool) {
	for {
		i := strings.LastIndexByte(name, '_')
		if i < 0 {
			return name, of, true
		}
		if tier, is := liteTiers[name[i+1:]]; is && of.tier == "" {
			of.tier, name = tier, name[:i]
			continue
		}
		long, is := strings.CutSuffix(name, "k_tokens")
		if !is {
			return name, of, true
		}
		at := strings.LastIndex(long, "_above_")
		if at < 0 || of.above != 0 {
			return name, of, false
		}
		n, err := strconv.ParseInt(long[at+len("_above_"):], 10, 32)
		if err != nil || n <= 0 {
			return name, of, false
		}
		of.above, name = n*1000, long[:at]
	}
}

// liteSearch is the dearest of the prices of a search, which go by how much it brings in.
func liteSearch(raw json.RawMessage) (most tally.NanoUSD, problem string) {
	sizes, _, _ := unique(raw)
	for _, raw := range sizes {
		if text, told := figure(raw); told {
			n, problem := money(text, perPiece)
			if problem != "" {
				return 0, problem
			}
			most = max(most, n)
		}
	}
	return most, ""
}

// piece puts the price of a piece into a row.
func piece(p *tally.Price, name tally.Piece, each tally.NanoUSD) {
	if p.Pieces == nil {
		p.Pieces = map[tally.Piece]tally.NanoUSD{}
	}
	p.Pieces[name] = each
}
