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

const response = await client.responses.create({
  model: request.model, input: request.messages[0].content, max_output_tokens: 40, temperature: 0.7,
}, { headers: { "Idempotency-Key": "response" } });
result.response = {
  text: response.output_text, koinon: response.koinon,
  usage: { prompt_tokens: response.usage.input_tokens, completion_tokens: response.usage.output_tokens, total_tokens: response.usage.total_tokens },
};
const again = await client.responses.create({
  model: request.model, input: request.messages[0].content, max_output_tokens: 40, temperature: 0.7,
}, { headers: { "Idempotency-Key": "response" } });
result.repeated = again.id === response.id && again.output_text === response.output_text;

const embedded = await client.embeddings.create({ model: request.model, input: ["Once more", "unto the breach"] });
result.vectors = embedded.data.map((entry) => entry.embedding.length);

for (const answer of [result.whole, result.streamed, result.response]) {
  const kept = await client.get(`/receipts/${answer.koinon.receipt}`);
  answer.receipt = kept.receipt;
}
console.log(JSON.stringify(result));
