// What every page has: the theme, the height of the ledger, charts.
import { drawCharts } from "./chart";
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
    height.textContent = n.toString().replace(/\B(?=(\d{3})+$)/g, "\u202f");
  });
  addEventListener("pagehide", () => source.close());
}

theme();
follow();
drawCharts();
playground();
