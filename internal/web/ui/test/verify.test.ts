// The browser's checks are held to the vectors that every implementation is.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { bytesToHex } from "@noble/curves/utils.js";
import { dollars } from "../src/money";
import { bytes, chained, hash, parse, verify, type Receipt } from "../src/verify";

const vectors = readFileSync("../../../spec/vectors/receipt/v1.json", "utf8");
const read = (): Receipt => parse(vectors);
const failing = (r: Receipt, id?: string): string[] => verify(r, id).filter((c) => c.says).map((c) => c.what);

test("the vector's receipt has its bytes, its name, and holds", () => {
  const v = read();
  assert.equal(bytesToHex(bytes(v.receipt)), v.receipt_bytes);
  assert.equal(hash(v.receipt), v.receipt_hash);
  assert.deepEqual(failing(v.receipt, v.receipt_hash), []);
});

test("a receipt that was changed anywhere does not hold", () => {
  const good = read();
  const change = (r: Receipt, key: string): void => {
    const old = r[key];
    if (typeof old === "bigint") r[key] = old + 1n;
    else if (typeof old === "number") r[key] = old * 2;
    else if (/^sha256:/.test(old)) r[key] = old.replace(/.$/, (c: string) => (c === "0" ? "1" : "0"));
    else r[key] = key === "signature" || key === "provider_key" || key === "proof" ? old.replace(/^./, (c: string) => (c === "A" ? "B" : "A")) : old + "x";
  };
  for (const part of [undefined, "logprobs", "sampling", "seed", "price"] as const) {
    for (const key of Object.keys(part ? good.receipt[part] : good.receipt)) {
      if (!part && typeof good.receipt[key] === "object") continue;
      const v = read();
      change(part ? v.receipt[part] : v.receipt, key);
      assert.notDeepEqual(failing(v.receipt, v.receipt_hash), [], `${part ?? ""}.${key}`);
    }
  }
});

test("a changed cost, seed or name is named", () => {
  const v = read();
  v.receipt.cost += 1n;
  assert.ok(failing(v.receipt).includes("Its cost is its price times its tokens"));
  const w = read();
  w.receipt.seed.value += 1n;
  assert.ok(failing(w.receipt).includes("Neither side could choose the seed"));
  assert.deepEqual(failing(read().receipt, "sha256:" + "0".repeat(64)), ["It is the receipt that the answer named"]);
});

test("receipts follow each other", () => {
  const v = read(), next = read().receipt;
  next.sequence = 2n;
  next.previous = v.receipt_hash;
  next.owed = v.receipt.owed + next.cost;
  assert.equal(chained(v.receipt, next), "");
  next.owed += 1n;
  assert.notEqual(chained(v.receipt, next), "");
});

test("dollars are exact", () => {
  for (const [micro, want] of [[0n, "$0.00"], [1n, "$0.000001"], [1_500_000n, "$1.50"], [123_456_789n, "$123.456789"]] as const) assert.equal(dollars(micro), want);
});
