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

/** speeds fills in what the gateway has measured of the offers in a table. */
async function speeds(): Promise<void> {
  const rows = document.querySelectorAll<HTMLElement>("[data-measured] tr[data-provider]");
  if (rows.length === 0 || document.body.dataset.gateway === undefined) return;
  const { measured } = (await (await fetch("/measured")).json()) as { measured: { provider: string; model: string; first_token_ms: number; tokens_per_second: number }[] };
  const known = new Map(measured.map((m) => [`${m.provider} ${m.model}`, m]));
  for (const row of rows) {
    const m = known.get(`${row.dataset.provider} ${row.dataset.model}`), first = row.querySelector("[data-first]"), rate = row.querySelector("[data-rate]");
    if (m && m.first_token_ms > 0 && first) first.textContent = `${m.first_token_ms} ms`;
    if (m && m.tokens_per_second > 0 && rate) rate.textContent = m.tokens_per_second.toFixed(1);
  }
}

/** reveal scrolls what is chosen into view, where a row of links is too wide for the screen. */
function reveal(): void {
  for (const chosen of document.querySelectorAll<HTMLElement>("nav [aria-current]")) {
    const row = chosen.parentElement;
    if (row) row.scrollLeft = chosen.offsetLeft - row.offsetLeft - (row.clientWidth - chosen.offsetWidth) / 2;
  }
}

theme();
reveal();
follow();
drawCharts();
playground();
void speeds();
