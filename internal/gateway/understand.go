package gateway

import (
	"context"

	"github.com/koinon/koinon/internal/openai"
)

// understand finds the version that a request is for, and its vocabulary, and
// has the request say what the version needs to be told. Errors are
// [*openai.Error], or [openai.ErrClient].
func (g *Gateway) understand(ctx context.Context, c openai.Completion) (*version, Vocabulary, openai.Completion, error) {
	v, lacking := g.directory.current.Load().pick(c.Model, c.Controls)
	switch {
	case v == nil:
		return nil, nil, c, openai.NotFound("model_not_found", "model",
			"The model '%s' does not exist. GET /v1/models lists those that do.", c.Model)
	case lacking != "":
		return nil, nil, c, openai.NotFound("no_provider_permitted", "provider."+lacking,
			"'provider.%s' permits no version of the model '%s': %s has the class '%s' and the quantization '%s'.", lacking, c.Model, v.label(), v.class, v.Quantization)
	}
	wait, cancel := context.WithTimeout(ctx, g.config.FirstToken)
	defer cancel()
	vocabulary, err := g.vocabularies.get(wait, v)
	if ctx.Err() != nil {
		return nil, nil, c, openai.ErrClient
	}
	if err != nil {
		g.log.Warn("no vocabulary", "model", v.label(), "digest", v.Digest, "error", err)
		return nil, nil, c, openai.Unavailable("no_provider", g.config.Probe,
			"The model '%s' has no provider that can be reached now. Please try again later.", c.Model)
	}
	for _, b := range c.Shaping.LogitBias {
		if _, ok := vocabulary.Piece(int32(b.Token)); !ok {
			return nil, nil, c, openai.Invalid("logit_bias", "Invalid 'logit_bias': the model '%s' has no token %d.", c.Model, b.Token)
		}
	}
	c, err = c.Taught(vocabulary.Tools())
	return v, vocabulary, c, err
}

// count is how many tokens a chat's prompt has.
func (g *Gateway) count(ctx context.Context, c openai.Completion) (uint64, error) {
	v, vocabulary, c, err := g.understand(ctx, c)
	if err != nil {
		return 0, err
	}
	tokens, err := vocabulary.Prompt(c.Request(v.digest, ""))
	if err != nil {
		return 0, openai.Invalid("messages", "The prompt cannot be put into the model's form: %v.", err)
	}
	return uint64(len(tokens)), nil
}
