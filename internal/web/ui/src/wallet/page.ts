// The wallet's page: who signs, what is asked for, what it costs, and what came of it.
import { count, dollars, koin } from "../money";
import { areWords, fromWords, isAddress, newWords } from "./account";
import { connect, extensions, title, type Network } from "./extension";
import * as keyring from "./keyring";
import { account, cost, send, type Account, type Cost } from "./node";
import * as orders from "./orders";
import { authOf, bodyOf, type Order, type Signer } from "./tx";

const byId = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const field = (id: string): string => byId<HTMLInputElement | HTMLSelectElement>(id).value;

/** chosen is the text of what a list has chosen. */
const chosen = (id: string, data: string): string => byId<HTMLSelectElement>(id).selectedOptions[0]?.dataset[data] ?? "";

interface Person { name: string; address: string; mnemonic: string }

class Wallet {
  private readonly page = byId("wallet");
  private readonly network: Network = { chain: this.page.dataset.chain ?? "", rpc: this.page.dataset.rpc ?? "", rest: this.page.dataset.rest ?? "" };
  private readonly people = JSON.parse(this.page.dataset.people ?? "[]") as Person[];
  private signer?: Signer;
  private has?: Account;
  private order?: Order;
  private price?: Cost;

  constructor() {
    const who = byId<HTMLSelectElement>("who");
    who.addEventListener("change", () => void this.attempt(() => this.become(who.value)));
    byId("do").addEventListener("change", () => this.choose());
    byId("order").addEventListener("submit", (e) => { e.preventDefault(); void this.attempt(() => this.review()); });
    byId("order").addEventListener("input", () => this.reset());
    byId("sign").addEventListener("click", () => void this.attempt(() => this.sign()));
    byId("unlock").addEventListener("submit", (e) => { e.preventDefault(); void this.attempt(() => this.unlock()); });
    byId("forget").addEventListener("click", () => {
      if (confirm("Forget this key? Only its words bring it back.")) { keyring.forget(who.value.slice(5)); this.list(); }
    });
    byId("new-words").addEventListener("click", () => { byId<HTMLTextAreaElement>("words").value = newWords(); });
    byId("keep").addEventListener("submit", (e) => { e.preventDefault(); void this.attempt(() => this.keep()); });
    byId("no-crypto").hidden = keyring.available();
    byId("keep").hidden = !keyring.available();
    this.list();
    this.wanted();
  }

  /** list offers all accounts that can sign here. */
  private list(become = ""): void {
    const who = byId<HTMLSelectElement>("who"), kept = keyring.entries();
    const group = (label: string, options: HTMLOptionElement[]): HTMLElement[] => {
      const g = document.createElement("optgroup");
      g.label = label;
      g.append(...options);
      return options.length > 0 ? [g] : [];
    };
    who.replaceChildren(new Option("choose who signs", ""),
      ...group("Kept in this browser", kept.map((e) => new Option(e.name, `kept:${e.address}`))),
      ...group("In an extension", extensions().map((name) => new Option(title(name), `extension:${name}`))),
      ...group("Accounts of this devnet", this.people.map((p) => new Option(p.name, `devnet:${p.address}`))));
    who.value = become || (kept[0] ? `kept:${kept[0].address}` : this.people.some((p) => p.name === "bob") ? `devnet:${this.people.find((p) => p.name === "bob")?.address}` : "");
    void this.attempt(() => this.become(who.value));
  }

  /** wanted fills in what a link to this page asks for. */
  private wanted(): void {
    const query = new URLSearchParams(location.search);
    const set = (id: string, value: string | null): void => {
      const input = byId<HTMLSelectElement>(id);
      if (value && (input.tagName !== "SELECT" || [...input.options].some((o) => o.value === value))) input.value = value;
    };
    set("do", query.get("do"));
    set("offering", query.get("offering"));
    set("plan", query.get("plan"));
    set("ballot", query.get("ballot"));
    set("choice", query.get("choice"));
    set("to", query.get("to"));
    this.choose();
  }

  /** attempt shows what goes wrong where it can be read. */
  private async attempt(work: () => Promise<void>): Promise<void> {
    const trouble = byId("trouble"), busy = byId("review-button");
    trouble.hidden = true;
    busy.ariaBusy = "true";
    try {
      await work();
    } catch (e) {
      trouble.textContent = (e as Error).message;
      trouble.hidden = false;
    }
    busy.ariaBusy = null;
  }

  private async become(value: string): Promise<void> {
    const [kind, id = ""] = value.split(":") as [string, string?];
    this.signer = this.has = undefined;
    this.reset();
    byId("unlock").hidden = kind !== "kept";
    byId("balances").replaceChildren();
    if (kind === "devnet") {
      const p = this.people.find((p) => p.address === id);
      if (p) await this.use(await fromWords(p.name, p.mnemonic));
    } else if (kind === "extension") {
      await this.use(await connect(id as "keplr" | "leap", this.network));
    } else if (kind === "kept") {
      this.show(await account(id));
    }
  }

  private async use(signer: Signer): Promise<void> {
    this.signer = signer;
    byId("unlock").hidden = true;
    this.show(await account(signer.address));
  }

  private async unlock(): Promise<void> {
    const entry = keyring.entries().find((e) => `kept:${e.address}` === field("who")), passphrase = byId<HTMLInputElement>("passphrase");
    if (!entry) return;
    const words = await keyring.open(entry, passphrase.value);
    passphrase.value = "";
    await this.use(await fromWords(entry.name, words));
  }

