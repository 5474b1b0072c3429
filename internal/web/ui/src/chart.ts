// Tables of amounts by day become charts; the table stays for those who listen.
import uPlot from "uplot";
import { dollars } from "./money";

const colours = ["#1d7f8c", "#d08a2e", "#5b6fc0", "#7a9b45", "#b0577f", "#8a7f70"];
const day = 86_400;

interface Series { name: string; amounts: number[] }

/** read takes the days and, by name, the amounts of each out of a table. */
function read(figure: HTMLElement): { days: number[]; series: Series[] } {
  const rows = [...figure.querySelectorAll<HTMLTableRowElement>("tr[data-day]")];
  const at = rows.map((r) => Number(r.dataset.day));
  const last = Math.max(...at), first = Math.min(...at, last - 6 * day);
  const days: number[] = [];
  for (let d = first; d <= last; d += day) days.push(d);
  const names = [...new Set(rows.map((r) => r.dataset.of ?? ""))];
  const series = names.map((name) => ({
    name,
    amounts: days.map((d) => Number(rows.find((r) => Number(r.dataset.day) === d && r.dataset.of === name)?.dataset.amount ?? 0)),
  }));
  return { days, series };
}

/** stacked adds each series to those before it. */
function stacked(series: Series[]): number[][] {
  let below: number[] = [];
  return series.map((s) => (below = s.amounts.map((v, i) => v + (below[i] ?? 0))));
}

function draw(figure: HTMLElement): void {
  figure.querySelectorAll(".plot, .legend").forEach((e) => e.remove());
  const { days, series } = read(figure);
  const box = document.createElement("div");
  box.className = "plot";
  box.setAttribute("aria-hidden", "true");
  figure.append(box);
  const style = getComputedStyle(document.documentElement);
  const grid = { stroke: style.getPropertyValue("--line"), width: 1 };
  const stroke = style.getPropertyValue("--dim");
  const bars = uPlot.paths.bars?.({ size: [0.6, 40] });
  const heights = stacked(series);
  new uPlot({
    width: box.clientWidth || 400, height: 190, legend: { show: false }, cursor: { show: false },
    scales: { x: { time: true, range: [(days[0] ?? 0) - day / 2, (days.at(-1) ?? 0) + day / 2] }, y: { range: (_, __, max) => [0, max * 1.1 || 1] } },
    axes: [
      { stroke, grid: { show: false }, ticks: grid, values: (_, at) => at.map((t) => (t % day ? "" : new Date(t * 1000).toLocaleDateString("en-GB", { day: "numeric", month: "short", timeZone: "UTC" }))) },
      { stroke, grid, ticks: grid, size: 78, values: (_, at) => at.map((v) => (Number.isInteger(v) ? dollars(BigInt(v)) : "")) },
    ],
    // The tallest first, so that those before it stand in front.
    series: [{}, ...series.map((_, i) => ({ fill: colours[(series.length - 1 - i) % colours.length], width: 0, points: { show: false }, paths: bars }))],
  }, [days, ...heights.toReversed()] as uPlot.AlignedData, box);
  const legend = document.createElement("div");
  legend.className = "legend";
  series.forEach((s, i) => {
    const item = document.createElement("span");
    const swatch = document.createElement("span");
    swatch.className = "swatch";
    swatch.style.background = colours[i % colours.length] ?? "";
    item.append(swatch, s.name);
    legend.append(item);
  });
  figure.append(legend);
  figure.classList.add("drawn");
}

/** curve draws a price by what is sold, and marks what is. */
function curve(figure: HTMLElement): void {
  figure.querySelectorAll(".plot").forEach((e) => e.remove());
  const rows = [...figure.querySelectorAll<HTMLTableRowElement>("tr[data-x]")];
  const xs = rows.map((r) => Number(r.dataset.x)), ys = rows.map((r) => Number(r.dataset.y)), sold = Number(figure.dataset.sold);
  const box = document.createElement("div");
  box.className = "plot";
  box.setAttribute("aria-hidden", "true");
  figure.append(box);
  const style = getComputedStyle(document.documentElement), stroke = style.getPropertyValue("--dim");
  const grid = { stroke: style.getPropertyValue("--line"), width: 1 };
  const short = new Intl.NumberFormat("en", { notation: "compact" });
  new uPlot({
    width: box.clientWidth || 300, height: 150, legend: { show: false }, cursor: { show: false },
    scales: { x: { time: false }, y: { range: (_, __, max) => [0, max * 1.1 || 1] } },
    axes: [
      { stroke, grid: { show: false }, ticks: grid, values: (_, at) => at.map((v) => short.format(v)) },
      { stroke, grid, ticks: grid, size: 64, values: (_, at) => at.map((v) => `$${short.format(v / 1e6)}`) },
    ],
    series: [{}, { stroke: colours[0], width: 2, points: { show: false } }, { stroke: colours[0], fill: `${colours[0]}44`, width: 0, points: { show: false } }],
  }, [xs, ys, ys.map((y, i) => ((xs[i] ?? 0) <= sold ? y : null))], box);
  figure.classList.add("drawn");
}

/** drawCharts draws every chart of the page, again if it was drawn before. */
export function drawCharts(): void {
  document.querySelectorAll<HTMLElement>('figure[data-chart="days"]').forEach(draw);
  document.querySelectorAll<HTMLElement>('figure[data-chart="curve"]').forEach(curve);
}
