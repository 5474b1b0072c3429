package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"time"

	"github.com/koinon/koinon/internal/gateway/store"
	"github.com/koinon/koinon/receipt"
)

// ownReceipts measures how a gateway lists and finds its own receipts, which one key
// has most of. They are written to its tables at once, as no gateway would.
func ownReceipts(ctx context.Context, dir string, count, rounds int) (list []timing, err error) {
	path := filepath.Join(dir, "gateway.db")
	s, err := store.Open(ctx, path)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := fill(ctx, path, count); err != nil {
		return nil, err
	}
	r := rand.New(rand.NewPCG(3, 4))
	for _, p := range []struct {
		page string
		ask  func() error
	}{
		{"own receipts, newest 100", func() error { _, _, err := s.Receipts(ctx, "busy", 100, 0); return err }},
		{"own receipts, 100 far down", func() error { _, _, err := s.Receipts(ctx, "busy", 100, 101+r.Int64N(int64(count))); return err }},
		{"own receipts, of a quiet key", func() error { _, _, err := s.Receipts(ctx, "quiet", 100, 0); return err }},
		{"one of own receipts", func() error { _, err := s.Receipt(ctx, receiptID(r.IntN(count))); return err }},
	} {
		t, err := timed(p.page, rounds, func(int) error { return p.ask() })
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	return list, nil
}

func receiptID(i int) receipt.Digest { return receipt.Sum(fmt.Appendf(nil, "receipt/%d", i)) }

// fill writes receipts of the usual size into a gateway's database.
func fill(ctx context.Context, path string, count int) error {
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", Path: path, RawQuery: "_pragma=synchronous(OFF)&_pragma=busy_timeout(10000)"}).String())
	if err != nil {
		return err
	}
	defer db.Close()
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	insert, err := tx.PrepareContext(ctx, `INSERT OR IGNORE INTO receipts (id, key, request, grant_id, sequence, provider, problem, received, body) VALUES (?, ?, ?, ?, ?, ?, '', ?, ?)`)
	if err != nil {
		return err
	}
	defer insert.Close()
	body := make([]byte, 900) // of a receipt of class exact, near enough
	now := time.Now().UnixMilli()
	for i := range count {
		key := "busy"
		if i%1000 == 0 {
			key = "quiet"
		}
		id, grant := receiptID(i), receipt.Sum(fmt.Appendf(nil, "grant/%d", i/500))
		if _, err := insert.ExecContext(ctx, id[:], key, fmt.Sprintf("chatcmpl-%d", i), grant[:], i%500+1, address("provider", i%1000), now+int64(i), body); err != nil {
			return err
		}
	}
	return tx.Commit()
}
