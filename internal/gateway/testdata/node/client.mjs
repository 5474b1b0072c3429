// Uses the gateway as any program would, through OpenAI's own client, and
// prints what it got as one JSON object.
import OpenAI from "openai";

const client = new OpenAI({ maxRetries: 0 }); // address and key from the environment
const messages = [{ role: "user", content: "hello" }];
const result = { errors: {} };

const chat = await client.chat.completions.create({ model: "bard", messages, seed: 7, max_tokens: 50 });
result.chat = chat.choices[0].message.content;
result.receipt = chat.koinon.receipt;

result.stream = "";
const stream = await client.chat.completions.create({
  model: "bard", messages, stream: true, stream_options: { include_usage: true },
});
for await (const chunk of stream) {
  result.stream += chunk.choices[0]?.delta?.content ?? "";
  if (chunk.usage) result.usage = chunk.usage.completion_tokens;
}

const completion = await client.completions.create({ model: "bard@2", prompt: "Once", stop: [","] });
result.completion = completion.choices[0].text;

result.models = [];
for await (const model of client.models.list()) result.models.push(model.id);

const failing = [
  [{ apiKey: "sk-wrong" }, {}],
  [{ apiKey: process.env.POOR_KEY }, {}],
  [{}, { model: "nobody" }],
  [{}, { max_tokens: 4096 }],
];
for (const [options, change] of failing) {
  try {
    await new OpenAI({ maxRetries: 0, ...options }).chat.completions.create({ model: "bard", messages, ...change });
  } catch (error) {
    result.errors[error.code] = error.status;
  }
}
console.log(JSON.stringify(result));
