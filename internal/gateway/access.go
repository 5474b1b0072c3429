package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/koinon/koinon/internal/anthropic"
	"github.com/koinon/koinon/internal/gateway/keys"
	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/internal/openai"
)

// apiKey is the key that a request carries, as OpenAI's or Anthropic's clients
// send it, or empty.
func apiKey(h http.Header) string {
	if scheme, text, _ := strings.Cut(h.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
		return strings.TrimSpace(text)
	}
	return anthropic.Key(h)
}

// authenticated calls a handler with the request's API key, if the key may ask now.
func (g *Gateway) authenticated(serve keyed) func(http.ResponseWriter, *http.Request) error {
	return func(w http.ResponseWriter, r *http.Request) error {
		text := apiKey(r.Header)
		if text == "" {
			if g.config.Public {
				return g.welcome(w, r, serve)
			}
			return openai.Unauthorized(false)
		}
		key, err := g.ring.Authenticate(r.Context(), text)
		if errors.Is(err, keys.ErrInvalid) {
			return openai.Unauthorized(true)
		}
		if err != nil {
			return err
		}
		if r.Method == http.MethodPost {
			if err := g.paced(w, key); err != nil {
				return err
			}
		}
		if !g.concurrency.enter(key.ID) {
			return openai.RateLimit(time.Second, "Rate limit reached: this API key has %d requests in flight, the most it may have.", g.config.MaxInFlight)
		}
		defer g.concurrency.leave(key.ID)
		return serve(w, r, key)
	}
}

// paced counts a request against its key's rate, and says in OpenAI's headers
// what is left of it.
func (g *Gateway) paced(w http.ResponseWriter, key store.Key) error {
	a := g.rates.Take(key, g.now())
	if !a.Limited {
		return nil
	}
	for name, value := range map[string]string{
		"limit": strconv.FormatUint(uint64(a.Limit), 10), "remaining": strconv.FormatUint(uint64(a.Remaining), 10),
		"reset": a.Reset.Round(time.Millisecond).String(),
	} {
		w.Header().Set("X-Ratelimit-"+name+"-Requests", value)
	}
	if a.OK {
		return nil
	}
	return openai.RateLimit(a.Retry, "Rate limit reached: this API key may ask %d times in %g s. Please try again in %s.",
		key.Rate, key.RatePer.Seconds(), a.Retry.Round(time.Millisecond))
}

// permitted refuses a key a model that is not among its own.
func permitted(key store.Key, v *version) error {
	if keys.Permits(key, v.Name, v.label(), v.Digest) {
		return nil
	}
	return openai.Forbidden("model_not_allowed", "model", "This API key may not ask the model '%s'. It may ask: %s.", v.label(), strings.Join(key.Models, ", "))
}

// overBudget is a key whose budget does not cover a request.
func (g *Gateway) overBudget(key store.Key, why error) error {
	period := ""
	if key.Period > 0 {
		next := key.Created.Add(time.Duration(key.WindowAt(g.now())+1) * key.Period)
		period = " The budget is there anew at " + next.UTC().Format(time.RFC3339) + "."
	}
	link := strings.NewReplacer("{key}", url.QueryEscape(key.ID), "{name}", url.QueryEscape(key.Name)).Replace(g.config.TopUp)
	remedy := fmt.Sprintf("Ask the gateway's operator to add to it (koinon keys top-up %s '$5'), or ask for fewer tokens.", key.ID)
	if link != "" {
		remedy = "Top up at " + link + ", or ask for fewer tokens."
	}
	text := why.Error()
	e := openai.Quota("%s.%s %s", strings.ToUpper(text[:1])+text[1:], period, remedy)
	e.TopUp = link
	return e
}

// concurrency counts each key's requests in flight.
type concurrency struct {
	most int
	mu   sync.Mutex
	keys map[string]int
}

func newConcurrency(most int) *concurrency { return &concurrency{most: most, keys: map[string]int{}} }

func (c *concurrency) enter(key string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys[key] >= c.most {
		return false
	}
	c.keys[key]++
	return true
}

func (c *concurrency) leave(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.keys[key]--; c.keys[key] == 0 {
		delete(c.keys, key)
	}
}
