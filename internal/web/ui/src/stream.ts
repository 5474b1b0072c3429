// The gateway's API as the playground uses it.

export interface Price { input: number; cached_input: number; output: number }
export interface Model {
  id: string;
  context_length: number;
  koinon: { name: string; version: string; digest: string; class: string; quantization: string; providers: number; price?: Price; audit_score?: number };
}
export interface Settled { provider: string; model: string; receipt: string; cost: number }
export interface Usage { prompt_tokens: number; completion_tokens: number; prompt_tokens_details?: { cached_tokens: number } }
export interface Chunk {
  choices: { delta: { content?: string | null }; finish_reason: string | null }[];
  usage?: Usage | null;
  koinon?: Settled;
}
export interface Turn { role: "user" | "assistant"; content: string }

/** refusal is the API's error in its own words. */
async function refusal(response: Response): Promise<Error> {
  try {
    const body = (await response.json()) as { error?: { message?: string } };
    if (body.error?.message) return new Error(body.error.message);
  } catch { /* it was no JSON */ }
  return new Error(`The gateway answered ${response.status}.`);
}

export async function models(key: string): Promise<Model[]> {
  const response = await fetch("/v1/models", { headers: { authorization: `Bearer ${key}` } });
  if (!response.ok) throw await refusal(response);
  return ((await response.json()) as { data: Model[] }).data;
}

/** receiptOf is a receipt's JSON as it came, whose numbers only a careful reader keeps. */
export async function receiptOf(key: string, id: string): Promise<string> {
  const response = await fetch(`/v1/receipts/${encodeURIComponent(id)}`, { headers: { authorization: `Bearer ${key}` } });
  if (!response.ok) throw await refusal(response);
  return await response.text();
}

/** chat streams an answer; onHead tells who serves it as soon as that is known. */
export async function* chat(key: string, body: object, signal: AbortSignal, onHead: (provider: string) => void): AsyncGenerator<Chunk> {
  const response = await fetch("/v1/chat/completions", {
    method: "POST", signal,
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
    body: JSON.stringify({ ...body, stream: true, stream_options: { include_usage: true } }),
  });
  if (!response.ok || !response.body) throw await refusal(response);
  onHead(response.headers.get("koinon-provider") ?? "");
  for await (const data of frames(response.body)) {
    if (data === "[DONE]") return;
    const chunk = JSON.parse(data) as Chunk & { error?: { message: string } };
    if (chunk.error) throw new Error(chunk.error.message);
    yield chunk;
  }
}

/** frames splits a stream into the data of server-sent events. */
async function* frames(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const reader = body.getReader(), text = new TextDecoder();
  for (let held = ""; ; ) {
    const { value, done } = await reader.read();
    if (done) return;
    held += text.decode(value, { stream: true });
    for (let end; (end = held.indexOf("\n\n")) >= 0; held = held.slice(end + 2)) {
      const data = held.slice(0, end).split("\n").filter((l) => l.startsWith("data:")).map((l) => l.slice(5).trimStart()).join("\n");
      if (data) yield data;
    }
  }
}
