// What the wallet asks of the ledger, through the server that it comes from.
import { authOf, bodyOf, raw, type Order, type Signer, type Signed } from "./tx";

export interface Account {
  address: string; exists: boolean; number: string; sequence: string;
  credit: string; koin: string; escrow: string; locked: string; grant_key: boolean;
  others: { denom: string; amount: string }[];
  tokens: { id: number; scope: string; good: string }[];
}
export interface Cost { gas: bigint; fee: bigint }

async function ask<T>(path: string, body?: Uint8Array): Promise<T> {
  const response = await fetch(`/wallet/${path}`, body && { method: "POST", body: body as BufferSource, headers: { "content-type": "application/octet-stream" } });
  const answer = (await response.json()) as T & { error?: string; refusal?: string };
  if (answer.refusal !== undefined) throw new Error(`The ledger would refuse this: ${answer.refusal}.`);
  if (!response.ok) throw new Error(answer.error ?? `The server answered ${response.status}.`);
  return answer;
}

export const account = (address: string): Promise<Account> => ask(`accounts/${encodeURIComponent(address)}`);

/** simulated is the gas that a simulation is signed for; it pays nothing. */
const simulated = 500_000n;

/** cost asks what orders would cost, or throws the ledger's refusal. */
export async function cost(by: Signer, has: Account, orders: Order[]): Promise<Cost> {
  const tx = raw({ body: bodyOf(orders), auth: authOf(by.publicKey, BigInt(has.sequence), simulated, 0n), signature: new Uint8Array(64) });
  const e = await ask<{ gas: string; fee: string }>("simulate", tx);
  return { gas: BigInt(e.gas), fee: BigInt(e.fee) };
}

/** send sends what was signed, waits until a block has it, and names it. */
export async function send(signed: Signed): Promise<string> {
  const { hash } = await ask<{ hash: string }>("send", raw(signed));
  for (let waited = 0; waited < 120; waited++) {
    const t = await ask<{ height: number; refused?: string }>(`txs/${hash}`);
    if (t.refused) throw new Error(`The ledger refused it: ${t.refused}`);
    if (t.height > 0) return hash;
    await new Promise((done) => setTimeout(done, 500));
  }
  throw new Error(`No block has it after a minute. Its hash is ${hash}: look for it before you send again.`);
}
