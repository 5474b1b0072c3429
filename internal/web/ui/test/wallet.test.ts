// The wallet: the same accounts as every Cosmos wallet has, and keys that a
// passphrase alone opens. That the ledger takes what is signed, the browser's
// tests show.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bech32 } from "@scure/base";
import { bytesToHex } from "@noble/curves/utils.js";
import { areWords, fromWords, isAddress, newWords } from "../src/wallet/account";
import * as keyring from "../src/wallet/keyring";
import { access, buy, micro, modelOf, send } from "../src/wallet/orders";
import { message } from "../src/wallet/protobuf";

const words = "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

test("an account is that of its words", async () => {
  const a = await fromWords("a", words);
  // As Cosmos Hub's wallets have it, with another prefix.
  assert.equal(bech32.encode("cosmos", bech32.decode(a.address as `${string}1${string}`).words), "cosmos19rl4cm2hmr8afy4kldpxz3fka4jguq0auqdal4");
  assert.ok(isAddress(a.address) && !isAddress("cosmos19rl4cm2hmr8afy4kldpxz3fka4jguq0auqdal4") && !isAddress(a.address.replace(/.$/, "q")));
  assert.ok(areWords(newWords()) && !areWords(words.replace("about", "abandon")));
});

test("a kept key opens with its passphrase alone, and for its own address", async () => {
  const stored = new Map<string, string>();
  Object.assign(globalThis, { localStorage: { getItem: (k: string) => stored.get(k) ?? null, setItem: (k: string, v: string) => stored.set(k, v) } });
  await keyring.keep("a", "koinon1a", words, "correct horse");
  const [entry] = keyring.entries();
  assert.ok(entry && !JSON.stringify(entry).includes("abandon"));
  assert.equal(await keyring.open(entry, "correct horse"), words);
  await assert.rejects(keyring.open(entry, "correct house"));
  await assert.rejects(keyring.open({ ...entry, address: "koinon1b" }, "correct horse"));
  keyring.forget("koinon1a");
  assert.deepEqual(keyring.entries(), []);
});

test("amounts are exact, and what is none is refused", () => {
  for (const [text, want] of [["5", 5_000_000n], ["$0.25", 250_000n], ["0.000001", 1n], ["12 KOIN", 12_000_000n]] as const) assert.equal(micro(text), want);
  for (const text of ["", "0", "-1", "1e3", "0.0000001", "1,5", "9".repeat(13)]) assert.throws(() => micro(text), text);
});

test("what is read is what is signed", async () => {
  const a = await fromWords("a", words);
  assert.equal(bytesToHex(message({ 1: "a", 2: 300n, 3: [new Uint8Array()], 4: 0n, 5: "" })), "0a016110ac021a00");
  const b = buy(a, "3", "@ada/bard", 20_000_000n, "10", "0.5");
  assert.equal(bytesToHex(b.value), bytesToHex(message({ 1: a.address, 2: 3n, 3: 10_000_000n, 4: 500_000_000_000n })));
  assert.equal(b.says, "Order shares of @ada/bard for up to $10.00, at no more than $0.50 a share.");
  assert.match(b.note ?? "", /^At the price now that is about 500\u202f000 shares/);
  const right = access(a, "4", "@ada/bard", "1000 calls in 30 days", 5_000_000n, false);
  assert.equal(bytesToHex(right.value), bytesToHex(message({ 1: a.address, 2: 4n })));
  assert.equal(right.says, "Buy an access token of @ada/bard for $5.00: 1000 calls in 30 days.");
  assert.equal(right.credit, 5_000_000n);
  assert.equal(send(a, a.address, "share/ada/bard", "7").says, `Send 7 shares of @ada/bard to ${a.address}.`);
  assert.throws(() => send(a, a.address, "share/ada/bard", "7.5"));
  assert.equal(modelOf("share/_/bard"), "bard");
});
