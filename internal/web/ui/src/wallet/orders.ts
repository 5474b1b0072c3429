// What can be asked of the ledger here: each as the message that is signed and
// the sentence that says what it does.
import { count, dollars, koin } from "../money";
import { message } from "./protobuf";
import type { Order, Signer } from "./tx";

/** micro reads an amount with at most six decimals, in micro-units. */
export function micro(text: string): bigint {
  const found = /^\$?\s*(\d{1,12})(?:\.(\d{1,6}))?\s*(?:KOIN)?$/i.exec(text.trim());
  const units = found ? BigInt(found[1] ?? "0") * 1_000_000n + BigInt((found[2] ?? "").padEnd(6, "0")) : 0n;
  if (units === 0n) throw new Error(`“${text}” is no amount: write one such as 5 or 0.25.`);
  return units;
}

/** whole reads a number of shares. */
function whole(text: string): bigint {
  if (!/^\d{1,18}$/.test(text.trim()) || BigInt(text) === 0n) throw new Error(`“${text}” is no number of shares.`);
  return BigInt(text);
}

/** modelOf is the model whose shares a denomination is, or "". */
export function modelOf(denom: string): string {
  const [, namespace, name] = /^share\/([^/]+)\/(.+)$/.exec(denom) ?? [];
  return name ? (namespace === "_" ? name : `@${namespace}/${name}`) : "";
}

export function deposit(by: Signer, hasGrantKey: boolean, amount: string): Order {
  const units = micro(amount);
  if (!hasGrantKey && !by.grantKey) throw new Error("This escrow has no key yet that signs its grants, and an extension keeps none: deposit once with koinon wallet deposit, or from a key that is kept in this browser.");
  const key = hasGrantKey ? "" : (by.grantKey ?? "");
  return { kind: "koinon.escrow.v1.MsgDeposit", value: message({ 1: by.address, 2: units, 3: key }), credit: units,
    says: `Put ${dollars(units)} into your escrow, to be spent on answers.`, note: "What is not spent can be taken back." };
}

export function withdraw(by: Signer, amount: string): Order {
  const units = micro(amount);
  return { kind: "koinon.escrow.v1.MsgWithdraw", value: message({ 1: by.address, 2: units }),
    says: `Take ${dollars(units)} out of your escrow.`, note: "It arrives after the ledger's delay for withdrawals." };
}

export function send(by: Signer, to: string, denom: string, amount: string): Order {
  const units = denom.startsWith("share/") ? whole(amount) : micro(amount);
  const says = denom === "ucredit" ? dollars(units) : denom === "ukoin" ? koin(units) : `${units} shares of ${modelOf(denom)}`;
  return { kind: "cosmos.bank.v1beta1.MsgSend", value: message({ 1: by.address, 2: to, 3: [message({ 1: denom, 2: units.toString() })] }),
    credit: denom === "ucredit" ? units : 0n, koin: denom === "ukoin" ? units : 0n, says: `Send ${says} to ${to}.`, note: "Nobody can call it back." };
}

/** buy orders shares; price is what a million of them cost now, in micro-credits. */
export function buy(by: Signer, offering: string, model: string, price: bigint, budget: string, limit: string): Order {
  const units = micro(budget), about = price > 0n ? `At the price now that is about ${count(units * 1_000_000n / price)} shares. ` : "", most = limit.trim() ? micro(limit) * 1_000_000n : 0n;
  return { kind: "koinon.offering.v1.MsgBuy", value: message({ 1: by.address, 2: BigInt(offering), 3: units, 4: most }), credit: units,
    says: `Order shares of ${model} for up to ${dollars(units)}${most ? `, at no more than ${dollars(most / 1_000_000n)} a share` : ""}.`,
    note: about + "All orders of a block are filled at one price, and what is left of the budget comes back at once. If the offering misses its least sum, all of it does." };
}

/** access orders an access token; price is what the plan asks, in micro-credits. */
export function access(by: Signer, plan: string, model: string, good: string, price: bigint, transferable: boolean): Order {
  return { kind: "koinon.access.v1.MsgBuy", value: message({ 1: by.address, 2: BigInt(plan) }), credit: price,
    says: `Buy an access token of ${model} for ${dollars(price)}: ${good}.`,
    note: `Answers are paid for besides. ${transferable ? "You can give it to another account while it is not in use." : "It stays with this account."}` };
}

export const choices = { yes: 1n, no: 2n, abstain: 3n } as const;
export type Choice = keyof typeof choices;

export function vote(by: Signer, ballot: string, title: string, choice: Choice): Order {
  const says = `Vote ${choice} on “${title}”.`, note = "Until voting ends you can vote again, which replaces this vote.";
  const [house, id] = ballot.split(":") as [string, string];
  if (house === "shareholders") return { kind: "koinon.assembly.v1.MsgVote", value: message({ 1: by.address, 2: BigInt(id), 3: choices[choice] }), says, note };
  // Governance's choices have numbers of their own (cosmos.gov.v1.VoteOption).
  const option = { yes: 1n, abstain: 2n, no: 3n }[choice];
  return { kind: "cosmos.gov.v1.MsgVote", value: message({ 1: BigInt(id), 2: by.address, 3: option }), says, note };
}

export const claim = (by: Signer, model: string): Order =>
  ({ kind: "koinon.share.v1.MsgClaim", value: message({ 1: by.address, 2: model }), says: `Be paid the royalties that your shares of ${model} have earned.` });