  private async keep(): Promise<void> {
    const words = byId<HTMLTextAreaElement>("words"), name = field("key-name").trim() || "my key", passphrase = byId<HTMLInputElement>("new-passphrase");
    if (!areWords(words.value)) throw new Error("These are not 12 to 24 words of a mnemonic.");
    if (passphrase.value.length < 8) throw new Error("Give a passphrase of at least 8 characters.");
    const signer = await fromWords(name, words.value);
    await keyring.keep(name, signer.address, words.value.trim().replace(/\s+/g, " "), passphrase.value);
    words.value = passphrase.value = "";
    byId<HTMLDetailsElement>("keep-box").open = false;
    this.list(`kept:${signer.address}`);
    await this.use(signer);
  }

  /** show writes what the account has. */
  private show(has: Account): void {
    this.has = has;
    const list = byId("balances");
    list.replaceChildren();
    const row = (name: string, value: string | Node): void => {
      const div = document.createElement("div"), dt = document.createElement("dt"), dd = document.createElement("dd");
      dt.textContent = name;
      dd.append(value);
      dd.className = "break";
      div.append(dt, dd);
      list.append(div);
    };
    const link = document.createElement("a");
    link.href = `/accounts/${encodeURIComponent(has.address)}`;
    link.textContent = has.address;
    link.className = "mono";
    row("Address", link);
    row("Dollars", dollars(BigInt(has.credit)));
    row("For fees and stake", koin(BigInt(has.koin)));
    row("Escrow", dollars(BigInt(has.escrow)));
    if (has.locked !== "0") row("Backs grants", dollars(BigInt(has.locked)));
    const shares = has.others.filter((c) => orders.modelOf(c.denom));
    for (const t of has.tokens) row(`Access to ${t.scope}`, t.good);
    for (const c of shares) row(`Shares of ${orders.modelOf(c.denom)}`, count(c.amount));
    if (!has.exists) row("", "It holds nothing yet: somebody must send it something first.");
    byId<HTMLSelectElement>("asset").replaceChildren(new Option("dollars", "ucredit"), new Option("KOIN", "ukoin"), ...shares.map((c) => new Option(`shares of ${orders.modelOf(c.denom)}`, c.denom)));
    byId<HTMLSelectElement>("royalties").replaceChildren(...shares.map((c) => new Option(orders.modelOf(c.denom), orders.modelOf(c.denom))));
  }

  /** choose shows the fields of what is to be done. */
  private choose(): void {
    for (const set of document.querySelectorAll<HTMLFieldSetElement>("#order fieldset")) {
      set.hidden = set.disabled = set.dataset.do !== field("do");
    }
    this.reset();
  }

  private reset(): void {
    this.order = this.price = undefined;
    byId("review").hidden = byId("done").hidden = true;
    byId("trouble").hidden = true;
  }

  private make(by: Signer, has: Account): Order {
    switch (field("do")) {
      case "deposit": return orders.deposit(by, has.grant_key, field("deposit-amount"));
      case "withdraw": return orders.withdraw(by, field("withdraw-amount"));
      case "send": {
        const to = field("to").trim();
        if (!isAddress(to)) throw new Error("That is no address of this ledger: it begins with koinon1.");
        return orders.send(by, to, field("asset"), field("send-amount"));
      }
      case "buy": return orders.buy(by, field("offering"), chosen("offering", "model"), BigInt(chosen("offering", "price") || 0), field("budget"), field("limit"));
      case "access": {
        if (!field("plan")) throw new Error("No access token is for sale.");
        return orders.access(by, field("plan"), chosen("plan", "model"), chosen("plan", "good"), BigInt(chosen("plan", "price")), "transferable" in (byId<HTMLSelectElement>("plan").selectedOptions[0]?.dataset ?? {}));
      }
      case "vote": return orders.vote(by, field("ballot"), chosen("ballot", "title"), field("choice") as orders.Choice);
      case "claim": return orders.claim(by, field("royalties"));
      default: throw new Error("Choose what to do.");
    }
  }

  /** review says what would happen and what it costs; nothing is signed. */
  private async review(): Promise<void> {
    if (!this.signer) throw new Error(field("who").startsWith("kept:") ? "Unlock the key first." : "Choose who signs first.");
    const by = this.signer, has = (this.has = await account(by.address));
    if (!has.exists) throw new Error("This account holds nothing yet, so it cannot send anything.");
    const order = this.make(by, has), price = await cost(by, has, [order]);
    [this.order, this.price] = [order, price];
    byId("says").textContent = order.says;
    byId("note").textContent = order.note ?? "";
    byId("fee").textContent = price.fee === 0n ? "nothing: it is free for buyers" : koin(price.fee);
    byId("after").textContent = `${dollars(BigInt(has.credit) - (order.credit ?? 0n))} and ${koin(BigInt(has.koin) - (order.koin ?? 0n) - price.fee)}`;
    byId("signs").textContent = by.name;
    byId("kind").textContent = order.kind;
    byId("review").hidden = false;
    byId("sign").focus();
  }

  private async sign(): Promise<void> {
    const { signer: by, has, order, price } = this;
    if (!by || !has || !order || !price) return;
    const button = byId<HTMLButtonElement>("sign");
    button.disabled = true;
    button.textContent = "Waiting for a block …";
    try {
      const auth = authOf(by.publicKey, BigInt(has.sequence), price.gas, price.fee);
      const hash = await send(await by.sign(bodyOf([order]), auth, this.network.chain, BigInt(has.number)));
      this.reset();
      const done = byId("done"), link = document.createElement("a");
      link.href = `/txs/${hash}`;
      link.textContent = "See it on the ledger";
      done.replaceChildren(`Done. ${order.says} `, link);
      done.hidden = false;
      this.show(await account(by.address));
    } finally {
      button.disabled = false;
      button.textContent = "Sign and send";
    }
  }
}

if (document.getElementById("wallet")) new Wallet();
