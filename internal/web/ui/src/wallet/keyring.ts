// Keys that are kept in this browser: each mnemonic by itself, encrypted with a
// passphrase (scrypt, AES-256-GCM). What is stored is of no use without it.
import { scryptAsync } from "@noble/hashes/scrypt.js";
import { bytesToHex, hexToBytes } from "@noble/curves/utils.js";

/** Entry is a key as it is stored. */
export interface Entry { name: string; address: string; salt: string; nonce: string; box: string }

const place = "keyring";
const utf8 = new TextEncoder();

export function entries(): Entry[] {
  try {
    return JSON.parse(localStorage.getItem(place) ?? "[]") as Entry[];
  } catch {
    return [];
  }
}

/** available says whether this browser lets a page encrypt: it does on localhost and over HTTPS. */
export const available = (): boolean => globalThis.crypto?.subtle !== undefined;

async function cipher(passphrase: string, salt: Uint8Array): Promise<CryptoKey> {
  const key = await scryptAsync(utf8.encode(passphrase.normalize("NFKC")), salt, { N: 2 ** 15, r: 8, p: 3, dkLen: 32 });
  return crypto.subtle.importKey("raw", key as BufferSource, "AES-GCM", false, ["encrypt", "decrypt"]);
}

/** keep stores a mnemonic under a passphrase. */
export async function keep(name: string, address: string, words: string, passphrase: string): Promise<void> {
  const salt = crypto.getRandomValues(new Uint8Array(16)), nonce = crypto.getRandomValues(new Uint8Array(12));
  const key = await cipher(passphrase, salt);
  const box = new Uint8Array(await crypto.subtle.encrypt({ name: "AES-GCM", iv: nonce, additionalData: utf8.encode(address) }, key, utf8.encode(words)));
  const entry = { name, address, salt: bytesToHex(salt), nonce: bytesToHex(nonce), box: bytesToHex(box) };
  localStorage.setItem(place, JSON.stringify([...entries().filter((e) => e.address !== address), entry]));
}

/** open reads a mnemonic; a wrong passphrase is an error. */
export async function open(e: Entry, passphrase: string): Promise<string> {
  const key = await cipher(passphrase, hexToBytes(e.salt));
  try {
    const words = await crypto.subtle.decrypt({ name: "AES-GCM", iv: hexToBytes(e.nonce) as BufferSource, additionalData: utf8.encode(e.address) }, key, hexToBytes(e.box) as BufferSource);
    return new TextDecoder().decode(words);
  } catch {
    throw new Error("That is not its passphrase.");
  }
}

export function forget(address: string): void {
  localStorage.setItem(place, JSON.stringify(entries().filter((e) => e.address !== address)));
}
