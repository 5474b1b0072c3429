// Checks a receipt as `koinon receipt verify` does: its canonical bytes
// (spec/protocol.md, section 3), their digest, the provider's signature (RFC
// 8032), the arithmetic of its price, and that its seed came about as it says
// (RFC 9381, ECVRF-EDWARDS25519-SHA512-ELL2).
import { ed25519, ed25519_hasher } from "@noble/curves/ed25519.js";
import { sha256, sha512 } from "@noble/hashes/sha2.js";
import { bytesToHex, bytesToNumberLE, concatBytes, equalBytes, hexToBytes, numberToBytesBE } from "@noble/curves/utils.js";

/** What a receipt's JSON holds; every number is a bigint or, with a fraction, a number. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any
export type Receipt = any;

/** Check is one thing that was looked at; says is why it fails, empty if it holds. */
export interface Check { what: string; says: string }

/** parse reads JSON and keeps whole numbers exact. */
export function parse(text: string): Receipt {
  const exact = (_: string, value: unknown, context?: { source?: string }): unknown => {
    if (typeof value !== "number" || !Number.isInteger(value)) return value;
    if (context?.source !== undefined) return BigInt(context.source);
    if (!Number.isSafeInteger(value)) throw new Error("this browser cannot read numbers that large exactly");
    return BigInt(value);
  };
  return JSON.parse(text, exact as (key: string, value: unknown) => unknown);
}

const utf8 = new TextEncoder();
const integer = (v: bigint): Uint8Array => numberToBytesBE(BigInt.asUintN(64, v), 8);
const sized = (b: Uint8Array): Uint8Array => concatBytes(numberToBytesBE(BigInt(b.length), 4), b);
const text = (s: string): Uint8Array => sized(utf8.encode(s));
const base64 = (s: string): Uint8Array => Uint8Array.from(atob(s ?? ""), (c) => c.charCodeAt(0));
const begin = (kind: string): Uint8Array => utf8.encode(`koinon/${kind}/v1\0`);

function digest(s: string): Uint8Array {
  const b = hexToBytes(s.replace(/^sha256:/, ""));
  if (b.length !== 32) throw new Error(`${s} is no digest`);
  return b;
}

function float(v: bigint | number): Uint8Array {
  const b = new Uint8Array(4);
  new DataView(b.buffer).setFloat32(0, Number(v));
  return b;
}

/** bytes is the canonical form of all but the signature. */
export function bytes(r: Receipt): Uint8Array {
  const s = r.sampling, seed = r.seed;
  return concatBytes(
    begin("receipt"), integer(r.version), text(r.chain_id), digest(r.grant), integer(r.sequence), digest(r.previous),
    text(r.provider), sized(base64(r.provider_key)), text(r.payer), text(r.app), text(r.right), digest(r.model), text(r.class), digest(r.request),
    integer(r.prompt_tokens), integer(r.cached_tokens), integer(r.completion_tokens), digest(r.prompt_digest), digest(r.output_digest), digest(r.commitment),
    text(r.logprobs.form), digest(r.logprobs.digest),
    text(s.kind), float(s.temperature), float(s.top_p), integer(s.top_k), float(s.min_p), float(s.typical_p), float(s.repetition_penalty),
    float(s.presence_penalty), float(s.frequency_penalty), integer(s.penalty_window), digest(s.logit_bias), digest(s.grammar), digest(s.stop),
    integer(s.max_tokens), integer(s.resumed),
    integer(seed.value), text(seed.origin), digest(seed.nonce), sized(base64(seed.proof)),
    text(r.finish_reason), integer(r.price.input), integer(r.price.cached_input), integer(r.price.output),
    integer(r.cost), integer(r.owed), integer(r.ticket), integer(r.started), integer(r.first_token), integer(r.finished),
  );
}

/** hash names the receipt. */
export const hash = (r: Receipt): string => "sha256:" + bytesToHex(sha256(bytes(r)));

/** cost is the price of so many tokens in micro-credits, rounded up. */
export function cost(r: Receipt): bigint {
  const n = (v: unknown): bigint => BigInt(v as bigint);
  const p = r.price, prompt = n(r.prompt_tokens), cached = n(r.cached_tokens);
  return (n(p.input) * (prompt - cached) + n(p.cached_input) * cached + n(p.output) * n(r.completion_tokens) + 999_999n) / 1_000_000n;
}

