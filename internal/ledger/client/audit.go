package client

import (
	"context"

	"github.com/cosmos/cosmos-sdk/types/query"

	auditv1 "github.com/koinon/koinon/api/koinon/audit/v1"
)

// Auditor returns an auditor's entry, with what is on its way back of its bond,
// or ErrNotFound.
func (c *Client) Auditor(ctx context.Context, address string) (auditv1.Auditor, []auditv1.Unbonding, error) {
	r, err := auditv1.NewQueryClient(c.conn).Auditor(ctx, &auditv1.QueryAuditorRequest{Address: address})
	if err != nil {
		return auditv1.Auditor{}, nil, asked(err)
	}
	return r.Auditor, r.Unbondings, nil
}

// Auditors lists all that are registered.
func (c *Client) Auditors(ctx context.Context) ([]auditv1.Auditor, error) {
	q := auditv1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]auditv1.Auditor, *query.PageResponse, error) {
		r, err := q.Auditors(ctx, &auditv1.QueryAuditorsRequest{Pagination: page})
		return r.GetAuditors(), r.GetPagination(), err
	})
}

// Case returns a case, or ErrNotFound.
func (c *Client) Case(ctx context.Context, id uint64) (auditv1.Case, error) {
	r, err := auditv1.NewQueryClient(c.conn).Case(ctx, &auditv1.QueryCaseRequest{Id: id})
	if err != nil {
		return auditv1.Case{}, asked(err)
	}
	return r.Case, nil
}

// Cases lists the open cases in which an address has a part, or all cases for an
// empty one, oldest first.
func (c *Client) Cases(ctx context.Context, address string) ([]auditv1.Case, error) {
	q := auditv1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]auditv1.Case, *query.PageResponse, error) {
		r, err := q.Cases(ctx, &auditv1.QueryCasesRequest{Address: address, Pagination: page})
		return r.GetCases(), r.GetPagination(), err
	})
}

// Sealed returns what the accuser of an open case sealed to the committee.
func (c *Client) Sealed(ctx context.Context, id uint64) ([]byte, error) {
	r, err := auditv1.NewQueryClient(c.conn).Sealed(ctx, &auditv1.QuerySealedRequest{Id: id})
	if err != nil {
		return nil, asked(err)
	}
	return r.Ciphertext, nil
}

// AuditRecord returns what is known of an account's honesty, and at which rate,
// in millionths, its answers are to be audited now.
func (c *Client) AuditRecord(ctx context.Context, address string) (auditv1.Record, uint64, error) {
	r, err := auditv1.NewQueryClient(c.conn).Record(ctx, &auditv1.QueryRecordRequest{Address: address})
	if err != nil {
		return auditv1.Record{}, 0, asked(err)
	}
	return r.Record, r.Rate, nil
}

// Convictions lists what was proven of an account, or of all for an empty one.
func (c *Client) Convictions(ctx context.Context, convict string) ([]auditv1.Conviction, error) {
	q := auditv1.NewQueryClient(c.conn)
	return all(func(page *query.PageRequest) ([]auditv1.Conviction, *query.PageResponse, error) {
		r, err := q.Convictions(ctx, &auditv1.QueryConvictionsRequest{Convict: convict, Pagination: page})
		return r.GetConvictions(), r.GetPagination(), err
	})
}

// AuditEpoch returns the epoch of mystery audits that runs now.
func (c *Client) AuditEpoch(ctx context.Context) (auditv1.Epoch, error) {
	r, err := auditv1.NewQueryClient(c.conn).Epoch(ctx, &auditv1.QueryEpochRequest{})
	if err != nil {
		return auditv1.Epoch{}, asked(err)
	}
	return r.Epoch, nil
}

// AuditProfile returns what honest answers of a model version are like, or
// ErrNotFound.
func (c *Client) AuditProfile(ctx context.Context, digest string) (auditv1.Profile, error) {
	r, err := auditv1.NewQueryClient(c.conn).Profile(ctx, &auditv1.QueryProfileRequest{ModelDigest: digest})
	if err != nil {
		return auditv1.Profile{}, asked(err)
	}
	return r.Profile, nil
}

// AuditParams returns x/audit's parameters.
func (c *Client) AuditParams(ctx context.Context) (auditv1.Params, error) {
	r, err := auditv1.NewQueryClient(c.conn).Params(ctx, &auditv1.QueryParamsRequest{})
	if err != nil {
		return auditv1.Params{}, asked(err)
	}
	return r.Params, nil
}

// AuditInvariants compares what x/audit holds with what it owes.
func (c *Client) AuditInvariants(ctx context.Context) (auditv1.Invariants, error) {
	r, err := auditv1.NewQueryClient(c.conn).Invariants(ctx, &auditv1.QueryInvariantsRequest{})
	if err != nil {
		return auditv1.Invariants{}, asked(err)
	}
	return r.Invariants, nil
}
