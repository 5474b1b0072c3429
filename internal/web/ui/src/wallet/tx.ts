// A transaction of the ledger, signed directly (Cosmos SDK, SIGN_MODE_DIRECT).
import { any, message } from "./protobuf";

/** Order is one message and what it says, made together so that what is read is what is signed. */
export interface Order {
  kind: string;
  value: Uint8Array;
  says: string;
  /** What leaves (or, below zero, comes to) the account at once, in micro-units. */
  credit?: bigint;
  koin?: bigint;
  /** More that whoever signs should know. */
  note?: string;
}

/** Signed is what a signature was made for, and the signature. */
export interface Signed { body: Uint8Array; auth: Uint8Array; signature: Uint8Array }

/** Signer is an account whose key is here or in a browser's extension. */
export interface Signer {
  name: string;
  address: string;
  /** publicKey is of secp256k1, compressed. */
  publicKey: Uint8Array;
  /** grantKey is the Ed25519 key that signs the account's grants; an extension has none. */
  grantKey?: Uint8Array;
  sign(body: Uint8Array, auth: Uint8Array, chain: string, number: bigint): Promise<Signed>;
}

export const bodyOf = (orders: Order[]): Uint8Array => message({ 1: orders.map((o) => any(o.kind, o.value)) });

export function authOf(publicKey: Uint8Array, sequence: bigint, gas: bigint, fee: bigint): Uint8Array {
  const direct = message({ 1: message({ 1: 1n }) });
  const signer = message({ 1: any("cosmos.crypto.secp256k1.PubKey", message({ 1: publicKey })), 2: direct, 3: sequence });
  const coins = fee > 0n ? [message({ 1: "ukoin", 2: fee.toString() })] : [];
  return message({ 1: [signer], 2: message({ 1: coins, 2: gas }) });
}

/** documentOf is what a signature is of. */
export const documentOf = (body: Uint8Array, auth: Uint8Array, chain: string, number: bigint): Uint8Array =>
  message({ 1: body, 2: auth, 3: chain, 4: number });

export const raw = (s: Signed): Uint8Array => message({ 1: s.body, 2: s.auth, 3: [s.signature] });
