package openai

import (
	"cmp"
	"encoding/json"
	"math"
	"slices"
	"strconv"

	"github.com/koinon/koinon/internal/engine/grammar"
	"github.com/koinon/koinon/internal/engine/grammar/schema"
	"github.com/koinon/koinon/internal/inference"
)

// shaping are fields of both endpoints that shape an answer: those of OpenAI's
// API, and those that other servers added under these names.
type shaping struct {
	MinP              *float64           `json:"min_p"`
	TypicalP          *float64           `json:"typical_p"`
	RepetitionPenalty *float64           `json:"repetition_penalty"`
	PresencePenalty   *float64           `json:"presence_penalty"`
	FrequencyPenalty  *float64           `json:"frequency_penalty"`
	PenaltyWindow     *int64             `json:"penalty_window"`
	LogitBias         map[string]float64 `json:"logit_bias"`
	ResponseFormat    *responseFormat    `json:"response_format"`
	Grammar           *string            `json:"grammar"`
}

type responseFormat struct {
	Type       string `json:"type"`
	JSONSchema *struct {
		Schema json.RawMessage `json:"schema"`
	} `json:"json_schema"`
}

// read checks the fields.
func (s *shaping) read() (inference.Shaping, error) {
	var out inference.Shaping
	for _, f := range []struct {
		name        string
		given       *float64
		least, most float64
		into        *float32
	}{
		{"min_p", s.MinP, 0, 1, &out.MinP},
		{"typical_p", s.TypicalP, 0, 1, &out.TypicalP},
		{"repetition_penalty", s.RepetitionPenalty, inference.MinRepetition, inference.MaxRepetition, &out.RepetitionPenalty},
		{"presence_penalty", s.PresencePenalty, -inference.MaxPenalty, inference.MaxPenalty, &out.PresencePenalty},
		{"frequency_penalty", s.FrequencyPenalty, -inference.MaxPenalty, inference.MaxPenalty, &out.FrequencyPenalty},
	} {
		if f.given == nil {
			continue
		}
		var err error
		if *f.into, err = number(f.name, *f.given, f.least, f.most); err != nil {
			return out, err
		}
	}
	// What changes nothing is not sent: providers may be older than the field.
	if out.TypicalP == 1 {
		out.TypicalP = 0
	}
	if out.RepetitionPenalty == 1 {
		out.RepetitionPenalty = 0
	}
	var err error
	if s.PenaltyWindow != nil {
		if out.PenaltyWindow, err = integer[uint32]("penalty_window", *s.PenaltyWindow, 0, inference.MaxPenaltyWindow); err != nil {
			return out, err
		}
	}
	if out.LogitBias, err = s.biases(); err != nil {
		return out, err
	}
	out.Grammar, err = s.grammar()
	return out, err
}

// biases are OpenAI's object of token ids to biases, as a list.
func (s *shaping) biases() ([]inference.TokenBias, error) {
	if len(s.LogitBias) > inference.MaxBiases {
		return nil, Invalid("logit_bias", "Invalid 'logit_bias': must have at most %d tokens.", inference.MaxBiases)
	}
	var list []inference.TokenBias
	for id, v := range s.LogitBias {
		token, err := strconv.ParseUint(id, 10, 31)
		if err != nil || strconv.FormatUint(token, 10) != id {
			return nil, Invalid("logit_bias", "Invalid 'logit_bias': its keys must be token ids from 0 to %d.", math.MaxInt32)
		}
		bias, err := number("logit_bias", v, -inference.MaxBias, inference.MaxBias)
		if err != nil {
			return nil, err
		}
		list = append(list, inference.TokenBias{Token: uint32(token), Bias: bias})
	}
	slices.SortFunc(list, func(a, b inference.TokenBias) int { return cmp.Compare(a.Token, b.Token) })
	return list, nil
}

// grammar is the grammar of the answer, given as such or as a format; empty for
// any text.
func (s *shaping) grammar() (string, error) {
	source := ""
	if s.Grammar != nil {
		source = *s.Grammar
	}
	if source != "" {
		if _, err := grammar.Parse(source); err != nil {
			return "", Invalid("grammar", "Invalid 'grammar': %v.", err)
		}
	}
	if s.ResponseFormat == nil || s.ResponseFormat.Type == "text" {
		return source, nil
	}
	if source != "" {
		return "", Invalid("grammar", "'grammar' and 'response_format' cannot both be given.")
	}
	switch s.ResponseFormat.Type {
	case "json_object":
		return grammar.JSON, nil
	case "json_schema":
		var given json.RawMessage
		if s.ResponseFormat.JSONSchema != nil {
			given = s.ResponseFormat.JSONSchema.Schema
		}
		return Schema("response_format.json_schema.schema", given)
	}
	return "", Invalid("response_format.type", "Invalid 'response_format.type': must be 'text', 'json_object' or 'json_schema'.")
}

// Schema is the grammar of the JSON that a JSON Schema describes. Errors are
// [*Error].
func Schema(param string, given json.RawMessage) (string, error) {
	if !Given(given) {
		return "", Invalid(param, "'%s' must be given.", param)
	}
	source, err := schema.Convert(given)
	if err != nil {
		return "", Invalid(param, "Invalid '%s': %v.", param, err)
	}
	return source, nil
}
