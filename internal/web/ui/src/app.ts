// What every page has: the theme, the height of the ledger, charts.
import { drawCharts } from "./chart";
import { count } from "./money";
import { playground } from "./playground";

const root = document.documentElement;

function theme(): void {
  const kept = localStorage.getItem("theme");
  if (kept === "light" || kept === "dark") root.dataset.theme = kept;
  const button = document.getElementById("theme");
  if (!button) return;
  button.hidden = false;
  button.addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    localStorage.setItem("theme", root.dataset.theme);
    drawCharts();
  });
}

/** follow shows each new block's number, as the server tells of it. */
function follow(): void {
  const height = document.getElementById("height");
  if (!height) return;
  const source = new EventSource("/events");
  source.addEventListener("block", (event) => {
    const { height: n } = JSON.parse((event as MessageEvent<string>).data) as { height: number };
    height.textContent = count(n);
  });
  addEventListener("pagehide", () => source.close());
}

interface Load { active: number; queue: number; tokens_per_second: number; paused: boolean }
interface Measured { provider: string; model: string; first_token_ms: number; tokens_per_second: number; load?: Load }

/** speeds fills in what the gateway has measured and heard of those in a table: of a
 * provider's offer for a model or, in a row without a model, what it says of itself. */
async function speeds(): Promise<void> {
  const rows = [...document.querySelectorAll<HTMLElement>("[data-measured] tr[data-provider]")];
  if (rows.length === 0 || document.body.dataset.gateway === undefined) return;
  const query = new URLSearchParams([...new Set(rows.map((row) => row.dataset.provider ?? ""))].map((p) => ["provider", p]));
  const { measured } = (await (await fetch(`/measured?${query}`)).json()) as { measured: Measured[] };
  const write = (row: HTMLElement, cell: string, text: string): void => { const at = row.querySelector(`[data-${cell}]`); if (at) at.textContent = text; };
  for (const row of rows) {
    const { provider, model } = row.dataset, m = measured.find((m) => m.provider === provider && (!model || m.model === model));
    if (m && m.first_token_ms > 0) write(row, "first", `${m.first_token_ms} ms`);
    const rate = (model ? m?.tokens_per_second : m?.load?.tokens_per_second) ?? 0;
    if (rate > 0) write(row, "rate", rate.toFixed(1));
    if (m?.load) write(row, "load", m.load.paused ? "paused" : m.load.active + m.load.queue === 0 ? "idle" : `${m.load.active} running${m.load.queue ? `, ${m.load.queue} waiting` : ""}`);
  }
}

/** reveal scrolls what is chosen into view, where a row of links is too wide for the screen. */
function reveal(): void {
  for (const chosen of document.querySelectorAll<HTMLElement>("nav [aria-current]")) {
    const row = chosen.parentElement;
    if (row) row.scrollLeft = chosen.offsetLeft - row.offsetLeft - (row.clientWidth - chosen.offsetWidth) / 2;
  }
}

/** reachable lets the keyboard scroll what is wider than a page of the documentation. */
function reachable(): void {
  for (const wide of document.querySelectorAll<HTMLElement>(".prose pre, .prose table")) {
    if (wide.scrollWidth > wide.clientWidth || wide.scrollHeight > wide.clientHeight) wide.tabIndex = 0;
  }
}

theme();
reveal();
reachable();
follow();
drawCharts();
playground();
void speeds();
