// Keplr and Leap: wallets in a browser's extension, which keep the key and show
// by themselves what is signed.
import { equalBytes } from "@noble/curves/utils.js";
import type { Signer } from "./tx";

interface Document { bodyBytes: Uint8Array; authInfoBytes: Uint8Array; chainId: string; accountNumber: bigint }
interface Extension {
  experimentalSuggestChain(chain: object): Promise<void>;
  enable(chain: string): Promise<void>;
  getKey(chain: string): Promise<{ name: string; pubKey: Uint8Array; bech32Address: string }>;
  signDirect(chain: string, signer: string, document: Document, options: object): Promise<{ signed: { bodyBytes: Uint8Array; authInfoBytes: Uint8Array }; signature: { signature: string } }>;
}

/** Network is what an extension must know of a ledger that it has not heard of. */
export interface Network { chain: string; rpc: string; rest: string }

const known = { keplr: "Keplr", leap: "Leap" } as const;

/** extensions are those that this browser has. */
export function extensions(): (keyof typeof known)[] {
  return (Object.keys(known) as (keyof typeof known)[]).filter((name) => name in window);
}

export const title = (name: keyof typeof known): string => known[name];

/** description is the ledger as extensions take it (docs.keplr.app, Suggest Chain). */
export function description(n: Network): object {
  const koin = { coinDenom: "KOIN", coinMinimalDenom: "ukoin", coinDecimals: 6 }, credit = { coinDenom: "USD credit", coinMinimalDenom: "ucredit", coinDecimals: 6 };
  const prefix = Object.fromEntries(["AccAddr", "AccPub", "ValAddr", "ValPub", "ConsAddr", "ConsPub"].map((kind, i) =>
    [`bech32Prefix${kind}`, "koinon" + ["", "pub", "valoper", "valoperpub", "valcons", "valconspub"][i]]));
  return {
    chainId: n.chain, chainName: `koinon (${n.chain})`, rpc: n.rpc, rest: n.rest, bip44: { coinType: 118 }, bech32Config: prefix,
    currencies: [koin, credit], stakeCurrency: koin, feeCurrencies: [{ ...koin, gasPriceStep: { low: 0.001, average: 0.001, high: 0.002 } }],
  };
}

/** connect asks an extension for its account on this ledger. */
export async function connect(name: keyof typeof known, n: Network): Promise<Signer> {
  const extension = (window as unknown as Record<string, Extension>)[name];
  if (!extension) throw new Error(`${known[name]} is not in this browser.`);
  if (!n.rpc || !n.rest) throw new Error(`${known[name]} needs the addresses of a node: start the gateway with --rpc-url and --rest-url.`);
  await extension.experimentalSuggestChain(description(n));
  await extension.enable(n.chain);
  const key = await extension.getKey(n.chain);
  return {
    name: `${key.name} (${known[name]})`, address: key.bech32Address, publicKey: key.pubKey,
    sign: async (body, auth, chain, number) => {
      const done = await extension.signDirect(chain, key.bech32Address, { bodyBytes: body, authInfoBytes: auth, chainId: chain, accountNumber: number }, { preferNoSetFee: true });
      if (!equalBytes(done.signed.bodyBytes, body)) throw new Error(`${known[name]} signed something else than was asked for: nothing was sent.`);
      return { body, auth: done.signed.authInfoBytes, signature: Uint8Array.from(atob(done.signature.signature), (c) => c.charCodeAt(0)) };
    },
  };
}
