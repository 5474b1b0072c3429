package pool

import (
	poolv1 "github.com/koinon/koinon/api/koinon/pool/v1"
	"github.com/koinon/koinon/internal/mechanism/pool"
)

// The stored forms and the mechanism's are the same facts in other types.

func paramsOf(p poolv1.Params) pool.Params {
	return pool.Params{FeeBps: p.FeeBps, MoveBps: p.MoveBps, Window: p.WindowSeconds}
}

func poolOf(p poolv1.Pool) pool.Pool {
	sum := func(s poolv1.Sum) pool.Sum { return pool.Sum{High: s.High, Low: s.Low} }
	return pool.Pool{
		Credit: p.Credit, Asset: p.Asset, Parts: p.Parts, Height: p.Height, OpenCredit: p.OpenCredit, OpenAsset: p.OpenAsset,
		Oracle: pool.Oracle{
			Time: p.Oracle.Time, Sum: sum(p.Oracle.Sum), OldTime: p.Oracle.OldTime, OldSum: sum(p.Oracle.OldSum),
			MarkTime: p.Oracle.MarkTime, MarkSum: sum(p.Oracle.MarkSum),
		},
	}
}

func storedPool(denom string, p pool.Pool) poolv1.Pool {
	sum := func(s pool.Sum) poolv1.Sum { return poolv1.Sum{High: s.High, Low: s.Low} }
	return poolv1.Pool{
		Denom: denom, Credit: p.Credit, Asset: p.Asset, Parts: p.Parts, Height: p.Height, OpenCredit: p.OpenCredit, OpenAsset: p.OpenAsset,
		Oracle: poolv1.Oracle{
			Time: p.Oracle.Time, Sum: sum(p.Oracle.Sum), OldTime: p.Oracle.OldTime, OldSum: sum(p.Oracle.OldSum),
			MarkTime: p.Oracle.MarkTime, MarkSum: sum(p.Oracle.MarkSum),
		},
	}
}

// quote is a pool with its prices at a time.
func quote(params pool.Params, stored poolv1.Pool, now int64) poolv1.Quote {
	p := poolOf(stored)
	average, seconds := pool.Average(params, p, now)
	return poolv1.Quote{Pool: stored, Spot: pool.Spot(p), Average: average, AverageSeconds: seconds}
}
