// Package openai serves OpenAI's HTTP API from whatever generates the answers, a
// gateway's providers or an engine in the same process: requests and their
// validation, answers, streams and error bodies.
package openai

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Error is a failure as OpenAI's clients expect it.
type Error struct {
	Status  int    // HTTP status
	Message string // for people
	Type    string // OpenAI's class of errors
	Param   string // the request's field at fault, or empty
	Code    string // for programs, or empty
	// RetryAfter, if not zero, says when to try again.
	RetryAfter time.Duration
	// Raw, if not nil, is the body in place of OpenAI's.
	Raw []byte
	// TopUp, if not empty, is where more credit can be had.
	TopUp string
}

// Classes of errors.
const (
	typeInvalid      = "invalid_request_error"
	typeQuota        = "insufficient_quota"
	typeRateLimit    = "rate_limit_exceeded"
	typeUnavailable  = "service_unavailable"
	typeServer       = "server_error"
	typeUnauthorized = "authentication_error"
)

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

type errorBody struct {
	Error errorFields `json:"error"`
}

type errorFields struct {
	Message string  `json:"message"`
	Type    string  `json:"type"`
	Param   *string `json:"param"`
	Code    *string `json:"code"`
	TopUp   string  `json:"top_up,omitempty"`
}

// Body is the error's JSON, the same for a response and an event of a stream.
func (e *Error) Body() []byte {
	body, err := json.Marshal(errorBody{e.fields()})
	if err != nil {
		panic(err) // strings always marshal
	}
	return body
}

func (e *Error) fields() errorFields {
	optional := func(s string) *string {
		if s == "" {
			return nil
		}
		return &s
	}
	return errorFields{e.Message, e.Type, optional(e.Param), optional(e.Code), e.TopUp}
}

// MarshalJSON implements json.Marshaler: the object under "error" in a body.
func (e *Error) MarshalJSON() ([]byte, error) { return json.Marshal(e.fields()) }

// Write sends the error as a response.
func (e *Error) Write(w http.ResponseWriter) { e.WriteBody(w, e.Body()) }

// WriteBody sends the error with a body in another API's form.
func (e *Error) WriteBody(w http.ResponseWriter, body []byte) {
	if e.Raw != nil {
		body = e.Raw
	}
	w.Header().Set("Content-Type", "application/json")
	if e.RetryAfter > 0 {
		seconds := max(1, int64((e.RetryAfter+time.Second-1)/time.Second))
		w.Header().Set("Retry-After", strconv.FormatInt(seconds, 10))
	}
	if e.Status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	w.WriteHeader(e.Status)
	w.Write(append(body, '\n')) // the client may be gone
}

// Invalid is a request with a bad field; param may be empty.
func Invalid(param, format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...), Type: typeInvalid, Param: param, Code: "invalid_value"}
}

// Unsupported is a request for something that this gateway does not do. It is
// refused rather than ignored, since the answer would not be what was asked for.
func Unsupported(param, format string, args ...any) *Error {
	e := Invalid(param, format, args...)
	e.Code = "unsupported_parameter"
	return e
}

// Malformed is a body that is not the JSON it should be.
func Malformed(format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Message: fmt.Sprintf(format, args...), Type: typeInvalid}
}

// Unauthorized is a missing or wrong API key.
func Unauthorized(given bool) *Error {
	message := "You didn't provide an API key. Send it as 'Authorization: Bearer YOUR_KEY'. The gateway's operator makes one with 'koinon keys create'."
	if given {
		message = "Incorrect API key provided, or it was revoked. The gateway's operator makes a new one with 'koinon keys create'."
	}
	return &Error{Status: http.StatusUnauthorized, Message: message, Type: typeUnauthorized, Code: "invalid_api_key"}
}

// Quota is a key whose budget does not cover the request.
func Quota(format string, args ...any) *Error {
	return &Error{Status: http.StatusPaymentRequired, Message: fmt.Sprintf(format, args...), Type: typeQuota, Code: "insufficient_quota"}
}

// Forbidden is a request that its key may not make.
func Forbidden(code, param, format string, args ...any) *Error {
	return &Error{Status: http.StatusForbidden, Message: fmt.Sprintf(format, args...), Type: typeInvalid, Param: param, Code: code}
}

// NotFound is a model, or anything else, that does not exist.
func NotFound(code, param, format string, args ...any) *Error {
	return &Error{Status: http.StatusNotFound, Message: fmt.Sprintf(format, args...), Type: typeInvalid, Param: param, Code: code}
}

// ContextLength is a prompt that, with its answer, does not fit the model.
func ContextLength(param string, limit, prompt, completion uint64) *Error {
	return &Error{
		Status: http.StatusBadRequest, Type: typeInvalid, Param: param, Code: "context_length_exceeded",
		Message: fmt.Sprintf("This model's maximum context length is %d tokens. However, you requested %d tokens (%d in the prompt, %d for the completion). Please reduce the length of the prompt or of the completion.",
			limit, prompt+completion, prompt, completion),
	}
}

// RateLimit is a key with too many requests at once.
func RateLimit(retry time.Duration, format string, args ...any) *Error {
	return &Error{Status: http.StatusTooManyRequests, Message: fmt.Sprintf(format, args...), Type: typeRateLimit, Code: "rate_limit_exceeded", RetryAfter: retry}
}

// Unavailable is a lack of providers, or of the gateway itself, that will pass.
func Unavailable(code string, retry time.Duration, format string, args ...any) *Error {
	return &Error{Status: http.StatusServiceUnavailable, Message: fmt.Sprintf(format, args...), Type: typeUnavailable, Code: code, RetryAfter: retry}
}

// Broken is an answer that stopped in the middle.
func Broken(format string, args ...any) *Error {
	return &Error{Status: http.StatusBadGateway, Message: fmt.Sprintf(format, args...), Type: typeServer, Code: "provider_failed"}
}

// Internal is a fault of the gateway, whose log says more.
func Internal(request string) *Error {
	return &Error{Status: http.StatusInternalServerError, Message: "The gateway failed; its log says why, under request " + request + ".", Type: typeServer, Code: "internal_error"}
}

// TooLarge is a body beyond the limit.
func TooLarge(limit int64) *Error {
	return &Error{Status: http.StatusRequestEntityTooLarge, Message: fmt.Sprintf("The request's body exceeds %d bytes.", limit), Type: typeInvalid, Code: "request_too_large"}
}

// MethodNotAllowed is a wrong HTTP method.
func MethodNotAllowed(method, path string) *Error {
	return &Error{Status: http.StatusMethodNotAllowed, Message: fmt.Sprintf("Not allowed to %s on %s.", method, path), Type: typeInvalid, Code: "method_not_allowed"}
}
