package devnet_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// recorded has every span that ends from now on kept in memory.
func recorded(t *testing.T) *tracetest.InMemoryExporter {
	before, spans := otel.GetTracerProvider(), tracetest.NewInMemoryExporter()
	otel.SetTracerProvider(sdk.NewTracerProvider(sdk.WithSyncer(spans)))
	t.Cleanup(func() { otel.SetTracerProvider(before) })
	return spans
}

// oneTrace waits until an answer's spans of both roles have ended, and checks that
// they hang together, say what was used, and quote nothing.
func oneTrace(t *testing.T, ctx context.Context, spans *tracetest.InMemoryExporter, prompt string) {
	t.Helper()
	chain := []struct {
		name string
		kind trace.SpanKind
	}{{"engine", trace.SpanKindInternal}, {"chat sha256:", trace.SpanKindServer}, {"chat sha256:", trace.SpanKindClient}, {"POST /v1/chat/completions", trace.SpanKindServer}}
	var found []tracetest.SpanStub
	for len(found) < len(chain) {
		if ctx.Err() != nil {
			t.Fatalf("of one trace only %d spans are there: %v", len(found), names(spans.GetSpans()))
		}
		time.Sleep(10 * time.Millisecond)
		found = found[:0]
		ended := spans.GetSpans()
		at := slices.IndexFunc(ended, func(s tracetest.SpanStub) bool { return s.Name == "engine" })
		for ; at >= 0; at = slices.IndexFunc(ended, func(s tracetest.SpanStub) bool {
			return s.SpanContext.SpanID() == found[len(found)-1].Parent.SpanID()
		}) {
			found = append(found, ended[at])
		}
	}
	for i, s := range found {
		if !strings.HasPrefix(s.Name, chain[i].name) || s.SpanKind != chain[i].kind || s.SpanContext.TraceID() != found[0].SpanContext.TraceID() {
			t.Errorf("span %d is %q, %s, of trace %s", i, s.Name, s.SpanKind, s.SpanContext.TraceID())
		}
		for _, a := range s.Attributes {
			if strings.Contains(a.Value.String(), prompt) {
				t.Errorf("%s quotes the prompt in %s", s.Name, a.Key)
			}
		}
	}
	for _, s := range found[1:3] {
		said := map[string]string{}
		for _, a := range s.Attributes {
			said[string(a.Key)] = a.Value.String()
		}
		if said["gen_ai.operation.name"] != "chat" || said["gen_ai.provider.name"] != "koinon" || !strings.HasPrefix(said["gen_ai.request.model"], "sha256:") ||
			said["gen_ai.request.max_tokens"] != "120" || said["gen_ai.usage.input_tokens"] == "0" || said["gen_ai.usage.output_tokens"] == "0" ||
			said["gen_ai.response.finish_reasons"] == "" {
			t.Errorf("%s says %v", s.SpanKind, said)
		}
	}
	if len(found[0].Events) == 0 || found[0].Events[0].Name != "first token" {
		t.Errorf("the engine's span has no first token: %v", found[0].Events)
	}
}

func names(spans tracetest.SpanStubs) (list []string) {
	for _, s := range spans {
		list = append(list, fmt.Sprintf("%s (%s)", s.Name, s.SpanKind))
	}
	return list
}