/** lot is the output of the provider's function for a grant, if the proof is its (RFC 9381, section 5.3). */
export function lot(key: Uint8Array, proof: Uint8Array, grant: Uint8Array): Uint8Array | undefined {
  if (proof.length !== 80) return undefined;
  const Point = ed25519.Point, order = Point.Fn.ORDER;
  const Y = Point.fromBytes(key), gamma = Point.fromBytes(proof.slice(0, 32));
  const c = bytesToNumberLE(proof.slice(32, 48)), s = bytesToNumberLE(proof.slice(48, 80));
  if (s >= order) return undefined;
  const DST = concatBytes(utf8.encode("ECVRF_edwards25519_XMD:SHA-512_ELL2_NU_"), Uint8Array.of(4));
  const H = ed25519_hasher.encodeToCurve(concatBytes(key, begin("lot"), grant), { DST });
  const times = (p: typeof Y, n: bigint): typeof Y => (n % order === 0n ? Point.ZERO : p.multiplyUnsafe(n % order));
  const U = times(Point.BASE, s).subtract(times(Y, c));
  const V = times(Point.fromAffine(H.toAffine()), s).subtract(times(gamma, c));
  const challenge = sha512(concatBytes(Uint8Array.of(4, 2), key, H.toBytes(), proof.slice(0, 32), U.toBytes(), V.toBytes(), Uint8Array.of(0))).slice(0, 16);
  if (!equalBytes(challenge, proof.slice(32, 48))) return undefined;
  return sha512(concatBytes(Uint8Array.of(4, 3), gamma.clearCofactor().toBytes(), Uint8Array.of(0)));
}

/** drawn is the seed that a lot makes of a request's nonce. */
function drawn(output: Uint8Array, nonce: Uint8Array): bigint {
  const sum = sha256(concatBytes(begin("seed"), nonce, output));
  return BigInt("0x" + bytesToHex(sum.slice(0, 8))) >> 11n;
}

/** attempt turns whatever a check throws into what it says. */
function attempt(what: string, check: () => string): Check {
  try {
    return { what, says: check() };
  } catch (e) {
    return { what, says: (e as Error).message };
  }
}

/** verify checks a receipt, and that it is the one of a name, if that is given. */
export function verify(r: Receipt, id?: string): Check[] {
  return [
    attempt("It is the receipt that the answer named", () => {
      const name = hash(r);
      return !id || name === id ? "" : `its bytes have the digest ${name}, not ${id}`;
    }),
    attempt("The provider signed every word of it", () =>
      ed25519.verify(base64(r.signature), bytes(r), base64(r.provider_key)) ? "" : "the signature does not match the provider's key"),
    attempt("Its cost is its price times its tokens", () =>
      cost(r) === r.cost ? "" : `it says ${r.cost} micro-credits, price and tokens make ${cost(r)}`),
    attempt("Neither side could choose the seed", () => {
      const s = r.seed;
      if (s.origin === "named") return /^sha256:0+$/.test(s.nonce) && !s.proof ? "" : "a seed that the payer named has no proof";
      const output = lot(base64(r.provider_key), base64(s.proof), digest(r.grant));
      if (!output) return "the proof of the provider's part does not verify";
      return drawn(output, digest(s.nonce)) === s.value ? "" : "nonce and proof make another seed";
    }),
    attempt("It has its place in the grant's chain", () => {
      const first = /^sha256:0+$/.test(r.previous);
      if (r.sequence < 1n || (r.sequence === 1n) !== first) return "only the first receipt of a grant has none before it";
      return r.owed >= r.cost ? "" : "it owes less than it costs";
    }),
  ];
}

/** chained says why one receipt does not follow another of the same grant; empty if it does. */
export function chained(before: Receipt, after: Receipt): string {
  if (before.grant !== after.grant) return "they are of different grants";
  if (after.sequence !== before.sequence + 1n) return `number ${after.sequence} does not follow ${before.sequence}`;
  if (after.previous !== hash(before)) return "it names another receipt as the one before";
  return after.owed === before.owed + after.cost ? "" : "what is owed does not add up";
}
