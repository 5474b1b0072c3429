// An answer's receipt, shown and checked here, in the browser.
import { dollars } from "./money";
import { receiptOf } from "./stream";
import { parse, verify, type Receipt } from "./verify";

interface Shown { id: string; valid: boolean; problem?: string; receipt: Receipt }

/** showReceipt opens the receipt of an answer. */
export async function showReceipt(key: string, id: string): Promise<void> {
  const dialog = document.getElementById("receipt") as HTMLDialogElement, body = document.getElementById("receipt-body") as HTMLElement;
  body.textContent = "loading …";
  dialog.showModal();
  try {
    const shown = parse(await receiptOf(key, id)) as Shown;
    body.replaceChildren(facts(shown), checks(shown.receipt, id), raw(shown));
  } catch (e) {
    body.textContent = (e as Error).message;
  }
}

function facts(s: Shown): HTMLElement {
  const list = document.createElement("dl");
  list.className = "facts";
  const r = s.receipt ?? {};
  const row = (name: string, value: string, link?: string): void => {
    const div = document.createElement("div"), dt = document.createElement("dt"), dd = document.createElement("dd");
    dt.textContent = name;
    dd.className = "break";
    if (link) { const a = document.createElement("a"); a.href = link; a.textContent = value; dd.append(a); } else dd.textContent = value;
    div.append(dt, dd);
    list.append(div);
  };
  row("Receipt", s.id);
  row("Weights", String(r.model), `/models/${encodeURIComponent(String(r.model))}`);
  row("Provider", String(r.provider), `/providers/${encodeURIComponent(String(r.provider))}`);
  row("Tokens", `${r.prompt_tokens} of the prompt (${r.cached_tokens} cached), ${r.completion_tokens} of the answer`);
  if (r.right) row("Right to call", String(r.right));
  row("Cost", dollars(BigInt(String(r.cost ?? 0))));
  row("Number on its grant", String(r.sequence));
  row("The gateway found", s.valid ? "nothing wrong with it" : (s.problem ?? "something wrong"));
  return list;
}

/** checks are what this browser found out by itself. */
function checks(r: Receipt, id: string): HTMLElement {
  const list = document.createElement("ul");
  list.className = "checks";
  list.setAttribute("aria-label", "Checked in this browser");
  for (const c of verify(r, id)) {
    const item = document.createElement("li");
    item.textContent = c.says ? `${c.what}: no, ${c.says}` : c.what;
    if (c.says) item.className = "fails";
    list.append(item);
  }
  return list;
}

/** raw is the receipt's text, which can be changed to see that checks fail. */
function raw(s: Shown): HTMLElement {
  const details = document.createElement("details"), summary = document.createElement("summary"), area = document.createElement("textarea");
  summary.textContent = "As the provider signed it: change a word, and see";
  area.value = JSON.stringify(s.receipt, (_, v: unknown) => (typeof v === "bigint" ? Number(v) : v), 2);
  area.rows = 14;
  area.spellcheck = false;
  area.className = "mono";
  area.setAttribute("aria-label", "The receipt as JSON");
  area.addEventListener("input", () => {
    const old = document.querySelector("#receipt-body .checks");
    try {
      old?.replaceWith(checks(parse(area.value), s.id));
    } catch (e) {
      const item = document.createElement("li");
      item.className = "fails";
      item.textContent = `This is no receipt: ${(e as Error).message}`;
      old?.replaceChildren(item);
    }
  });
  details.append(summary, area);
  return details;
}
