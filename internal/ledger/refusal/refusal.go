// Package refusal carries named refusals across the ledger's border: the rules'
// errors become codes in a transaction's result, and codes become the rules'
// errors again at the client, where errors.Is tells them apart.
package refusal

import (
	"context"
	"errors"

	errorsmod "cosmossdk.io/errors"
	gogogrpc "github.com/cosmos/gogoproto/grpc"
	"google.golang.org/grpc"
)

// entry pairs a rule's error with its code.
type entry struct {
	rule error
	code *errorsmod.Error
}

// entries is filled while packages initialise and only read afterwards.
var entries []entry

// Register gives the error of a rule a code in a module's codespace. It is for
// package variables alone.
func Register(codespace string, code uint32, rule error) *errorsmod.Error {
	e := errorsmod.Register(codespace, code, rule.Error())
	entries = append(entries, entry{rule, e})
	return e
}

// refusal is an error with its code; the SDK finds the code through Cause.
type refusal struct {
	error
	code *errorsmod.Error
}

func (r refusal) Cause() error    { return r.code }
func (r refusal) Unwrap() []error { return []error{r.error, r.code} }

// Coded finds an error's code, wherever in its tree it is, and puts it where
// the SDK looks.
func Coded(err error) error {
	if _, ok := err.(interface{ Cause() error }); ok || err == nil {
		return err
	}
	// A module that names a refusal itself has the first word: x/model's
	// invalid policy wraps a rule that is x/escrow's elsewhere.
	var code *errorsmod.Error
	if errors.As(err, &code) {
		return refusal{err, code}
	}
	for _, e := range entries {
		if errors.Is(err, e.rule) {
			return refusal{err, e.code}
		}
	}
	return err
}

// FromResult makes the error of a transaction that failed with a code.
func FromResult(codespace string, code uint32, log string) error {
	for _, e := range entries {
		if e.code.Codespace() == codespace && e.code.ABCICode() == code {
			return refusal{received{log, e.rule}, e.code}
		}
	}
	return errorsmod.ABCIError(codespace, code, log)
}

// received is a refusal as another process told it.
type received struct {
	log  string
	rule error
}

func (r received) Error() string { return r.log }
func (r received) Unwrap() error { return r.rule }

// Server wraps a server of messages so that errors of its methods carry codes.
func Server(s gogogrpc.Server) gogogrpc.Server { return server{s} }

type server struct{ gogogrpc.Server }

// RegisterService implements gogogrpc.Server.
func (s server) RegisterService(desc *grpc.ServiceDesc, implementation any) {
	wrapped := *desc
	wrapped.Methods = make([]grpc.MethodDesc, len(desc.Methods))
	for i, method := range desc.Methods {
		handler := method.Handler
		method.Handler = func(srv any, ctx context.Context, decode func(any) error, interceptor grpc.UnaryServerInterceptor) (any, error) {
			response, err := handler(srv, ctx, decode, interceptor)
			return response, Coded(err)
		}
		wrapped.Methods[i] = method
	}
	s.Server.RegisterService(&wrapped, implementation)
}
