package inference

import (
	"errors"
	"fmt"

	inferencev1 "github.com/koinon/koinon/api/koinon/inference/v1"
)

// Code says, for programs, why a provider ended a stream.
type Code string

// The codes of the protocol.
const (
	// CodeInvalidRequest: the request breaks a rule of [ParseRequest].
	CodeInvalidRequest Code = "invalid_request"
	// CodeContextLength: prompt and max_tokens do not fit the model's context.
	CodeContextLength Code = "context_length_exceeded"
	// CodeModelNotFound: this provider does not serve the model version.
	CodeModelNotFound Code = "model_not_found"
	// CodeBusy: slots and queue are full.
	CodeBusy Code = "busy"
	// CodeDraining: the provider finishes what it has and takes nothing new.
	CodeDraining Code = "draining"
	// CodeGrantRefused: the grant is not one that this provider can collect on.
	CodeGrantRefused Code = "grant_refused"
	// CodePaymentRequired: tickets did not arrive in time, the grant's cap is
	// reached, or the price is above the request's max_price.
	CodePaymentRequired Code = "payment_required"
	// CodeAccessDenied: the payer may not call the version, or not under the right
	// that the grant names.
	CodeAccessDenied Code = "access_denied"
	// CodeInternal: the provider failed.
	CodeInternal Code = "internal"
)

// Retryable says whether another provider, another grant, or the same provider
// later may succeed where this code failed.
func (c Code) Retryable() bool {
	return c != CodeInvalidRequest && c != CodeContextLength && c != CodeAccessDenied
}

// Known says whether c is one of the protocol's codes.
func (c Code) Known() bool {
	switch c {
	case CodeInvalidRequest, CodeContextLength, CodeModelNotFound, CodeBusy,
		CodeDraining, CodeGrantRefused, CodePaymentRequired, CodeAccessDenied, CodeInternal:
		return true
	}
	return false
}

// Error is how a provider ends a stream that it does not complete.
type Error struct {
	Code    Code
	Message string
	// Retryable says that another provider, or the same one later, may succeed.
	Retryable bool
	// Receipt is the JSON of a signed receipt for the tokens sent before the
	// error, or nil.
	Receipt []byte
}

// Errorf is an error with the code's own retryability.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...), Retryable: code.Retryable()}
}

func (e *Error) Error() string { return string(e.Code) + ": " + e.Message }

// Is makes errors.Is(err, &Error{Code: c}) match any error of that code.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code == e.Code && (t.Message == "" || t.Message == e.Message)
}

// maxMessage bounds a message in bytes, both ways: it ends up in logs.
const maxMessage = 1 << 10

// Frame is the error as the last frame of a stream.
func (e *Error) Frame() *inferencev1.ServerFrame {
	return &inferencev1.ServerFrame{Frame: &inferencev1.ServerFrame_Error{Error: &inferencev1.Error{
		Code:      string(e.Code),
		Message:   e.Message[:min(len(e.Message), maxMessage)],
		Retryable: e.Retryable,
		Receipt:   e.Receipt,
	}}}
}

// ErrorFromWire reads a provider's error frame. A code that the protocol does
// not know becomes [CodeInternal].
func ErrorFromWire(w *inferencev1.Error) *Error {
	e := &Error{
		Code:      Code(w.Code),
		Message:   w.Message[:min(len(w.Message), maxMessage)],
		Retryable: w.Retryable,
		Receipt:   w.Receipt,
	}
	if !e.Code.Known() {
		e.Code = CodeInternal
	}
	return e
}

// AsError finds the protocol's error in err, or makes it a [CodeInternal]
// that tells the stranger at the other end nothing.
func AsError(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return Errorf(CodeInternal, "the provider failed; its log says why")
}
