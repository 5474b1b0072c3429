// The same request from code.
interface Request { model: string; key: string; temperature: number; max_tokens: number }

const write: Record<string, (base: string, r: Request) => string> = {
  curl: (base, r) => `curl ${base}/chat/completions \\
  -H "Authorization: Bearer ${r.key || "$KEY"}" \\
  -H "Content-Type: application/json" \\
  -d '${JSON.stringify({ model: r.model, temperature: r.temperature, max_tokens: r.max_tokens, messages: [{ role: "user", content: "ROMEO:" }] })}'`,
  python: (base, r) => `from openai import OpenAI

client = OpenAI(base_url="${base}", api_key="${r.key || "KEY"}")
answer = client.chat.completions.create(
    model="${r.model}", temperature=${r.temperature}, max_tokens=${r.max_tokens},
    messages=[{"role": "user", "content": "ROMEO:"}],
)
print(answer.choices[0].message.content)`,
  javascript: (base, r) => `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${base}", apiKey: "${r.key || "KEY"}" });
const answer = await client.chat.completions.create({
  model: "${r.model}", temperature: ${r.temperature}, max_tokens: ${r.max_tokens},
  messages: [{ role: "user", content: "ROMEO:" }],
});
console.log(answer.choices[0].message.content);`,
};

export function snippets(request: () => Request): void {
  const tabs = [...document.querySelectorAll<HTMLButtonElement>("#code [role=tab]")];
  const text = document.getElementById("snippet-text") as HTMLElement;
  let language = "curl";
  const show = (): void => { text.textContent = write[language]?.(`${location.origin}/v1`, request()) ?? ""; };
  const pick = (tab: HTMLButtonElement): void => {
    language = tab.dataset.language ?? "curl";
    for (const t of tabs) { t.setAttribute("aria-selected", String(t === tab)); t.tabIndex = t === tab ? 0 : -1; }
    document.getElementById("snippet")?.setAttribute("aria-labelledby", tab.id);
    show();
  };
  tabs.forEach((tab, i) => {
    tab.addEventListener("click", () => pick(tab));
    tab.addEventListener("keydown", (e) => {
      const step = e.key === "ArrowRight" ? 1 : e.key === "ArrowLeft" ? -1 : 0;
      const next = step && tabs[(i + step + tabs.length) % tabs.length];
      if (next) { pick(next); next.focus(); }
    });
  });
  const copy = document.getElementById("copy");
  copy?.addEventListener("click", () => void navigator.clipboard.writeText(text.textContent ?? "").then(() => {
    copy.textContent = "Copied";
    setTimeout(() => { copy.textContent = "Copy"; }, 1500);
  }));
  document.addEventListener("settings", show);
  show();
}
