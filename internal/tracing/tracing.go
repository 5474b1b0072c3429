// Package tracing follows a request through the roles that serve it, as OpenTelemetry
// has it: the gateway's HTTP request, each attempt at a provider, the provider's own
// part, its engine. Spans have the names and attributes of the conventions for
// generative AI. What was asked and answered is in none of them, and cannot be put
// there by a setting.
//
// Nothing is recorded unless the usual OTEL_… variables say where to.
package tracing

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.37.0"
	"go.opentelemetry.io/otel/trace"
)

// Span is a part of a request.
type Span = trace.Span

// tracer makes spans; until Setup they are not recorded.
func tracer() trace.Tracer { return otel.Tracer("github.com/koinon/koinon") }

// Start sends spans to where the variables of OpenTelemetry say: OTEL_TRACES_EXPORTER
// or OTEL_EXPORTER_OTLP_ENDPOINT, with OTEL_EXPORTER_OTLP_PROTOCOL http/protobuf or
// grpc; which requests are recorded follows OTEL_TRACES_SAMPLER. Without either it
// does nothing. What is returned sends what is left.
func Start(ctx context.Context, version string) (stop func(context.Context) error, err error) {
	if !asked() {
		return func(context.Context) error { return nil }, nil
	}
	exporter, err := exporter(ctx)
	if err != nil {
		return nil, fmt.Errorf("traces cannot be sent: %w; see OTEL_EXPORTER_OTLP_ENDPOINT and OTEL_EXPORTER_OTLP_PROTOCOL", err)
	}
	about, err := resource.New(ctx, resource.WithAttributes(semconv.ServiceName("koinon"), semconv.ServiceVersion(version)),
		resource.WithHost(), resource.WithProcessPID(), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, fmt.Errorf("traces: OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	provider := sdk.NewTracerProvider(sdk.WithBatcher(exporter), sdk.WithResource(about))
	otel.SetTracerProvider(provider)
	return provider.Shutdown, nil
}

// asked says whether the environment wants traces.
func asked() bool {
	if os.Getenv("OTEL_SDK_DISABLED") == "true" {
		return false
	}
	switch os.Getenv("OTEL_TRACES_EXPORTER") {
	case "otlp":
		return true
	case "":
		return os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || os.Getenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT") != ""
	}
	return false
}

func exporter(ctx context.Context) (*otlptrace.Exporter, error) {
	protocol := os.Getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
	if protocol == "" {
		protocol = os.Getenv("OTEL_EXPORTER_OTLP_PROTOCOL")
	}
	switch protocol {
	case "", "http/protobuf":
		return otlptracehttp.New(ctx)
	case "grpc":
		return otlptracegrpc.New(ctx)
	}
	return nil, fmt.Errorf("the protocol %q is not known: http/protobuf or grpc", protocol)
}

// Request begins the span of an HTTP request, which goes on with the trace of whoever
// sent it.
func Request(r *http.Request, route string) (*http.Request, func(status int)) {
	ctx := propagation.TraceContext{}.Extract(r.Context(), propagation.HeaderCarrier(r.Header))
	ctx, span := tracer().Start(ctx, route, trace.WithSpanKind(trace.SpanKindServer),
		trace.WithAttributes(semconv.HTTPRequestMethodKey.String(r.Method), semconv.HTTPRoute(route)))
	return r.WithContext(ctx), func(status int) {
		span.SetAttributes(semconv.HTTPResponseStatusCode(status))
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, http.StatusText(status))
		}
		span.End()
	}
}

// parentHeader is the W3C's name for what tells one process of a span in another.
const parentHeader = "traceparent"

// Parent is what another role is told so that its spans belong to the trace: the
// W3C's traceparent; empty if the request is not recorded.
func Parent(ctx context.Context) string {
	if !trace.SpanContextFromContext(ctx).IsSampled() {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier[parentHeader]
}

// WithParent goes on with a trace. What is no traceparent is no trace.
func WithParent(ctx context.Context, parent string) context.Context {
	if len(parent) > 128 {
		return ctx
	}
	return propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{parentHeader: parent})
}

// Generation is what is known of an answer before it begins.
type Generation struct {
	Model       string // digest
	Embedding   bool
	MaxTokens   uint32
	Temperature float32
	TopP        float32
}

func (g Generation) operation() attribute.KeyValue {
	if g.Embedding {
		return semconv.GenAIOperationNameEmbeddings
	}
	return semconv.GenAIOperationNameChat
}

func (g Generation) start(ctx context.Context, kind trace.SpanKind) (context.Context, Span) {
	operation := g.operation()
	return tracer().Start(ctx, operation.Value.AsString()+" "+g.Model, trace.WithSpanKind(kind), trace.WithAttributes(
		operation, semconv.GenAIProviderNameKey.String("koinon"), semconv.GenAIRequestModel(g.Model), semconv.GenAIRequestMaxTokens(int(g.MaxTokens)),
		semconv.GenAIRequestTemperature(float64(g.Temperature)), semconv.GenAIRequestTopP(float64(g.TopP)),
	))
}

// Ask begins the span of an attempt at a provider, Serve that of the provider.
func (g Generation) Ask(ctx context.Context, provider string) (context.Context, Span) {
	ctx, span := g.start(ctx, trace.SpanKindClient)
	span.SetAttributes(attribute.String("koinon.provider", provider))
	return ctx, span
}

// Serve begins the span of a provider's part.
func (g Generation) Serve(ctx context.Context) (context.Context, Span) {
	return g.start(ctx, trace.SpanKindServer)
}

// Engine begins the span of computing.
func Engine(ctx context.Context) (context.Context, Span) {
	return tracer().Start(ctx, "engine", trace.WithSpanKind(trace.SpanKindInternal))
}

// FirstToken notes, in the span at hand, when an answer began.
func FirstToken(ctx context.Context) { trace.SpanFromContext(ctx).AddEvent("first token") }

// End ends a span of an answer with what it took, and why it failed, in a word that
// quotes nothing: an error's text may.
func End(s Span, prompt, answer int, finish, failure string) {
	if s.IsRecording() {
		s.SetAttributes(semconv.GenAIUsageInputTokens(prompt), semconv.GenAIUsageOutputTokens(answer))
		if finish != "" {
			s.SetAttributes(semconv.GenAIResponseFinishReasons(finish))
		}
		if failure != "" {
			s.SetAttributes(semconv.ErrorTypeKey.String(failure))
			s.SetStatus(codes.Error, failure)
		}
	}
	s.End()
}
