// The playground: an answer that streams, what it costs while it does, who is
// paid, and its receipt.
import { dollars } from "./money";
import { chat, models, type Model, type Settled, type Turn } from "./stream";
import { showReceipt } from "./receipt";
import { snippets } from "./snippets";

const byId = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;

/** cost of so many tokens, rounded up as the ledger does for a whole answer. */
function estimate(m: Model | undefined, tokens: number): bigint {
  const price = m?.koinon.price;
  return price ? (BigInt(tokens) * BigInt(price.output) + 999_999n) / 1_000_000n : 0n;
}

class Playground {
  private list: Model[] = [];
  private turns: Turn[] = [];
  private running?: AbortController;
  private spent = 0n;
  private readonly picked = byId<HTMLSelectElement>("model");

  constructor() {
    const key = byId<HTMLInputElement>("key");
    key.value = document.body.dataset.key ?? localStorage.getItem("key") ?? "";
    byId<HTMLDetailsElement>("keybox").open = key.value === "";
    key.addEventListener("change", () => { localStorage.setItem("key", key.value.trim()); void this.load(); });
    byId("keyform").addEventListener("submit", (e) => { e.preventDefault(); key.blur(); });
    this.picked.addEventListener("change", () => this.describe());
    byId("ask").addEventListener("submit", (e) => { e.preventDefault(); void this.ask(); });
    byId("stop").addEventListener("click", () => this.running?.abort());
    const prompt = byId<HTMLTextAreaElement>("prompt");
    prompt.addEventListener("keydown", (e) => {
      if (e.key === "Enter" && !e.shiftKey && !e.isComposing) { e.preventDefault(); byId<HTMLFormElement>("ask").requestSubmit(); }
    });
    for (const id of ["temperature", "tokens"]) byId(id).addEventListener("input", () => this.describe());
    snippets(() => ({ model: this.model()?.id ?? "trivium", key: this.key(), ...this.settings() }));
    void this.load();
  }

  private key(): string { return byId<HTMLInputElement>("key").value.trim(); }
  private model(): Model | undefined { return this.list.find((m) => m.id === this.picked.value); }
  private settings(): { temperature: number; max_tokens: number } {
    return { temperature: byId<HTMLInputElement>("temperature").valueAsNumber || 0, max_tokens: byId<HTMLInputElement>("tokens").valueAsNumber || 200 };
  }

  private async load(): Promise<void> {
    if (!this.key()) { this.picked.replaceChildren(new Option("give an API key first", "")); return; }
    try {
      this.list = await models(this.key());
      this.picked.replaceChildren(...this.list.map((m) => new Option(m.id, m.id)));
      if (this.list.length === 0) this.picked.replaceChildren(new Option("nobody serves a model yet", ""));
      const wanted = new URLSearchParams(location.search).get("model");
      const found = this.list.find((m) => m.id === wanted || m.koinon.digest === wanted);
      const first = found ?? this.list.find((m) => m.koinon.providers > 0);
      if (first) this.picked.value = first.id;
    } catch (e) {
      this.picked.replaceChildren(new Option((e as Error).message, ""));
    }
    this.describe();
  }

  /** describe shows what is chosen, before anything is paid. */
  private describe(): void {
    const facts = byId("facts"), m = this.model();
    facts.replaceChildren();
    const row = (name: string, value: string): void => {
      const div = document.createElement("div"), dt = document.createElement("dt"), dd = document.createElement("dd");
      dt.textContent = name; dd.textContent = value; div.append(dt, dd); facts.append(div);
    };
    if (m) {
      const p = m.koinon.price;
      row("A million tokens", p ? `${dollars(BigInt(p.input))} in · ${dollars(BigInt(p.output))} out` : "nobody serves it now");
      row("Checked", m.koinon.class === "exact" ? "bit for bit" : "by likelihood");
      row("Context", `${m.context_length} tokens, ${m.koinon.quantization}`);
      row("Live providers", String(m.koinon.providers));
      row("At most, an answer", dollars(estimate(m, this.settings().max_tokens)));
    }
    document.dispatchEvent(new Event("settings"));
  }

  private bubble(role: "user" | "model"): { box: HTMLElement; text: HTMLElement; under: HTMLElement } {
    const box = document.createElement("div"), text = document.createElement("div"), under = document.createElement("div");
    box.className = `message ${role}`; text.className = "text"; under.className = "under";
    box.append(text);
    byId("messages").querySelector(".welcome")?.remove();
    byId("messages").append(box);
    box.scrollIntoView({ block: "nearest" });
    return { box, text, under };
  }

