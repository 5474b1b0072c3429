package provider

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cosmos/gogoproto/proto"

	modelv1 "github.com/koinon/koinon/api/koinon/model/v1"
	providerv1 "github.com/koinon/koinon/api/koinon/provider/v1"
	"github.com/koinon/koinon/receipt"
)

// register brings the ledger to what the configuration says, in one
// transaction, and in none if it says so already. Others may register the same
// version at the same time: a refusal leads to another look.
func (p *Provider) register(ctx context.Context) error {
	refusals := 0
	return p.retry(ctx, "registering on the ledger", func() error {
		params, err := p.out.Ledger.EscrowParams(ctx)
		if err != nil {
			return err
		}
		p.params = params
		if _, err := p.heed(ctx); err != nil {
			return err
		}
		msgs, err := p.registration(ctx)
		if err != nil || len(msgs) == 0 {
			return err
		}
		err = p.out.Ledger.Send(ctx, msgs...)
		p.metrics.ledger.WithLabelValues("register", result(err)).Inc()
		if errors.Is(err, ErrRefused) {
			if refusals++; refusals >= 5 {
				return fmt.Errorf("%w: %w", errHopeless, err)
			}
		}
		if err != nil {
			return err
		}
		for _, m := range msgs {
			p.log.Info("on the ledger now", "message", proto.MessageName(m))
		}
		return nil
	})
}

// registration lists the messages that are needed.
func (p *Provider) registration(ctx context.Context) ([]proto.Message, error) {
	var msgs []proto.Message
	version, err := p.versionMessage(ctx)
	if err != nil {
		return nil, err
	}
	if version != nil {
		msgs = append(msgs, version)
	}
	standing, err := p.standingMessages(ctx)
	if err != nil {
		return nil, err
	}
	msgs = append(msgs, standing...)
	offer, err := p.offerMessage(ctx)
	if err != nil {
		return nil, err
	}
	if offer != nil {
		msgs = append(msgs, offer)
	}
	return msgs, nil
}

// versionMessage registers the model version if the ledger has none.
func (p *Provider) versionMessage(ctx context.Context) (proto.Message, error) {
	m := p.out.Model
	class := modelv1.VerificationClass_VERIFICATION_CLASS_EXACT
	if m.Class == receipt.Statistical {
		class = modelv1.VerificationClass_VERIFICATION_CLASS_STATISTICAL
	}
	known, err := p.out.Ledger.Version(ctx, m.Digest.String())
	switch {
	case err == nil && known.Class != class:
		return nil, fmt.Errorf("%w: %s is registered with verification class %s, not %s", errHopeless, m.Digest, known.Class, class)
	case err == nil && known.WeightsRoot != named(m.Root):
		return nil, fmt.Errorf("%w: %s is registered with the weights root %q, its file has %q: who serves it could be convicted wrongly", errHopeless, m.Digest, known.WeightsRoot, named(m.Root))
	case err == nil && known.Conduct != named(m.Conduct):
		return nil, fmt.Errorf("%w: %s is registered with the conduct %q, its file has %q", errHopeless, m.Digest, known.Conduct, named(m.Conduct))
	case err == nil:
		return nil, nil
	case !errors.Is(err, ErrNotFound):
		return nil, err
	}
	return &modelv1.MsgRegisterVersion{
		Owner: p.out.Ledger.Address(), Digest: m.Digest.String(), Name: m.Name, Version: m.Version, Class: class,
		Policy: p.config.Policy, License: m.License, Architecture: m.Architecture, Parameters: m.Parameters,
		SizeBytes: m.SizeBytes, ContextLength: m.ContextLength, Quantization: m.Quantization, WeightsRoot: named(m.Root),
		Conduct: named(m.Conduct),
	}, nil
}

// named is a digest as the ledger has it: empty if there is none.
func named(d receipt.Digest) string {
	if d.IsZero() {
		return ""
	}
	return d.String()
}

// standingMessages register the provider, or bring its entry up to date.
func (p *Provider) standingMessages(ctx context.Context) ([]proto.Message, error) {
	self := p.out.Ledger.Address()
	key, addrs := p.publicKey(), p.out.Addrs()
	known, err := p.out.Ledger.Provider(ctx, self)
	if errors.Is(err, ErrNotFound) {
		return []proto.Message{&providerv1.MsgRegister{
			Provider: self, PublicKey: key, Addrs: addrs, Moniker: p.config.Moniker, Bond: p.config.Bond, Region: p.config.Region,
		}}, nil
	}
	if err != nil {
		return nil, err
	}
	if !bytes.Equal(known.PublicKey, key) {
		return nil, fmt.Errorf("%w: account %s is registered with another key: restore that key, or use another account", errHopeless, self)
	}
	var msgs []proto.Message
	if known.Status == providerv1.Status_STATUS_JAILED {
		p.log.Warn("the ledger has jailed this provider: its offers are not matched")
	} else if known.Status != p.wanted() || known.Moniker != p.config.Moniker ||
		known.Region != p.config.Region || !sameSet(known.Addrs, addrs) {
		msgs = append(msgs, &providerv1.MsgUpdate{
			Provider: self, Addrs: addrs, Moniker: p.config.Moniker, Status: p.wanted(), Region: p.config.Region,
		})
	}
	if known.Bond < p.config.Bond {
		msgs = append(msgs, &providerv1.MsgBond{Provider: self, Amount: p.config.Bond - known.Bond})
	}
	return msgs, nil
}

// offerMessage sets the offer if the ledger has another, or none.
func (p *Provider) offerMessage(ctx context.Context) (proto.Message, error) {
	self, model, price := p.out.Ledger.Address(), p.out.Model, p.offered()
	want := providerv1.Offer{
		Provider: self, ModelDigest: model.Digest.String(), InputPrice: price.Input, OutputPrice: price.Output,
		CachedInputPrice: price.CachedInput,
		MaxContext:       uint32(p.out.Engine.ContextLength()), Slots: uint32(p.config.Slots),
	}
	offers, err := p.out.Ledger.Offers(ctx, self)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	if slices.Contains(offers, want) {
		return nil, nil
	}
	return &providerv1.MsgSetOffer{
		Provider: want.Provider, ModelDigest: want.ModelDigest, InputPrice: want.InputPrice,
		OutputPrice: want.OutputPrice, CachedInputPrice: want.CachedInputPrice, MaxContext: want.MaxContext, Slots: want.Slots,
	}, nil
}

// followAddrs keeps the ledger's list of addresses current: a relay may be lost,
// a router may change.
func (p *Provider) followAddrs(ctx context.Context) {
	known := p.out.Addrs()
	tick := time.NewTicker(addrsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if now := p.out.Addrs(); len(now) > 0 && !sameSet(known, now) {
			if err := p.register(ctx); err != nil && ctx.Err() == nil {
				p.log.Error("the ledger does not know this provider's new addresses", "error", err)
				continue
			}
			known = now
		}
	}
}

// addrsEvery bounds how often a change of addresses costs a transaction.
const addrsEvery = time.Minute

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(a, b)
}
