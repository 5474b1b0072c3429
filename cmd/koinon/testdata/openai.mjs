// Uses a network as any program would, through OpenAI's own client, and prints
// what it got as one JSON object.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 }); // address and key from the environment
const result = { models: [] };
for await (const model of client.models.list()) result.models.push(model.id);

const request = {
  model: result.models[0],
  messages: [{ role: "user", content: "KING HENRY:\nOnce more" }],
  seed: 1616, temperature: 0.7, max_tokens: 40,
};
const whole = await client.chat.completions.create(request);
result.whole = { text: whole.choices[0].message.content, usage: whole.usage, koinon: whole.koinon };

result.streamed = { text: "", chunks: 0 };
const stream = await client.chat.completions.create({ ...request, stream: true, stream_options: { include_usage: true } });
for await (const chunk of stream) {
  result.streamed.chunks++;
  result.streamed.text += chunk.choices[0]?.delta?.content ?? "";
  result.streamed.usage ??= chunk.usage;
  result.streamed.koinon ??= chunk.koinon;
}

for (const answer of [result.whole, result.streamed]) {
  const kept = await client.get(`/receipts/${answer.koinon.receipt}`);
  answer.receipt = kept.receipt;
}
console.log(JSON.stringify(result));
