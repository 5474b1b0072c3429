// As much of protobuf's wire format as transactions need
// (protobuf.dev/programming-guides/encoding): integers, bytes, text, messages.

/** What a field holds; a list is a repeated field. */
export type Value = bigint | string | Uint8Array | Uint8Array[];

const utf8 = new TextEncoder();

function varint(n: bigint): number[] {
  const bytes: number[] = [];
  for (n = BigInt.asUintN(64, n); n > 127n; n >>= 7n) bytes.push(Number(n & 127n) | 128);
  return [...bytes, Number(n)];
}

function sized(field: number, b: Uint8Array): number[] {
  return [...varint(BigInt(field << 3 | 2)), ...varint(BigInt(b.length)), ...b];
}

/**
 * message writes fields, given by their numbers in rising order. Zeros and empty
 * text are left out, as proto3 does; an empty message within a list is not.
 */
export function message(fields: Record<number, Value>): Uint8Array {
  const out: number[] = [];
  for (const [key, value] of Object.entries(fields)) {
    const field = Number(key);
    if (typeof value === "bigint") {
      if (value !== 0n) out.push(...varint(BigInt(field << 3)), ...varint(value));
    } else if (Array.isArray(value)) {
      for (const one of value) out.push(...sized(field, one));
    } else {
      const b = typeof value === "string" ? utf8.encode(value) : value;
      if (b.length > 0) out.push(...sized(field, b));
    }
  }
  return Uint8Array.from(out);
}

/** any wraps a message with its kind, as google.protobuf.Any. */
export const any = (kind: string, value: Uint8Array): Uint8Array => message({ 1: `/${kind}`, 2: value });
