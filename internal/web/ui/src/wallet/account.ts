// An account whose key is in this page, derived as Cosmos wallets and the CLI do.
import { ed25519 } from "@noble/curves/ed25519.js";
import { secp256k1 } from "@noble/curves/secp256k1.js";
import { hkdf } from "@noble/hashes/hkdf.js";
import { ripemd160 } from "@noble/hashes/legacy.js";
import { sha256 } from "@noble/hashes/sha2.js";
import { bech32 } from "@scure/base";
import { HDKey } from "@scure/bip32";
import { generateMnemonic, mnemonicToSeed, validateMnemonic } from "@scure/bip39";
import { wordlist } from "@scure/bip39/wordlists/english.js";
import { documentOf, type Signer } from "./tx";

const utf8 = new TextEncoder();

export const addressOf = (publicKey: Uint8Array): string => bech32.encode("koinon", bech32.toWords(ripemd160(sha256(publicKey))));

/** isAddress refuses what the ledger would. */
export function isAddress(text: string): boolean {
  try {
    const { prefix, words } = bech32.decode(text as `${string}1${string}`);
    return prefix === "koinon" && [20, 32].includes(bech32.fromWords(words).length);
  } catch {
    return false;
  }
}

export const newWords = (): string => generateMnemonic(wordlist, 256);
export const areWords = (words: string): boolean => validateMnemonic(words.trim().replace(/\s+/g, " "), wordlist);

/** fromWords makes the first account of a mnemonic. */
export async function fromWords(name: string, words: string): Promise<Signer> {
  const seed = await mnemonicToSeed(words.trim().replace(/\s+/g, " "));
  const secret = HDKey.fromMasterSeed(seed).derive("m/44'/118'/0'/0/0").privateKey;
  if (!secret) throw new Error("these words lead to no key");
  const publicKey = secp256k1.getPublicKey(secret);
  return {
    name, publicKey, address: addressOf(publicKey),
    grantKey: ed25519.getPublicKey(hkdf(sha256, secret, undefined, utf8.encode("koinon grant key v1"), 32)),
    sign: async (body, auth, chain, number) => ({ body, auth, signature: secp256k1.sign(documentOf(body, auth, chain, number), secret) }),
  };
}