  private async ask(): Promise<void> {
    const prompt = byId<HTMLTextAreaElement>("prompt"), m = this.model();
    if (this.running || !prompt.value.trim() || !m) return;
    const question = prompt.value;
    this.turns.push({ role: "user", content: question });
    this.bubble("user").text.textContent = question;
    prompt.value = "";
    const answer = this.bubble("model");
    answer.box.classList.add("streaming");
    this.busy(true);
    const began = performance.now();
    let first = 0, tokens = 0, said = "", settled: Settled | undefined;
    try {
      for await (const c of chat(this.key(), { model: m.id, messages: this.turns, ...this.settings() }, this.running!.signal, (p) => void this.pays(p))) {
        const more = c.choices[0]?.delta.content;
        if (more) {
          tokens++;
          first ||= performance.now();
          said += more;
          answer.text.textContent = said;
          this.tick(estimate(m, tokens), tokens, first, began);
          answer.box.scrollIntoView({ block: "nearest" });
        }
        if (c.usage) tokens = c.usage.completion_tokens;
        if (c.koinon) settled = c.koinon;
      }
    } catch (e) {
      if ((e as Error).name !== "AbortError") { answer.box.classList.add("failed"); answer.text.textContent = (said ? said + "\n\n" : "") + (e as Error).message; }
    }
    answer.box.classList.remove("streaming");
    this.turns.push({ role: "assistant", content: said });
    this.busy(false);
    this.settle(answer, m, settled, tokens, said);
    prompt.focus();
  }

  private busy(yes: boolean): void {
    this.running = yes ? new AbortController() : undefined;
    byId("send").hidden = yes; byId("stop").hidden = !yes;
    if (yes) { byId("cost").textContent = "$0.000000"; byId("meter").style.width = "0"; for (const id of ["speed", "first", "paid"]) byId(id).textContent = "…"; }
  }

  /** tick moves the money with every token. */
  private tick(cost: bigint, tokens: number, first: number, began: number): void {
    const now = performance.now();
    byId("cost").textContent = `$${(Number(cost) / 1e6).toFixed(6)}`;
    byId("meter").style.width = `${Math.min(100, (100 * tokens) / this.settings().max_tokens)}%`;
    byId("first").textContent = `${Math.round(first - began)} ms`;
    if (tokens > 1) byId("speed").textContent = `${(((tokens - 1) * 1000) / (now - first)).toFixed(1)} tokens/s`;
  }

  /** pays names who earns this answer. */
  private async pays(provider: string): Promise<void> {
    const place = byId("paid");
    if (!provider) { place.textContent = "–"; return; }
    const link = document.createElement("a");
    link.href = `/providers/${encodeURIComponent(provider)}`;
    link.textContent = `${provider.slice(0, 11)}…`;
    place.replaceChildren(link);
    // The index may not know a provider yet that is new.
    const found = (await (await fetch(`/search?format=json&q=${encodeURIComponent(provider)}`)).json()) as { kind: string; title: string }[];
    const name = found.find((f) => f.kind === "provider")?.title;
    if (name) link.textContent = name;
  }

  /** settle shows what the answer cost in the end, and its receipt. */
  private settle(answer: { box: HTMLElement; under: HTMLElement }, m: Model, s: Settled | undefined, tokens: number, said: string): void {
    const cost = s ? BigInt(s.cost) : estimate(m, tokens);
    this.spent += cost;
    byId("cost").textContent = s ? dollars(cost) : `about ${dollars(cost)}`;
    byId("spent").textContent = dollars(this.spent);
    if (!said && !s) return;
    const add = (text: string): void => { const span = document.createElement("span"); span.textContent = text; answer.under.append(span); };
    add(`${tokens} tokens`);
    add(s ? dollars(cost) : "stopped: only what had come was paid");
    if (s) {
      const open = document.createElement("button");
      open.type = "button"; open.textContent = "Receipt";
      open.addEventListener("click", () => void showReceipt(this.key(), s.receipt));
      answer.under.append(open);
    }
    answer.box.append(answer.under);
    answer.box.scrollIntoView({ block: "nearest" });
  }
}

export function playground(): void {
  if (document.getElementById("playground")) new Playground();
}
